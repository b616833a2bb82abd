"""Settings of buckets: kept, replaced, removed; what is refused."""
from base import ApiTest
from wire import Request


class Settings(ApiTest):
    def setUp(self):
        self.b = {"Bucket": self.bucket}

    def test_tagging(self):
        s3, b = self.s3, self.b
        self.refused(404, "NoSuchTagSet", s3.get_bucket_tagging, **b)
        tags = [{"Key": "Hello", "Value": "World"}, {"Key": "empty", "Value": ""}]
        self.assertEqual(s3.put_bucket_tagging(Tagging={"TagSet": tags}, **b)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(s3.get_bucket_tagging(**b)["TagSet"], tags)
        fifty = [{"Key": f"k{i}", "Value": "v"} for i in range(50)]
        s3.put_bucket_tagging(Tagging={"TagSet": fifty}, **b)
        self.assertEqual(s3.get_bucket_tagging(**b)["TagSet"], fifty)
        self.refused(400, "BadRequest", s3.put_bucket_tagging, Tagging={"TagSet": fifty + tags}, **b)
        self.refused(400, "InvalidTag", s3.put_bucket_tagging, Tagging={"TagSet": [tags[0], tags[0]]}, **b)
        self.assertEqual(s3.get_bucket_tagging(**b)["TagSet"], fifty)
        self.assertEqual(s3.delete_bucket_tagging(**b)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(404, "NoSuchTagSet", s3.get_bucket_tagging, **b)
        self.assertEqual(s3.delete_bucket_tagging(**b)["ResponseMetadata"]["HTTPStatusCode"], 204)

    def test_encryption(self):
        s3, b = self.s3, self.b

        def configuration(**by_default):
            return {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": False}]}
        self.refused(404, "ServerSideEncryptionConfigurationNotFoundError", s3.get_bucket_encryption, **b)
        s3.put_bucket_encryption(ServerSideEncryptionConfiguration=configuration(SSEAlgorithm="AES256"), **b)
        self.assertEqual(s3.get_bucket_encryption(**b)["ServerSideEncryptionConfiguration"], configuration(SSEAlgorithm="AES256"))
        for status, code, how in ((501, "NotImplemented", {"SSEAlgorithm": "aws:kms"}), (400, "MalformedXML", {"SSEAlgorithm": "rot13"}),
                                  (400, "InvalidArgument", {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "k"})):
            self.refused(status, code, s3.put_bucket_encryption, ServerSideEncryptionConfiguration=configuration(**how), **b)
        s3.delete_bucket_encryption(**b)
        self.refused(404, "ServerSideEncryptionConfigurationNotFoundError", s3.get_bucket_encryption, **b)

    def test_encryption_of_objects(self):
        s3, b = self.s3, self.b
        asked = {"ServerSideEncryption": "AES256"}
        for answer in (s3.put_object(Key="e", Body=b"x", **asked, **b), s3.put_object(Key="e", Body=b"x", **b), s3.head_object(Key="e", **b),
                       s3.get_object(Key="e", **b), s3.copy_object(Key="f", CopySource=f"{self.bucket}/e", **asked, **b)):
            self.assertEqual(answer["ServerSideEncryption"], "AES256")
        upload = s3.create_multipart_upload(Key="m", **asked, **b)
        self.assertEqual(upload["ServerSideEncryption"], "AES256")
        more = {"Key": "m", "UploadId": upload["UploadId"], **b}
        part = s3.upload_part(PartNumber=1, Body=b"x", **more)
        self.assertEqual(part["ServerSideEncryption"], "AES256")
        done = s3.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **more)
        self.assertEqual(done["ServerSideEncryption"], "AES256")
        self.refused(501, "NotImplemented", s3.put_object, Key="no", Body=b"x", ServerSideEncryption="aws:kms", **b)
        self.refused(501, "NotImplemented", s3.put_object, Key="no", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32, **b) \
            if self.s3.meta.endpoint_url.startswith("https") else None
        for method, headers in (("PUT", {"x-amz-server-side-encryption": "aes:kms"}), ("GET", {"x-amz-server-side-encryption": "AES256"}),
                                ("PUT", {"x-amz-server-side-encryption-aws-kms-key-id": "k"}),
                                ("PUT", {"x-amz-server-side-encryption-aws-kms-key-id": "k", "x-amz-server-side-encryption": "AES256"})):
            self.expect(Request(method, self.target("no"), b"" if method == "PUT" else None, headers).send(), 400, "InvalidArgument")
        self.nothing_there("no")

    def test_public_access_block(self):
        s3, b = self.s3, self.b
        self.refused(404, "NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, **b)
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        for true in ((), names[:1], names[1:3], names):
            given = {n: n in true for n in names}
            s3.put_public_access_block(PublicAccessBlockConfiguration=given, **b)
            self.assertEqual(s3.get_public_access_block(**b)["PublicAccessBlockConfiguration"], given)
        s3.put_public_access_block(PublicAccessBlockConfiguration={"BlockPublicPolicy": True}, **b)
        self.assertEqual(s3.get_public_access_block(**b)["PublicAccessBlockConfiguration"], {n: n == "BlockPublicPolicy" for n in names})
        s3.delete_public_access_block(**b)
        self.refused(404, "NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, **b)

    def test_ownership(self):
        s3, b = self.s3, self.b

        def controls(ownership):
            return {"Rules": [{"ObjectOwnership": ownership}]}
        s3.put_bucket_ownership_controls(OwnershipControls=controls("BucketOwnerEnforced"), **b)
        self.assertEqual(s3.get_bucket_ownership_controls(**b)["OwnershipControls"], controls("BucketOwnerEnforced"))
        self.refused(501, "NotImplemented", s3.put_bucket_ownership_controls, OwnershipControls=controls("ObjectWriter"), **b)
        self.refused(400, "MalformedXML", s3.put_bucket_ownership_controls, OwnershipControls=controls("Nobody"), **b)
        self.assertEqual(s3.get_bucket_ownership_controls(**b)["OwnershipControls"], controls("BucketOwnerEnforced"))
        s3.delete_bucket_ownership_controls(**b)
        self.refused(404, "OwnershipControlsNotFoundError", s3.get_bucket_ownership_controls, **b)

    def test_what_is_off(self):
        s3, b = self.s3, self.b
        s3.put_bucket_request_payment(RequestPaymentConfiguration={"Payer": "BucketOwner"}, **b)
        self.refused(501, "NotImplemented", s3.put_bucket_request_payment, RequestPaymentConfiguration={"Payer": "Requester"}, **b)
        self.refused(400, "MalformedXML", s3.put_bucket_request_payment, RequestPaymentConfiguration={"Payer": "Nobody"}, **b)
        self.assertEqual(s3.get_bucket_request_payment(**b)["Payer"], "BucketOwner")
        s3.put_bucket_logging(BucketLoggingStatus={}, **b)
        self.refused(501, "NotImplemented", s3.put_bucket_logging,
                     BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "t", "TargetPrefix": "p"}}, **b)
        self.assertEqual(s3.delete_bucket_website(**b)["ResponseMetadata"]["HTTPStatusCode"], 204)

    def test_malformed(self):
        for query in ("tagging", "cors", "encryption", "publicAccessBlock", "ownershipControls", "requestPayment", "logging"):
            for body in (b"", b"<a/>", b"<a>", b"<!DOCTYPE a><a/>"):
                self.expect(Request("PUT", f"/{self.bucket}?{query}", body).send(), 400, "MalformedXML")
            self.expect(Request("PUT", f"/{self.bucket}?{query}", b"x" * 65537).send(), 400, "MaxMessageLengthExceeded")
        unknown = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value><More/></Tag></TagSet></Tagging>"
        self.expect(Request("PUT", f"/{self.bucket}?tagging", unknown).send(), 400, "MalformedXML")
        good = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
        self.expect(Request("PUT", "/t-nobody-has-it?tagging", good).send(), 404, "NoSuchBucket")
        for method in ("GET", "DELETE"):
            self.expect(Request(method, "/t-nobody-has-it?tagging").send(), 404, "NoSuchBucket")

    def test_all_at_once_and_versioning(self):
        name = self.new_bucket_name()
        self.s3.create_bucket(Bucket=name)
        self.addCleanup(self.remove_bucket, name)
        tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
        self.s3.put_bucket_tagging(Bucket=name, Tagging=tags)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=name)["Status"], "Enabled")
        self.assertEqual(self.s3.get_bucket_tagging(Bucket=name)["TagSet"], tags["TagSet"])
        self.s3.delete_bucket_tagging(Bucket=name)
        self.assertTrue(self.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["BlockPublicAcls"])

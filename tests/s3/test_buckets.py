"""Buckets and what tools ask about them."""
from base import ApiTest, client
from wire import Request

import wire


class Buckets(ApiTest):
    def test_life(self):
        name = self.new_bucket_name()
        self.assertEqual(self.s3.create_bucket(Bucket=name)["Location"], f"/{name}")
        self.s3.create_bucket(Bucket=name)  # one's own, in us-east-1
        head = self.s3.head_bucket(Bucket=name)
        self.assertEqual(head["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"], "us-east-1")
        self.s3.put_object(Bucket=name, Key="k", Body=b"x")
        self.refused(409, "BucketNotEmpty", self.s3.delete_bucket, Bucket=name)
        self.s3.delete_object(Bucket=name, Key="k")
        self.assertEqual(self.s3.delete_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(404, "NoSuchBucket", self.s3.delete_bucket, Bucket=name)
        self.refused(404, "404", self.s3.head_bucket, Bucket=name)
        self.refused(404, "NoSuchBucket", self.s3.list_objects_v2, Bucket=name)
        self.refused(404, "NoSuchBucket", self.s3.put_object, Bucket=name, Key="k", Body=b"x")

    def test_list_is_sorted_and_owned(self):
        names = sorted(self.new_bucket_name() for _ in range(3))
        for name in reversed(names):
            self.s3.create_bucket(Bucket=name)
        answer = self.s3.list_buckets()
        listed = [b["Name"] for b in answer["Buckets"]]
        self.assertEqual(listed, sorted(listed))
        self.assertLessEqual(set(names), set(listed))
        self.assertRegex(answer["Owner"]["ID"], "^[0-9a-f]{64}$")
        for name in names:
            self.s3.delete_bucket(Bucket=name)

    def test_names(self):
        for name in ["Ab1", "ab", "a..b", "192.168.1.1", "a_b", "healthz", "metrics", "readyz", "x" * 64]:
            answer = Request("PUT", f"/{name}").send()
            # the server answers these three paths itself, whatever the method
            if name in ("healthz", "metrics", "readyz"):
                self.assertIn(answer.status, (400, 405))
            else:
                self.expect(answer, 400, "InvalidBucketName")

    def test_location_constraint(self):
        name = self.new_bucket_name()
        self.refused(400, "IllegalLocationConstraintException", self.s3.create_bucket, Bucket=name,
                     CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.refused(404, "404", self.s3.head_bucket, Bucket=name)
        self.assertIsNone(self.s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"])

    def test_statements(self):
        s3, b = self.s3, {"Bucket": self.bucket}
        self.assertNotIn("Status", s3.get_bucket_versioning(**b))
        self.assertEqual([g["Permission"] for g in s3.get_bucket_acl(**b)["Grants"]], ["FULL_CONTROL"])
        self.assertEqual(s3.get_bucket_request_payment(**b)["Payer"], "BucketOwner")
        self.assertNotIn("LoggingEnabled", s3.get_bucket_logging(**b))
        for function, code in [(s3.get_bucket_policy, "NoSuchBucketPolicy"), (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
                               (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
                               (s3.get_bucket_tagging, "NoSuchTagSet"), (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
                               (s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"),
                               (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
                               (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
                               (s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration"),
                               (s3.get_bucket_ownership_controls, "OwnershipControlsNotFoundError")]:
            self.refused(404, code, function, **b)

    def test_not_offered(self):
        s3, b = self.s3, {"Bucket": self.bucket}
        self.refused(400, "MalformedPolicy", s3.put_bucket_policy, Policy="{}", **b)

    def test_methods(self):
        self.expect(Request("POST", "/").send(), 405, "MethodNotAllowed")
        self.expect(Request("POST", self.target("key"), b"").send(), 405, "MethodNotAllowed")
        self.expect(Request("OPTIONS", self.target("key"), signed=False,
                            headers={"origin": "https://a", "access-control-request-method": "GET"}).send(), 403, "AccessForbidden")

    def test_expected_owner(self):
        s3 = client()
        self.refused(403, "AccessDenied", s3.list_objects_v2, Bucket=self.bucket, ExpectedBucketOwner="111122223333")
        owner = s3.list_buckets()["Owner"]["ID"]
        self.assertEqual(s3.list_objects_v2(Bucket=self.bucket, ExpectedBucketOwner=owner)["KeyCount"], 0)


class Regions(ApiTest):
    def test_virtual_host_needs_a_domain(self):
        # without --domain a Host of any name is path style
        answer = Request("GET", f"/{self.bucket}?location", headers={"host": f"{self.bucket}.s3.example.org:{wire.PORT}"}).send()
        self.expect(answer, 200)

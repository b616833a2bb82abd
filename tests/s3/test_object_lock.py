"""Object lock: defaults of buckets, retention and legal holds of versions, and that nothing gets around them."""
import datetime

from base import ApiTest
from wire import Request, md5_text

UTC = datetime.timezone.utc
FAR = datetime.datetime(2140, 1, 1, 0, 0, 0, tzinfo=UTC)
NEAR = datetime.datetime(2030, 1, 1, 0, 0, 0, tzinfo=UTC)


class LockTest(ApiTest):
    """A bucket with object lock; what is locked for good stays behind in it, with the appliance."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.locked = cls.new_bucket_name()
        cls.s3.create_bucket(Bucket=cls.locked, ObjectLockEnabledForBucket=True)

    def put(self, key, body=b"x", **more):
        return self.s3.put_object(Bucket=self.locked, Key=key, Body=body, **more)["VersionId"]

    def retention(self, key, version=None, **more):
        if version:
            more["VersionId"] = version
        return self.s3.get_object_retention(Bucket=self.locked, Key=key, **more)["Retention"]

    def retain(self, key, mode, until, **more):
        return self.s3.put_object_retention(Bucket=self.locked, Key=key, Retention={"Mode": mode, "RetainUntilDate": until}, **more)

    def not_retained(self, key, mode, until, **more):
        self.refused(403, "AccessDenied", self.retain, key=key, mode=mode, until=until, **more)

    def hold(self, key, hold, **more):
        self.s3.put_object_legal_hold(Bucket=self.locked, Key=key, LegalHold={"Status": hold}, **more)

    def delete(self, key, version, **more):
        return self.s3.delete_object(Bucket=self.locked, Key=key, VersionId=version, **more)

    def not_deleted(self, key, version, **more):
        self.refused(403, "AccessDenied", self.delete, key=key, version=version, **more)
        self.s3.head_object(Bucket=self.locked, Key=key, VersionId=version)

    def gone(self, key, version):
        self.refused(404, "404", self.s3.head_object, Bucket=self.locked, Key=key, VersionId=version)


class Buckets(LockTest):
    def configure(self, bucket=None, **default):
        configuration = {"ObjectLockEnabled": "Enabled"}
        if default:
            configuration["Rule"] = {"DefaultRetention": default}
        self.s3.put_object_lock_configuration(Bucket=bucket or self.locked, ObjectLockConfiguration=configuration)
        return configuration

    def configuration(self):
        return self.s3.get_object_lock_configuration(Bucket=self.locked)["ObjectLockConfiguration"]

    def test_configuration(self):
        self.assertEqual(self.s3.get_bucket_versioning(Bucket=self.locked)["Status"], "Enabled")
        self.assertEqual(self.configuration(), {"ObjectLockEnabled": "Enabled"})
        for default in ({"Mode": "GOVERNANCE", "Days": 1}, {"Mode": "COMPLIANCE", "Years": 1}, {"Mode": "COMPLIANCE", "Days": 365},
                        {"Mode": "GOVERNANCE", "Days": 36500}, {"Mode": "GOVERNANCE", "Years": 100}, {}):
            given = self.configure(**default)
            self.assertEqual(self.configuration(), given)

    def test_refused(self):
        for code, default in (("InvalidRetentionPeriod", {"Mode": "GOVERNANCE", "Days": 0}), ("InvalidRetentionPeriod", {"Mode": "GOVERNANCE", "Years": -1}),
                              ("InvalidRetentionPeriod", {"Mode": "GOVERNANCE", "Days": 36501}), ("InvalidRetentionPeriod", {"Mode": "COMPLIANCE", "Years": 101}),
                              ("MalformedXML", {"Mode": "GOVERNANCE", "Days": 1, "Years": 1}), ("MalformedXML", {"Mode": "GOVERNANCE"}),
                              ("MalformedXML", {"Mode": "abc", "Days": 1}), ("MalformedXML", {"Mode": "governance", "Days": 1}), ("MalformedXML", {"Days": 1})):
            self.refused(400, code, self.configure, **default)
        self.refused(400, "MalformedXML", self.s3.put_object_lock_configuration, Bucket=self.locked,
                     ObjectLockConfiguration={"ObjectLockEnabled": "Disabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}})
        self.refused(409, "InvalidBucketState", self.s3.put_bucket_versioning, Bucket=self.locked, VersioningConfiguration={"Status": "Suspended"})
        self.s3.put_bucket_versioning(Bucket=self.locked, VersioningConfiguration={"Status": "Enabled"})
        self.refused(404, "NoSuchBucket", self.configure, bucket="t-nobody-has-it", Mode="GOVERNANCE", Days=1)

    def test_bucket_made_without(self):
        name = self.new_bucket_name()
        self.s3.create_bucket(Bucket=name)
        self.addCleanup(self.remove_bucket, name)
        self.refused(404, "ObjectLockConfigurationNotFoundError", self.s3.get_object_lock_configuration, Bucket=name)
        self.refused(409, "InvalidBucketState", self.configure, bucket=name, Mode="GOVERNANCE", Days=1)
        self.refused(409, "BucketAlreadyOwnedByYou", self.s3.create_bucket, Bucket=name, ObjectLockEnabledForBucket=True)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
        self.refused(409, "InvalidBucketState", self.configure, bucket=name)
        self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self.configure(bucket=name, Mode="GOVERNANCE", Days=1)
        self.refused(409, "InvalidBucketState", self.s3.put_bucket_versioning, Bucket=name, VersioningConfiguration={"Status": "Suspended"})
        version = self.s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
        self.refused(403, "AccessDenied", self.s3.delete_object, Bucket=name, Key="k", VersionId=version)

    def test_default_retention(self):
        before = datetime.datetime.now(UTC)
        for default, days in (({"Mode": "GOVERNANCE", "Days": 2}, 2), ({"Mode": "COMPLIANCE", "Years": 100}, 36500)):
            self.configure(**default)
            self.addCleanup(self.configure)
            key = f"default-{days}"
            versions = [self.put(key)]
            versions.append(self.s3.copy_object(Bucket=self.locked, Key=key, CopySource=f"{self.locked}/{key}", MetadataDirective="REPLACE")["VersionId"])
            upload = self.s3.create_multipart_upload(Bucket=self.locked, Key=key)["UploadId"]
            part = self.s3.upload_part(Bucket=self.locked, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
            versions.append(self.s3.complete_multipart_upload(Bucket=self.locked, Key=key, UploadId=upload, MultipartUpload={
                "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})["VersionId"])
            for version in versions:
                got = self.retention(key, version)
                self.assertEqual(got["Mode"], default["Mode"])
                self.assertLess(abs(got["RetainUntilDate"] - before - datetime.timedelta(days=days)), datetime.timedelta(minutes=10))
                self.not_deleted(key, version)
            own = self.put(key, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=NEAR)
            self.assertEqual(self.retention(key, own), {"Mode": "GOVERNANCE", "RetainUntilDate": NEAR})
            self.retain(key, "GOVERNANCE", FAR, VersionId=own)
            self.assertEqual(self.retention(key, own)["RetainUntilDate"], FAR)
            marker = self.s3.delete_object(Bucket=self.locked, Key=key)["VersionId"]
            self.delete(key, marker)


class Objects(LockTest):
    def test_with_the_object(self):
        lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": FAR, "ObjectLockLegalHoldStatus": "ON"}
        version = self.put("with", ContentMD5=md5_text(b"x"), **lock)
        for answer in (self.s3.head_object(Bucket=self.locked, Key="with"), self.s3.get_object(Bucket=self.locked, Key="with", VersionId=version)):
            self.assertEqual({n: answer[n] for n in lock}, lock)
        self.not_deleted("with", version, BypassGovernanceRetention=True)
        self.hold("with", "OFF")
        self.assertNotIn("ObjectLockLegalHoldStatus", self.s3.head_object(Bucket=self.locked, Key="with"))
        self.not_deleted("with", version)
        self.not_deleted("with", version, BypassGovernanceRetention=False)
        self.delete("with", version, BypassGovernanceRetention=True)
        self.gone("with", version)

    def test_copy_and_multipart(self):
        self.put("source", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=NEAR)
        copy = self.s3.copy_object(Bucket=self.locked, Key="copy", CopySource=f"{self.locked}/source")["VersionId"]
        self.refused(404, "NoSuchObjectLockConfiguration", self.retention, key="copy")
        self.delete("copy", copy)
        copy = self.s3.copy_object(Bucket=self.locked, Key="copy", CopySource=f"{self.locked}/source", ObjectLockMode="COMPLIANCE",
                                   ObjectLockRetainUntilDate=FAR)["VersionId"]
        self.assertEqual(self.retention("copy"), {"Mode": "COMPLIANCE", "RetainUntilDate": FAR})
        self.not_deleted("copy", copy, BypassGovernanceRetention=True)
        upload = self.s3.create_multipart_upload(Bucket=self.locked, Key="parts", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=FAR,
                                                 ObjectLockLegalHoldStatus="ON")["UploadId"]
        part = self.s3.upload_part(Bucket=self.locked, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
        version = self.s3.complete_multipart_upload(Bucket=self.locked, Key="parts", UploadId=upload, MultipartUpload={
            "Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})["VersionId"]
        self.assertEqual(self.retention("parts", version), {"Mode": "COMPLIANCE", "RetainUntilDate": FAR})
        self.assertEqual(self.s3.get_object_legal_hold(Bucket=self.locked, Key="parts")["LegalHold"], {"Status": "ON"})
        self.not_deleted("parts", version, BypassGovernanceRetention=True)

    def test_governance(self):
        version = self.put("governance")
        self.refused(404, "NoSuchObjectLockConfiguration", self.retention, key="governance")
        self.retain("governance", "GOVERNANCE", NEAR, VersionId=version)
        self.retain("governance", "GOVERNANCE", FAR)
        self.not_retained("governance", "GOVERNANCE", NEAR)
        self.not_retained("governance", "COMPLIANCE", FAR)
        self.assertEqual(self.retention("governance"), {"Mode": "GOVERNANCE", "RetainUntilDate": FAR})
        self.retain("governance", "GOVERNANCE", NEAR, BypassGovernanceRetention=True)
        self.assertEqual(self.retention("governance"), {"Mode": "GOVERNANCE", "RetainUntilDate": NEAR})
        target = f"/{self.locked}/governance?retention"
        self.expect(Request("PUT", target, b"<Retention/>").send(), 403, "AccessDenied")
        self.expect(Request("PUT", target, b"<Retention/>", {"x-amz-bypass-governance-retention": "true"}).send(), 200)
        self.refused(404, "NoSuchObjectLockConfiguration", self.retention, key="governance")
        self.delete("governance", version)

    def test_compliance(self):
        version = self.put("compliance")
        self.retain("compliance", "COMPLIANCE", NEAR)
        for more in ({}, {"BypassGovernanceRetention": True}):
            self.not_retained("compliance", "COMPLIANCE", NEAR - datetime.timedelta(seconds=1), **more)
            self.not_retained("compliance", "GOVERNANCE", FAR, **more)
            self.not_deleted("compliance", version, **more)
        self.retain("compliance", "COMPLIANCE", FAR)
        self.assertEqual(self.retention("compliance"), {"Mode": "COMPLIANCE", "RetainUntilDate": FAR})
        self.put("compliance", b"newer")
        self.s3.delete_object(Bucket=self.locked, Key="compliance")
        self.assertEqual(self.s3.get_object(Bucket=self.locked, Key="compliance", VersionId=version)["Body"].read(), b"x")
        self.refused(409, "BucketNotEmpty", self.s3.delete_bucket, Bucket=self.locked)
        last = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        self.retain("compliance", "COMPLIANCE", last, VersionId=version)
        self.assertEqual(self.retention("compliance", version)["RetainUntilDate"], last)

    def test_legal_hold(self):
        version = self.put("hold")
        for status in ("ON", "OFF", "ON"):
            self.hold("hold", status)
            self.assertEqual(self.s3.get_object_legal_hold(Bucket=self.locked, Key="hold", VersionId=version)["LegalHold"], {"Status": status})
        self.not_deleted("hold", version, BypassGovernanceRetention=True)
        self.retain("hold", "GOVERNANCE", NEAR)
        self.s3.put_object_tagging(Bucket=self.locked, Key="hold", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
        self.hold("hold", "OFF", VersionId=version)
        self.assertEqual(self.retention("hold"), {"Mode": "GOVERNANCE", "RetainUntilDate": NEAR})
        self.assertEqual(len(self.s3.get_object_tagging(Bucket=self.locked, Key="hold")["TagSet"]), 1)
        self.not_deleted("hold", version)
        self.delete("hold", version, BypassGovernanceRetention=True)

    def test_delete_objects(self):
        free, held = self.put("many"), self.put("many", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=NEAR)
        request = {"Objects": [{"Key": "many", "VersionId": v} for v in (free, held)]}
        answer = self.s3.delete_objects(Bucket=self.locked, Delete=request)
        self.assertEqual([(e["VersionId"], e["Code"]) for e in answer["Errors"]], [(held, "AccessDenied")])
        self.assertEqual([d["VersionId"] for d in answer["Deleted"]], [free])
        self.assertNotIn("Errors", self.s3.delete_objects(Bucket=self.locked, Delete=request, BypassGovernanceRetention=True))
        self.gone("many", held)

    def test_refused(self):
        self.put("refused")
        past = datetime.datetime(2020, 1, 1, tzinfo=UTC)
        for lock in ({"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockRetainUntilDate": FAR}, {"ObjectLockMode": "abc", "ObjectLockRetainUntilDate": FAR},
                     {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": past}, {"ObjectLockLegalHoldStatus": "abc"}):
            self.refused(400, "InvalidArgument", self.put, key="never", **lock)
            self.refused(400, "InvalidArgument", self.s3.create_multipart_upload, Bucket=self.locked, Key="never", **lock)
        self.refused(400, "InvalidArgument", self.retain, key="refused", mode="GOVERNANCE", until=past)
        self.refused(400, "MalformedXML", self.retain, key="refused", mode="governance", until=FAR)
        self.refused(400, "MalformedXML", self.hold, key="refused", hold="abc")
        for body in (b"<Retention><Mode>GOVERNANCE</Mode></Retention>", b"<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate></Retention>"):
            self.expect(Request("PUT", f"/{self.locked}/refused?retention", body).send(), 400, "MalformedXML")
        self.refused(404, "NoSuchKey", self.retain, key="none", mode="GOVERNANCE", until=FAR)
        self.refused(404, "NoSuchKey", self.hold, key="none", hold="ON")
        self.refused(404, "NoSuchKey", self.retention, key="none")
        self.refused(404, "NoSuchVersion", self.retain, key="refused", mode="GOVERNANCE", until=FAR, VersionId="0" * 31 + "1")
        marker = self.s3.delete_object(Bucket=self.locked, Key="refused")["VersionId"]
        self.refused(405, "MethodNotAllowed", self.retain, key="refused", mode="GOVERNANCE", until=FAR, VersionId=marker)
        answer = Request("PUT", f"/{self.locked}/p?partNumber=1&uploadId=" + "0" * 32, b"x", {"x-amz-object-lock-legal-hold": "ON"}).send()
        self.expect(answer, 501, "NotImplemented")

    def test_bucket_without(self):
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"x")
        where = {"Bucket": self.bucket, "Key": "k"}
        lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": FAR}
        for function, more in ((self.s3.put_object, {"Body": b"y", **lock}), (self.s3.put_object, {"Body": b"y", "ObjectLockLegalHoldStatus": "ON"}),
                               (self.s3.copy_object, {"CopySource": f"{self.locked}/there", **lock}), (self.s3.create_multipart_upload, lock),
                               (self.s3.put_object_retention, {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": FAR}}), (self.s3.get_object_retention, {}),
                               (self.s3.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}), (self.s3.get_object_legal_hold, {})):
            self.put("there")
            self.refused(400, "InvalidRequest", function, **where, **more)
        self.assertEqual(self.s3.get_object(**where)["Body"].read(), b"x")


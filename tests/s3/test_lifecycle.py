"""Lifecycle: configurations kept and refused as S3 does, and carried out: a day has a second here (run.py)."""
import datetime
import email.utils
import os
import re
import sys

from base import ApiTest
from wire import Request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import wait_until  # noqa: E402

DEADLINE_S = 60
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


def rule(name="r", prefix="", status="Enabled", **actions):
    return {"ID": name, "Filter": {"Prefix": prefix}, "Status": status, **actions}


class LifecycleTest(ApiTest):
    def setUp(self):
        self.name = self.new_bucket_name()
        self.s3.create_bucket(Bucket=self.name)

    def tearDown(self):
        self.s3.delete_bucket_lifecycle(Bucket=self.name)
        self.remove_bucket(self.name)

    def configure(self, *rules):
        return self.s3.put_bucket_lifecycle_configuration(Bucket=self.name, LifecycleConfiguration={"Rules": list(rules)})

    def rules(self):
        return self.s3.get_bucket_lifecycle_configuration(Bucket=self.name)["Rules"]


class Configuration(LifecycleTest):
    def test_life(self):
        self.refused(404, "NoSuchLifecycleConfiguration", self.rules)
        given = [rule("a", "logs/", Expiration={"Days": 10000}), rule("b & <c>", "x", "Disabled", Expiration={"Date": PAST}),
                 {"ID": "old", "Prefix": "old/", "Status": "Disabled", "Expiration": {"Days": 7}},
                 {"ID": "tag", "Filter": {"Tag": {"Key": "k", "Value": ""}}, "Status": "Enabled", "Expiration": {"Days": 20000}},
                 {"ID": "and", "Filter": {"And": {"Prefix": "p", "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}],
                                                  "ObjectSizeGreaterThan": 10, "ObjectSizeLessThan": 12}}, "Status": "Enabled", "Expiration": {"Days": 30000}},
                 {"ID": "size", "Filter": {"ObjectSizeLessThan": 1}, "Status": "Disabled", "Expiration": {"Days": 30000}},
                 rule("versions", "v", NoncurrentVersionExpiration={"NoncurrentDays": 30000, "NewerNoncurrentVersions": 3}),
                 rule("markers", "m", Expiration={"ExpiredObjectDeleteMarker": True}),
                 rule("uploads", "u", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 30000}),
                 rule("cold", "c", Transitions=[{"Days": 0, "StorageClass": "GLACIER"}, {"Date": PAST, "StorageClass": "DEEP_ARCHIVE"}],
                      NoncurrentVersionTransitions=[{"NoncurrentDays": 30, "StorageClass": "GLACIER_IR"}])]
        self.configure(*given)
        self.assertEqual(self.rules(), given)
        self.configure(given[0])
        self.assertEqual(self.rules(), given[:1])
        self.assertEqual(self.s3.delete_bucket_lifecycle(Bucket=self.name)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(404, "NoSuchLifecycleConfiguration", self.rules)

    def test_ids_are_made(self):
        self.configure({"Prefix": "a", "Status": "Disabled", "Expiration": {"Days": 1}}, {"Prefix": "b", "Status": "Disabled", "Expiration": {"Days": 1}})
        ids = [r["ID"] for r in self.rules()]
        self.assertEqual(len(set(ids)), 2)
        self.assertTrue(all(ids))

    def test_refused(self):
        good = rule(Expiration={"Days": 10000})
        self.configure(good)
        expires = {"Expiration": {"Days": 1}}
        for code, rules in (
                ("InvalidArgument", [rule("i" * 256, **expires)]), ("InvalidArgument", [good, good]), ("MalformedXML", [rule(status="enabled", **expires)]),
                ("MalformedXML", [rule(status="invalid", **expires)]), ("InvalidArgument", [rule(Expiration={"Days": 0})]),
                ("InvalidArgument", [rule(Expiration={"Days": -1})]), ("InvalidRequest", [rule()]),
                ("MalformedXML", [rule(Expiration={"Days": 1, "Date": PAST})]), ("MalformedXML", [rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})]),
                ("MalformedXML", [{"ID": "r", "Status": "Enabled", **expires}]), ("MalformedXML", [{**good, "Prefix": "p"}]),
                ("InvalidArgument", [rule(Expiration={"Date": PAST + datetime.timedelta(hours=1)})]),
                ("InvalidArgument", [rule(NoncurrentVersionExpiration={"NoncurrentDays": 0})]),
                ("InvalidArgument", [rule(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})]),
                ("InvalidArgument", [rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 0})]),
                ("InvalidRequest", [{**rule(AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}), "Filter": {"Tag": {"Key": "a", "Value": "b"}}}]),
                ("InvalidRequest", [{**rule(Expiration={"ExpiredObjectDeleteMarker": True}), "Filter": {"Tag": {"Key": "a", "Value": "b"}}}]),
                ("InvalidRequest", [{**good, "Filter": {"And": {"ObjectSizeGreaterThan": 5, "ObjectSizeLessThan": 6}}}]),
                ("MalformedXML", [rule(Transitions=[{"Days": 1, "StorageClass": "ICE"}])]),
                ("MalformedXML", [rule(Transitions=[{"Days": 1, "Date": PAST, "StorageClass": "GLACIER"}])])):
            self.refused(400, code, lambda rules=rules: self.configure(*rules))
        self.refused(400, "MalformedXML", lambda: self.configure(*[rule(f"r{i}", **expires) for i in range(1001)]))
        for body in (b"", b"<LifecycleConfiguration/>", b"<LifecycleConfiguration><Rule><Days>1</Days></Rule></LifecycleConfiguration>",
                     b"<LifecycleConfiguration><Rule><Status>Enabled</Status><Prefix/><Expiration><Date>soon</Date></Expiration></Rule></LifecycleConfiguration>"):
            self.expect(Request("PUT", f"/{self.name}?lifecycle", body).send(), 400, "MalformedXML")
        self.assertEqual(self.rules(), [good])


class Execution(LifecycleTest):
    def put(self, key, body=b"x", **more):
        return self.s3.put_object(Bucket=self.name, Key=key, Body=body, **more)

    def listed(self):
        """[(key, "o" or "m")], newest versions first."""
        answer = self.s3.list_object_versions(Bucket=self.name)
        entries = [(e["Key"], e["LastModified"], "o") for e in answer.get("Versions", [])]
        entries += [(e["Key"], e["LastModified"], "m") for e in answer.get("DeleteMarkers", [])]
        return sorted((key, kind) for key, _, kind in entries)

    def until(self, what):
        wait_until(lambda: self.listed() == what, DEADLINE_S, f"{what}, not {self.listed()}")

    def test_current(self):
        for key in ("keep", "logs/a", "logs/b", "small"):
            self.put(key)
        self.put("large", b"x" * 100)
        self.put("tagged", Tagging="class=raw")
        self.configure(rule("a", "logs/", Expiration={"Days": 1}), rule("b", "keep", "Disabled", Expiration={"Days": 1}),
                       {**rule("c", Expiration={"Days": 1}), "Filter": {"ObjectSizeGreaterThan": 99}},
                       {**rule("d", Expiration={"Days": 1}), "Filter": {"Tag": {"Key": "class", "Value": "raw"}}})
        self.until([("keep", "o"), ("small", "o")])
        self.configure(rule("a", "small", Expiration={"Date": PAST}))
        self.until([("keep", "o")])

    def test_versions(self):
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        for _ in range(4):
            last = self.put("a")["VersionId"]
        self.put("b")
        self.configure(rule("n", "a", NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 1}), rule("e", "b", Expiration={"Days": 1}))
        self.until([("a", "o"), ("a", "o"), ("b", "m"), ("b", "o")])
        self.assertEqual(self.s3.head_object(Bucket=self.name, Key="a")["VersionId"], last)
        self.configure(rule("n", NoncurrentVersionExpiration={"NoncurrentDays": 1}, Expiration={"ExpiredObjectDeleteMarker": True}))
        self.until([("a", "o")])

    def test_locks(self):
        locked = self.new_bucket_name()
        self.s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
        self.remove_bucket(self.name)
        self.name = locked
        until = datetime.datetime(2140, 1, 1, tzinfo=datetime.timezone.utc)
        held = [self.put("held", ObjectLockLegalHoldStatus="ON")["VersionId"],
                self.put("held", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)["VersionId"]]
        self.put("held")
        self.put("free")
        self.put("free")
        self.configure(rule("n", NoncurrentVersionExpiration={"NoncurrentDays": 1}))
        self.until([("free", "o"), ("held", "o"), ("held", "o"), ("held", "o")])
        for version in held:
            self.s3.head_object(Bucket=self.name, Key="held", VersionId=version)
        self.s3.put_object_legal_hold(Bucket=self.name, Key="held", VersionId=held[0], LegalHold={"Status": "OFF"})
        self.until([("free", "o"), ("held", "o"), ("held", "o")])
        self.s3.head_object(Bucket=self.name, Key="held", VersionId=held[1])

    def test_uploads(self):
        gone = self.s3.create_multipart_upload(Bucket=self.name, Key="gone/a")["UploadId"]
        kept = self.s3.create_multipart_upload(Bucket=self.name, Key="kept")["UploadId"]
        self.s3.upload_part(Bucket=self.name, Key="gone/a", UploadId=gone, PartNumber=1, Body=b"x")
        self.configure(rule("u", "gone/", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}))

        def uploads():
            return [u["UploadId"] for u in self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", [])]
        wait_until(lambda: uploads() == [kept], DEADLINE_S, "the upload to be aborted")
        self.refused(404, "NoSuchUpload", self.s3.list_parts, Bucket=self.name, Key="gone/a", UploadId=gone)
        self.s3.abort_multipart_upload(Bucket=self.name, Key="kept", UploadId=kept)

    def test_header(self):
        day_s, days = 1, 50000
        self.configure(rule("b/c d", "logs/", Expiration={"Days": days}), rule("far", "logs/", Expiration={"Days": 2 * days}),
                       {**rule("raw", Expiration={"Days": days}), "Filter": {"Tag": {"Key": "class", "Value": "raw"}}})

        def told(answer):
            m = re.fullmatch(r'expiry-date="([^"]+)", rule-id="([^"]+)"', answer["Expiration"])
            return email.utils.parsedate_to_datetime(m.group(1)), m.group(2)
        answer = self.put("logs/a")
        head = self.s3.head_object(Bucket=self.name, Key="logs/a")
        date, name = told(head)
        self.assertEqual((told(answer), name), ((date, name), "b%2Fc%20d"))
        late = (date - head["LastModified"]).total_seconds() - days * day_s
        self.assertTrue(0 <= late <= 1, late)
        self.assertEqual(told(self.s3.get_object(Bucket=self.name, Key="logs/a")), (date, name))
        self.assertNotIn("Expiration", self.put("other"))
        self.assertNotIn("Expiration", self.s3.head_object(Bucket=self.name, Key="other"))
        self.assertEqual(told(self.put("other", Tagging="class=raw"))[1], "raw")
        self.assertEqual(told(self.s3.head_object(Bucket=self.name, Key="other"))[1], "raw")

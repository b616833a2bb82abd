"""PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects."""
import hashlib
import random

from base import ApiTest
from wire import Connection, Request, md5_text


class Objects(ApiTest):
    def test_sizes(self):
        source = random.Random(7).randbytes((1 << 20) + 4097)
        for size in [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 262143, 262144, 262145, 1 << 20, (1 << 20) + 1, (1 << 20) + 4097]:
            body = source[:size]
            answer = self.put("size", body)
            etag = f'"{hashlib.md5(body).hexdigest()}"'
            self.assertEqual(answer["ETag"], etag)
            got = self.s3.get_object(Bucket=self.bucket, Key="size")
            self.assertEqual((got["ContentLength"], got["ETag"], got["Body"].read() == body), (size, etag, True))
            self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="size")["ContentLength"], size)

    def test_large_object(self):
        piece = random.Random(8).randbytes(1 << 20)
        body = b"".join(bytes([i]) + piece[1:] for i in range(33)) + b"tail"
        self.put("large", body)
        self.assertEqual(hashlib.sha256(self.get("large")).digest(), hashlib.sha256(body).digest())
        for first, last in [(0, 0), ((1 << 20) - 1, 1 << 20), (5 << 20, (9 << 20) + 17), (33 << 20, (33 << 20) + 3)]:
            got = self.s3.get_object(Bucket=self.bucket, Key="large", Range=f"bytes={first}-{last}")
            self.assertEqual(got["ContentRange"], f"bytes {first}-{last}/{len(body)}")
            self.assertEqual(got["Body"].read(), body[first:last + 1])

    def test_keys(self):
        keys = ["plain", "a/b/c", "/leading", "trailing/", "double//slash", "./..", "é", "日本語", "space key", "plus+percent%",
                "?query#fragment", "quote'\"", "amp&<>", "tilde~!*'()", "\x01control", "new\nline", "k" * 1024, "𝄞", "a\\b", "%2F"]
        for key in keys:
            self.put(key, key.encode())
        for key in keys:
            self.assertEqual(self.get(key), key.encode())
        listed = [e["Key"] for p in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket) for e in p["Contents"]]
        self.assertLessEqual(set(keys), set(listed))
        self.assertEqual(listed, sorted(listed, key=lambda k: k.encode()))
        self.refused(400, "KeyTooLongError", self.s3.put_object, Bucket=self.bucket, Key="k" * 1025, Body=b"")

    def test_headers_and_metadata(self):
        self.put("meta", b"x", ContentType="application/dicom", CacheControl="no-store", ContentDisposition="attachment; filename=a",
                 ContentEncoding="gzip", ContentLanguage="fr", Expires="Thu, 01 Jan 2032 00:00:00 GMT",
                 Metadata={"study": "1.2.840", "Mixed-Case": "Value"}, ACL="private", StorageClass="STANDARD")
        head = self.s3.head_object(Bucket=self.bucket, Key="meta")
        self.assertEqual(head["ContentType"], "application/dicom")
        self.assertEqual(head["CacheControl"], "no-store")
        self.assertEqual(head["ContentDisposition"], "attachment; filename=a")
        self.assertEqual(head["ContentEncoding"], "gzip")
        self.assertEqual(head["ContentLanguage"], "fr")
        self.assertEqual(head["ResponseMetadata"]["HTTPHeaders"]["expires"], "Thu, 01 Jan 2032 00:00:00 GMT")
        self.assertEqual(head["Metadata"], {"study": "1.2.840", "mixed-case": "Value"})
        self.assertEqual(head["AcceptRanges"], "bytes")
        self.put("meta", b"y")
        head = self.s3.head_object(Bucket=self.bucket, Key="meta")
        self.assertEqual((head["Metadata"], head["ContentType"]), ({}, "binary/octet-stream"))

    def test_metadata_limit(self):
        self.put("limit", b"x", Metadata={"n" * 48: "v" * 2000})
        self.refused(400, "MetadataTooLarge", self.s3.put_object, Bucket=self.bucket, Key="limit2", Body=b"", Metadata={"n" * 48: "v" * 2001})
        self.nothing_there("limit2")

    def test_non_ascii_metadata_survives(self):
        answer = Request("PUT", self.target("utf8"), b"x", headers={"x-amz-meta-name": "Zoë"}).send()
        self.expect(answer, 200)
        head = Request("HEAD", self.target("utf8")).send()
        self.assertEqual(head.headers["x-amz-meta-name"].encode("latin-1").decode(), "Zoë")

    def test_overwrite_and_delete(self):
        self.put("over", b"one")
        self.put("over", b"two")
        self.assertEqual(self.get("over"), b"two")
        self.assertEqual(self.s3.delete_object(Bucket=self.bucket, Key="over")["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.s3.delete_object(Bucket=self.bucket, Key="over")["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(404, "NoSuchKey", self.s3.get_object, Bucket=self.bucket, Key="over")
        self.refused(404, "404", self.s3.head_object, Bucket=self.bucket, Key="over")

    def test_delete_objects(self):
        keys = [f"del/{i:04d}" for i in range(1000)]
        for key in keys[:20]:
            self.put(key, b"x")
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": k} for k in keys]})
        self.assertEqual([d["Key"] for d in answer["Deleted"]], keys)
        self.assertNotIn("Errors", answer)
        self.assertEqual(self.s3.list_objects_v2(Bucket=self.bucket, Prefix="del/")["KeyCount"], 0)
        self.put("del/q", b"x")
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Quiet": True, "Objects": [{"Key": "del/q"}, {"Key": "none"}]})
        self.assertNotIn("Deleted", answer)
        self.refused(400, "MalformedXML", self.s3.delete_objects, Bucket=self.bucket,
                     Delete={"Objects": [{"Key": f"{i}"} for i in range(1001)]})

    def test_delete_objects_needs_a_digest(self):
        body = b"<Delete><Object><Key>a</Key></Object></Delete>"
        self.expect(Request("POST", f"/{self.bucket}?delete", body).send(), 400, "InvalidRequest")
        self.expect(Request("POST", f"/{self.bucket}?delete", body, {"content-md5": md5_text(b"other")}).send(), 400, "BadDigest")
        self.expect(Request("POST", f"/{self.bucket}?delete", body, {"content-md5": md5_text(body)}).send(), 200)

    def test_acl_and_tagging(self):
        self.put("acl", b"x")
        self.assertEqual([g["Permission"] for g in self.s3.get_object_acl(Bucket=self.bucket, Key="acl")["Grants"]], ["FULL_CONTROL"])
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.bucket, Key="acl")["TagSet"], [])
        self.refused(404, "NoSuchKey", self.s3.get_object_acl, Bucket=self.bucket, Key="none")

    def test_never_ignored(self):
        for headers, status, code in [({"ACL": "public-read"}, 501, "NotImplemented"), ({"StorageClass": "GLACIER"}, 400, "InvalidStorageClass"),
                                      ({"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": "2040-01-01"}, 400, "InvalidRequest"),
                                      ({"ObjectLockLegalHoldStatus": "ON"}, 400, "InvalidRequest"), ({"GrantRead": "id=1"}, 501, "NotImplemented")]:
            self.refused(status, code, self.s3.put_object, Bucket=self.bucket, Key="never", Body=b"x", **headers)
        for name in ["if-none-match", "if-match"]:
            self.expect(Request("POST", self.target("never", "uploads"), b"", {name: "*"}).send(), 501, "NotImplemented")
        self.nothing_there("never")

    def test_version_ids(self):
        self.put("version", b"x")
        self.assertEqual(self.get("version", VersionId="null"), b"x")
        self.refused(404, "NoSuchVersion", self.s3.get_object, Bucket=self.bucket, Key="version", VersionId="0" * 31 + "1")
        self.refused(400, "InvalidArgument", self.s3.get_object, Bucket=self.bucket, Key="version", VersionId="xyz")
        self.assertNotIn("VersionId", self.put("version", b"y"))


class Copies(ApiTest):
    def setUp(self):
        self.put("source é", b"to be copied", ContentType="application/dicom", Metadata={"one": "1"})
        self.source = {"Bucket": self.bucket, "Key": "source é"}

    def test_copy(self):
        answer = self.s3.copy_object(Bucket=self.bucket, Key="copy", CopySource=self.source)
        got = self.s3.get_object(Bucket=self.bucket, Key="copy")
        self.assertEqual((got["Body"].read(), got["ContentType"], got["Metadata"]), (b"to be copied", "application/dicom", {"one": "1"}))
        self.assertEqual(answer["CopyObjectResult"]["ETag"], got["ETag"])

    def test_metadata_in_place(self):
        self.refused(400, "InvalidRequest", self.s3.copy_object, Bucket=self.bucket, Key="source é", CopySource=self.source)
        self.s3.copy_object(Bucket=self.bucket, Key="source é", CopySource=self.source, MetadataDirective="REPLACE", Metadata={"two": "2"},
                            ContentType="text/plain")
        got = self.s3.get_object(Bucket=self.bucket, Key="source é")
        self.assertEqual((got["Body"].read(), got["ContentType"], got["Metadata"]), (b"to be copied", "text/plain", {"two": "2"}))

    def test_large(self):
        body = random.Random(3).randbytes(3 << 20)
        self.put("large", body)
        self.s3.copy_object(Bucket=self.bucket, Key="large2", CopySource={"Bucket": self.bucket, "Key": "large"})
        self.s3.delete_object(Bucket=self.bucket, Key="large")
        self.assertEqual(self.get("large2"), body)

    def test_conditions_and_refusals(self):
        copy = self.s3.copy_object
        arguments = {"Bucket": self.bucket, "Key": "refused", "CopySource": self.source}
        self.refused(412, "PreconditionFailed", copy, CopySourceIfMatch='"other"', **arguments)
        self.refused(412, "PreconditionFailed", copy, CopySourceIfNoneMatch=self.s3.head_object(**self.source)["ETag"], **arguments)
        self.refused(404, "NoSuchKey", copy, Bucket=self.bucket, Key="refused", CopySource=f"{self.bucket}/none")
        self.refused(404, "NoSuchBucket", copy, Bucket=self.bucket, Key="refused", CopySource="no-such-bucket-here/none")
        self.nothing_there("refused")


class Reading(ApiTest):
    BODY = bytes(range(256)) * 5

    def setUp(self):
        self.put("key", self.BODY)
        head = self.s3.head_object(Bucket=self.bucket, Key="key")
        self.etag = head["ETag"]
        self.modified = head["ResponseMetadata"]["HTTPHeaders"]["last-modified"]

    def read(self, **headers):
        return Request("GET", self.target("key"), headers={k.replace("_", "-"): v for k, v in headers.items()}).send()

    def test_ranges(self):
        n = len(self.BODY)
        for text, first, last in [("bytes=0-0", 0, 0), ("bytes=10-", 10, n - 1), ("bytes=-10", n - 10, n - 1), ("bytes=5-99999", 5, n - 1),
                                  (f"bytes={n - 1}-", n - 1, n - 1), ("bytes=-99999", 0, n - 1)]:
            answer = self.expect(self.read(range=text), 206)
            self.assertEqual(answer.headers["content-range"], f"bytes {first}-{last}/{n}")
            self.assertEqual(answer.body, self.BODY[first:last + 1])
        for text in ["bytes=1-2,4-5", "bytes=5-1", "items=0-1", "bytes=a-b"]:
            self.assertEqual(self.expect(self.read(range=text), 200).body, self.BODY)
        for text in [f"bytes={n}-", "bytes=-0"]:
            answer = self.expect(self.read(range=text), 416, "InvalidRange")
            self.assertEqual(answer.element("ActualObjectSize"), str(n))
            self.assertEqual(answer.element("RangeRequested"), text)

    def test_conditions(self):
        other, early = '"00000000000000000000000000000000"', "Thu, 01 Jan 2015 00:00:00 GMT"
        for headers, status in [({"if-match": self.etag}, 200), ({"if-match": other}, 412), ({"if-none-match": self.etag}, 304),
                                ({"if-none-match": other}, 200), ({"if-modified-since": self.modified}, 304), ({"if-modified-since": early}, 200),
                                ({"if-unmodified-since": self.modified}, 200), ({"if-unmodified-since": early}, 412),
                                ({"if-match": self.etag, "if-unmodified-since": early}, 200),
                                ({"if-none-match": other, "if-modified-since": self.modified}, 200)]:
            for method in ["GET", "HEAD"]:
                answer = Request(method, self.target("key"), headers=headers).send()
                self.assertEqual(answer.status, status, (method, headers))
                if status == 304:
                    self.assertEqual((answer.body, answer.headers["etag"]), (b"", self.etag))
                if status == 412 and method == "GET":
                    self.assertEqual(answer.code, "PreconditionFailed")

    def test_overrides(self):
        answer = Request("GET", self.target("key", "response-content-type=text%2Fplain&response-cache-control=no-cache")).send()
        self.assertEqual((answer.headers["content-type"], answer.headers["cache-control"]), ("text/plain", "no-cache"))
        self.expect(Request("GET", self.target("key", "response-content-type=a%0D%0Ab%3A%20c")).send(), 400, "InvalidArgument")

    def test_part_number(self):
        self.assertEqual(self.expect(Request("GET", self.target("key", "partNumber=1")).send(), 206).body, self.BODY)
        self.expect(Request("GET", self.target("key", "partNumber=2")).send(), 416, "InvalidPartNumber")

    def test_head_has_no_body_and_connection_goes_on(self):
        with Connection() as connection:
            for target, status in [(self.target("key"), 200), (self.target("none"), 404), (self.target("key"), 200)]:
                answer = Request("HEAD", target).send(connection)
                self.assertEqual((answer.status, answer.body), (status, b""))
            self.assertEqual(Request("GET", self.target("key")).send(connection).body, self.BODY)

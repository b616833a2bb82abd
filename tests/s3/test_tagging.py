"""Tags of objects: set with them, copied, changed, and counted."""
import urllib.parse

from multipart import MultipartTest, Upload
from wire import Request


def tag_set(**tags):
    return {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}


class Tagging(MultipartTest):
    def tags(self, key, **more):
        return {t["Key"]: t["Value"] for t in self.s3.get_object_tagging(Bucket=self.bucket, Key=key, **more)["TagSet"]}

    def set(self, key, **tags):
        return self.s3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging=tag_set(**tags))

    def count(self, key):
        return Request("HEAD", self.target(key)).send().headers.get("x-amz-tagging-count")

    def test_life(self):
        before = self.put("life", b"data", Metadata={"a": "b"}, ContentType="application/dicom")
        self.assertIsNone(self.count("life"))
        self.set("life", modality="MR", empty="")
        self.assertEqual(self.tags("life"), {"modality": "MR", "empty": ""})
        self.assertEqual(self.count("life"), "2")
        self.set("life", **{"d\u00e9 \u65e5+/=": "v a l"})
        self.assertEqual(self.tags("life"), {"d\u00e9 \u65e5+/=": "v a l"})
        after = self.s3.get_object(Bucket=self.bucket, Key="life")
        self.assertEqual((after["Body"].read(), after["ETag"], after["Metadata"], after["ContentType"]),
                         (b"data", before["ETag"], {"a": "b"}, "application/dicom"))
        self.assertEqual(after["LastModified"], self.s3.head_object(Bucket=self.bucket, Key="life")["LastModified"])
        answer = self.s3.delete_object_tagging(Bucket=self.bucket, Key="life")
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.tags("life"), {})
        self.assertIsNone(self.count("life"))

    def test_with_the_object(self):
        self.put("with", b"x", Tagging=urllib.parse.urlencode({"a": "1 2", "b&": "="}))
        self.assertEqual(self.tags("with"), {"a": "1 2", "b&": "="})
        self.put("with", b"x")
        self.assertEqual(self.tags("with"), {}, "a new object has its own tags")
        upload = Upload(self, "multipart", headers={"x-amz-tagging": "a=b"})
        upload.part(1, b"x")
        upload.complete()
        self.assertEqual(self.tags("multipart"), {"a": "b"})

    def test_copy(self):
        def copy(**how):
            self.s3.copy_object(Bucket=self.bucket, Key="copy", CopySource=f"{self.bucket}/source", **how)
            return self.tags("copy")
        self.put("source", b"x", Tagging="a=1&b=2")
        self.assertEqual(copy(), {"a": "1", "b": "2"})
        self.assertEqual(copy(TaggingDirective="COPY", MetadataDirective="REPLACE"), {"a": "1", "b": "2"})
        self.assertEqual(copy(TaggingDirective="REPLACE", Tagging="c=3"), {"c": "3"})
        self.assertEqual(copy(TaggingDirective="REPLACE"), {})

    def test_limits(self):
        ten = {f"k{i}": "v" for i in range(10)}
        self.put("limits", b"x")
        self.set("limits", **ten)
        self.set("limits", **{"k" * 128: "v" * 256})
        self.set("limits", **{"\u65e5" * 128: "\u65e5" * 256})
        kept = self.tags("limits")
        for tags in ({**ten, "k10": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, {"aws:k": "v"}):
            self.refused(400, "InvalidTag", self.s3.put_object_tagging, Bucket=self.bucket, Key="limits", Tagging=tag_set(**tags))
            self.refused(400, "InvalidTag", self.put, key="refused", body=b"x", Tagging=urllib.parse.urlencode(tags))
        self.refused(400, "InvalidTag", self.put, key="refused", body=b"x", Tagging="=v")
        twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
        self.refused(400, "InvalidTag", self.s3.put_object_tagging, Bucket=self.bucket, Key="limits", Tagging=twice)
        for body in (b"", b"<Tagging/>", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"):
            self.expect(Request("PUT", self.target("limits", "tagging"), body).send(), 400, "MalformedXML")
        self.assertEqual(self.tags("limits"), kept)
        self.nothing_there("refused")

    def test_not_there(self):
        for function, more in ((self.s3.get_object_tagging, {}), (self.s3.put_object_tagging, {"Tagging": tag_set(a="b")}),
                               (self.s3.delete_object_tagging, {})):
            self.refused(404, "NoSuchKey", function, Bucket=self.bucket, Key="none", **more)
            self.refused(404, "NoSuchBucket", function, Bucket="t-nobody-has-it", Key="none", **more)
        answer = Request("PUT", self.target("p", "partNumber=1&uploadId=" + "0" * 32), b"x", {"x-amz-tagging": "a=b"}).send()
        self.expect(answer, 501, "NotImplemented")

    def test_versions(self):
        bucket = self.new_bucket_name()
        self.s3.create_bucket(Bucket=bucket)
        self.addCleanup(self.remove_bucket, bucket)
        self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        old = self.s3.put_object(Bucket=bucket, Key="a", Body=b"1", Tagging="of=old")["VersionId"]
        new = self.s3.put_object(Bucket=bucket, Key="a", Body=b"2")["VersionId"]

        def tags(version):
            answer = self.s3.get_object_tagging(Bucket=bucket, Key="a", VersionId=version)
            self.assertEqual(answer["VersionId"], version)
            return {t["Key"]: t["Value"] for t in answer["TagSet"]}
        self.assertEqual((tags(old), tags(new)), ({"of": "old"}, {}))
        self.assertEqual(self.s3.put_object_tagging(Bucket=bucket, Key="a", Tagging=tag_set(of="new"))["VersionId"], new)
        self.assertEqual((tags(old), tags(new)), ({"of": "old"}, {"of": "new"}))
        self.s3.delete_object_tagging(Bucket=bucket, Key="a", VersionId=old)
        self.assertEqual((tags(old), tags(new)), ({}, {"of": "new"}))
        marker = self.s3.delete_object(Bucket=bucket, Key="a")["VersionId"]
        self.refused(404, "NoSuchKey", self.s3.put_object_tagging, Bucket=bucket, Key="a", Tagging=tag_set(a="b"))
        self.refused(405, "MethodNotAllowed", self.s3.put_object_tagging, Bucket=bucket, Key="a", VersionId=marker, Tagging=tag_set(a="b"))
        self.assertEqual(tags(new), {"of": "new"})

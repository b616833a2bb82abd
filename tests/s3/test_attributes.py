"""GetObjectAttributes, partNumber, storage classes, copies onto themselves."""
from multipart import MIN_PART, MultipartTest, Upload, checksum, composite
from wire import Request

ALL = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize"
BIG = b"b" * MIN_PART
TAIL = b"tail"


class Attributes(MultipartTest):
    def attributes(self, key, names=ALL, **headers):
        more = {f"x-amz-{k.replace('_', '-')}": str(v) for k, v in headers.items()}
        return Request("GET", self.target(key, "attributes"), headers={"x-amz-object-attributes": names, **more}).send()

    def multipart(self, key):
        upload = Upload(self, key, {"x-amz-checksum-algorithm": "SHA256"})
        for number, body in [(1, BIG), (2, BIG), (3, TAIL)]:
            upload.part(number, body, {"x-amz-checksum-sha256": checksum("sha256", body)})
        upload.complete()

    def test_plain(self):
        etag = self.put("plain", b"hello", StorageClass="STANDARD_IA")["ETag"]
        answer = self.expect(self.attributes("plain"), 200)
        self.assertEqual((answer.element("ETag"), answer.element("ObjectSize"), answer.element("StorageClass"), answer.element("ObjectParts")),
                         (etag.strip('"'), "5", "STANDARD_IA", None))
        self.assertEqual(answer.element("ChecksumCRC64NVME"), checksum("crc64nvme", b"hello"))
        self.assertIn("last-modified", answer.headers)
        answer = self.s3.get_object_attributes(Bucket=self.bucket, Key="plain", ObjectAttributes=["ObjectSize"])
        self.assertEqual((answer["ObjectSize"], "ETag" in answer), (5, False))

    def test_parts(self):
        self.multipart("parts")
        answer = self.s3.get_object_attributes(Bucket=self.bucket, Key="parts", ObjectAttributes=ALL.split(","))
        self.assertEqual(answer["Checksum"]["ChecksumSHA256"], composite("sha256", [BIG, BIG, TAIL]))
        parts = answer["ObjectParts"]
        self.assertEqual((parts["TotalPartsCount"], parts["IsTruncated"], parts["MaxParts"]), (3, False, 1000))
        self.assertEqual([(p["PartNumber"], p["Size"], p["ChecksumSHA256"]) for p in parts["Parts"]],
                         [(n, len(b), checksum("sha256", b)) for n, b in [(1, BIG), (2, BIG), (3, TAIL)]])
        page = self.expect(self.attributes("parts", "ObjectParts", max_parts=1, part_number_marker=1), 200)
        self.assertEqual((page.element("PartNumber"), page.element("NextPartNumberMarker"), page.element("IsTruncated")), ("2", "2", "true"))

    def test_refused(self):
        self.put("plain", b"hello")
        self.expect(Request("GET", self.target("plain", "attributes")).send(), 400, "InvalidRequest")
        self.expect(self.attributes("plain", "Size"), 400, "InvalidArgument")
        self.expect(self.attributes("plain", max_parts="x"), 400, "InvalidArgument")
        self.expect(self.attributes("absent"), 404, "NoSuchKey")

    def test_part_numbers(self):
        self.multipart("numbers")
        for number, body, first in [(1, BIG, 0), (2, BIG, MIN_PART), (3, TAIL, 2 * MIN_PART)]:
            got = self.s3.get_object(Bucket=self.bucket, Key="numbers", PartNumber=number)
            self.assertEqual((got["ResponseMetadata"]["HTTPStatusCode"], got["PartsCount"], got["ContentRange"]),
                             (206, 3, f"bytes {first}-{first + len(body) - 1}/{2 * MIN_PART + 4}"))
            self.assertTrue(got["Body"].read() == body)
            head = self.s3.head_object(Bucket=self.bucket, Key="numbers", PartNumber=number)
            self.assertEqual((head["ContentLength"], head["PartsCount"]), (len(body), 3))
        self.refused(416, "InvalidPartNumber", self.s3.get_object, Bucket=self.bucket, Key="numbers", PartNumber=4)
        self.expect(Request("GET", self.target("numbers", "partNumber=0")).send(), 400, "InvalidArgument")
        self.expect(Request("GET", self.target("numbers", "partNumber=1"), headers={"range": "bytes=0-1"}).send(), 400, "InvalidRequest")
        self.put("plain", TAIL)
        got = self.s3.get_object(Bucket=self.bucket, Key="plain", PartNumber=1)
        self.assertEqual((got["Body"].read(), "PartsCount" in got), (TAIL, False))
        self.refused(416, "InvalidPartNumber", self.s3.get_object, Bucket=self.bucket, Key="plain", PartNumber=2)


class StorageClasses(MultipartTest):
    def test_kept(self):
        for name in ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"]:
            self.put("class", b"x", StorageClass=name)
            self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="class").get("StorageClass", "STANDARD"), name)
            entry, = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="class")["Contents"]
            self.assertEqual(entry["StorageClass"], name)
        for name in ["GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "nonsense", "standard"]:
            for method, query in [("PUT", ""), ("POST", "uploads")]:
                self.expect(Request(method, self.target("class", query), b"", {"x-amz-storage-class": name}).send(), 400, "InvalidStorageClass")

    def test_copy_to_self(self):
        self.put("self", b"x", Metadata={"a": "b"})
        source = {"x-amz-copy-source": f"/{self.bucket}/self"}

        def copy(**headers):
            more = {f"x-amz-{k.replace('_', '-')}": v for k, v in headers.items()}
            return Request("PUT", self.target("self"), b"", {**source, **more}).send()
        self.expect(copy(), 400, "InvalidRequest")
        self.expect(copy(storage_class="STANDARD"), 400, "InvalidRequest")
        self.expect(copy(storage_class="STANDARD_IA"), 200)
        head = self.s3.head_object(Bucket=self.bucket, Key="self")
        self.assertEqual((head["StorageClass"], head["Metadata"]), ("STANDARD_IA", {"a": "b"}))
        self.expect(copy(website_redirect_location="/there"), 200)
        head = self.s3.head_object(Bucket=self.bucket, Key="self")
        self.assertEqual((head["WebsiteRedirectLocation"], "StorageClass" in head), ("/there", False))
        self.expect(copy(metadata_directive="REPLACE"), 200)
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="self")["Metadata"], {})

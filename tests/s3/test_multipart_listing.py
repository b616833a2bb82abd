"""ListParts and ListMultipartUploads."""
from multipart import ABSENT_ID, MultipartTest, Upload, checksum
from wire import Request


class PartLists(MultipartTest):
    def test_list_parts(self):
        upload = Upload(self, "parts", {"x-amz-checksum-algorithm": "SHA256", "x-amz-storage-class": "GLACIER_IR"})
        for number in [3, 1, 10000, 200]:
            body = str(number).encode()
            upload.part(number, body, {"x-amz-checksum-sha256": checksum("sha256", body)})
        listed = self.s3.list_parts(Bucket=self.bucket, Key="parts", UploadId=upload.id)
        self.assertEqual([(p["PartNumber"], p["Size"], p["ChecksumSHA256"]) for p in listed["Parts"]],
                         [(n, len(str(n)), checksum("sha256", str(n).encode())) for n in [1, 3, 200, 10000]])
        self.assertEqual((listed["StorageClass"], listed["IsTruncated"], listed["MaxParts"], listed["NextPartNumberMarker"]),
                         ("GLACIER_IR", False, 1000, 10000))
        self.assertEqual(listed["Owner"]["ID"], listed["Initiator"]["ID"])
        answer = Request("GET", upload.target()).send()
        self.assertEqual((answer.element("ChecksumAlgorithm"), answer.element("ChecksumType")), ("SHA256", "COMPOSITE"))
        pages = self.s3.get_paginator("list_parts").paginate(Bucket=self.bucket, Key="parts", UploadId=upload.id, PaginationConfig={"PageSize": 1})
        self.assertEqual([[p["PartNumber"] for p in page["Parts"]] for page in pages], [[1], [3], [200], [10000]])
        for query, numbers in [("max-parts=2&part-number-marker=1", [3, 200]), ("part-number-marker=10000", []), ("max-parts=0", [])]:
            answer = self.expect(Request("GET", upload.target(query)).send(), 200)
            self.assertEqual(answer.body.count(b"<Part>"), len(numbers))
        for query in ["max-parts=x", "max-parts=-1", "part-number-marker=x", "encoding-type=x"]:
            self.expect(Request("GET", upload.target(query)).send(), 400, "InvalidArgument")
        self.expect(Request("GET", self.target("parts", f"uploadId={ABSENT_ID}")).send(), 404, "NoSuchUpload")
        self.expect(Request("GET", f"/no-such-bucket-here/k?uploadId={ABSENT_ID}").send(), 404, "NoSuchBucket")

    def test_many_parts(self):
        upload = Upload(self, "many")
        for number in range(1, 1031):
            upload.part(number, b"x")
        first = self.s3.list_parts(Bucket=self.bucket, Key="many", UploadId=upload.id)
        self.assertEqual((len(first["Parts"]), first["IsTruncated"], first["NextPartNumberMarker"]), (1000, True, 1000))
        rest = self.s3.list_parts(Bucket=self.bucket, Key="many", UploadId=upload.id, PartNumberMarker=1000)
        self.assertEqual(([p["PartNumber"] for p in rest["Parts"]], rest["IsTruncated"]), (list(range(1001, 1031)), False))


class UploadLists(MultipartTest):
    KEYS = ["a", "b", "b", "b", "c/1", "c/2", "d/e/f", "é f"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ids = [(k, cls.s3.create_multipart_upload(Bucket=cls.bucket, Key=k)["UploadId"]) for k in cls.KEYS]

    def uploads(self, **arguments):
        answer = self.s3.list_multipart_uploads(Bucket=self.bucket, **arguments)
        return answer, [(u["Key"], u["UploadId"]) for u in answer.get("Uploads", [])]

    def test_all(self):
        answer, found = self.uploads()
        self.assertEqual(found, self.ids)
        self.assertEqual((answer["IsTruncated"], answer["MaxUploads"]), (False, 1000))
        self.assertEqual(answer["Uploads"][0]["StorageClass"], "STANDARD")
        self.assertEqual(answer["Uploads"][0]["Owner"]["ID"], answer["Uploads"][0]["Initiator"]["ID"])

    def test_prefix_and_delimiter(self):
        self.assertEqual(self.uploads(Prefix="b")[1], self.ids[1:4])
        answer, found = self.uploads(Delimiter="/")
        self.assertEqual(found, self.ids[:4] + self.ids[7:])
        self.assertEqual([p["Prefix"] for p in answer["CommonPrefixes"]], ["c/", "d/"])
        answer, found = self.uploads(Delimiter="/", Prefix="d/")
        self.assertEqual((found, [p["Prefix"] for p in answer["CommonPrefixes"]]), ([], ["d/e/"]))

    def test_markers(self):
        self.assertEqual(self.uploads(KeyMarker="a")[1], self.ids[1:])
        self.assertEqual(self.uploads(KeyMarker="b")[1], self.ids[4:])
        self.assertEqual(self.uploads(KeyMarker="b", UploadIdMarker=self.ids[1][1])[1], self.ids[2:])
        self.assertEqual(self.uploads(KeyMarker="b", UploadIdMarker=self.ids[3][1])[1], self.ids[4:])
        self.assertEqual(self.uploads(UploadIdMarker=self.ids[3][1])[1], self.ids)
        self.assertEqual(self.uploads(KeyMarker="zzz")[1], self.ids[7:])
        self.assertEqual(self.uploads(KeyMarker="c/", Delimiter="/")[1], self.ids[7:])

    def test_pages(self):
        for size in [1, 2, 3, 7]:
            for delimiter, names in [("", [k for k, _ in self.ids]), ("/", ["a", "b", "b", "b", "c/", "d/", "é f"])]:
                seen, key, upload = [], "", ""
                for _ in range(20):
                    answer, found = self.uploads(MaxUploads=size, Delimiter=delimiter, KeyMarker=key, UploadIdMarker=upload)
                    page = [k for k, _ in found] + [p["Prefix"] for p in answer.get("CommonPrefixes", [])]
                    self.assertLessEqual(len(page), size)
                    seen += sorted(page)
                    if not answer["IsTruncated"]:
                        break
                    self.assertEqual(len(page), size)
                    key, upload = answer["NextKeyMarker"], answer.get("NextUploadIdMarker", "")
                self.assertEqual(seen, names)

    def test_encoding_and_refusals(self):
        answer = self.expect(Request("GET", f"/{self.bucket}?uploads&encoding-type=url&prefix=%C3%A9").send(), 200)
        self.assertEqual((answer.element("Key"), answer.element("EncodingType")), ("%C3%A9%20f", "url"))
        for query in ["max-uploads=x", "max-uploads=-1", "encoding-type=x", "key-marker=b&upload-id-marker=nonsense"]:
            self.expect(Request("GET", f"/{self.bucket}?uploads&{query}").send(), 400, "InvalidArgument")
        self.expect(Request("GET", "/no-such-bucket-here?uploads").send(), 404, "NoSuchBucket")

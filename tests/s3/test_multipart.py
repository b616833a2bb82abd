"""Multipart uploads: parts, completing, aborting, copies of parts, checksums, races."""
import concurrent.futures
import io
import random

import boto3.s3.transfer

from multipart import ABSENT_ID, ALGORITHMS, MIN_PART, MultipartTest, Upload, checksum, composite, multipart_etag
from wire import Connection, Request

BIG = random.Random(3).randbytes(MIN_PART)
TAIL = b"tail"


class Parts(MultipartTest):
    def test_whole_way(self):
        upload = Upload(self, "a%20b", {"content-type": "application/dicom", "x-amz-meta-one": "1", "x-amz-storage-class": "STANDARD_IA"})
        self.assertEqual((upload.created.element("Bucket"), upload.created.element("Key")), (self.bucket, "a b"))
        upload.part(2, TAIL)
        upload.part(1, BIG)
        upload.listed.sort()
        self.nothing_there("a%20b")
        answer = upload.complete()
        self.assertEqual(answer.element("ETag").replace("&quot;", '"'), multipart_etag([BIG, TAIL]))
        self.assertEqual(answer.element("ChecksumCRC64NVME"), checksum("crc64nvme", BIG + TAIL))
        self.assertEqual(answer.element("ChecksumType"), "FULL_OBJECT")
        self.assertTrue(answer.element("Location").endswith(f"/{self.bucket}/a%20b"))
        got = self.s3.get_object(Bucket=self.bucket, Key="a b")
        self.assertEqual((got["ETag"], got["ContentType"], got["Metadata"], got["StorageClass"]),
                         (multipart_etag([BIG, TAIL]), "application/dicom", {"one": "1"}, "STANDARD_IA"))
        self.assertEqual(got["Body"].read(), BIG + TAIL)
        for first, last in [(MIN_PART - 1, MIN_PART), (0, 0), (MIN_PART + 3, MIN_PART + 3)]:
            self.assertEqual(self.get("a b", Range=f"bytes={first}-{last}"), (BIG + TAIL)[first:last + 1])
        self.expect(upload.send_abort(), 404, "NoSuchUpload")

    def test_single_and_empty_part(self):
        for body in [b"", b"x", TAIL]:
            upload = Upload(self, "single")
            upload.part(1, body)
            upload.complete()
            got = self.s3.get_object(Bucket=self.bucket, Key="single")
            self.assertEqual((got["ETag"], got["Body"].read()), (multipart_etag([body]), body))
            self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="single")["ContentLength"], len(body))

    def test_parts_sent_again(self):
        upload = Upload(self, "again")
        upload.part(1, b"first")
        upload.listed.clear()
        upload.part(1, BIG)
        upload.part(2, TAIL)
        self.expect(upload.send_complete([(1, "0cc175b9c0f1b6a831c399e269772661")]), 400, "InvalidPart")
        upload.complete()
        self.assertEqual(self.get("again"), BIG + TAIL)

    def test_parts_left_out(self):
        upload = Upload(self, "left-out")
        upload.part(1, BIG)
        upload.part(7, TAIL)
        upload.part(10000, b"not this one")
        upload.complete(parts=upload.listed[:2])
        self.assertEqual(self.get("left-out"), BIG + TAIL)

    def test_refused_parts(self):
        upload = Upload(self, "refused")
        for number in ["0", "10001", "x", "-1", ""]:
            self.expect(upload.send_part(number, TAIL), 400, "InvalidArgument")
        self.expect(Request("PUT", upload.target(), TAIL).send(), 400, "InvalidArgument")
        self.expect(Request("PUT", self.target("refused", f"partNumber=1&uploadId={ABSENT_ID}"), TAIL).send(), 404, "NoSuchUpload")
        self.expect(Request("PUT", self.target("other", f"partNumber=1&uploadId={upload.id}"), TAIL).send(), 404, "NoSuchUpload")
        self.expect(Request("PUT", f"/no-such-bucket-here/key?partNumber=1&uploadId={ABSENT_ID}", TAIL).send(), 404, "NoSuchBucket")
        self.expect(upload.send_part(1, TAIL, {"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}), 400, "BadDigest")
        self.expect(upload.send_part(1, TAIL, {"x-amz-checksum-crc32": "AAAAAA=="}), 400, "BadDigest")
        self.expect(upload.send_part(1, TAIL, {"if-none-match": "*"}), 501, "NotImplemented")
        request = Request("PUT", upload.target("partNumber=1"), TAIL)
        with Connection() as connection:
            connection.send(request.head(5 * (1 << 30) + 1))
            self.expect(connection.read_answer(), 400, "EntityTooLarge")
        self.assertNotIn("Parts", self.s3.list_parts(Bucket=self.bucket, Key="refused", UploadId=upload.id))
        self.expect(upload.send_abort(), 204)

    def test_expect_continue(self):
        request = Request("PUT", self.target("key", f"partNumber=1&uploadId={ABSENT_ID}"), TAIL, unsigned_headers={"expect": "100-continue"})
        with Connection() as connection:
            connection.send(request.head())
            self.expect(connection.read_answer(), 404, "NoSuchUpload")

    def test_abort(self):
        upload = Upload(self, "abort")
        upload.part(1, TAIL)
        self.expect(upload.send_abort(), 204)
        self.expect(upload.send_abort(), 404, "NoSuchUpload")
        self.expect(upload.send_part(2, TAIL), 404, "NoSuchUpload")
        self.expect(upload.send_complete(), 404, "NoSuchUpload")
        self.expect(Request("GET", upload.target()).send(), 404, "NoSuchUpload")
        self.expect(Request("DELETE", self.target("abort", "uploadId=nonsense")).send(), 404, "NoSuchUpload")
        self.nothing_there("abort")

    def test_uploads_hold_the_bucket(self):
        name = self.new_bucket_name()
        self.s3.create_bucket(Bucket=name)
        upload_id = self.s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
        self.refused(409, "BucketNotEmpty", self.s3.delete_bucket, Bucket=name)
        self.s3.abort_multipart_upload(Bucket=name, Key="k", UploadId=upload_id)
        self.s3.delete_bucket(Bucket=name)


class Completing(MultipartTest):
    def test_wrong_lists(self):
        upload = Upload(self, "wrong")
        upload.part(2, TAIL)
        upload.part(3, TAIL)
        (_, etag, _), (_, _, _) = upload.listed
        for parts, code in [([(1, etag)], "InvalidPart"), ([(0, etag)], "InvalidPart"), ([(10001, etag)], "InvalidPart"),
                            ([(2, '""')], "InvalidPart"), ([(2, "nonsense")], "InvalidPart"), ([(3, etag), (2, etag)], "InvalidPartOrder"),
                            ([(2, etag), (2, etag)], "InvalidPartOrder"), ([(2, etag), (3, etag)], "EntityTooSmall")]:
            self.expect(upload.send_complete(parts), 400, code)
        for body in [b"", b"nonsense", b"<CompleteMultipartUpload/>", b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
                     Upload.document([("x", etag)]), Upload.document([(2, etag)])[:-1]]:
            self.expect(upload.send_complete(body=body), 400, "MalformedXML")
        self.expect(Request("POST", self.target("wrong", f"uploadId={ABSENT_ID}"), Upload.document([(2, etag)])).send(), 404, "NoSuchUpload")
        self.nothing_there("wrong")
        upload.complete(parts=[(2, etag.strip('"'))])

    def test_part_sizes(self):
        upload = Upload(self, "sizes")
        upload.part(1, BIG[1:])
        upload.part(2, TAIL)
        answer = self.expect(upload.send_complete(), 400, "EntityTooSmall")
        self.assertEqual((answer.element("PartNumber"), answer.element("MinSizeAllowed")), ("1", str(MIN_PART)))
        upload.complete(parts=upload.listed[1:])

    def test_object_size(self):
        upload = Upload(self, "object-size")
        upload.part(1, TAIL)
        for wrong in ["3", "5", "x", "-4"]:
            self.expect(upload.send_complete(headers={"x-amz-mp-object-size": wrong}), 400, "InvalidRequest")
        upload.complete(headers={"x-amz-mp-object-size": "4"})

    def test_again(self):
        """The answer was lost: the same request gives the same answer, until the object is another."""
        upload = Upload(self, "repeated")
        upload.part(1, TAIL)
        first = upload.complete(headers={"if-none-match": "*"})
        again = upload.complete(headers={"if-none-match": "*"})
        self.assertEqual(first.body, again.body)
        self.put("repeated", b"another")
        self.expect(upload.send_complete(), 404, "NoSuchUpload")
        self.assertEqual(self.get("repeated"), b"another")

    def test_replaces(self):
        self.put("replaced", b"old")
        upload = Upload(self, "replaced")
        upload.part(1, TAIL)
        self.assertEqual(self.get("replaced"), b"old")
        upload.complete()
        self.assertEqual(self.get("replaced"), TAIL)

    def test_complete_against_abort(self):
        """One of the two happens, whole."""
        for i in range(20):
            upload = Upload(self, f"race-{i}")
            upload.part(1, TAIL)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                complete, abort = pool.submit(upload.send_complete), pool.submit(upload.send_abort)
                statuses = complete.result().status, abort.result().status
            self.assertIn(statuses, [(200, 404), (404, 204)])
            if statuses[0] == 200:
                self.assertEqual(self.get(upload.key), TAIL)
            else:
                self.nothing_there(upload.key)

    def test_same_part_at_once(self):
        """Whichever came last is there, whole, with its own ETag."""
        upload = Upload(self, "at-once")
        bodies = [bytes([i]) * (300000 + i) for i in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda b: upload.send_part(1, b), bodies))
        part, = self.s3.list_parts(Bucket=self.bucket, Key="at-once", UploadId=upload.id)["Parts"]
        winner = [a.headers["etag"] for a in answers].index(part["ETag"])
        self.assertEqual(part["Size"], len(bodies[winner]))
        upload.complete(parts=[(1, part["ETag"])])
        self.assertEqual(self.get("at-once"), bodies[winner])


class Checksums(MultipartTest):
    BODIES = [BIG, TAIL]

    def upload(self, name, kind):
        headers = {"x-amz-checksum-algorithm": name.upper()}
        if kind:
            headers["x-amz-checksum-type"] = kind
        upload = Upload(self, "sums", headers)
        for number, body in enumerate(self.BODIES, 1):
            upload.part(number, body, {f"x-amz-checksum-{name}": checksum(name, body)})
        return upload

    def test_kinds(self):
        for name, kind, answered in [("crc32", None, "COMPOSITE"), ("crc32c", None, "COMPOSITE"), ("sha1", None, "COMPOSITE"),
                                     ("sha256", "COMPOSITE", "COMPOSITE"), ("crc32", "FULL_OBJECT", "FULL_OBJECT"),
                                     ("crc32c", "FULL_OBJECT", "FULL_OBJECT"), ("crc64nvme", None, "FULL_OBJECT")]:
            header = f"x-amz-checksum-{name}"
            value = composite(name, self.BODIES) if answered == "COMPOSITE" else checksum(name, b"".join(self.BODIES))
            upload = self.upload(name, kind)
            self.assertEqual((upload.created.headers["x-amz-checksum-algorithm"], upload.created.headers["x-amz-checksum-type"]),
                             (name.upper(), answered))
            self.expect(upload.send_complete(headers={header: checksum(name, b"other")}), 400, "BadDigest")
            self.expect(upload.send_complete(headers={header: "bad"}), 400, "InvalidRequest")
            wrong = [(n, etag, (a, checksum(a, b"other"))) for n, etag, (a, _) in upload.listed]
            self.expect(upload.send_complete(wrong), 400, "InvalidPart")
            bare = [(n, etag) for n, etag, _ in upload.listed]
            if answered == "COMPOSITE":
                self.expect(upload.send_complete(bare), 400, "InvalidRequest")
                bare = upload.listed
            answer = upload.complete(parts=bare, headers={header: value, "x-amz-checksum-type": answered})
            self.assertEqual((answer.element(f"Checksum{name.upper()}"), answer.element("ChecksumType")), (value, answered))
            head = Request("HEAD", self.target("sums"), headers={"x-amz-checksum-mode": "ENABLED"}).send()
            self.assertEqual((head.headers[header], head.headers["x-amz-checksum-type"]), (value, answered))
            self.assertNotIn(header, Request("HEAD", self.target("sums")).send().headers)
            part = Request("GET", self.target("sums", "partNumber=2"), headers={"x-amz-checksum-mode": "ENABLED"}).send()
            self.assertEqual((part.status, part.body, part.headers[header]), (206, TAIL, checksum(name, TAIL)))

    def test_refused_kinds(self):
        for headers in [{"x-amz-checksum-algorithm": "MD4"}, {"x-amz-checksum-type": "COMPOSITE"},
                        {"x-amz-checksum-algorithm": "SHA1", "x-amz-checksum-type": "FULL_OBJECT"},
                        {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
                        {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "x"}]:
            self.expect(Request("POST", self.target("key", "uploads"), b"", headers).send(), 400, "InvalidRequest")

    def test_parts_without_or_with_another(self):
        upload = Upload(self, "sums", {"x-amz-checksum-algorithm": "SHA256"})
        self.expect(upload.send_part(1, TAIL), 400, "InvalidRequest")
        self.expect(upload.send_part(1, TAIL, {"x-amz-checksum-crc32": checksum("crc32", TAIL)}), 400, "InvalidRequest")
        upload = Upload(self, "sums", {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT"})
        self.assertEqual(upload.part(1, TAIL).headers["x-amz-checksum-crc32"], checksum("crc32", TAIL))
        for name in ALGORITHMS:
            # what JavaScript's SDK does: nothing asked for, and the parts come with one
            upload = Upload(self, "sums")
            upload.part(1, TAIL, {f"x-amz-checksum-{name}": checksum(name, TAIL)})
            self.assertEqual(upload.complete().element("ChecksumCRC64NVME"), checksum("crc64nvme", TAIL))


class Copies(MultipartTest):
    def test_ranges(self):
        self.put("source", BIG + TAIL)
        upload = Upload(self, "copied")
        for number, header in [(1, {"x-amz-copy-source-range": f"bytes=0-{MIN_PART - 1}"}),
                               (2, {"x-amz-copy-source-range": f"bytes={MIN_PART}-{MIN_PART + 3}"}), (3, {})]:
            answer = self.expect(upload.copy(number, f"/{self.bucket}/source", header), 200)
            upload.listed.append((number, answer.element("ETag").replace("&quot;", '"')))
        self.expect(upload.send_complete(), 400, "EntityTooSmall")
        del upload.listed[1]
        upload.complete()
        self.assertEqual(self.get("copied"), BIG + BIG + TAIL)
        size = MIN_PART + 4
        for wrong in [f"bytes=0-{size}", "bytes=0-", "bytes=-5", "0-1", "bytes=2-1", "bytes=a-b"]:
            upload = Upload(self, "copied")
            self.expect(upload.copy(1, f"/{self.bucket}/source", {"x-amz-copy-source-range": wrong}), 400, "InvalidArgument")
        self.expect(upload.copy(1, f"/{self.bucket}/absent"), 404, "NoSuchKey")
        self.expect(upload.copy(1, "/no-such-bucket-here/source"), 404, "NoSuchBucket")
        self.expect(upload.copy(1, "source"), 400, "InvalidArgument")
        self.expect(upload.copy(1, f"/{self.bucket}/source", {"x-amz-copy-source-if-match": '"0"'}), 412, "PreconditionFailed")
        self.expect(Request("PUT", self.target("copied", f"partNumber=1&uploadId={ABSENT_ID}"), b"",
                            {"x-amz-copy-source": f"/{self.bucket}/source"}).send(), 404, "NoSuchUpload")

    def test_copy_of_multipart_object(self):
        """One piece again: plain ETag, checksum of all bytes, no parts."""
        upload = Upload(self, "many", {"x-amz-checksum-algorithm": "SHA256"})
        for number, body in enumerate([BIG, TAIL], 1):
            upload.part(number, body, {"x-amz-checksum-sha256": checksum("sha256", body)})
        upload.complete()
        answer = self.expect(Request("PUT", self.target("one"), b"", {"x-amz-copy-source": f"/{self.bucket}/many"}).send(), 200)
        self.assertEqual((answer.element("ChecksumSHA256"), answer.element("ChecksumType")), (checksum("sha256", BIG + TAIL), "FULL_OBJECT"))
        self.assertNotIn("-", answer.element("ETag"))
        self.assertEqual(self.get("one"), BIG + TAIL)


class Transfers(MultipartTest):
    """What boto3 makes of it."""
    CONFIG = boto3.s3.transfer.TransferConfig(multipart_threshold=MIN_PART, multipart_chunksize=MIN_PART, max_concurrency=4)

    def test_file_transfers(self):
        for size in [MIN_PART - 1, MIN_PART, MIN_PART + 1, 2 * MIN_PART, 3 * MIN_PART + 12345]:
            body = random.Random(size).randbytes(size)
            self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "file", Config=self.CONFIG, ExtraArgs={"ContentType": "image/x"})
            head = self.s3.head_object(Bucket=self.bucket, Key="file")
            self.assertEqual((head["ContentLength"], head["ContentType"]), (size, "image/x"))
            back = io.BytesIO()
            self.s3.download_fileobj(self.bucket, "file", back, Config=self.CONFIG)
            self.assertTrue(back.getvalue() == body)
            self.s3.copy({"Bucket": self.bucket, "Key": "file"}, self.bucket, "file-copy", Config=self.CONFIG)
            self.assertTrue(self.get("file-copy") == body)

    def test_checksum_algorithms(self):
        body = random.Random(5).randbytes(2 * MIN_PART + 7)
        for name in ["CRC32", "SHA1", "SHA256"]:
            self.s3.upload_fileobj(io.BytesIO(body), self.bucket, "file", Config=self.CONFIG, ExtraArgs={"ChecksumAlgorithm": name})
            got = self.s3.get_object(Bucket=self.bucket, Key="file", ChecksumMode="ENABLED")
            self.assertEqual(got[f"Checksum{name}"], composite(name.lower(), [body[:MIN_PART], body[MIN_PART:2 * MIN_PART], body[2 * MIN_PART:]]))
            self.assertTrue(got["Body"].read() == body)

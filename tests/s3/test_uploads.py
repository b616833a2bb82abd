"""Bodies: lengths, digests, checksums, trailers, framing. Whatever is refused leaves nothing behind."""
import base64
import hashlib

from base import ApiTest
from wire import Connection, Request, aws_chunked, crc32_text, http_chunked, md5_text

HELLO = b"hello"
CHECKSUMS = {"crc32": "NhCmhg==", "crc32c": "mnG7TA==", "crc64nvme": "M3eFcAZSQlc=", "sha1": "qvTGHdzF6KLavt4PO0gs2a6pQ00=",
             "sha256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="}
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


class Uploads(ApiTest):
    KEY = "upload"

    def upload(self, body=HELLO, headers=None, **more):
        return Request("PUT", self.target(self.KEY), body, headers, **more).send()

    def refused_upload(self, status, code, *arguments, **more):
        answer = self.expect(self.upload(*arguments, **more), status, code)
        self.nothing_there(self.KEY)
        return answer

    def stored(self, body=HELLO):
        self.assertEqual(self.get(self.KEY), body)
        self.s3.delete_object(Bucket=self.bucket, Key=self.KEY)

    # ---- digests in headers ----

    def test_payload_hash(self):
        self.refused_upload(400, "XAmzContentSHA256Mismatch", payload=hashlib.sha256(b"other").hexdigest())
        self.expect(self.upload(payload="UNSIGNED-PAYLOAD"), 200)
        self.stored()

    def test_content_md5(self):
        self.refused_upload(400, "BadDigest", headers={"content-md5": md5_text(b"other")})
        for value in ["", "abc", base64.b64encode(b"short").decode()]:
            self.refused_upload(400, "InvalidDigest", headers={"content-md5": value})
        self.expect(self.upload(headers={"content-md5": md5_text(HELLO)}), 200)
        self.stored()

    def test_checksum_headers(self):
        for name, value in CHECKSUMS.items():
            answer = self.expect(self.upload(headers={f"x-amz-checksum-{name}": value, "x-amz-sdk-checksum-algorithm": name.upper()}), 200)
            self.assertEqual(answer.headers[f"x-amz-checksum-{name}"], value)
            got = Request("GET", self.target(self.KEY), headers={"x-amz-checksum-mode": "ENABLED"}).send()
            self.assertEqual((got.headers[f"x-amz-checksum-{name}"], got.headers["x-amz-checksum-type"]), (value, "FULL_OBJECT"))
            part = Request("GET", self.target(self.KEY), headers={"x-amz-checksum-mode": "ENABLED", "range": "bytes=0-1"}).send()
            self.assertNotIn(f"x-amz-checksum-{name}", part.headers)
            self.stored()
            self.refused_upload(400, "BadDigest", b"hellO", {f"x-amz-checksum-{name}": value})
            self.refused_upload(400, "InvalidRequest", headers={f"x-amz-checksum-{name}": "AAA="})
        self.refused_upload(400, "InvalidRequest",
                            headers={"x-amz-checksum-crc32": CHECKSUMS["crc32"], "x-amz-checksum-sha1": CHECKSUMS["sha1"]})
        self.refused_upload(400, "InvalidRequest", headers={"x-amz-sdk-checksum-algorithm": "CRC32"})

    def test_checksum_by_default(self):
        answer = self.upload()
        self.assertEqual(answer.headers["x-amz-checksum-crc64nvme"], CHECKSUMS["crc64nvme"])
        self.stored()

    # ---- streams with trailers, as newest SDKs send them ----

    def stream(self, body, name="crc32", decoded=5, outside=False, **more):
        headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(decoded), **more}
        if name:
            headers["x-amz-trailer"] = f"x-amz-checksum-{name}"
        if outside:
            headers["transfer-encoding"] = "chunked"
            body = http_chunked(body, 3)
        return Request("PUT", self.target(self.KEY), body, headers, payload=UNSIGNED_TRAILER).send()

    def test_trailers(self):
        for name, value in CHECKSUMS.items():
            for outside in [False, True]:
                body = aws_chunked(HELLO, [(f"x-amz-checksum-{name}", value)], 2)
                answer = self.expect(self.stream(body, name, outside=outside), 200)
                self.assertEqual(answer.headers[f"x-amz-checksum-{name}"], value)
                head = self.s3.head_object(Bucket=self.bucket, Key=self.KEY)
                self.assertEqual((head["ContentLength"], head.get("ContentEncoding", "")), (5, ""))
                self.stored()
                self.expect(self.stream(aws_chunked(b"hellO", [(f"x-amz-checksum-{name}", value)], 2), name, outside=outside), 400, "BadDigest")
                self.nothing_there(self.KEY)

    def test_large_trailer_upload(self):
        body = bytes(range(256)) * 20000
        chunked = aws_chunked(body, [("x-amz-checksum-crc32", crc32_text(body))], 65537)
        self.expect(self.stream(chunked, decoded=len(body)), 200)
        self.stored(body)

    def test_trailer_refusals(self):
        right = [("x-amz-checksum-crc32", CHECKSUMS["crc32"])]
        for body, name, decoded, status, code in [
                (aws_chunked(HELLO), "crc32", 5, 400, "MalformedTrailerError"),
                (aws_chunked(HELLO, [("x-amz-checksum-crc32c", CHECKSUMS["crc32c"])]), "crc32", 5, 400, "MalformedTrailerError"),
                (aws_chunked(HELLO, right), None, 5, 400, "MalformedTrailerError"),
                (aws_chunked(HELLO, [("x-amz-checksum-crc32", "nonsense")]), "crc32", 5, 400, "InvalidRequest"),
                (aws_chunked(HELLO, right), "crc32", 4, 400, "IncompleteBody"),
                (aws_chunked(HELLO, right), "crc32", 6, 400, "IncompleteBody"),
                (aws_chunked(HELLO, right), "crc32", "x", 411, "MissingContentLength"),
                (b"5\r\nhello\r\n", "crc32", 5, 400, "IncompleteBody"),
                (b"5\nhello\n0\n\n", "crc32", 5, 400, "IncompleteBody"),
                (aws_chunked(HELLO, right), "crc31", 5, 400, "InvalidRequest")]:
            self.expect(self.stream(body, name, decoded), status, code)
            self.nothing_there(self.KEY)
        self.expect(self.stream(aws_chunked(HELLO, right), **{"x-amz-checksum-crc32": CHECKSUMS["crc32"]}), 400, "InvalidRequest")
        self.nothing_there(self.KEY)

    def test_gzip_stays(self):
        self.expect(self.stream(aws_chunked(HELLO, [("x-amz-checksum-crc32", CHECKSUMS["crc32"])]), **{"content-encoding": "aws-chunked,gzip"}), 200)
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key=self.KEY)["ContentEncoding"], "gzip")
        self.stored()

    # ---- signed chunks ----

    def signed_stream(self, body, size, trailers=(), damage=None):
        payload = SIGNED_TRAILER if trailers else SIGNED
        headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body))}
        if trailers:
            headers["x-amz-trailer"] = ",".join(n for n, _ in trailers)
        request = Request("PUT", self.target(self.KEY), b"", headers, payload=payload)
        request.body = request.signed_chunks(body, size, trailers)
        if damage:
            request.body = damage(request.body)
        return request.send()

    def test_signed_chunks(self):
        for length in [0, 1, 8192, 8193, 100000]:
            body = bytes(i * 7 % 256 for i in range(length))
            self.expect(self.signed_stream(body, 8192), 200)
            self.stored(body)
            self.expect(self.signed_stream(body, 8192, [("x-amz-checksum-crc32", crc32_text(body))]), 200)
            self.stored(body)

    def test_signed_chunks_refused(self):
        body = b"d" * 20000
        for damage, status, code in [(lambda b: b.replace(b"ddd", b"dxd", 1), 403, "SignatureDoesNotMatch"),
                                     (lambda b: b[:-10], 400, "IncompleteBody"),
                                     (lambda b: b.replace(b"chunk-signature", b"chunk-signaturf", 1), 400, "IncompleteBody")]:
            self.expect(self.signed_stream(body, 8192, damage=damage), status, code)
            self.nothing_there(self.KEY)
        self.expect(self.signed_stream(body, 4096), 403, "InvalidChunkSizeError")
        self.nothing_there(self.KEY)
        trailer = [("x-amz-checksum-crc32", crc32_text(body))]
        self.expect(self.signed_stream(body, 8192, trailer, lambda b: b[:-6] + (b"0" if b[-6:-5] != b"0" else b"1") + b[-5:]), 403,
                    "SignatureDoesNotMatch")
        self.nothing_there(self.KEY)

    # ---- lengths and framing ----

    def test_lengths(self):
        self.refused_upload(411, "MissingContentLength", None)
        self.refused_upload(501, "NotImplemented", http_chunked(HELLO), {"transfer-encoding": "chunked"}, payload=hashlib.sha256(HELLO).hexdigest())
        request = Request("PUT", self.target(self.KEY), HELLO)
        with Connection() as connection:
            connection.send(request.head(5 * (1 << 30) + 1))
            self.expect(connection.read_answer(), 400, "EntityTooLarge")

    def test_short_body(self):
        request = Request("PUT", self.target(self.KEY), HELLO)
        with Connection() as connection:
            connection.send(request.head(9) + HELLO)
            connection.end_sending()
            try:
                self.expect(connection.read_answer(), 400, "IncompleteBody")
            except EOFError:
                pass
            self.assertTrue(connection.closed())
        self.nothing_there(self.KEY)

    def test_pipelined_after_refusal(self):
        """A refused body is read over: the next request on the connection is understood."""
        with Connection() as connection:
            bad = Request("PUT", self.target(self.KEY), HELLO, {"content-md5": md5_text(b"other")})
            good = Request("PUT", self.target(self.KEY), HELLO)
            connection.send(bad.bytes() + good.bytes())
            self.expect(connection.read_answer(), 400, "BadDigest")
            self.expect(connection.read_answer(), 200)
        self.stored()

    def test_expect_continue(self):
        request = Request("PUT", self.target(self.KEY), HELLO, unsigned_headers={"expect": "100-continue"})
        with Connection() as connection:
            connection.send(request.head())
            self.assertEqual(connection.read_head()[0], 100)
            connection.send(HELLO)
            self.expect(connection.read_answer(), 200)
        self.stored()
        with Connection() as connection:
            refused = Request("PUT", "/no-such-bucket-here/key", HELLO, unsigned_headers={"expect": "100-continue"})
            connection.send(refused.head())
            self.expect(connection.read_answer(), 404, "NoSuchBucket")

    def test_expect_with_empty_bodies(self):
        """botocore loses count of its answers when a final one comes without "100 Continue" and the connection goes on."""
        for target, status in [(self.target(self.KEY), 200), (self.target("k" * 1025), 400)]:
            request = Request("PUT", target, b"", unsigned_headers={"expect": "100-continue"})
            with Connection() as connection:
                connection.send(request.bytes())
                continued = connection.read_head()
                if continued[0] == 100:
                    self.assertEqual(connection.read_answer().status, status)
                else:
                    self.assertEqual((continued[0], continued[1].get("connection")), (status, "close"))

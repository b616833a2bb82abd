"""
What the newest SDKs put on the wire, sent byte for byte: header by header what was captured from @aws-sdk/client-s3, lib-storage, minio (npm), boto3
and awscli, in their order, with the headers they sign, with their chunking. What only documentation says of others (Java, Go, Hadoop) stands at
the end. Each request over HTTP and, by run.py --tls, over TLS: some clients send one kind only over one of them, a server must take both.
"""
import base64
import hashlib
import random
import re

from multipart import MIN_PART, MultipartTest, checksum, composite, multipart_etag
from wire import HOST, PORT, Connection, Request, crc32_text, http_chunked, md5_text, presigned

import wire

HELLO = b"hello"
BIG = random.Random(5).randbytes(MIN_PART)
AGENT = "aws-sdk-js/3.1168.0 ua/2.1 os/linux#6.1.0 lang/js md/nodejs#20.20.2 api/s3#3.1168.0 m/N,Z,b,U,E,e"
BOTO_AGENT = "Boto3/1.43.78 md/Botocore#1.43.78 ua/2.1 os/linux#6.1.0 md/arch#x86_64 lang/python#3.11.2 md/pyimpl#CPython m/b,Z,D cfg/retry-mode#standard"
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
XML = '<?xml version="1.0" encoding="UTF-8"?>'
NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def js_request(method, target, headers, body=b"", payload=None):
    """As the JavaScript SDK: it signs its own headers, but not user-agent, expect, transfer-encoding."""
    signed = {**headers, "x-amz-user-agent": "aws-sdk-js/3.1168.0", "amz-sdk-invocation-id": "53c90564-c70f-422e-b8f8-0cb5c170ed7a",
              "amz-sdk-request": "attempt=1; max=3"}
    unsigned = {"user-agent": AGENT, "Connection": "keep-alive"}
    for name in ("expect", "transfer-encoding"):
        if name in signed:
            unsigned[name.title()] = signed.pop(name)
    return Request(method, target, body, signed, payload=payload, unsigned_headers=unsigned)


def boto_request(method, target, headers, body=b"", payload=None):
    """As botocore: it signs little more than host, the x-amz- headers, and Content-MD5."""
    signed = {name: value for name, value in headers.items() if name.startswith(("x-amz-", "content-md5"))}
    unsigned = {name.title(): value for name, value in headers.items() if name not in signed}
    return Request(method, target, body, signed, payload=payload,
                   unsigned_headers={"User-Agent": BOTO_AGENT, "amz-sdk-invocation-id": "b7c6f2c8-8b8e-4b43-8b3b-0b3f3c0e8a55",
                                     "amz-sdk-request": "attempt=1", "Accept-Encoding": "identity", **unsigned})


def deliver(request, data=None):
    """The bytes; Content-Length is among the headers already. With Expect, the body goes only after 100 Continue."""
    data = request.body if data is None else data
    with Connection() as connection:
        if any(name.lower() == "expect" for name in request.extra):
            connection.send(request.head(None))
            status, _, _ = connection.read_head()
            assert status == 100, f"{status} instead of 100 Continue"
            connection.send(data)
        else:
            connection.send(request.head(None) + data)
        return connection.read_answer(request.method)


def js_chunks(pieces, trailer):
    """aws-chunked as the JavaScript SDK makes it, each of its writes an HTTP chunk of its own: size, bytes, line end, and so on."""
    writes = []
    for piece in pieces:
        writes += [b"%x\r\n" % len(piece), piece, b"\r\n"]
    writes += [b"0\r\n", trailer + b"\r\n", b"\r\n"]
    return b"".join(b"%x\r\n%s\r\n" % (len(w), w) for w in writes) + b"0\r\n\r\n"


def boto_chunks(data, trailer, size=1 << 20):
    """aws-chunked as botocore makes it: chunks of 1 MiB; http.client sends each read of 8 KiB as an HTTP chunk."""
    inner = b"".join(b"%x\r\n%s\r\n" % (len(data[at:at + size]), data[at:at + size]) for at in range(0, len(data), size))
    return http_chunked(inner + b"0\r\n" + trailer + b"\r\n\r\n", 8192)


class Replay(MultipartTest):
    KEY = "replay"

    def setUp(self):
        self.s3.delete_object(Bucket=self.bucket, Key=self.KEY)

    def at(self, query=""):
        return self.target(self.KEY, query)

    def stored(self, body, **expected):
        got = self.s3.get_object(Bucket=self.bucket, Key=self.KEY)
        self.assertEqual(got["Body"].read(), body)
        for name, value in expected.items():
            self.assertEqual(got.get(name), value, name)

    # ---- objects in one piece ----

    def js_put_headers(self, body):
        return {"content-type": "application/octet-stream", "content-length": str(len(body)), "x-amz-sdk-checksum-algorithm": "CRC32",
                "x-amz-checksum-crc32": crc32_text(body)}

    def test_js_put_object_of_a_buffer(self):
        for body in [HELLO, b"", BIG[:70001]]:
            request = js_request("PUT", self.at("x-id=PutObject"), self.js_put_headers(body), body)
            answer = self.expect(deliver(request), 200)
            self.assertEqual((answer.headers["etag"], answer.headers["x-amz-checksum-crc32"], answer.headers["x-amz-checksum-type"]),
                             (f'"{hashlib.md5(body).hexdigest()}"', crc32_text(body), "FULL_OBJECT"))
            self.stored(body, ContentType="application/octet-stream", ContentEncoding=None)

    def test_js_put_object_checksums_are_signed(self):
        for name in ["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"]:
            request = js_request("PUT", self.at("x-id=PutObject"), self.js_put_headers(HELLO), HELLO)
            head = re.sub(rf"\r\n{name}: [^\r]*".encode(), b"", request.head(None))
            self.assertNotEqual(head, request.head(None))
            with Connection() as connection:
                connection.send(head + HELLO)
                self.assertEqual(connection.read_answer().status, 403)
        self.nothing_there(self.KEY)

    def test_js_put_object_wrong_checksum(self):
        for body, status, code in [(b"hellO", 400, "XAmzContentSHA256Mismatch"), (HELLO, 400, "BadDigest")]:
            headers = self.js_put_headers(HELLO if code == "XAmzContentSHA256Mismatch" else b"other")
            headers["content-length"] = "5"
            request = js_request("PUT", self.at("x-id=PutObject"), headers, HELLO)
            self.expect(deliver(request, body), status, code)
            self.nothing_there(self.KEY)

    def test_js_put_object_of_five_mib_waits_for_continue(self):
        request = js_request("PUT", self.at("x-id=PutObject"), {**self.js_put_headers(BIG), "expect": "100-continue"}, BIG)
        self.expect(deliver(request), 200)
        self.stored(BIG)
        refused = js_request("PUT", "/no-such-bucket-here/key?x-id=PutObject", {**self.js_put_headers(BIG), "expect": "100-continue"}, BIG)
        with Connection() as connection:
            connection.send(refused.head(None))
            self.expect(connection.read_answer(), 404, "NoSuchBucket")

    def js_stream_headers(self, length):
        return {"content-type": "application/octet-stream", "x-amz-sdk-checksum-algorithm": "CRC32", "content-encoding": "aws-chunked",
                "transfer-encoding": "chunked", "x-amz-decoded-content-length": str(length), "x-amz-trailer": "x-amz-checksum-crc32"}

    def js_stream(self, pieces, target=None, trailer=None, length=None, **more):
        body = b"".join(pieces)
        headers = {**self.js_stream_headers(len(body) if length is None else length), **more}
        request = js_request("PUT", target or self.at("x-id=PutObject"), headers, payload=UNSIGNED_TRAILER)
        return deliver(request, js_chunks(pieces, trailer or f"x-amz-checksum-crc32:{crc32_text(body)}".encode()))

    def test_js_put_object_of_a_stream(self):
        captured = (b"3\r\n3\r\n\r\n3\r\nhel\r\n2\r\n\r\n\r\n3\r\n2\r\n\r\n2\r\nlo\r\n2\r\n\r\n\r\n3\r\n0\r\n\r\n"
                    b"1f\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n")
        self.assertEqual(js_chunks([b"hel", b"lo"], b"x-amz-checksum-crc32:NhCmhg=="), captured)
        for pieces in [[b"hel", b"lo"], [HELLO], [bytes([b]) for b in HELLO], [BIG[:1], BIG[1:65537], BIG[65537:]]]:
            answer = self.expect(self.js_stream(pieces), 200)
            body = b"".join(pieces)
            self.assertEqual(answer.headers["x-amz-checksum-crc32"], crc32_text(body))
            self.stored(body, ContentLength=len(body), ContentEncoding=None)

    def test_stream_keeps_other_encodings(self):
        for sent, kept in [("aws-chunked,gzip", "gzip"), ("gzip,aws-chunked", "gzip"), ("gzip, aws-chunked", "gzip"), ("aws-chunked", None)]:
            self.expect(self.js_stream([HELLO], **{"content-encoding": sent}), 200)
            self.stored(HELLO, ContentEncoding=kept)

    def test_stream_refusals_store_nothing(self):
        right = f"x-amz-checksum-crc32:{crc32_text(HELLO)}".encode()
        for trailer, length, more, status, code in [
                (b"x-amz-checksum-crc32:" + crc32_text(b"other").encode(), 5, {}, 400, "BadDigest"),
                (b"x-amz-checksum-crc32c:" + checksum("crc32c", HELLO).encode(), 5, {}, 400, "MalformedTrailerError"),
                (right, 4, {}, 400, "IncompleteBody"),
                (right, 6, {}, 400, "IncompleteBody"),
                (right, 5, {"x-amz-checksum-crc32": crc32_text(HELLO)}, 400, "InvalidRequest")]:
            self.expect(self.js_stream([b"hel", b"lo"], trailer=trailer, length=length, **more), status, code)
            self.nothing_there(self.KEY)

    def test_boto3_put_object_over_http(self):
        headers = {"content-length": "5", "x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": crc32_text(HELLO), "expect": "100-continue"}
        self.expect(deliver(boto_request("PUT", self.at(), headers, HELLO)), 200)
        self.stored(HELLO)

    def boto_stream(self, body, target=None, algorithm="crc32"):
        headers = {"content-encoding": "aws-chunked", "transfer-encoding": "chunked", "x-amz-decoded-content-length": str(len(body)),
                   "x-amz-trailer": f"x-amz-checksum-{algorithm}", "x-amz-sdk-checksum-algorithm": algorithm.upper(), "expect": "100-continue"}
        request = boto_request("PUT", target or self.at(), headers, payload=UNSIGNED_TRAILER)
        return deliver(request, boto_chunks(body, f"x-amz-checksum-{algorithm}:{checksum(algorithm, body)}".encode()))

    def test_boto3_and_awscli_put_object_over_https(self):
        for body in [b"", HELLO, BIG[:1 << 20], BIG[:(1 << 20) + 1], BIG]:
            answer = self.expect(self.boto_stream(body), 200)
            self.assertEqual(answer.headers["x-amz-checksum-crc32"], crc32_text(body))
            self.stored(body, ContentLength=len(body))

    def test_every_algorithm_in_a_trailer(self):
        for algorithm in ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"]:
            answer = self.expect(self.boto_stream(HELLO, algorithm=algorithm), 200)
            self.assertEqual((answer.headers[f"x-amz-checksum-{algorithm}"], answer.headers["x-amz-checksum-type"]),
                             (checksum(algorithm, HELLO), "FULL_OBJECT"))
            self.stored(HELLO)

    def test_minio_js_and_awscli_unsigned_with_md5(self):
        headers = {"content-length": str(len(BIG)), "content-md5": md5_text(BIG), "content-type": "application/dicom"}
        self.expect(deliver(boto_request("PUT", self.at(), headers, BIG, UNSIGNED)), 200)
        self.stored(BIG, ContentType="application/dicom")
        headers["content-md5"] = md5_text(b"other")
        self.expect(deliver(boto_request("PUT", self.target("other"), headers, BIG, UNSIGNED)), 400, "BadDigest")
        self.nothing_there("other")

    def test_no_checksum_gives_crc64nvme(self):
        answer = self.expect(deliver(boto_request("PUT", self.at(), {"content-length": "5"}, HELLO, UNSIGNED)), 200)
        self.assertEqual((answer.headers["x-amz-checksum-crc64nvme"], answer.headers["x-amz-checksum-type"]),
                         (checksum("crc64nvme", HELLO), "FULL_OBJECT"))

    # ---- reading ----

    def test_checksum_mode(self):
        self.expect(deliver(js_request("PUT", self.at("x-id=PutObject"), self.js_put_headers(HELLO), HELLO)), 200)
        for method, name in [("GET", "GetObject"), ("HEAD", "HeadObject")]:
            query = f"x-id={name}" if method == "GET" else ""
            answer = deliver(js_request(method, self.at(query), {"x-amz-checksum-mode": "ENABLED"}))
            self.assertEqual(answer.status, 200)
            self.assertEqual((answer.headers["x-amz-checksum-crc32"], answer.headers["x-amz-checksum-type"], answer.headers["content-length"]),
                             (crc32_text(HELLO), "FULL_OBJECT", "5"))
            answer = deliver(js_request(method, self.at(query), {"x-amz-checksum-mode": "ENABLED", "range": "bytes=1-2"}))
            self.assertEqual((answer.status, answer.headers["content-length"]), (206, "2"))
            self.assertNotIn("x-amz-checksum-crc32", answer.headers)
            answer = deliver(js_request(method, self.at(query), {}))
            self.assertNotIn("x-amz-checksum-crc32", answer.headers)

    # ---- uploads in parts ----

    def create(self, headers):
        answer = self.expect(deliver(js_request("POST", self.at("uploads="), {**headers, "content-length": "0"})), 200)
        return answer.element("UploadId")

    def js_part(self, number, upload, body):
        target = self.at(f"partNumber={number}&uploadId={upload}&x-id=UploadPart")
        headers = self.js_put_headers(body)
        if len(body) >= MIN_PART:
            headers["expect"] = "100-continue"
        return self.expect(deliver(js_request("PUT", target, headers, body)), 200)

    def js_complete(self, upload, parts, quote='&quot;'):
        """parts: (number, ETag without quotes, elements more)."""
        text = "".join(f"<Part><ETag>{quote}{etag}{quote}</ETag>{more}<PartNumber>{number}</PartNumber></Part>" for number, etag, more in parts)
        body = f"{XML}<CompleteMultipartUpload {NAMESPACE}>{text}</CompleteMultipartUpload>".encode()
        headers = {"content-type": "application/xml", "content-length": str(len(body))}
        return deliver(js_request("POST", self.at(f"uploadId={upload}"), headers, body))

    def test_lib_storage(self):
        """Create names CRC32; each part carries it, and Complete repeats what the parts' answers said."""
        upload = self.create({"x-amz-checksum-algorithm": "CRC32"})
        parts = []
        for number, body in [(1, BIG), (2, HELLO)]:
            answer = self.js_part(number, upload, body)
            self.assertEqual(answer.headers["x-amz-checksum-crc32"], crc32_text(body))
            parts.append((number, answer.headers["etag"].strip('"'), f"<ChecksumCRC32>{crc32_text(body)}</ChecksumCRC32>"))
        answer = self.expect(self.js_complete(upload, parts), 200)
        self.assertEqual(answer.element("ChecksumCRC32"), composite("crc32", [BIG, HELLO]))
        self.stored(BIG + HELLO, ETag=multipart_etag([BIG, HELLO]))
        got = deliver(js_request("HEAD", self.at(), {"x-amz-checksum-mode": "ENABLED"}))
        self.assertEqual((got.headers["x-amz-checksum-crc32"], got.headers["x-amz-checksum-type"]), (composite("crc32", [BIG, HELLO]), "COMPOSITE"))

    def test_js_parts_by_hand(self):
        """Create names nothing, the parts carry CRC32 all the same, Complete has none; ETags in quotes, as entities, and bare."""
        for quote in ["&quot;", '"', ""]:
            upload = self.create({})
            parts = [(n, self.js_part(n, upload, body).headers["etag"].strip('"'), "") for n, body in [(1, BIG), (2, HELLO)]]
            self.expect(self.js_complete(upload, parts, quote), 200)
            self.stored(BIG + HELLO, ETag=multipart_etag([BIG, HELLO]))
            got = deliver(js_request("HEAD", self.at(), {"x-amz-checksum-mode": "ENABLED"}))
            self.assertEqual((got.headers["x-amz-checksum-crc64nvme"], got.headers["x-amz-checksum-type"]),
                             (checksum("crc64nvme", BIG + HELLO), "FULL_OBJECT"))

    def test_parts_of_streams(self):
        upload = self.create({"x-amz-checksum-algorithm": "CRC32"})
        target = f"partNumber=%d&uploadId={upload}"
        first = self.expect(self.boto_stream(BIG, self.at(target % 1)), 200)
        second = self.expect(self.js_stream([b"hel", b"lo"], self.at(target % 2 + "&x-id=UploadPart")), 200)
        parts = [(n, a.headers["etag"].strip('"'), f"<ChecksumCRC32>{a.headers['x-amz-checksum-crc32']}</ChecksumCRC32>")
                 for n, a in [(1, first), (2, second)]]
        self.expect(self.js_complete(upload, parts), 200)
        self.stored(BIG + HELLO)

    # ---- documents ----

    def delete_request(self, document, headers, target=None):
        return js_request("POST", target or f"/{self.bucket}/?delete=", {"content-type": "application/xml", "content-length": str(len(document)), **headers}, document)

    def test_delete_objects(self):
        document = f"{XML}<Delete {NAMESPACE}><Object><Key>{self.KEY}</Key></Object></Delete>".encode()
        crc = {"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": crc32_text(document)}
        for headers in [crc, {"content-md5": md5_text(document)}, {**crc, "content-md5": md5_text(document)}]:
            for target in [f"/{self.bucket}/?delete=", f"/{self.bucket}?delete=", f"/{self.bucket}?delete"]:
                self.put(self.KEY, HELLO)
                answer = self.expect(deliver(self.delete_request(document, headers, target)), 200)
                self.assertEqual(answer.element("Key"), self.KEY)
                self.nothing_there(self.KEY)
        self.put(self.KEY, HELLO)
        self.expect(deliver(self.delete_request(document, {})), 400, "InvalidRequest")
        self.expect(deliver(self.delete_request(document, {"x-amz-checksum-crc32": crc32_text(b"other")})), 400, "BadDigest")
        self.stored(HELLO)

    def test_settings_with_a_checksum(self):
        """Put*Configuration and PutObjectRetention carry CRC32 in place of Content-MD5. Those that are not offered say so, and not that a digest is missing."""
        for name, target, document in [
                ("versioning", f"/{self.bucket}?versioning=", f"<VersioningConfiguration {NAMESPACE}><Status>Enabled</Status></VersioningConfiguration>"),
                ("lifecycle", f"/{self.bucket}?lifecycle=", f"<LifecycleConfiguration {NAMESPACE}><Rule><ID>a</ID><Status>Enabled</Status><Filter>"
                 "<Prefix>none/</Prefix></Filter><Expiration><Days>3650</Days></Expiration></Rule></LifecycleConfiguration>"),
                ("object-lock", f"/{self.bucket}?object-lock=", f"<ObjectLockConfiguration {NAMESPACE}><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"),
                ("retention", self.at("retention="), f"<Retention {NAMESPACE}><Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>")]:
            body = (XML + document).encode()
            headers = {"content-type": "application/xml", "content-length": str(len(body)), "x-amz-sdk-checksum-algorithm": "CRC32",
                       "x-amz-checksum-crc32": crc32_text(body)}
            self.put(self.KEY, HELLO)
            answer = deliver(js_request("PUT", target, headers, body))
            self.assertNotIn(answer.status, (403, 411, 500), f"{name}: {answer.status} {answer.code}")
            self.assertNotIn(answer.code, ("InvalidDigest", "BadDigest", "SignatureDoesNotMatch"), name)
            if answer.status == 400:
                self.assertNotIn("checksum", (answer.element("Message") or "").lower(), name)

    # ---- queries ----

    def test_queries_are_signed_as_they_are(self):
        self.put(self.KEY, HELLO)
        for query in ["x-id=GetObject", "x-id=GetObject&versionId=null"]:
            self.assertEqual(deliver(js_request("GET", self.at(query), {})).body, HELLO)
        for query in ["versioning", "versioning=", "location", "location=", "uploads", "uploads=", "list-type=2&prefix=replay", "x-id=ListObjectsV2&list-type=2"]:
            self.expect(deliver(js_request("GET", f"/{self.bucket}?{query}", {})), 200)
        for signed, sent in [("x-id=GetObject", ""), ("x-id=GetObject", "?x-id=PutObject"), ("", "?x-id=GetObject")]:
            request = js_request("GET", self.at(signed), {})
            request.target = self.at() + sent
            self.expect(deliver(request), 403, "SignatureDoesNotMatch")

    # ---- presigned ----

    def presign_as_js(self, method, query):
        """getSignedUrl(): the query of the command is signed with the rest, host alone of the headers."""
        return presigned(method, self.at(), more={"X-Amz-Content-Sha256": UNSIGNED, **query})

    def test_js_presigned_put(self):
        """The link carries the checksum of no body, signed; the body that comes is another, and is stored."""
        target = self.presign_as_js("PUT", {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32", "x-id": "PutObject"})
        self.assertIn("x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject", target)
        answer = Request("PUT", target, HELLO, {"content-type": "application/dicom"}, signed=False).send()
        self.expect(answer, 200)
        self.stored(HELLO, ContentType="application/dicom")
        spoilt = target.replace("AAAAAA%3D%3D", "BBBBBB%3D%3D")
        self.expect(Request("PUT", spoilt, b"other", signed=False).send(), 403, "SignatureDoesNotMatch")
        self.stored(HELLO)

    def test_js_presigned_get(self):
        self.put(self.KEY, HELLO)
        target = self.presign_as_js("GET", {"x-amz-checksum-mode": "ENABLED", "x-id": "GetObject"})
        answer = self.expect(Request("GET", target, signed=False).send(), 200)
        self.assertEqual(answer.body, HELLO)

    # ---- from documentation: Java, Go, Hadoop ----

    def signed_chunks(self, body, size, trailers, headers):
        payload = SIGNED_TRAILER if trailers else SIGNED
        sent = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(body)), "content-type": "application/octet-stream", **headers}
        if trailers:
            sent["x-amz-trailer"] = ",".join(name for name, _ in trailers)
        # Content-Length is signed and counts the signatures, which have a fixed length
        draft = Request("PUT", self.at(), b"", {**sent, "content-length": "0"}, payload=payload)
        sent["content-length"] = str(len(draft.signed_chunks(body, size, trailers)))
        request = Request("PUT", self.at(), b"", sent, payload=payload, unsigned_headers={"user-agent": "aws-sdk-java/2", "expect": "100-continue"})
        return request, request.signed_chunks(body, size, trailers)

    def test_java_v1_and_hadoop_signed_chunks(self):
        for body in [b"", HELLO, BIG[:131072], BIG[:131073], BIG]:
            request, data = self.signed_chunks(body, 131072, (), {})
            self.expect(deliver(request, data), 200)
            self.stored(body, ContentEncoding=None, ContentLength=len(body))

    def test_java_v2_and_go_signed_trailers(self):
        for body in [HELLO, BIG]:
            trailers = [("x-amz-checksum-crc32", crc32_text(body))]
            request, data = self.signed_chunks(body, 131072, trailers, {"x-amz-sdk-checksum-algorithm": "CRC32"})
            self.assertIn(b"x-amz-trailer-signature:", data)
            answer = self.expect(deliver(request, data), 200)
            self.assertEqual(answer.headers["x-amz-checksum-crc32"], crc32_text(body))
            self.stored(body)

    def test_signed_chunks_spoilt(self):
        trailers = [("x-amz-checksum-crc32", crc32_text(HELLO))]
        for spoil, status, code in [
                (lambda data: data.replace(HELLO, b"hellO"), 403, "SignatureDoesNotMatch"),
                (lambda data: data.replace(crc32_text(HELLO).encode(), crc32_text(b"other").encode()), 403, "SignatureDoesNotMatch"),
                (lambda data: re.sub(rb"trailer-signature:.", lambda m: m[0][:-1] + (b"1" if m[0][-1:] == b"0" else b"0"), data), 403, "SignatureDoesNotMatch")]:
            request, data = self.signed_chunks(HELLO, 8192, trailers, {})
            spoilt = spoil(data)
            self.assertNotEqual(spoilt, data)
            self.expect(deliver(request, spoilt), status, code)
            self.nothing_there(self.KEY)
        wrong = [("x-amz-checksum-crc32", crc32_text(b"other"))]
        request, data = self.signed_chunks(HELLO, 8192, wrong, {})
        self.expect(deliver(request, data), 400, "BadDigest")
        self.nothing_there(self.KEY)

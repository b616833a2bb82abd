#!/usr/bin/python3
"""
What a server must refuse: malformed HTTP, wrong signatures, broken framing, bodies that aren't what was promised.

Each case is a table row: bytes to send, the status and S3 code that must come. After each, the connection has to be in the state the answer
announced (closed, or good for another request), and at the end the bucket holds what the good cases stored and nothing else.
"""
import argparse
import base64
import binascii
import hashlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance  # noqa: E402
from raw import Connection, Requests, http_chunks, minutes_ago, signed_aws_chunks, signed_chunk_length, unsigned_aws_chunks  # noqa: E402
from s3 import S3, UNSIGNED, Signer  # noqa: E402

BUCKET = "bad"
BODY = bytes(range(256)) * 40
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
NO_ANSWER = None


def crc32(data):
    return base64.b64encode(binascii.crc32(data).to_bytes(4, "big")).decode()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def plain(*lines):
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def http_cases(r):
    """name, bytes, status or statuses, code (None: any)"""
    host = f"Host: 127.0.0.1:{r.port}"
    # "signed" with an empty body: only the framing is at fault
    yield "TLS spoken to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), (400,), None
    yield "no HTTP", b"hello\r\n\r\n", (400,), None
    yield "unknown version", plain("GET / HTTP/9.9", host), (400, 505), None
    yield "no Host", plain("GET / HTTP/1.1"), (400,), None
    yield "header without colon", plain("GET / HTTP/1.1", host, "nonsense"), (400,), None
    yield "white space before colon", plain("GET / HTTP/1.1", host, "x-a : 1"), (400,), None
    yield "folded header", plain("GET / HTTP/1.1", host, "x-a: 1", " 2"), (400,), None
    yield "NUL in a header", plain("GET / HTTP/1.1", host, "x-a: \0"), (400,), None
    yield "200 KiB of headers", plain("GET / HTTP/1.1", host, *(f"x-{n}: {'v' * 1000}" for n in range(200))), (400, 431), None
    yield "one endless header", b"GET / HTTP/1.1\r\nx: " + b"v" * 200000, (400, 431), None
    yield "10000 headers", plain("GET / HTTP/1.1", host, *(f"x-{n}: 1" for n in range(10000))), (400, 431), None
    yield "endless target", b"GET /" + b"a" * 200000 + b" HTTP/1.1\r\n\r\n", (400, 414), None
    yield "two lengths", plain("PUT /bad/x HTTP/1.1", host, "Content-Length: 5", "Content-Length: 6") + b"hello", (400,), None
    yield "length and chunked", plain("PUT /bad/x HTTP/1.1", host, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", (400,), None
    yield "negative length", plain("PUT /bad/x HTTP/1.1", host, "Content-Length: -5"), (400,), None
    yield "length beyond 2^64", plain("PUT /bad/x HTTP/1.1", host, "Content-Length: 99999999999999999999"), (400,), None
    yield "length with a sign", plain("PUT /bad/x HTTP/1.1", host, "Content-Length: +5") + b"hello", (400,), None
    yield "unknown transfer coding", plain("PUT /bad/x HTTP/1.1", host, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", (400, 501), None
    yield "unknown method", plain("BREW /bad/x HTTP/1.1", host), (400, 405, 501), None
    yield "unknown expectation", plain("PUT /bad/x HTTP/1.1", host, "Content-Length: 5", "Expect: miracles"), (400, 417), None
    yield "broken percent", plain("GET /bad/%zz HTTP/1.1", host), (400, 403), None
    yield "nothing", b"", NO_ANSWER, None
    yield "half a head", b"GET /bad/x HTTP/1.1\r\nHo", NO_ANSWER, None


def signature_cases(r):
    good = r.signer
    yield "no signature", plain("GET /bad/good HTTP/1.1", f"Host: 127.0.0.1:{r.port}"), (403,), "AccessDenied"
    yield "wrong secret", r.head("GET", "/bad/good", signer=Signer(good.access_key, "no" * 20)), (403,), "SignatureDoesNotMatch"
    yield "unknown key", r.head("GET", "/bad/good", signer=Signer("AKIANOBODY0000000000", good.secret_key)), (403,), "InvalidAccessKeyId"
    yield "another region", r.head("GET", "/bad/good", signer=Signer(good.access_key, good.secret_key, "eu-west-3")), (400,), "AuthorizationHeaderMalformed"
    yield "an hour old", r.head("GET", "/bad/good", now=minutes_ago(60)), (403,), "RequestTimeTooSkewed"
    yield "an hour early", r.head("GET", "/bad/good", now=minutes_ago(-60)), (403,), "RequestTimeTooSkewed"
    yield "changed path", r.head("GET", "/bad/good").replace(b"GET /bad/good", b"GET /bad/goof"), (403,), "SignatureDoesNotMatch"
    yield "changed method", r.head("HEAD", "/bad/good").replace(b"HEAD", b"GET", 1), (403,), "SignatureDoesNotMatch"
    yield "changed query", r.head("GET", "/bad", query=[("prefix", "a")]).replace(b"prefix=a", b"prefix=b"), (403,), "SignatureDoesNotMatch"
    yield "changed header", r.put("/bad/x", BODY, {"x-amz-meta-a": "1"}).replace(b"x-amz-meta-a: 1", b"x-amz-meta-a: 2"), (403,), "SignatureDoesNotMatch"
    yield "unsigned x-amz header", r.put("/bad/x", BODY, extra=["x-amz-meta-b: 1"]), (403,), "AccessDenied"
    cut = r.head("GET", "/bad/good")
    yield "signature cut short", cut[:-12] + b"\r\n\r\n", (400, 403), None
    yield "empty authorization", r.head("GET", "/bad/good", extra=[]).replace(b"AWS4-HMAC-SHA256 Credential", b"AWS4-HMAC-SHA256 C"), (400,), None
    yield "unknown scheme", r.head("GET", "/bad/good").replace(b"AWS4-HMAC-SHA256", b"AWS9-HMAC-SHA256"), (400,), None
    yield "nonsense content hash", r.head("PUT", "/bad/x", headers={"content-length": "0"}, payload_hash="nonsense"), (400,), None


def put_cases(r):
    wrong = hashlib.sha256(b"something else").hexdigest()
    yield "other bytes than signed", r.put("/bad/x", BODY, payload_hash=wrong), (400,), "XAmzContentSHA256Mismatch"
    yield "wrong MD5", r.put("/bad/x", BODY, {"content-md5": md5(b"else")}), (400,), "BadDigest"
    yield "no MD5 at all", r.put("/bad/x", BODY, {"content-md5": "nonsense"}), (400,), "InvalidDigest"
    yield "wrong CRC32", r.put("/bad/x", BODY, {"x-amz-checksum-crc32": crc32(b"else")}), (400,), "BadDigest"
    yield "no CRC32 at all", r.put("/bad/x", BODY, {"x-amz-checksum-crc32": "?"}), (400,), "InvalidRequest"
    yield "two checksums", r.put("/bad/x", BODY, {"x-amz-checksum-crc32": crc32(BODY), "x-amz-checksum-crc32c": "AAAAAA=="}), (400,), "InvalidRequest"
    yield "no length", r.head("PUT", "/bad/x", payload_hash=UNSIGNED), (411,), "MissingContentLength"
    yield "6 GiB", r.head("PUT", "/bad/x", headers={"content-length": str(6 << 30)}, payload_hash=UNSIGNED,
                          extra=["Expect: 100-continue"]), (400,), "EntityTooLarge"
    yield "key of 1025 bytes", r.put("/bad/" + "k" * 1025, BODY), (400,), "KeyTooLongError"
    yield "3 KiB of metadata", r.put("/bad/x", BODY, {"x-amz-meta-a": "v" * 3000}), (400,), "MetadataTooLarge"
    yield "no such bucket", r.put("/not-there/x", BODY), (404,), "NoSuchBucket"
    yield "unknown storage class", r.put("/bad/x", BODY, {"x-amz-storage-class": "CHEAP"}), (400,), "InvalidStorageClass"
    yield "a condition that S3 has not", r.put("/bad/x", BODY, {"if-none-match": md5(BODY)}), (501,), "NotImplemented"
    yield "a condition that does not hold", r.put("/bad/x", BODY, {"if-match": md5(BODY)}), (404,), "NoSuchKey"
    yield "body cut off", r.put("/bad/x", BODY)[:-100], NO_ANSWER, None


def chunked_cases(r):
    def trailer_put(body, length, headers=None):
        return r.head("PUT", "/bad/x", payload_hash=TRAILER,
                      headers={"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(length), "x-amz-trailer": "x-amz-checksum-crc32",
                               "transfer-encoding": "chunked", **(headers or {})}) + body

    pieces = [BODY[:5000], BODY[5000:]]
    right = [("x-amz-checksum-crc32", crc32(BODY))]
    yield "wrong trailer", trailer_put(http_chunks(unsigned_aws_chunks(pieces, [("x-amz-checksum-crc32", crc32(b""))])), len(BODY)), (400,), "BadDigest"
    yield "another trailer than announced", trailer_put(
        http_chunks(unsigned_aws_chunks(pieces, [("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=")])), len(BODY)), (400,), "MalformedTrailerError"
    yield "no trailer", trailer_put(http_chunks(unsigned_aws_chunks(pieces, [])), len(BODY)), (400,), "MalformedTrailerError"
    yield "longer than decoded length", trailer_put(http_chunks(unsigned_aws_chunks(pieces, right)), len(BODY) - 1), (400,), None
    yield "shorter than decoded length", trailer_put(http_chunks(unsigned_aws_chunks(pieces, right)), len(BODY) + 1), (400,), None
    yield "inner framing broken", trailer_put(http_chunks(b"zz\r\n" + BODY), len(BODY)), (400,), None
    yield "inner framing ends early", trailer_put(http_chunks(b"1000\r\nabc"), len(BODY)), (400,), None
    yield "outer framing broken", trailer_put(b"zz\r\n", len(BODY)), (400,), None
    yield "outer chunk of 2^64", trailer_put(b"ffffffffffffffffff\r\n", len(BODY)), (400,), None
    length = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY)), "content-length": str(signed_chunk_length([BODY]))}
    head = r.head("PUT", "/bad/x", payload_hash=SIGNED_CHUNKS, headers=length)
    yield "wrong chunk signature", head + signed_aws_chunks(r.signer, head, [BODY], spoil=0), (403,), "SignatureDoesNotMatch"
    yield "wrong last signature", head + signed_aws_chunks(r.signer, head, [BODY], spoil=1), (403,), "SignatureDoesNotMatch"
    yield "changed chunk", head + signed_aws_chunks(r.signer, head, [BODY]).replace(b"\x10\x11\x12", b"\x10\x13\x12", 1), (403,), "SignatureDoesNotMatch"


def other_cases(r):
    def delete(document, headers=None):
        body = document.encode()
        return r.head("POST", "/bad", query=[("delete", "")], headers={"content-length": str(len(body)), "content-md5": md5(body), **(headers or {})},
                      payload_hash=hashlib.sha256(body).hexdigest()) + body

    laughs = ('<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
              "<Delete><Object><Key>&c;</Key></Object></Delete>")
    yield "DeleteObjects without XML", delete("nonsense"), (400,), "MalformedXML"
    yield "DeleteObjects with entities", delete(laughs), (400,), "MalformedXML"
    yield "DeleteObjects cut short", delete("<Delete><Object><Key>good</Key></Object>"), (400,), "MalformedXML"
    yield "DeleteObjects of 1001 keys", delete("<Delete>" + "<Object><Key>k</Key></Object>" * 1001 + "</Delete>"), (400,), "MalformedXML"
    yield "DeleteObjects with a wrong MD5", delete("<Delete><Object><Key>good</Key></Object></Delete>", {"content-md5": md5(b"")}), (400,), "BadDigest"
    yield "bad bucket name", r.put("/Bad_Name", b""), (400,), "InvalidBucketName"
    yield "bucket that isn't empty", r.head("DELETE", "/bad"), (409,), "BucketNotEmpty"
    yield "a setting not offered", r.head("PUT", "/bad", query=[("replication", "")], headers={"content-length": "0"}), (501,), "NotImplemented"
    yield "max-keys below 0", r.head("GET", "/bad", query=[("max-keys", "-1")]), (400,), "InvalidArgument"
    yield "forged continuation token", r.head("GET", "/bad", query=[("list-type", "2"), ("continuation-token", "AAAA")]), (400,), None
    yield "no such key", r.head("GET", "/bad/nothing"), (404,), "NoSuchKey"
    yield "range behind the end", r.head("GET", "/bad/good", headers={"range": "bytes=99999999-"}), (416,), "InvalidRange"
    no_upload = ("uploadId", "0" * 32)
    yield "part 0", r.head("PUT", "/bad/x", query=[("partNumber", "0"), no_upload], headers={"content-length": "0"}), (400,), "InvalidArgument"
    yield "part of no upload", r.head("PUT", "/bad/x", query=[("partNumber", "1"), no_upload], headers={"content-length": "0"}), (404,), "NoSuchUpload"
    yield "nothing completed", r.head("POST", "/bad/x", query=[no_upload], headers={"content-length": "0"}), (400,), "MalformedXML"
    yield "upload of a wrong kind", r.head("POST", "/bad/x", query=[("uploads", "")],
                                           headers={"content-length": "0", "x-amz-checksum-type": "COMPOSITE"}), (400,), "InvalidRequest"


def good_requests(r):
    """The same tools, nothing spoilt: shows that the cases fail for the reason they name. key, bytes"""
    head = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY))}
    chunks = unsigned_aws_chunks([BODY[:1], BODY[1:8193], BODY[8193:]], [("x-amz-checksum-crc32", crc32(BODY))])
    yield "good", r.put("/bad/good", BODY)
    yield "md5", r.put("/bad/md5", BODY, {"content-md5": md5(BODY), "x-amz-checksum-crc32": crc32(BODY)})
    yield "unsigned", r.put("/bad/unsigned", BODY, payload_hash=UNSIGNED)
    yield "trailer", r.head("PUT", "/bad/trailer", payload_hash=TRAILER,
                            headers={**head, "x-amz-trailer": "x-amz-checksum-crc32", "transfer-encoding": "chunked"}) + http_chunks(chunks)
    signed = r.head("PUT", "/bad/signed", payload_hash=SIGNED_CHUNKS, headers={**head, "content-length": str(signed_chunk_length([BODY]))})
    yield "signed", signed + signed_aws_chunks(r.signer, signed, [BODY])


def check_last_request(r):
    """Answers that end a connection are whole: a GET that asks for it, HTTP/1.0, HEAD."""
    for name, request, method in (
            ("Connection: close", r.head("GET", "/bad/good", extra=["Connection: close"]), "GET"),
            ("HTTP/1.0", r.head("GET", "/bad/good").replace(b"HTTP/1.1", b"HTTP/1.0", 1), "GET"),
            ("HEAD and close", r.head("HEAD", "/bad/good", extra=["Connection: close"]), "HEAD"),
            ("error and close", r.head("GET", "/bad/nothing", extra=["Connection: close"]), "GET")):
        connection = Connection(r.port)
        connection.send(request)
        answer = connection.read_answer(method)
        assert answer is not None, f"{name}: no answer"
        if "nothing" in request.decode("latin-1"):
            assert (answer.status, answer.code) == (404, "NoSuchKey"), f"{name}: {answer}"
        else:
            assert answer.status == 200 and answer.body == (BODY if method == "GET" else b""), f"{name}: {answer}"
        assert connection.at_end(), f"{name}: not closed"
        connection.close()


def check_pipeline(r):
    """Requests sent at once are answered in order."""
    connection = Connection(r.port)
    connection.send(r.head("GET", "/bad/good") + r.put("/bad/pipelined", b"1") + r.head("GET", "/bad/pipelined") + r.head("DELETE", "/bad/pipelined"))
    found = [connection.read_answer() for _ in range(4)]
    assert [a and a.status for a in found] == [200, 200, 200, 204] and found[0].body == BODY and found[2].body == b"1", found
    connection.close()


def check_connection(connection, answer, r, name):
    """Closed if the answer said so; else it carries another request."""
    if answer.headers.get("connection", "").lower() == "close":
        assert connection.at_end(), f"{name}: announced a close, and did not close"
        return
    connection.send(r.head("GET", "/bad/good"))
    after = connection.read_answer()
    assert after is not None, f"{name}: the connection was closed without notice"
    assert after.status == 200 and after.body == BODY, f"{name}: the next request on the connection got {after}"


def run_case(r, name, data, statuses, code):
    connection = Connection(r.port)
    connection.send(data)
    if statuses is NO_ANSWER or data[-4:] != b"\r\n\r\n" and b"\r\n\r\n" not in data:
        connection.end_sending()
    answer = connection.read_answer()
    if statuses is NO_ANSWER:
        assert answer is None or answer.status in (400, 408), f"{name}: got {answer}"
    else:
        assert answer is not None, f"{name}: closed without an answer"
        assert answer.status in statuses, f"{name}: status {answer.status} {answer.code}, expected {statuses} {code}: {answer.body[:300]!r}"
        assert code is None or answer.code == code, f"{name}: code {answer.code}, expected {code}"
        assert answer.headers.get("x-amz-request-id"), f"{name}: no request id"
        if code == "AuthorizationHeaderMalformed":
            assert answer.text("Region") == "us-east-1", f"{name}: doesn't name the right region"
        assert connection.continues == 0 or code not in ("EntityTooLarge",), f"{name}: asked for the body before refusing"
        check_connection(connection, answer, r, name)
    connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    arguments = parser.parse_args()
    failures, count = [], 0
    with Appliance(arguments.build) as appliance:
        appliance.start()
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        r = Requests(appliance)
        stored = []
        for key, data in good_requests(r):
            connection = Connection(r.port)
            connection.send(data)
            answer = connection.read_answer()
            assert answer is not None and answer.status == 200, f"good request {key}: {answer} {answer and answer.body[:300]}"
            check_connection(connection, answer, r, key)
            connection.close()
            assert s3.get(BUCKET, key) == BODY, f"{key}: other bytes came back"
            stored.append(key)
        for check in (check_last_request, check_pipeline):
            count += 1
            try:
                check(r)
            except (AssertionError, OSError) as e:
                failures.append(str(e))
                print(f"FAILED {e}", flush=True)
        for cases in (http_cases, signature_cases, put_cases, chunked_cases, other_cases):
            for name, data, statuses, code in cases(r):
                count += 1
                try:
                    run_case(r, name, data, statuses, code)
                except (AssertionError, OSError) as e:
                    failures.append(f"{name}: {e}" if name not in str(e) else str(e))
                    print(f"FAILED {failures[-1]}", flush=True)
        assert sorted(s3.list(BUCKET)) == sorted(stored), f"the bucket holds {sorted(s3.list(BUCKET))}"
        assert appliance.http_status("/healthz") == 200
        s3.close()
        assert not failures, f"{len(failures)} of {count} cases failed"
    print(f"passed: {count} bad requests, {len(stored)} good ones")


if __name__ == "__main__":
    main()

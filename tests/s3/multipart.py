"""Multipart uploads request by request, as bytes: what boto3 would hide, or not send in this version."""
import base64
import functools
import hashlib
import struct
import zlib

from base import ApiTest
from wire import Request

MIN_PART = 5 << 20
ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
ABSENT_ID = "0" * 32


def _table(polynomial):
    table = []
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


def _crc(table, width, data):
    mask = (1 << width) - 1
    value = mask
    for byte in data:
        value = table[(value ^ byte) & 255] ^ (value >> 8)
    return (value ^ mask).to_bytes(width // 8, "big")


_CRC32C = _table(0x82F63B78)
_CRC64NVME = _table(0x9A6C9329AC4BC9B5)


@functools.lru_cache(maxsize=64)
def digest(name, data):
    if name == "crc32":
        return struct.pack(">I", zlib.crc32(data))
    if name == "crc32c":
        return _crc(_CRC32C, 32, data)
    if name == "crc64nvme":
        return _crc(_CRC64NVME, 64, data)
    return hashlib.new(name, data).digest()


def checksum(name, data):
    return base64.b64encode(digest(name, data)).decode()


def composite(name, parts):
    return f"{checksum(name, b''.join(digest(name, p) for p in parts))}-{len(parts)}"


def multipart_etag(parts):
    return f'"{hashlib.md5(b"".join(hashlib.md5(p).digest() for p in parts)).hexdigest()}-{len(parts)}"'


class Upload:
    """One upload; parts() remembers what Complete needs."""

    def __init__(self, test, key, headers=None):
        self.test, self.key = test, key
        answer = test.expect(Request("POST", test.target(key, "uploads"), b"", headers).send(), 200)
        self.created = answer
        self.id = answer.element("UploadId")
        self.listed = []

    def target(self, query=""):
        return self.test.target(self.key, f"{query}&uploadId={self.id}" if query else f"uploadId={self.id}")

    def send_part(self, number, body, headers=None):
        return Request("PUT", self.target(f"partNumber={number}"), body, headers).send()

    def part(self, number, body, headers=None):
        answer = self.test.expect(self.send_part(number, body, headers), 200)
        sums = [(n, answer.headers[f"x-amz-checksum-{n}"]) for n in ALGORITHMS if f"x-amz-checksum-{n}" in answer.headers]
        self.listed.append((number, answer.headers["etag"], *sums[:1]))
        return answer

    def copy(self, number, source, headers=None):
        return Request("PUT", self.target(f"partNumber={number}"), b"", {"x-amz-copy-source": source, **(headers or {})}).send()

    @staticmethod
    def document(parts):
        text = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag>"
                       + "".join(f"<Checksum{a.upper()}>{v}</Checksum{a.upper()}>" for a, v in sums) + "</Part>" for n, etag, *sums in parts)
        return f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{text}</CompleteMultipartUpload>'.encode()

    def send_complete(self, parts=None, headers=None, body=None):
        return Request("POST", self.target(), self.document(self.listed if parts is None else parts) if body is None else body, headers).send()

    def complete(self, **more):
        return self.test.expect(self.send_complete(**more), 200)

    def send_abort(self):
        return Request("DELETE", self.target()).send()


class MultipartTest(ApiTest):
    @classmethod
    def remove_bucket(cls, name):
        for upload in cls.s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            cls.s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        super().remove_bucket(name)

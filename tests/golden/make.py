#!/usr/bin/python3
"""
Makes the golden pools: drives that dolmend itself wrote, packed, and what has to be read from them.

    tests/golden/make.py --build build/release          all of them, anew, into pools-v1/

Each pool has empty, plain, compressed, duplicate and overwritten objects, metadata, checksums, objects of several chunks, multipart ones, uploads left
open and given up, deletes, a clean stop in the middle, and kill -9 as its end. pools.py reads them. Once a version is released its pools stay as
they are, and every later version reads them; until then they are made again when the format changes.
"""
import argparse
import base64
import hashlib
import json
import lzma
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from appliance import Appliance  # noqa: E402
from s3 import S3  # noqa: E402

GEOMETRIES = {"1+0": 1, "4+2": 6}  # with the number of drives
FOLDER = os.path.join(HERE, "pools-v1")
DRIVE_SIZE = "256M"
PART_BYTES_MIN = 5 << 20
# What belongs to one answer, and not to the object.
PASSING_HEADERS = ("connection", "date", "server", "x-amz-id-2", "x-amz-request-id")


def text(size, name):
    """Bytes that compress well, and are nowhere the same."""
    return b"".join(f"{name} block {i}\n".encode().ljust(4096, b".") for i in range(size // 4096 + 1))[:size]


def samples(count, chance):
    """Slowly changing numbers of 16 bits, as scanners make them: stored as planes of differences."""
    return b"".join((1000 + i // 50 + chance.randrange(8)).to_bytes(2, "little") for i in range(count))


class Writer:
    def __init__(self, appliance, chance):
        self.appliance, self.chance = appliance, chance
        self.s3 = S3(appliance)
        self.data = {}

    def request(self, method, path, query=(), headers=None, body=b""):
        answer = self.s3.request(method, path, query, headers, body)
        assert answer.status in (200, 204), f"{method} {path}: {answer!r}"
        return answer

    def put(self, key, data, headers=None):
        self.request("PUT", "/scans/" + key, headers=headers, body=data)
        self.data[key] = data

    def delete(self, key):
        self.request("DELETE", "/scans/" + key)
        del self.data[key]

    def begin(self, key, headers=None):
        return self.request("POST", "/scans/" + key, [("uploads", "")], headers).text("UploadId")

    def part(self, key, upload, number, data):
        return self.request("PUT", "/scans/" + key, [("partNumber", str(number)), ("uploadId", upload)], body=data).headers["etag"]

    def multipart(self, key, parts, headers=None):
        upload = self.begin(key, headers)
        etags = [self.part(key, upload, i + 1, data) for i, data in enumerate(parts)]
        listed = "".join(f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{etag}</ETag></Part>" for i, etag in enumerate(etags))
        self.request("POST", "/scans/" + key, [("uploadId", upload)],
                     body=f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode())
        self.data[key] = b"".join(parts)


def first_run(w):
    w.request("PUT", "/scans")
    w.request("PUT", "/empty-bucket")
    w.put("empty", b"")
    w.put("one byte", b"1")
    w.put("random/4096", w.chance.randbytes(4096))
    w.put("random/4097", w.chance.randbytes(4097))
    w.put("random/20000", w.chance.randbytes(20000))
    w.put("text/262144", text(262144, "text"))
    w.put("text/several chunks", text(2500001, "chunks"))
    w.put("text/the same again", text(262144, "text"))
    w.put("samples", samples(50000, w.chance))
    w.put("overwritten", text(50000, "first"))
    w.put("deleted", text(100000, "deleted"))
    w.multipart("multipart/two parts", [text(PART_BYTES_MIN, "part 1"), text(1000, "part 2")],
                {"content-type": "application/dicom", "x-amz-meta-parts": "two"})


def second_run(w):
    data = b"metadata"
    w.put("metadata", data, {"content-type": "application/dicom", "cache-control": "no-store", "content-language": "ca", "x-amz-meta-modality": "MR",
                             "x-amz-meta-station": "3T west", "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(data).digest()).decode()})
    w.put("odd/ a%b+c\u00e9\u65e5.dcm", b"odd")
    w.put("k" * 1024, b"the longest key")
    w.put("overwritten", text(60000, "second"))
    w.delete("deleted")
    w.multipart("multipart/of one part", [text(300000, "text")])
    given_up = w.begin("upload/given up")
    w.part("upload/given up", given_up, 1, text(70000, "given up"))
    w.request("DELETE", "/scans/upload/given up", [("uploadId", given_up)])
    left_open = w.begin("upload/left open")
    w.part("upload/left open", left_open, 1, text(70000, "sent once"))
    w.part("upload/left open", left_open, 1, text(80000, "sent again"))
    w.part("upload/left open", left_open, 7, b"seven")
    w.put("last", w.chance.randbytes(1000))


def kept_headers(answer):
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in PASSING_HEADERS}


def expected(w):
    """What has to be read: by key the size, hash and headers; the open upload with its parts."""
    objects = {}
    for key, data in sorted(w.data.items()):
        objects[key] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "headers": kept_headers(w.request("HEAD", "/scans/" + key))}
    listed = w.request("GET", "/scans", [("uploads", "")])
    upload = listed.text("UploadId")
    parts = w.request("GET", "/scans/upload/left open", [("uploadId", upload)]).body.decode()
    return {"buckets": ["empty-bucket", "scans"], "objects": objects, "upload": {"key": "upload/left open", "id": upload, "parts": parts}}


def pack(folder, path):
    """Drives, key and credentials; the index is made from the drives. Only blocks that aren't zero are kept."""
    tar = subprocess.run(["tar", "-c", "--sparse", "--hole-detection=raw", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
                          "-C", folder, "credentials", "drives", "key"], capture_output=True, check=True).stdout
    with lzma.open(path, "wb", preset=9) as f:
        f.write(tar)


def make(build, geometry):
    drives = GEOMETRIES[geometry]
    with Appliance(build, drives=drives, ec=geometry, drive_size=DRIVE_SIZE) as appliance:
        appliance.start()
        writer = Writer(appliance, random.Random(geometry))
        first_run(writer)
        writer.s3.close()
        appliance.restart()
        second_run(writer)
        appliance.kill()
        os.makedirs(FOLDER, exist_ok=True)
        path = os.path.join(FOLDER, f"pool-{geometry}.tar.xz")
        pack(appliance.folder, path)
        appliance.start()
        writer.s3.close()
        with open(os.path.join(FOLDER, f"pool-{geometry}.json"), "w", encoding="utf-8") as f:
            json.dump(expected(writer), f, indent=1, sort_keys=True, ensure_ascii=False)
            f.write("\n")
        writer.s3.close()
    print(f"{path}: {os.path.getsize(path)} bytes, {len(writer.data)} objects")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    for geometry in GEOMETRIES:
        make(args.build, geometry)


if __name__ == "__main__":
    main()

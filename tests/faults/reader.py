#!/usr/bin/python3
"""
The reference reader of fsck/reader/, which shares no code with the engine, reads what the server wrote, byte for byte: with all drives, with
any two missing, with units damaged; after kill -9, overwrites and deletes. It writes nothing. So docs/format.md is complete.
"""
import argparse
import hashlib
import itertools
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import ROOT, Appliance, dicom_files, flip_bits  # noqa: E402
from s3 import S3  # noqa: E402

READER = os.path.join(ROOT, "fsck", "reader", "dolmen-reader")
LINES_MAX = 500
SET_BYTES_MAX = 30 << 20


def read(command, appliance, drives, *words):
    key = os.path.join(appliance.folder, "key")
    return subprocess.run(["/usr/bin/python3", READER, "--key", key, command, *words, *drives], capture_output=True, timeout=300,
                          check=False)


def fill(appliance, seed):
    """Real files and sizes around the limits; some overwritten, some deleted; a kill -9 in the middle. {key: bytes}."""
    chance = random.Random(seed)
    objects, total = {}, 0
    for name, path in dicom_files()[1].items():
        with open(path, "rb") as f:
            data = f.read()
        if total + len(data) <= SET_BYTES_MAX:
            objects[f"dicom/{name}"] = data
            total += len(data)
    for size in (0, 1, 4096, 262144, 262145, 1048577, 9000001):
        objects[f"size/{size}"] = chance.randbytes(size)
    # what codec 2 is for, beginning and ending in the middle of a sample
    samples = itertools.accumulate(chance.choices(range(-8, 9), k=200000), initial=30000)
    objects["samples/walk"] = b"".join((value & 0xffff).to_bytes(2, "little") for value in samples)[1:]
    objects["odd/ a%b+c\u00e9\u65e5.dcm"] = b"odd"
    objects["large/80M"] = chance.randbytes(80 << 20)  # more chunks than a manifest holds: chunk lists
    s3 = S3(appliance)
    s3.create_bucket("scans")
    for i, (key, data) in enumerate(objects.items()):
        if i == len(objects) // 2:
            s3.close()
            appliance.kill()
            appliance.start()
            s3 = S3(appliance)
        s3.put("scans", key, data)
    changed = [key for key in objects if not key.startswith("large/")]
    for key in changed[::7]:
        objects[key] = chance.randbytes(5000)
        s3.put("scans", key, objects[key])
    for key in changed[3::11]:
        s3.request("DELETE", "/scans/" + key)
        del objects[key]
    s3.close()
    return objects


def expect(appliance, objects, drives, status, said):
    answer = read("digest", appliance, drives)
    text = answer.stderr.decode()
    assert answer.returncode == status, f"status {answer.returncode}: {text}"
    assert all(word in text for word in said), f"{said} not in: {text}"
    found = {}
    for line in answer.stdout.decode().splitlines():
        info = json.loads(line)
        assert info["bucket"] == "scans" and info["current"] and not info["delete_marker"]
        assert info["etag"] == hashlib.md5(objects[info["key"]]).hexdigest(), info["key"]
        found[info["key"]] = (info["size"], info["sha256"])
    assert found == {k: (len(d), hashlib.sha256(d).hexdigest()) for k, d in objects.items()}, f"wrong objects; said: {text}"


def fingerprint(paths):
    prints = {}
    for path in paths:
        with open(path, "rb") as f:
            prints[path] = (hashlib.file_digest(f, "sha256").hexdigest(), os.stat(path).st_mtime_ns)
    return prints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with open(READER, encoding="utf-8") as f:
        lines = len(f.readlines())
    assert lines <= LINES_MAX, f"the reader has {lines} lines: at most {LINES_MAX}"
    chance = random.Random(args.seed)

    with Appliance(args.build, drive_size="512M") as appliance:
        appliance.start()
        objects = fill(appliance, args.seed)
        appliance.stop()
        drives = appliance.drive_paths()
        before = fingerprint(drives)
        expect(appliance, objects, drives, 0, [])
        assert fingerprint(drives) == before, "the reader has changed a drive"
        for gone in chance.sample(list(itertools.combinations(drives, 2)), 3):
            expect(appliance, objects, [d for d in drives if d not in gone], 1, ["is missing"])
            print(f"without {' and '.join(os.path.basename(g) for g in gone)}: all there")

        key = "large/80M"
        answer = read("extract", appliance, drives[1:5], "scans", key)
        assert answer.stdout == objects[key], "extract: wrong bytes"
        answer = read("extract", appliance, drives, "scans", "nothing")
        assert (answer.returncode, answer.stdout) == (1, b"") and b"no such object" in answer.stderr
        answer = read("list", appliance, drives)
        assert sorted(json.loads(line)["key"] for line in answer.stdout.splitlines()) == sorted(objects)

        for path in chance.sample(drives, 2):
            assert flip_bits(path, args.seed, 40, skip_first=1 << 20) > 0
        expect(appliance, objects, drives, 1, ["is damaged"])
        print("two drives with flipped bits: all there")

        answer = subprocess.run(["/usr/bin/python3", READER, "list", *drives], capture_output=True, timeout=60, check=False)
        assert answer.returncode != 0 and b"--key" in answer.stderr, "an encrypted pool without its key"


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""
Compatibility masks (docs/format.md, section 11): a golden pool gets an unknown bit in each mask of each structure, with its checksum put right, as a
later program would write it. With `incompat` neither dolmend nor dolmen-fsck uses the pool, and both say why; with the others dolmend
serves it read-only, byte for byte, and dolmen-fsck finds nothing and, told to repair, changes nothing.

    tests/golden/masks.py --build build/dev
"""
import argparse
import hashlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, HERE)
from appliance import Appliance, data_ranges  # noqa: E402
from pools import check_served, unpack  # noqa: E402
from s3 import S3  # noqa: E402

POOL = os.path.join(HERE, "pools-v1", "pool-4+2")
MASKS = {"incompat": 28, "ro_data": 32, "ro_meta": 36}
BLOCK = 4096
EXTENTS_OFFSET = 1 << 20
SAID = "not supported by this program"
# By magic: the structure's bytes, and the seed of its checksum.
STRUCTURES = {
    b"DOLMSUPR": (lambda b: 16384, lambda b: b""),
    b"DOLMEXTH": (lambda b: 4096, lambda b: b[64:80]),
    b"DOLMUNIT": (lambda b: int.from_bytes(b[132:136], "little"), lambda b: b[64:88] + b[218:219]),
}


def checksum(data, seed):
    return hashlib.sha256(seed + data[16:]).digest()[:16]


def set_bit(path, magic, mask):
    """In every such structure on the drive; how many there were."""
    length_of, seed_of = STRUCTURES[magic]
    count = 0
    with open(path, "r+b") as f:
        for begin, end in data_ranges(path):
            for at in range(begin // BLOCK * BLOCK, end, BLOCK):
                f.seek(at)
                head = f.read(BLOCK)
                if head[16:24] != magic:
                    continue
                f.seek(at)
                data = bytearray(f.read(length_of(head)))
                assert data[:16] == checksum(data, seed_of(data)), f"{path}: {magic} at {at} is bad"
                data[MASKS[mask] + 3] |= 0x80
                data[:16] = checksum(data, seed_of(data))
                f.seek(at)
                f.write(data)
                count += 1
    return count


def fsck(appliance, *words):
    done = subprocess.run([os.path.join(appliance.build, "bin", "dolmen-fsck"), *words, "--dev", appliance.folder], capture_output=True, text=True,
                          timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def expect_refused(appliance):
    status, said = fsck(appliance)
    assert status == 8 and SAID in said, f"dolmen-fsck: {status}\n{said}"
    done = subprocess.run([appliance.program, *appliance.arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "newer Dolmen" in done.stderr, f"dolmend: {done.returncode}\n{done.stderr}"


def fingerprint(appliance, begin):
    """Of each drive, from this byte on."""
    prints = {}
    for path in appliance.drive_paths():
        digest = hashlib.sha256()
        with open(path, "rb") as f:
            for at, end in data_ranges(path):
                at = max(at, begin)
                digest.update(os.pread(f.fileno(), max(end - at, 0), at))
        prints[path] = digest.digest()
    return prints


def expect_read_only(appliance, expected, begin):
    before, all_before = fingerprint(appliance, begin), fingerprint(appliance, 0)
    for words in ((), ("--repair",)):
        status, said = fsck(appliance, *words)
        assert status == 0, f"dolmen-fsck {words}: {status}\n{said}"
    assert fingerprint(appliance, 0) == all_before, "dolmen-fsck wrote to a drive"
    appliance.start(ready=False)
    s3 = S3(appliance)
    check_served(s3, expected)
    for method in ("PUT", "DELETE"):
        answer = s3.request(method, "/scans/last")
        assert (answer.status, answer.code) == (503, "ServiceUnavailable"), f"{method}: {answer!r}"
    s3.close()
    appliance.stop()
    assert "newer version" in appliance.log(), "dolmend does not say why it is read-only"
    assert fingerprint(appliance, begin) == before, "a drive was written to"


def check(build, expected, magic, mask):
    with Appliance(build) as appliance:
        open(appliance.log_path, "w", encoding="utf-8").close()
        unpack(POOL + ".tar.xz", appliance.folder)
        appliance.arguments = ["--dev", appliance.folder, "--listen", f"127.0.0.1:{appliance.port}"]
        count = sum(set_bit(path, magic, mask) for path in appliance.drive_paths())
        assert count > 0, f"no {magic} found"
        if mask == "incompat":
            expect_refused(appliance)
        else:
            # `run` is raised before anything but the superblocks has been read
            expect_read_only(appliance, expected, 0 if magic == b"DOLMSUPR" else EXTENTS_OFFSET)
    print(f"{mask} in {count} of {magic.decode()}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    with open(POOL + ".json", encoding="utf-8") as f:
        expected = json.load(f)
    for magic in STRUCTURES:
        for mask in MASKS:
            check(args.build, expected, magic, mask)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""
dolmen-fsck on the drives of a real pool: a clean one is clean and not one byte of it changes; damage on up to two drives is named, repaired to the bytes
that were there, and a second pass is clean; damage on three is named by object; a pool in use is refused; exit codes are those of fsck(8).
"""
import argparse
import hashlib
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, dicom_files, flip_bits, overwrite_with_garbage  # noqa: E402
from s3 import S3  # noqa: E402

CLEAN, CORRECTED, LEFT, OPERATION, USAGE = 0, 1, 4, 8, 16
EXTENTS_OFFSET = 1 << 20
SUPERBLOCK_STRIDE = 65536
SET_BYTES_MAX = 20 << 20


class Fsck:
    def __init__(self, build):
        self.program = os.path.join(os.path.realpath(build), "bin", "dolmen-fsck")

    def run(self, *words):
        """(exit status, problems, summary)"""
        answer = subprocess.run([self.program, "--json", *words], capture_output=True, timeout=300, check=False)
        lines = [json.loads(line) for line in answer.stdout.decode().splitlines()]
        assert b"Sanitizer" not in answer.stderr and b"runtime error" not in answer.stderr, answer.stderr.decode()
        if not lines or "verdict" not in lines[-1]:
            return answer.returncode, lines, {"stderr": answer.stderr.decode()}
        assert lines[-1]["status"] == answer.returncode
        return answer.returncode, lines[:-1], lines[-1]

    def expect(self, status, *words):
        got, problems, summary = self.run(*words)
        assert got == status, f"{words}: status {got}, expected {status}: {problems[:10]} {summary}"
        return problems, summary


def fill(appliance, seed):
    chance = random.Random(seed)
    objects, total = {}, 0
    for name, path in dicom_files()[1].items():
        with open(path, "rb") as f:
            data = f.read()
        if total + len(data) <= SET_BYTES_MAX:
            objects[f"dicom/{name}"] = data
            total += len(data)
    for size in (0, 1, 262145, 5000000):
        objects[f"size/{size}"] = chance.randbytes(size)
    objects["large"] = chance.randbytes(70 << 20)  # chunk lists
    s3 = S3(appliance)
    s3.create_bucket("scans")
    for i, (key, data) in enumerate(objects.items()):
        if i == len(objects) // 2:  # an unsealed slab that a crash ended
            s3.close()
            appliance.kill()
            appliance.start()
            s3 = S3(appliance)
        s3.put("scans", key, data)
    s3.request("DELETE", "/scans/size/1")
    del objects["size/1"]
    s3.close()
    return objects


def digests(paths):
    found = {}
    for path in paths:
        with open(path, "rb") as f:
            found[path] = (hashlib.file_digest(f, "sha256").hexdigest(), os.stat(path).st_mtime_ns)
    return found


def zero(path, offset, length):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(bytes(length))


def used_extent(path, extent_bytes):
    """Offset of the first extent with a header."""
    with open(path, "rb") as f:
        offset = EXTENTS_OFFSET
        while True:
            f.seek(offset)
            head = f.read(24)
            assert len(head) == 24, "no extent is in use"
            if head[16:24] == b"DOLMEXTH":
                return offset
            offset += extent_bytes


class Cases:
    def __init__(self, fsck, appliance, objects, seed):
        self.fsck, self.appliance, self.objects, self.seed = fsck, appliance, objects, seed
        self.dev = appliance.folder
        self.original = os.path.join(appliance.work, "original")
        os.mkdir(self.original)
        self.copy(os.path.join(self.dev, "drives"), self.original)
        with open(appliance.drive_paths()[0], "rb") as f:
            self.extent_bytes = int.from_bytes(f.read(136)[128:136], "little")

    def drive(self, i):
        return self.appliance.drive_paths()[i]

    @staticmethod
    def copy(source, target):
        for name in os.listdir(source):
            subprocess.run(["cp", "--sparse=always", os.path.join(source, name), os.path.join(target, name)], check=True)

    def restore(self):
        self.copy(self.original, os.path.join(self.dev, "drives"))

    def same_rows(self):
        """Every byte from the first extent on is what it was: repair computes what was there, and touches nothing else."""
        for name in sorted(os.listdir(self.original)):
            with open(os.path.join(self.original, name), "rb") as a, open(os.path.join(self.dev, "drives", name), "rb") as b:
                a.seek(EXTENTS_OFFSET)
                b.seek(EXTENTS_OFFSET)
                assert hashlib.file_digest(a, "sha256").digest() == hashlib.file_digest(b, "sha256").digest(), name

    def clean(self):
        before = digests(self.appliance.drive_paths())
        problems, summary = self.fsck.expect(CLEAN, "--dev", self.dev)
        assert digests(self.appliance.drive_paths()) == before, "a dry run has changed a drive"
        assert [p for p in problems if p["severity"] != "note"] == []
        figures = summary["figures"]
        assert (figures["versions"], figures["buckets"]) == (len(self.objects), 1)
        assert figures["object_bytes"] == sum(len(d) for d in self.objects.values())
        assert figures["chunk_lists"] == 1 and figures["versions_damaged"] == 0
        self.fsck.expect(CLEAN, "--dev", self.dev, "--repair")
        assert digests(self.appliance.drive_paths()).keys() == before.keys()
        self.same_rows()

    def without_key(self):
        problems, summary = self.fsck.expect(CLEAN, *self.appliance.drive_paths())
        assert [p["subject"] for p in problems] == ["key"] and "versions" not in summary["figures"]

    def config(self):
        path = os.path.join(self.appliance.work, "dolmend.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write("[server]\nlisten = 127.0.0.1:1\n[pool]\n")
            f.write("".join(f"drives = {d}\n" for d in self.appliance.drive_paths()))
            f.write(f"key = {self.dev}/key\n")
        _, summary = self.fsck.expect(CLEAN, "--config", path)
        assert summary["figures"]["versions"] == len(self.objects)
        assert self.fsck.run("--config", path, "--dev", self.dev)[0] == USAGE
        assert self.fsck.run("--config", path + "-none")[0] == OPERATION

    def flipped(self):
        for i in (1, 4):
            assert flip_bits(self.drive(i), self.seed + i, 30, skip_first=EXTENTS_OFFSET) > 0
        damaged = digests(self.appliance.drive_paths())
        problems, summary = self.fsck.expect(LEFT, "--dev", self.dev)
        assert digests(self.appliance.drive_paths()) == damaged, "a dry run has changed a drive"
        assert {p["severity"] for p in problems} <= {"repairable", "note"}
        assert summary["figures"]["versions_damaged"] == 0 and summary["figures"]["units_bad"] > 0
        self.fsck.expect(CORRECTED, "--dev", self.dev, "--repair")
        self.fsck.expect(CLEAN, "--dev", self.dev)
        self.same_rows()

    def heads(self):
        """Superblock copies, extent headers, a whole drive full of garbage behind its superblocks."""
        zero(self.drive(0), SUPERBLOCK_STRIDE, 16384)
        offset = used_extent(self.drive(2), self.extent_bytes)
        zero(self.drive(2), offset, 4096)
        overwrite_with_garbage(self.drive(5), self.seed, skip_first=EXTENTS_OFFSET)
        problems, _ = self.fsck.expect(LEFT, "--dev", self.dev)
        assert {"superblock", "slab", "row"} <= {p["subject"] for p in problems}
        self.fsck.expect(CORRECTED, "--dev", self.dev, "--repair")
        self.fsck.expect(CLEAN, "--dev", self.dev)

    def missing(self):
        """Two drives away: all objects are there, and what is missing is said. Nothing can be repaired onto them."""
        problems, summary = self.fsck.expect(LEFT, "--key", os.path.join(self.dev, "key"), *self.appliance.drive_paths()[2:])
        assert [p["subject"] for p in problems] == ["drive", "drive"], problems
        assert summary["figures"]["versions"] == len(self.objects) and summary["figures"]["versions_damaged"] == 0

    def beyond(self):
        """Three drives lose the same rows: objects are named, and none that is whole is named."""
        for i in (0, 1, 2):
            overwrite_with_garbage(self.drive(i), self.seed + i, skip_first=EXTENTS_OFFSET + self.extent_bytes)
        problems, summary = self.fsck.expect(LEFT, "--dev", self.dev)
        rows = [p for p in problems if p["subject"] == "row" and p["severity"] == "lost"]
        named = [p["text"].split(" ")[0] for p in problems if p["subject"] == "object"]
        assert rows and len(named) == summary["figures"]["versions_damaged"] <= len(self.objects)
        again, _ = self.fsck.expect(LEFT, "--dev", self.dev, "--repair")
        assert [p for p in again if p["severity"] == "lost"]

    def wrong_use(self):
        assert self.fsck.run()[0] == USAGE
        assert self.fsck.run("--threads", "0", "--dev", self.dev)[0] == USAGE
        assert self.fsck.run("--dev", self.appliance.work)[0] == OPERATION
        assert self.fsck.run(os.path.join(self.dev, "key"))[0] == OPERATION
        key = os.path.join(self.appliance.work, "other-key")
        with open(os.path.join(self.dev, "key"), encoding="ascii") as f:
            text = f.read()
        with open(key, "w", encoding="ascii") as f:
            f.write(text.replace("check ", "check 0"))
        os.chmod(key, 0o600)
        status, _, summary = self.fsck.run("--key", key, *self.appliance.drive_paths())
        assert status == OPERATION and "key file" in summary["stderr"]

    def in_use(self):
        self.appliance.start()
        status, _, summary = self.fsck.run("--dev", self.dev)
        assert status == OPERATION and "in use" in summary["stderr"]
        s3 = S3(self.appliance)
        for key, data in self.objects.items():
            assert s3.request("GET", f"/scans/{key}").body == data, f"{key}: wrong bytes after repairs"
        s3.close()
        self.appliance.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with Appliance(args.build, drive_size="192M") as appliance:
        appliance.start()
        objects = fill(appliance, args.seed)
        appliance.stop()
        cases = Cases(Fsck(args.build), appliance, objects, args.seed)
        for case in (cases.clean, cases.without_key, cases.config, cases.flipped, cases.heads, cases.missing, cases.beyond, cases.wrong_use,
                     cases.flipped, cases.in_use):
            case()
            print(f"{case.__name__}: right", flush=True)
            if case != cases.flipped:  # its repaired drives go on being used: what follows has to find them right
                cases.restore()


if __name__ == "__main__":
    main()

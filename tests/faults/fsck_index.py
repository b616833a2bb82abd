#!/usr/bin/python3
"""
dolmen-fsck on the index of a real pool: one that fits, or is merely behind, is clean, and not one byte of it changes; one that is wrong in a single
entry, damaged in a page, of another pool or ahead of the drives is found, and what is wrong is named by object; --repair moves it aside, and the server
builds another, with which everything is as before.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, overwrite_with_garbage  # noqa: E402
from fsck import CLEAN, CORRECTED, EXTENTS_OFFSET, LEFT, Fsck, digests  # noqa: E402
from s3 import S3, expect  # noqa: E402

PAGE_BYTES = 4096
FLIPS = 25
LONG = "long/" + "k" * 900 + "/"  # cut into directories


def start_upload(s3, key):
    answer = expect(200, s3.request("POST", f"/scans/{key}", query=[("uploads", "")]))
    return answer.text("UploadId")


def put_part(s3, key, upload, number, data):
    answer = s3.request("PUT", f"/scans/{key}", query=[("partNumber", str(number)), ("uploadId", upload)], body=data)
    return expect(200, answer).headers["etag"]


def fill(s3, chance):
    objects = {f"size/{size}": chance.randbytes(size) for size in (0, 1, 300000, 3000000)}
    objects |= {LONG + str(i): chance.randbytes(100) for i in range(5)}
    objects |= {"twice": objects["size/300000"], "large": chance.randbytes(40 << 20), "over": b"first"}
    s3.create_bucket("scans")
    s3.create_bucket("gone")
    s3.request("DELETE", "/gone")
    for key, data in objects.items():
        s3.put("scans", key, data)
    for key in ("size/1", LONG + "3"):
        s3.delete("scans", key)
        del objects[key]
    objects["over"] = b"second"
    s3.put("scans", "over", objects["over"])
    pending = start_upload(s3, "pending")
    for data in (b"replaced", b"kept"):
        put_part(s3, "pending", pending, 1, data)
    aborted = start_upload(s3, "aborted")
    put_part(s3, "aborted", aborted, 1, b"void")
    expect(204, s3.request("DELETE", "/scans/aborted", query=[("uploadId", aborted)]))
    upload = start_upload(s3, "multipart")
    objects["multipart"] = chance.randbytes(6 << 20)
    tags = [put_part(s3, "multipart", upload, i + 1, objects["multipart"][i * (5 << 20):(i + 1) * (5 << 20)]) for i in range(2)]
    parts = "".join(f"<Part><PartNumber>{i + 1}</PartNumber><ETag>{tag}</ETag></Part>" for i, tag in enumerate(tags))
    expect(200, s3.request("POST", "/scans/multipart", query=[("uploadId", upload)],
                           body=f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()))
    return objects


class FilledPool:
    """A pool with what fill() puts there, whose server is stopped."""

    def __init__(self, build, appliance, seed, fill):
        self.build, self.appliance, self.chance = os.path.realpath(build), appliance, random.Random(seed)
        self.fsck = Fsck(build)
        self.dev = appliance.folder
        self.index = os.path.join(self.dev, "index")
        self.data = os.path.join(self.index, "data.mdb")
        appliance.start()
        s3 = S3(appliance)
        self.objects = fill(s3, self.chance)
        s3.close()
        appliance.stop()

    def serve_all(self):
        """The server has everything, and goes on running."""
        self.appliance.start()
        s3 = S3(self.appliance)
        assert set(s3.list("scans")) == set(self.objects)
        for key, data in self.objects.items():
            assert s3.get("scans", key) == data, f"{key}: wrong bytes"
        s3.close()


class Cases(FilledPool):
    def __init__(self, build, appliance, seed):
        super().__init__(build, appliance, seed, fill)
        self.good = os.path.join(appliance.work, "good")
        shutil.copytree(self.index, self.good)

    def restore(self):
        shutil.rmtree(self.index)
        shutil.copytree(self.good, self.index)

    def state(self):
        """Bytes and times of the index and what else lies in its folder, times of the drives."""
        inside = digests(sorted(os.path.join(self.index, name) for name in os.listdir(self.index)))
        return inside, [os.stat(path).st_mtime_ns for path in [self.index, *self.appliance.drive_paths()]]

    def edit(self, *words):
        done = subprocess.run([os.path.join(self.build, "tests", "index_edit"), self.index, *map(str, words)], capture_output=True, check=True, timeout=60)
        return bytes.fromhex(done.stdout.decode())

    def check(self, status, *words):
        """The problems of the index, and the figures; a dry run writes nothing."""
        before = self.state()
        problems, summary = self.fsck.expect(status, "--dev", self.dev, *words)
        if "--repair" not in words:
            assert self.state() == before, "a dry run has changed a drive or the index"
        return [p for p in problems if p["subject"] == "index"], summary["figures"]

    def is_clean(self):
        problems, figures = self.check(CLEAN)
        assert problems == [] and figures["index_wrong"] == 0 and figures["index_entries"] > 0
        return figures

    def serves(self):
        """The server has everything, and the index it leaves is right."""
        self.serve_all()
        self.appliance.stop()
        self.is_clean()

    def repaired(self):
        problems, figures = self.check(CORRECTED, "--repair")
        assert problems[-1]["severity"] == "repaired" and figures["index_wrong"] == len(problems) - 1
        aside = [name for name in os.listdir(self.index) if name.startswith("data.mdb.bad-")]
        assert len(aside) == 1 and not os.path.exists(self.data)
        problems, _ = self.check(CLEAN)
        assert [p["severity"] for p in problems] == ["note"], problems

    # ---- cases ----

    def clean(self):
        assert self.is_clean()["index_records_behind"] == 0
        before = digests(self.appliance.drive_paths()), self.state()
        self.check(CLEAN)
        self.check(CLEAN, "--repair")
        assert (digests(self.appliance.drive_paths()), self.state()) == before

    def behind(self):
        """An older copy whose drives have gone on, and a crash: what it lacks is no finding."""
        self.appliance.start()
        s3 = S3(self.appliance)
        for i in range(5):
            self.objects[f"later/{i}"] = self.chance.randbytes(1000 + i)
            s3.put("scans", f"later/{i}", self.objects[f"later/{i}"])
        s3.delete("scans", "twice")
        del self.objects["twice"]
        s3.close()
        self.appliance.kill()
        self.is_clean()
        self.restore()
        assert self.is_clean()["index_records_behind"] >= 11
        self.serves()
        shutil.rmtree(self.good)
        shutil.copytree(self.index, self.good)

    def damaged_object(self):
        """Named by its object, and nothing else is."""
        key = self.edit("spoil", "objects", 0, 20)
        name = key[8:-18].decode()
        problems, figures = self.check(LEFT)
        assert [p["severity"] for p in problems] == ["repairable"] and figures["index_wrong"] == 1
        assert problems[0]["text"].startswith(f"scans/{name} "), problems
        self.repaired()
        self.serves()

    def damaged_chunk(self):
        """Named by the objects that need it."""
        number = 0
        while True:
            digest = self.edit("spoil", "chunks", number, 8).hex()
            problems, _ = self.check(LEFT)
            assert all(digest in p["text"] for p in problems), problems
            if problems[0]["text"].startswith("scans/"):
                return
            number += 1
            self.restore()

    def one_entry(self):
        """Each table, by an entry too few, one too many, one that says something else."""
        for table in ("slabs", "buckets", "names", "objects", "chunks", "lists", "members", "uploads", "parts", "live", "graves", "state"):
            number = int(table == "slabs")  # its first row says nothing
            edits = [("change", table, number, 0 if table in ("state", "names", "live", "graves") else 24)]
            edits += [("remove", table, number)] if table not in ("slabs", "state") else []
            edits += [("copy", table, number)] if table not in ("state", "names", "live") else []
            for words in edits:
                self.edit(*words)
                problems, _ = self.check(LEFT)
                assert problems and all(p["severity"] in ("repairable", "lost") for p in problems), (words, problems)
                self.restore()

    def lacking(self):
        """By name: an object that the index doesn't have, and one that the log doesn't."""
        key = self.edit("remove", "objects", 0)
        problems, _ = self.check(LEFT)
        assert any(p["text"].startswith(f"scans/{key[8:-18].decode()} ") and "the index doesn't" in p["text"] for p in problems), problems
        self.restore()

    def long_keys(self):
        """Removing the last directory of long keys, and what lies in it, is told by the keys."""
        with open(self.data, "rb") as f:
            assert LONG[:400].encode() in f.read()
        number = sum(1 for key in self.objects if key < LONG)
        while len(self.edit("remove", "objects", number)) != 448:
            self.restore()
            number += 1
        problems, _ = self.check(LEFT)
        lost = {p["text"].split(" ")[0] for p in problems if "the index doesn't" in p["text"]}
        assert lost == {f"scans/{key}" for key in self.objects if key.startswith(LONG)}, lost
        self.restore()

    def pages(self):
        """Wherever bits turn, it is found or doesn't matter; the check itself comes to its end."""
        found = 0
        size = os.stat(self.data).st_size
        for _ in range(FLIPS):
            with open(self.data, "r+b") as f:
                for _ in range(4):
                    at = self.chance.randrange(size)
                    f.seek(at)
                    byte = f.read(1)[0]
                    f.seek(at)
                    f.write(bytes([byte ^ 1 << self.chance.randrange(8)]))
            status, problems, summary = self.fsck.run("--dev", self.dev)
            assert status in (CLEAN, LEFT), (status, summary)
            assert {p["subject"] for p in problems} <= {"index"}, problems
            found += status == LEFT
            self.restore()
        assert found > 0
        for length in (PAGE_BYTES, size // 2):
            os.truncate(self.data, length)
            self.check(LEFT)
            self.restore()
        with open(self.data, "r+b") as f:
            f.write(bytes(2 * PAGE_BYTES))
        problems, _ = self.check(LEFT)
        assert len(problems) == 1
        self.repaired()
        self.serves()

    def other_pool(self):
        with Appliance(self.build, drive_size="128M") as other:
            other.start()
            s3 = S3(other)
            s3.create_bucket("other")
            s3.close()
            other.stop()
            shutil.rmtree(self.index)
            shutil.copytree(os.path.join(other.folder, "index"), self.index)
        problems, _ = self.check(LEFT)
        assert [p["text"] for p in problems] == ["it is of another pool"]
        self.repaired()
        self.serves()

    def ahead(self):
        """An index that knows more than the drives is evidence, and stays."""
        self.edit("change", "state", 0, 48)  # the generation
        problems, _ = self.check(LEFT)
        assert [p["severity"] for p in problems] == ["lost"], problems
        self.check(LEFT, "--repair")
        assert os.path.exists(self.data)

    def none(self):
        """Nothing there, or known to be bad: the server builds it."""
        with open(os.path.join(self.index, "retired"), "wb"):
            pass
        problems, _ = self.check(CLEAN)
        assert [p["severity"] for p in problems] == ["note"]
        shutil.rmtree(self.index)
        problems, _ = self.fsck.expect(CLEAN, "--dev", self.dev)
        assert [(p["subject"], p["severity"]) for p in problems] == [("index", "note")]
        assert not os.path.exists(self.index)
        self.serves()

    def options(self):
        """An index that is named by itself, and without the key: checksums alone."""
        self.edit("spoil", "chunks", 0, 8)
        problems, _ = self.fsck.expect(LEFT, "--index", self.index, *self.appliance.drive_paths())
        assert sorted(p["subject"] for p in problems) == ["index", "key"]
        self.fsck.expect(LEFT, "--repair", "--index", self.index, *self.appliance.drive_paths())
        assert os.path.exists(self.data), "moved aside without knowing what the log says"
        self.restore()
        self.fsck.expect(CLEAN, "--index", self.index, *self.appliance.drive_paths())

    def missing_drives(self):
        """With as many missing as there is parity for, all is compared; with rows lost the index stays, whatever it is like."""
        self.edit("remove", "objects", 0)
        problems, _ = self.fsck.expect(LEFT, "--key", os.path.join(self.dev, "key"), "--index", self.index, *self.appliance.drive_paths()[2:])
        assert any(p["text"].endswith("the log has it, the index doesn't") for p in problems), problems
        for i in range(3):
            overwrite_with_garbage(self.appliance.drive_paths()[i], i, skip_first=EXTENTS_OFFSET + (4 << 20))
        self.restore()
        self.edit("spoil", "objects", 0, 20)
        problems, _ = self.check(LEFT, "--repair")
        assert any(p["severity"] == "note" and "stays" in p["text"] for p in problems), problems
        assert os.path.exists(self.data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with Appliance(args.build, drive_size="128M") as appliance:
        cases = Cases(args.build, appliance, args.seed)
        for case in (cases.clean, cases.behind, cases.damaged_object, cases.damaged_chunk, cases.one_entry, cases.lacking, cases.long_keys, cases.pages,
                     cases.other_pool, cases.ahead, cases.none, cases.options, cases.missing_drives):
            cases.restore()
            case()
            print(f"{case.__name__}: right", flush=True)


if __name__ == "__main__":
    main()

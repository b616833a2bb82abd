#!/usr/bin/python3
"""
dolmen-fsck --rebuild-index on a real pool with all that an index tells: what it builds has, entry by entry, the bytes of what the server builds from the
same drives; the server goes on with it, and what it leaves is right. It is built after a crash as well as after a stop, and not when the log can't be
read as a whole, when the index knows more than the drives, or while a server is there; the drives are only read.
"""
import argparse
import os
import random
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import fsck_index  # noqa: E402
import scrub  # noqa: E402
from appliance import Appliance, overwrite_with_garbage, wait_until  # noqa: E402
from fsck import CLEAN, CORRECTED, EXTENTS_OFFSET, LEFT, OPERATION, USAGE, digests  # noqa: E402
from load import Load  # noqa: E402
from s3 import S3, expect  # noqa: E402

TABLES = ("state", "slabs", "buckets", "names", "objects", "chunks", "lists", "members", "uploads", "settings", "parts", "live", "graves", "cancels",
          "moves")
STATE_COMMITS = slice(84, 92)
SLAB_ROWS = slice(24, 32)
REF_DEAD_SINCE = slice(56, 72)
REBUILT = "begun anew"


def fill(s3, chance):
    """Versions, delete markers, null versions, tags, uploads, long keys, chunk lists, deletes of all of them; what is there without a version."""
    objects = fsck_index.fill(s3, chance)
    s3.create_bucket("versions")
    s3.put("versions", "null", b"before versions")
    for status in ("Enabled", "Suspended", "Enabled"):
        body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
        expect(200, s3.request("PUT", "/versions", query=[("versioning", "")], body=body))
        for i in range(3):
            s3.put("versions", "null", chance.randbytes(300 + i))
            s3.put("versions", "tagged", chance.randbytes(200 + i))
        body = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
        for _ in range(2):
            expect(200, s3.request("PUT", "/versions/tagged", query=[("tagging", "")], body=body))
        s3.delete("versions", "null")
        version = expect(200, s3.request("GET", "/versions/tagged")).headers.get("x-amz-version-id", "null")
        s3.request("DELETE", "/versions/tagged", query=[("versionId", version)])
    s3.delete("scans", "large")
    del objects["large"]
    return objects


class Cases(fsck_index.FilledPool):
    def dump(self):
        """
        Table -> its entries. Left out is what the drives don't tell: the number of commits; slabs without a row, of which the index says nothing; since
        when chunks have no references, but that they have none: of lists that came and went in one batch the server says nothing to their members.
        """
        tables = {}
        for table in TABLES:
            done = subprocess.run([os.path.join(self.build, "tests", "index_edit"), self.index, "dump", table, "0"], capture_output=True, check=True,
                                  timeout=60, text=True)
            entries = [line.split(" ") for line in done.stdout.splitlines()]
            tables[table] = [(key, bytearray.fromhex(value)) for key, value in entries]
        tables["state"][0][1][STATE_COMMITS] = bytes(8)
        tables["slabs"] = [(key, value) for key, value in tables["slabs"] if any(value[SLAB_ROWS])]
        for _, value in tables["chunks"]:
            value[REF_DEAD_SINCE] = b"dead" if any(value[REF_DEAD_SINCE]) else b"----"
        return tables

    def rebuild(self, status=CORRECTED, *words):
        drives = digests(self.appliance.drive_paths())
        problems, _ = self.fsck.expect(status, "--rebuild-index", "--dev", self.dev, *words)
        assert digests(self.appliance.drive_paths()) == drives, "a drive was written to"
        return problems

    def serves(self, fresh=False):
        """The server takes the index as it is, has everything; by it each record of the log is needed or void, and its audit finds nothing."""
        before = len(self.appliance.log()) if os.path.exists(self.appliance.log_path) else 0
        self.serve_all()
        scrub.expect_clean(scrub.scrub(self.appliance))
        self.appliance.stop()
        said = self.appliance.log()[before:]
        assert (REBUILT in said) == fresh and "the audit found it wrong" not in said, said
        self.fsck.expect(CLEAN, "--dev", self.dev)

    def is_the_servers(self):
        """What the server builds, and what is built here from the same drives."""
        self.appliance.remove_index()
        self.serves(fresh=True)
        servers = self.dump()
        assert all(servers[table] for table in TABLES if table not in ("moves", "settings")), {table: len(entries) for table, entries in servers.items()}
        for remove in (False, True):
            if remove:
                self.appliance.remove_index()
            problems = self.rebuild()
            assert [p["severity"] for p in problems if p["subject"] == "index"][-1] == "repaired", problems
            built = self.dump()
            for table in TABLES:
                differing = [(a, b) for a, b in zip(servers[table], built[table]) if a != b]
                assert servers[table] == built[table], (table, len(servers[table]), len(built[table]), differing[:3])
            assert os.listdir(self.index).count("data.mdb.new") == 0
            self.fsck.expect(CLEAN, "--dev", self.dev)
        self.serves()

    def damaged(self):
        """A wrong one, a retired one, none of LMDB's: replaced."""
        for spoil in (lambda: os.truncate(self.data, 4096), lambda: overwrite_with_garbage(self.data, 1),
                      lambda: open(os.path.join(self.index, "retired"), "wb").close()):
            spoil()
            self.rebuild()
            assert not os.path.exists(os.path.join(self.index, "retired"))
            self.fsck.expect(CLEAN, "--dev", self.dev)
        self.serves()

    def crashed(self):
        """Killed under load: the last rows have no verdict yet."""
        for number in range(3):
            self.appliance.start()
            load = Load(self.appliance, "--mode", "churn", "--bucket", "load", "--workers", 16, "--slots", 4, "--size", "1,3k,75k,300k", "--seconds", 60,
                        "--seed", number, "--on-error", "stop")
            wait_until(lambda: self.appliance.metrics()["dolmen_store_puts_total"] > 300, 60, "some load")
            self.appliance.kill()
            load.wait(may_achieve_nothing=True)
            if number == 2:
                self.appliance.remove_index()
            self.rebuild()
            self.serves()

    def moved(self):
        """With slabs that were compacted and freed: copies, graves, cancellers."""
        self.appliance.start()
        s3 = S3(self.appliance)
        s3.create_bucket("space")
        for round_number in range(12):
            for i in range(40):
                s3.put("space", f"{i % 30}", self.chance.randbytes(500000))
            if round_number % 3 == 2:
                for i in range(0, 30, 2):
                    s3.delete("space", f"{i}")
        s3.close()
        wait_until(lambda: re.search("freed slab=.* records_moved=[1-9]", self.appliance.log()), 60, "a slab that was moved")
        self.appliance.kill()
        self.rebuild()
        self.serves()
        self.appliance.remove_index()
        self.rebuild()
        self.serves()

    def in_use(self):
        self.appliance.start()
        status, _, _ = self.fsck.run("--rebuild-index", "--dev", self.dev)
        assert status == OPERATION, status
        self.appliance.stop()
        status, _, _ = self.fsck.run("--rebuild-index", *self.appliance.drive_paths())
        assert status == USAGE, status

    def evidence_stays(self):
        """An index that knows more than the drives is the last witness; one is not built from a part of the log."""
        subprocess.run([os.path.join(self.build, "tests", "index_edit"), self.index, "change", "state", "0", "49"], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        before = digests([self.data])
        self.rebuild(LEFT)
        assert digests([self.data]) == before
        problems, _ = self.fsck.expect(LEFT, "--rebuild-index", "--index", self.index, *self.appliance.drive_paths())  # no key
        assert any("can't be read as a whole" in p["text"] for p in problems), problems
        self.appliance.remove_index()
        for i in range(3):
            overwrite_with_garbage(self.appliance.drive_paths()[i], i, skip_first=EXTENTS_OFFSET + (4 << 20))
        problems = self.rebuild(LEFT)
        assert any("can't be read as a whole" in p["text"] for p in problems), problems
        assert not os.path.exists(self.data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with Appliance(args.build, drive_size="256M") as appliance:
        cases = Cases(args.build, appliance, args.seed, fill)
        for case in (cases.is_the_servers, cases.damaged, cases.crashed, cases.moved, cases.in_use, cases.evidence_stays):
            case()
            print(f"{case.__name__}: right", flush=True)


if __name__ == "__main__":
    main()

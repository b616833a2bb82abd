#!/usr/bin/python3
"""
Scrubbing on the real program: drive files are damaged while dolmend serves them; a pass finds exactly that, puts back the bytes that were there, a
second one is clean, and so says dolmen-fsck. What parity can't make up for is told, raises an alarm, and is not touched.
"""
import argparse
import hashlib
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, flip_bits, wait_until  # noqa: E402
from load import Load  # noqa: E402
from s3 import S3  # noqa: E402

BUCKET = "scans"
BLOCK = 4096
EXTENTS_OFFSET = 1 << 20
PASS_S = 120
FIRST_ROW_BLOCK = 1


class Unit:
    """One unit as its header names it."""

    def __init__(self, path, offset, head):
        self.path, self.offset = path, offset
        self.slab = int.from_bytes(head[56:64], "little")
        self.row = int.from_bytes(head[80:88], "little")
        self.bytes = int.from_bytes(head[128:132], "little") * BLOCK
        self.header_bytes = int.from_bytes(head[132:136], "little")
        self.records = int.from_bytes(head[212:216], "little")
        self.place = (self.slab, self.row)

    def read(self):
        with open(self.path, "rb") as f:
            f.seek(self.offset)
            return f.read(self.bytes)

    def write(self, data, at=0):
        with open(self.path, "r+b") as f:
            f.seek(self.offset + at)
            f.write(data)
            f.flush()
            os.fsync(f.fileno())

    def flip(self, at):
        self.write(bytes([self.read()[at] ^ 4]), at)


def units_of(path):
    """The units on a drive, in the order of their places: docs/format.md, sections 3 to 5."""
    units = []
    with open(path, "rb") as f:
        superblock = f.read(136)
        extent_bytes = int.from_bytes(superblock[128:136], "little")
        size = os.fstat(f.fileno()).st_size
        for extent in range(EXTENTS_OFFSET, size - extent_bytes + 1, extent_bytes):
            f.seek(extent)
            extent_head = f.read(BLOCK)
            if extent_head[16:24] != b"DOLMEXTH":
                continue
            at = extent + FIRST_ROW_BLOCK * BLOCK
            while at < extent + extent_bytes:
                f.seek(at)
                head = f.read(256)
                if head[16:24] != b"DOLMUNIT" or head[64:80] != extent_head[64:80]:
                    break
                units.append(Unit(path, at, head))
                at += units[-1].bytes
    return units


def dolmen(appliance, *words):
    return subprocess.run([os.path.join(appliance.build, "bin", "dolmen"), *words, "--dev", appliance.folder], capture_output=True, text=True,
                          timeout=60, check=False)


def status(appliance):
    done = dolmen(appliance, "scrub", "status", "--json")
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def scrub(appliance, bandwidth="0"):
    """One pass to its end; its report."""
    done = dolmen(appliance, "scrub", "start", "--bandwidth", bandwidth)
    assert done.returncode == 0, done
    wait_until(lambda: status(appliance)["now"]["state"] != "running", PASS_S, "the end of the pass")
    report = status(appliance)
    assert report["now"] == report["last"] and report["now"]["state"] == "finished", report
    return report["last"]


def found(report):
    return {kind: count for kind, count in report["found"].items() if count > 0}


def expect_clean(report):
    assert found(report) == {} and report["units_repaired"] == report["units_unrepaired"] == report["unrecoverable"] == 0, report
    assert report["findings"] == [] and report["bytes"] == report["bytes_done"] > 0, report


def digests(appliance):
    found_now = {}
    for path in appliance.drive_paths():
        with open(path, "rb") as f:
            found_now[path] = hashlib.file_digest(f, "sha256").hexdigest()
    return found_now


def fill(appliance, seed):
    chance = random.Random(seed)
    objects = {f"size/{size}": chance.randbytes(size) for size in (0, 1, 4096, 70000, 262145, 1048577, 9000001)}
    objects |= {f"slice/{i}": chance.randbytes(75000) for i in range(60)}
    objects |= {f"text/{i}": b"%d " % i * 40000 for i in range(4)}  # stored compressed
    s3 = S3(appliance)
    s3.create_bucket(BUCKET)
    for key, data in objects.items():
        s3.put(BUCKET, key, data)
    s3.put(BUCKET, "gone", b"x" * 10000)
    s3.delete(BUCKET, "gone")
    s3.close()
    return objects


def read_all(appliance, objects):
    s3 = S3(appliance)
    for key, data in objects.items():
        assert s3.get(BUCKET, key) == data, f"{key}: WRONG BYTES"
    s3.close()


def settle(appliance):
    """Until the last row is proven and the index has all: then nothing more is written."""
    def quiet():
        before = digests(appliance)
        metrics = appliance.metrics()
        return metrics["dolmen_index_pending_records"] == 0 and digests(appliance) == before
    appliance.metrics()
    wait_until(lambda: appliance.metrics()["dolmen_store_rows_empty_total"] > 0, 30, "an empty row")
    wait_until(quiet, 30, "an idle pool")


def hurt(appliance, chance):
    """Damage to two drives; (kinds that are to be found, places)."""
    first, second = (units_of(path) for path in (appliance.drive_paths()[1], appliance.drive_paths()[4]))
    kinds = {"unit_payload": 0, "unit_header": 0}
    places = []
    for unit in chance.sample(first, 20):
        unit.flip(unit.header_bytes + chance.randrange(unit.bytes - unit.header_bytes))
        kinds["unit_payload"] += 1
        places.append((*unit.place, unit.path))
    for unit in chance.sample(second[:-2], 8):
        unit.write(bytes(unit.bytes))
        kinds["unit_header"] += 1
        places.append((*unit.place, unit.path))
    whole = [unit for unit in second if (*unit.place, unit.path) not in places]
    flipped = whole.pop(chance.randrange(len(whole)))
    flipped.flip(40 + chance.randrange(180))
    pair = next((a, b) for a in whole for b in whole if a.place < b.place and a.bytes == b.bytes)
    data = [unit.read() for unit in pair]
    pair[0].write(data[1])  # each where the other belongs
    pair[1].write(data[0])
    for unit in (flipped, *pair):
        kinds["unit_header"] += 1
        places.append((*unit.place, unit.path))
    return kinds, places


def drive_uuids(appliance):
    found_now = {}
    for path in appliance.drive_paths():
        with open(path, "rb") as f:
            found_now[f.read(72)[56:72].hex()] = path
    return found_now


def fsck(appliance):
    done = subprocess.run([os.path.join(appliance.build, "bin", "dolmen-fsck"), "--dev", appliance.folder], capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done


def case_repaired(appliance, objects, chance):
    print("damage to two drives while serving", flush=True)
    settle(appliance)
    before = digests(appliance)
    expect_clean(scrub(appliance))
    kinds, places = hurt(appliance, chance)
    assert digests(appliance) != before
    report = scrub(appliance)
    assert found(report) == kinds, (report, kinds)
    assert report["units_repaired"] == sum(kinds.values()) and report["units_unrepaired"] == report["unrecoverable"] == 0, report
    uuids = drive_uuids(appliance)
    told = sorted((int(f["slab"], 16), f["row"], uuids[f["drive"]]) for f in report["findings"])
    assert told == sorted(places), (told, places)
    assert all(f["repaired"] for f in report["findings"]), report
    assert digests(appliance) == before, "what was repaired is not what was there"
    metrics = appliance.metrics()
    assert metrics["dolmen_scrub_units_repaired_total"] == sum(kinds.values())
    assert metrics['dolmen_scrub_found_total{kind="unit_header"}'] == kinds["unit_header"]
    assert metrics["dolmen_scrub_passes_total"] == 2 and metrics['dolmen_alarm{alarm="scrub_loss"}'] == 0
    text = dolmen(appliance, "scrub", "status").stdout
    assert f"{sum(kinds.values())} repaired, 0 not repaired, 0 unrecoverable" in text and ", repaired\n" in text, text
    expect_clean(scrub(appliance))
    assert digests(appliance) == before
    read_all(appliance, objects)
    assert f" scrub: finished " in dolmen(appliance, "pool", "status").stdout
    appliance.stop()
    fsck(appliance)
    appliance.start()
    read_all(appliance, objects)


def case_stopped(appliance, objects, _):
    print("slowly, stopped", flush=True)
    assert status(appliance)["now"]["state"] == "never"
    assert dolmen(appliance, "scrub", "start", "--bandwidth", "1M").returncode == 0
    again = dolmen(appliance, "scrub", "start")
    assert again.returncode == 1 and "a scrub is under way" in again.stderr, again
    wait_until(lambda: status(appliance)["now"]["bytes_done"] > 0 and "to go\n" in dolmen(appliance, "scrub", "status").stdout, 30, "the first window")
    running = dolmen(appliance, "scrub", "status").stdout
    assert " scrub: running since " in running and "to go\n" in running, running
    stopped = dolmen(appliance, "scrub", "stop")
    assert stopped.returncode == 0 and " scrub: stopped " in stopped.stdout, stopped
    report = status(appliance)
    assert report["now"]["state"] == "stopped" and report["last"]["state"] == "never", report
    assert 0 < report["now"]["bytes_done"] < report["now"]["bytes"], report
    assert dolmen(appliance, "scrub", "stop").returncode == 0
    wrong = dolmen(appliance, "scrub", "start", "--bandwidth", "fast")
    assert wrong.returncode == 2 and "not a size" in wrong.stderr, wrong
    assert dolmen(appliance, "scrub", "start", "--bandwidth", "1M").returncode == 0
    appliance.restart()  # the pass doesn't keep it from stopping
    read_all(appliance, objects)


def case_load(appliance, objects, chance):
    """Puts, gets and deletes beside passes, on drives that rot; killed in the middle of one."""
    print("beside a load, and killed", flush=True)
    load = Load(appliance, "--mode", "churn", "--slots", 20, "--size", "20k,75k,300k", "--workers", 4, "--seconds", 4, "--bucket", "load")
    repaired = 0
    try:
        while load.process.poll() is None:
            flip_bits(appliance.drive_paths()[2], chance.randrange(1 << 30), 20, EXTENTS_OFFSET)
            report = scrub(appliance)
            assert report["units_unrepaired"] == report["unrecoverable"] == 0, report
            assert set(found(report)) <= {"unit_header", "unit_payload"}, report
            repaired += report["units_repaired"]
        assert load.wait()["errors"] == {}
    finally:
        load.end()
    assert repaired > 0
    flip_bits(appliance.drive_paths()[2], chance.randrange(1 << 30), 200, EXTENTS_OFFSET)
    assert dolmen(appliance, "scrub", "start", "--bandwidth", "20M").returncode == 0
    wait_until(lambda: status(appliance)["now"]["units_repaired"] > 3, 60, "repairs")
    appliance.kill()
    appliance.start()
    scrub(appliance)
    expect_clean(scrub(appliance))
    read_all(appliance, objects)


def case_lost(appliance, objects, _):
    print("more than parity makes up for", flush=True)
    settle(appliance)
    by_drive = [{unit.place: unit for unit in units_of(path)} for path in appliance.drive_paths()]
    place = max((p for p in by_drive[0] if all(p in units for units in by_drive)), key=lambda p: by_drive[0][p].bytes)
    kept = [units[place].read() for units in by_drive[:3]]
    for units in by_drive[:3]:
        units[place].flip(units[place].header_bytes + 5)
    hurt_drives = digests(appliance)
    for _ in range(2):
        report = scrub(appliance)
        assert found(report) == {"row_lost": 1} and report["unrecoverable"] == 1 and report["units_repaired"] == 0, report
        assert [(int(f["slab"], 16), f["row"], f["repaired"]) for f in report["findings"]] == [(*place, False)], report
        assert digests(appliance) == hurt_drives, "something was written"
    assert appliance.metrics()['dolmen_alarm{alarm="scrub_loss"}'] == 1
    assert "status: Scrubbing found damage" in dolmen(appliance, "pool", "status").stdout
    by_drive[0][place].write(kept[0])  # one of them comes back: that is enough
    report = scrub(appliance)
    assert found(report) == {"unit_payload": 2} and report["units_repaired"] == 2, report
    assert [units[place].read() for units in by_drive[:3]] == kept
    assert appliance.metrics()['dolmen_alarm{alarm="scrub_loss"}'] == 0
    read_all(appliance, objects)


def case_by_itself(appliance, _objects, chance):
    print("by itself", flush=True)
    appliance.stop()
    flip_bits(appliance.drive_paths()[5], chance.randrange(1 << 30), 30, EXTENTS_OFFSET)
    arguments = list(appliance.arguments)
    appliance.arguments += ["--scrub-interval", "1s", "--scrub-bandwidth", "0"]
    appliance.start()
    wait_until(lambda: appliance.metrics()["dolmen_scrub_passes_total"] >= 2, PASS_S, "two passes")
    assert appliance.metrics()["dolmen_scrub_units_repaired_total"] > 0
    appliance.arguments = arguments
    appliance.restart()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)
    with Appliance(arguments.build, drive_size="256M") as appliance:
        appliance.start()
        objects = fill(appliance, arguments.seed)
        for case in (case_stopped, case_repaired, case_lost, case_load, case_by_itself):
            case(appliance, objects, chance)
    print("passed")


if __name__ == "__main__":
    main()

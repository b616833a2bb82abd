#!/usr/bin/python3
"""
No wrong byte leaves, and two of six drives may be lost: the drive files of a 4+2 pool are removed, overwritten, cut and flipped underneath.

A pool is filled once and copied; each case starts from the copy, does its damage, and reads everything back. With up to two drives hurt every
object must come back byte for byte; beyond that an error is right, and a wrong byte never is.
"""
import argparse
import http.client
import itertools
import os
import random
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, dicom_files, flip_bits, overwrite_with_garbage, wait_until  # noqa: E402
from load import Load  # noqa: E402
from s3 import S3  # noqa: E402

BUCKET = "scans"
SUPERBLOCKS_BYTES = 1 << 20  # what lies before the first extent, rounded up
SET_BYTES_MAX = 40 << 20


def fill(appliance, seed):
    """Puts real files and sizes around the engine's limits; returns {key: bytes}."""
    objects, total = {}, 0
    for name, path in dicom_files()[1].items():
        with open(path, "rb") as f:
            data = f.read()
        if total + len(data) <= SET_BYTES_MAX:
            objects[f"dicom/{name}"] = data
            total += len(data)
    chance = random.Random(seed)
    for size in (0, 1, 4095, 4096, 4097, 65536, 262143, 262144, 262145, 1048575, 1048576, 1048577, 3000000, 9000001):
        objects[f"size/{size}"] = chance.randbytes(size)
    s3 = S3(appliance)
    s3.create_bucket(BUCKET)
    for key, data in objects.items():
        s3.put(BUCKET, key, data)
    s3.close()
    return objects


def read_all(appliance, objects):
    """Everything, byte for byte, and the listing."""
    s3 = S3(appliance)
    for key, data in objects.items():
        answer = s3.request("GET", f"/{BUCKET}/{key}")
        assert answer.status == 200, f"{key}: status {answer.status} {answer.code}"
        assert answer.body == data, f"{key}: WRONG BYTES"
    listed = s3.list(BUCKET)
    assert {k: size for k, (size, _) in listed.items()} == {k: len(d) for k, d in objects.items()}, "the listing differs"
    s3.close()


def read_none_wrong(appliance, objects):
    """Errors and cut connections are right; a complete answer has to be the object. Returns the number of whole ones."""
    s3 = S3(appliance)
    whole = 0
    for key, data in objects.items():
        try:
            answer = s3.request("GET", f"/{BUCKET}/{key}")
        except (OSError, http.client.HTTPException):
            continue
        if answer.status == 200:
            assert answer.body == data, f"{key}: WRONG BYTES"
            whole += 1
        else:
            assert answer.status >= 500, f"{key}: status {answer.status} {answer.code} denies an object that was acknowledged"
    listing = s3.request("GET", f"/{BUCKET}")
    assert listing.status >= 500 or s3.list(BUCKET).keys() == objects.keys(), "the listing denies objects that were acknowledged"
    s3.close()
    return whole


class Pool:
    """The filled appliance and its copy."""

    def __init__(self, appliance, objects, chance):
        self.appliance, self.objects, self.chance = appliance, objects, chance
        self.copy = os.path.join(appliance.work, "copy")
        subprocess.run(["cp", "-a", "--sparse=always", appliance.folder, self.copy], check=True, timeout=120)

    def restore(self):
        shutil.rmtree(self.appliance.folder)
        subprocess.run(["cp", "-a", "--sparse=always", self.copy, self.appliance.folder], check=True, timeout=120)

    def seed(self):
        return self.chance.randrange(1 << 30)

    def two(self):
        return self.chance.sample(self.appliance.drive_paths(), 2)


def hurt(pool, path, how):
    if how == "removed":
        os.unlink(path)
    elif how == "garbage":
        overwrite_with_garbage(path, pool.seed())
    elif how == "garbage behind the superblocks":
        overwrite_with_garbage(path, pool.seed(), SUPERBLOCKS_BYTES)
    elif how == "cut to half":
        os.truncate(path, os.path.getsize(path) // 2)
    elif how == "cut to nothing":
        os.truncate(path, 0)
    else:
        flip_bits(path, pool.seed(), 2000)


HOW = ("removed", "garbage", "garbage behind the superblocks", "cut to half", "cut to nothing", "bits flipped")

# after these the drive can't take part at all, and the operator has to be told which one it is
UNUSABLE = ("removed", "garbage", "cut to nothing")


def check_log_names(appliance, path):
    """By its path, or by its number in the pool."""
    name = os.path.basename(path)
    number = int(re.search(r"\d+", name).group())
    for line in appliance.log().splitlines():
        if " warn " in line or " error " in line:
            numbers = re.search(r"\(number ([\d,]+)\)", line)
            if name in line or numbers and str(number) in numbers.group(1).split(","):
                return
    raise AssertionError(f"no warning names {name} nor number {number}")


def case_two_drives(pool, pair, how):
    names = " and ".join(os.path.basename(p) for p in pair)
    print(f"{names}: {how[0]}, {how[1]}", flush=True)
    for path, one_how in zip(pair, how):
        hurt(pool, path, one_how)
    pool.appliance.start()
    read_all(pool.appliance, pool.objects)
    for path, one_how in zip(pair, how):
        if one_how in UNUSABLE:
            check_log_names(pool.appliance, path)
    print(f"  {pool.appliance.metrics()['dolmen_store_reads_reconstructed_total']:.0f} reads rebuilt from parity", flush=True)
    # what a restart finds is no worse
    pool.appliance.restart()
    read_all(pool.appliance, pool.objects)
    pool.appliance.stop()


def start_or_refuse(pool):
    """Beyond what parity covers, refusing to open is right if it says why. True: it serves."""
    try:
        pool.appliance.start()
        return True
    except AssertionError:
        process, pool.appliance.process = pool.appliance.process, None
        assert process.poll() is not None and process.returncode > 0, f"dolmend neither serves nor refuses: {process.poll()}"
        assert " error " in pool.appliance.log().rstrip().split("\n")[-1] + pool.appliance.log()[-2000:], "refused without a word"
        print("  refused to open", flush=True)
        return False


def case_three_drives_removed(pool):
    print("three drives removed: errors, but no wrong byte and no denial", flush=True)
    for path in pool.chance.sample(pool.appliance.drive_paths(), 3):
        os.unlink(path)
    if start_or_refuse(pool):
        read_none_wrong(pool.appliance, pool.objects)
        pool.appliance.stop()


def case_three_drives_and_index_removed(pool):
    """Nothing may be denied while the drives are away, nor after they are back."""
    print("three drives and the index removed, and the drives put back", flush=True)
    away = pool.chance.sample(pool.appliance.drive_paths(), 3)
    for path in away:
        os.rename(path, os.path.join(pool.appliance.work, os.path.basename(path)))
    pool.appliance.remove_index()
    try:
        if start_or_refuse(pool):
            read_none_wrong(pool.appliance, pool.objects)
            pool.appliance.stop()
    finally:
        for path in away:
            os.rename(os.path.join(pool.appliance.work, os.path.basename(path)), path)
    pool.appliance.start()
    read_all(pool.appliance, pool.objects)
    pool.appliance.stop()


def case_index_lost(pool):
    print("index removed", flush=True)
    pool.appliance.remove_index()
    pool.appliance.start()
    read_all(pool.appliance, pool.objects)
    pool.appliance.stop()


def case_index_damaged(pool):
    print("index overwritten with garbage, flipped, cut", flush=True)
    folder = os.path.join(pool.appliance.folder, "index")
    for how in ("garbage", "bits flipped", "cut to half"):
        for name in sorted(os.listdir(folder)):
            if os.path.getsize(os.path.join(folder, name)) > 0:
                hurt(pool, os.path.join(folder, name), how)
        pool.appliance.start()
        read_all(pool.appliance, pool.objects)
        pool.appliance.stop()


def case_flips_under_load(pool):
    """Bits of two drives flip while clients read and write."""
    print("bits of two drives flipped while serving", flush=True)
    pool.appliance.start()
    Load(pool.appliance, "--objects", 200, "--size", "20k,75k,300k", "--workers", 8, "--bucket", "load").wait()
    load = Load(pool.appliance, "--mode", "get", "--objects", 200, "--size", "20k,75k,300k", "--verify", "--workers", 8, "--seconds", 5,
                "--bucket", "load")
    other = S3(pool.appliance)
    try:
        pair = pool.two()
        while load.process.poll() is None:
            for path in pair:
                flip_bits(path, pool.seed(), 50, SUPERBLOCKS_BYTES)
            other.put(BUCKET, "written/meanwhile", b"x" * 100000)
        report = load.wait()
    finally:
        load.end()
    other.close()
    assert report["errors"] == {}, f"two drives of a 4+2 pool are hurt, everything has to be readable: {report['errors']}"
    read_all(pool.appliance, {**pool.objects, "written/meanwhile": b"x" * 100000})
    print(f"  {report['get']['operations']} reads, {pool.appliance.metrics().get('dolmen_store_reads_reconstructed_total', 0):.0f} rebuilt from parity")
    pool.appliance.stop()


def case_removed_under_load(pool):
    """Two drive files are cut to nothing while clients read: as a drive that fails."""
    print("two drives cut to nothing while serving", flush=True)
    pool.appliance.start()
    for path in pool.two():
        os.truncate(path, 0)
    read_all(pool.appliance, pool.objects)
    pool.appliance.process.terminate()
    wait_until(lambda: pool.appliance.process.poll() is not None, 60, "the end of dolmend")
    pool.appliance.process = None
    pool.appliance.start()
    read_all(pool.appliance, pool.objects)
    pool.appliance.stop()


def case_flips_everywhere(pool):
    print("bits of all drives flipped: errors, but no wrong byte", flush=True)
    for path in pool.appliance.drive_paths():
        flip_bits(path, pool.seed(), 150, SUPERBLOCKS_BYTES)
    if not start_or_refuse(pool):
        return
    whole = read_none_wrong(pool.appliance, pool.objects)
    print(f"  {whole} of {len(pool.objects)} objects came back whole")
    pool.appliance.stop()


def run_case(pool, case):
    """What went wrong, or ''; the other cases are run in any case."""
    failure = ""
    try:
        case()
    except (AssertionError, OSError, http.client.HTTPException) as e:
        failure = f"{type(e).__name__}: {e}"
        print(f"FAILED {failure}", flush=True)
        pool.appliance.show_log()
        pool.appliance.end()
    pool.restore()
    return failure


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="every pair of drives with every pair of damages (long)")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    print(f"seed {arguments.seed}", flush=True)
    with Appliance(arguments.build, drive_size="512M") as appliance:
        appliance.start()
        objects = fill(appliance, arguments.seed)
        read_all(appliance, objects)
        appliance.stop()
        pool = Pool(appliance, objects, chance)
        pairs = list(itertools.combinations(appliance.drive_paths(), 2))
        hows = list(itertools.product(HOW, HOW))
        if arguments.all:
            two = list(itertools.product(pairs, hows))
        else:
            two = [(chance.choice(pairs), (how, chance.choice(HOW))) for how in HOW]
        cases = [lambda p=pair, h=how: case_two_drives(pool, p, h) for pair, how in two]
        cases += [lambda c=c: c(pool) for c in (case_three_drives_removed, case_three_drives_and_index_removed, case_index_lost, case_index_damaged, case_flips_under_load,
                                                case_removed_under_load, case_flips_everywhere)]
        failures = [failure for failure in (run_case(pool, case) for case in cases) if failure]
        assert not failures, f"{len(failures)} of {len(cases)} cases failed: {failures}"
    print(f"passed: {len(cases)} cases, {len(objects)} objects each")


if __name__ == "__main__":
    main()

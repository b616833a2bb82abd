#!/usr/bin/python3
"""
Rounds of damage while the server serves: up to two drives of a 4+2 pool get bits flipped, blocks zeroed, are cut, swapped, removed, or rolled back to
what they were before the round, while clients write, delete and read. Nothing that was acknowledged is lost and no wrong byte is served: not while the
server runs, not after a stop or a kill -9 and a restart. Each round begins with the pool as it was filled.
"""
import argparse
import errno
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, data_ranges, flip_bits, wait_until  # noqa: E402
from damage import Pool, fill, read_all  # noqa: E402
from load import Ledger, Load  # noqa: E402
from s3 import S3  # noqa: E402

BUCKET = "load"
BLOCK = 4096
LOAD_S = 2
JOURNAL_BYTES_PER_CHANGE = 150  # a begin and an acked line, about
CHANGES_MAX = 200
START_TIMEOUT_S = 120


def zero_blocks(path, chance):
    ranges = data_ranges(path)
    with open(path, "r+b") as f:
        for _ in range(200):
            begin, end = chance.choice(ranges)
            f.seek(begin // BLOCK * BLOCK + chance.randrange(max(1, (end - begin) // BLOCK)) * BLOCK)
            f.write(bytes(BLOCK))
        f.flush()
        os.fsync(f.fileno())


def hurt(pool, path, how):
    chance = pool.chance
    if how == "bits flipped":
        flip_bits(path, pool.seed(), 300)
    elif how == "blocks zeroed":
        zero_blocks(path, chance)
    elif how == "cut":
        os.truncate(path, chance.randrange(os.path.getsize(path)))
    elif how == "removed":
        os.unlink(path)
    else:
        shutil.copyfile(os.path.join(pool.copy, "drives", os.path.basename(path)), path)  # the same file, as the server has it open


HOW = ("bits flipped", "blocks zeroed", "cut", "removed", "rolled back")


def do_damage(pool):
    """Its description."""
    drives = pool.two()
    if pool.chance.random() < 0.15:
        os.rename(drives[0], drives[0] + ".away")
        os.rename(drives[1], drives[0])
        os.rename(drives[0] + ".away", drives[1])
        return "swapped " + " and ".join(map(os.path.basename, drives))
    drives = drives[:pool.chance.randint(1, 2)]
    told = []
    for path in drives:
        how = pool.chance.choice(HOW)
        try:
            hurt(pool, path, how)
        except OSError as e:  # Linux fails our fsync when a direct write of the server's met a page that we had written
            if e.errno != errno.EIO:
                raise
        told.append(f"{os.path.basename(path)} {how}")
    return ", ".join(told)


def check(pool, ledger):
    read_all(pool.appliance, pool.objects)
    s3 = S3(pool.appliance)
    count = ledger.check(s3, BUCKET)
    s3.close()
    return count


def one_round(pool, number):
    appliance, chance = pool.appliance, pool.chance
    journal = os.path.join(appliance.work, "journal")
    ledger = Ledger()
    pool.restore()
    appliance.start(START_TIMEOUT_S)
    load = Load(appliance, "--mode", "churn", "--bucket", BUCKET, "--workers", 8, "--slots", 6, "--size", "1,3k,20k,75k,300k", "--duplicates", 20,
                "--seed", pool.seed(), "--seconds", LOAD_S, "--verify", journal=journal)
    try:
        wanted = chance.randrange(1, CHANGES_MAX) * JOURNAL_BYTES_PER_CHANGE
        wait_until(lambda: os.path.exists(journal) and os.path.getsize(journal) >= wanted or load.process.poll() is not None, 60, "the moment to hurt")
        damage = do_damage(pool)
        report = load.wait(may_achieve_nothing=True)
    finally:
        load.end()
    ledger.read_journal(journal)
    unexpected = {e for e in report["errors"] if not e.startswith("5")}
    assert not unexpected, f"{damage}: errors under load: {unexpected}"
    count = check(pool, ledger)
    end = chance.choice(("stopped", "killed"))
    if end == "killed":
        appliance.kill()
    else:
        appliance.stop()
    appliance.start(START_TIMEOUT_S)
    count = check(pool, ledger)
    appliance.kill()
    print(f"round {number}: {damage}; {end}; {ledger.acknowledged} changes acknowledged, {count} objects right; errors {report['errors']}", flush=True)
    return ledger.acknowledged


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    acknowledged = 0
    with Appliance(arguments.build, drive_size="256M") as appliance:
        appliance.start()
        objects = fill(appliance, arguments.seed)
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        s3.close()
        appliance.stop()
        pool = Pool(appliance, objects, chance)
        for number in range(1, arguments.rounds + 1):
            acknowledged += one_round(pool, number)
    assert acknowledged > 0, "nothing was ever acknowledged: the test tested nothing"
    print(f"passed: {arguments.rounds} rounds, {acknowledged} changes acknowledged, none lost, no wrong byte")


if __name__ == "__main__":
    main()

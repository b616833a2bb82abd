#!/usr/bin/python3
"""
Acknowledged means durable: kill -9 under load, again and again, on one pool.

Each round: workers overwrite, delete and read their own keys; the server is killed at a moment the seed chooses, in some rounds again while it
recovers; dolmen-fsck finds nothing wrong with what is left, the index included; after the restart every key holds what was acknowledged last, or
what was being tried when the server died; the listing agrees.
At the end the same after a gentle stop, and after the loss of the index.
"""
import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, wait_until  # noqa: E402
from fsck import CLEAN, Fsck  # noqa: E402
from load import Ledger, Load  # noqa: E402
from s3 import S3  # noqa: E402

BUCKET = "kill9"
CHANGES_MAX = 600
JOURNAL_BYTES_PER_CHANGE = 150  # a begin and an acked line, about


def kill_while_starting(appliance, chance):
    """A start that is killed before it serves, or just after."""
    moment = time.monotonic() + chance.uniform(0.0, 0.4)
    try:
        appliance.start(ready=False)
    except AssertionError:
        if appliance.process.poll() is not None:
            raise
    wait_until(lambda: time.monotonic() >= moment, 5, "the moment to kill")
    appliance.kill()


def one_round(appliance, ledger, chance, number, workers):
    journal = os.path.join(appliance.work, "journal")
    load = Load(appliance, "--mode", "churn", "--bucket", BUCKET, "--workers", workers, "--slots", 6, "--size", "1,3k,20k,75k,300k",
                "--duplicates", 20, "--seed", chance.randrange(1 << 31), "--seconds", 60, "--on-error", "stop", journal=journal)
    try:
        # by what was done and not by time, so that slow machines and sanitizers get as far as fast ones
        wanted = chance.randrange(1, CHANGES_MAX) * JOURNAL_BYTES_PER_CHANGE

        def is_far_enough():
            return os.path.exists(journal) and os.path.getsize(journal) >= wanted or load.process.poll() is not None

        wait_until(is_far_enough, 60, "the moment to kill")
        moment = time.monotonic() + chance.uniform(0.0, 0.02)
        wait_until(lambda: time.monotonic() >= moment, 5, "the moment to kill")
        appliance.kill()
        report = load.wait(may_achieve_nothing=True)
    finally:
        load.end()
    ledger.read_journal(journal)
    if chance.random() < 0.3:
        kill_while_starting(appliance, chance)
    Fsck(appliance.build).expect(CLEAN, *appliance.fsck_arguments())
    appliance.start()
    s3 = S3(appliance)
    objects = ledger.check(s3, BUCKET)
    s3.close()
    print(f"round {number}: {report['put']['operations']} puts, {report['delete']['operations']} deletes, restart {appliance.start_s:.2f} s, "
          f"{objects} objects right; errors {report['errors']}", flush=True)
    unexpected = {e for e in report["errors"] if e != "connection lost" and not e.startswith(("503", "507"))}
    assert not unexpected, f"errors under load: {unexpected}"
    return any(e.startswith("507") for e in report["errors"])


def one_pool(arguments, chance, first_round, over):
    """Rounds on one pool until the run is over or the pool is full; the number of rounds."""
    ledger = Ledger()
    number = first_round
    with Appliance(arguments.build, drive_size=arguments.drive_size) as appliance:
        appliance.start()
        full = False
        while not full and not over(number):
            full = one_round(appliance, ledger, chance, number, arguments.workers)
            number += 1
        appliance.restart()
        ledger.check(S3(appliance), BUCKET)
        appliance.stop()
        appliance.remove_index()
        appliance.start(timeout_s=600)  # slabs that were never sealed are read row by row
        objects = ledger.check(S3(appliance), BUCKET)
        print(f"index lost: {appliance.start_s:.2f} s to rebuild, {objects} objects right; {ledger.acknowledged} changes acknowledged in all")
    assert ledger.acknowledged > 0, "nothing was ever acknowledged: the test tested nothing"
    return number - first_round


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=0, help="instead of rounds; a full pool is followed by a fresh one")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--drive-size", default="2G")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    end = time.monotonic() + arguments.seconds

    def over(number):
        return time.monotonic() >= end if arguments.seconds else number > arguments.rounds

    done = 0
    while not over(done + 1):
        done += one_pool(arguments, chance, done + 1, over)
    print(f"passed: {done} rounds")


if __name__ == "__main__":
    main()

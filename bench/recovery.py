#!/usr/bin/python3
"""
How long a server takes to serve again, by the number of objects: after kill -9 under load, without an index, and with one that dolmen-fsck built.

    bench/recovery.py --build build/release [--objects 10000,1000000] [--folder DIR]

Each number of objects gets a pool of its own, of small objects of which some repeat. All times count from the start of the program to its readiness,
or to its end; memory is the most that was resident. README.md says how to read the table.
"""
import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "tests", "lib"))
from appliance import wait_until  # noqa: E402
from load import Load  # noqa: E402
from run import BenchAppliance  # noqa: E402

START_TIMEOUT_S = 1800
LOAD = ["--size", "1k,2k,4k", "--duplicates", 20, "--workers", 64, "--bucket", "recovery"]
BYTES_PER_OBJECT = 8192  # of the pool: objects, manifests, parity, directories
POOL_BYTES_MIN = 2 << 30


def metric(appliance, name):
    return int(appliance.metrics()[name])


def timed_start(appliance):
    """Seconds to readiness, MiB at most: resident, pages of the index's file that the kernel may take back included."""
    appliance.start(timeout_s=START_TIMEOUT_S)
    return {"seconds": appliance.start_s, "mib": appliance.memory()["most_mib"]}


def kill_under_load(appliance, seed):
    load = Load(appliance, *LOAD, "--seconds", 60, "--seed", seed, "--prefix", f"later-{seed}/", "--on-error", "stop")
    before = metric(appliance, "dolmen_pool_objects")
    wait_until(lambda: metric(appliance, "dolmen_pool_objects") > before + 5000, 60, "some load")
    appliance.kill()
    load.wait(may_achieve_nothing=True)


def run_fsck(appliance, *words):
    """(seconds, MiB resident at most, summary)"""
    begin = time.monotonic()
    process = subprocess.Popen([os.path.join(appliance.build, "bin", "dolmen-fsck"), "--json", *words, "--dev", appliance.folder],
                               stdout=subprocess.PIPE, text=True)
    lines = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), f"dolmen-fsck {words}: status {process.returncode}: {lines[-5:]}"
    return {"seconds": time.monotonic() - begin, "mib": usage.ru_maxrss / 1024, "summary": json.loads(lines[-1])}


def measure(build, folder, objects):
    drive_bytes = max(POOL_BYTES_MIN, objects * BYTES_PER_OBJECT) * 6 // 4 // 6
    found = {"objects": objects}
    with BenchAppliance(build, folder, drive_size=f"{drive_bytes >> 20}M") as appliance:
        appliance.start()
        report = Load(appliance, *LOAD, "--objects", objects).wait(timeout_s=3600)
        assert report["errors"] == {}, report["errors"]
        found["puts_per_s"] = report["put"]["operations_per_second"]
        restarts = []
        for seed in range(3):
            kill_under_load(appliance, 1000 + seed)
            restarts.append(timed_start(appliance))
        found["after kill -9"] = sorted(restarts, key=lambda r: r["seconds"])[1]
        there = metric(appliance, "dolmen_pool_objects")
        appliance.stop()
        appliance.remove_index()
        found["without an index"] = timed_start(appliance)
        assert metric(appliance, "dolmen_pool_objects") == there
        appliance.stop()
        found["dolmen-fsck"] = run_fsck(appliance)
        found["pool_bytes"] = found["dolmen-fsck"]["summary"]["figures"]["bytes_read"]
        appliance.remove_index()
        found["dolmen-fsck --rebuild-index"] = run_fsck(appliance, "--rebuild-index")
        found["with that index"] = timed_start(appliance)
        assert metric(appliance, "dolmen_pool_objects") == there
    return found


def print_table(all_found):
    names = ("after kill -9", "without an index", "dolmen-fsck", "dolmen-fsck --rebuild-index", "with that index")
    print("| objects | read by fsck | " + " | ".join(names) + " |")
    print("| ---: | ---: |" + " ---: |" * len(names))
    for found in all_found:
        cells = [f"{found[n]['seconds']:.2f} s, {found[n]['mib']:.0f} MiB" for n in names]
        print(f"| {found['objects']:,} | {found['pool_bytes'] / 1e9:.1f} GB | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--objects", default="10000,1000000")
    parser.add_argument("--folder", help="where pools are made (default: beside the build)")
    arguments = parser.parse_args()
    all_found = []
    for objects in map(int, arguments.objects.split(",")):
        all_found.append(measure(arguments.build, arguments.folder, objects))
        print(f"{objects:,} objects: {all_found[-1]['puts_per_s']:.0f} puts a second", flush=True)
    print_table(all_found)


if __name__ == "__main__":
    main()

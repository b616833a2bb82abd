#!/usr/bin/python3
"""
Throughput and latency of one build: starts an appliance, runs dolmen-bench at several loads, prints a table and writes build/bench.json.

    bench/run.py --build build/release [--seconds N]

The appliance's drives are files in the build folder, all on one file system of this machine, with the load generator beside it on
the same cores: the figures compare builds on one machine and say little about a server with NVMe drives.
"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
from appliance import Appliance, dicom_files  # noqa: E402
from load import Load  # noqa: E402

# name, arguments of dolmen-bench; "get" runs read what the put before them has left
LOADS = [
    ("put 4 KiB, 1 worker", ["--size", "4k", "--workers", 1, "--prefix", "a/"]),
    ("put 4 KiB, 64 workers", ["--size", "4k", "--workers", 64, "--prefix", "b/"]),
    ("put 75 KiB, 1 worker", ["--size", "75k", "--workers", 1, "--prefix", "c/"]),
    ("put 75 KiB, 32 workers", ["--size", "75k", "--workers", 32, "--prefix", "d/"]),
    ("put 512 KiB, 16 workers", ["--size", "512k", "--workers", 16, "--prefix", "e/"]),
    ("put 10 MiB, 4 workers", ["--size", "10m", "--workers", 4, "--prefix", "f/"]),
    ("put 75 KiB, half repeated, 32 workers", ["--size", "75k", "--workers", 32, "--duplicates", 50, "--prefix", "g/"]),
    ("put and get 75 KiB, 32 workers", ["--mode", "mix", "--size", "75k", "--workers", 32, "--prefix", "h/", "--verify"]),
]
READS = [
    ("get 75 KiB, 1 worker", ["--mode", "get", "--size", "75k", "--workers", 1, "--prefix", "r/", "--verify"]),
    ("get 75 KiB, 32 workers", ["--mode", "get", "--size", "75k", "--workers", 32, "--prefix", "r/", "--verify"]),
]
READ_OBJECTS = 2000


def row(name, report):
    for verb in ("put", "get"):
        r = report[verb]
        if r["operations"]:
            errors = f"  errors {report['errors']}" if report["errors"] else ""
            print(f"{name:40} {verb:4} {r['operations_per_second']:9.0f}/s {r['mib_per_second']:8.1f} MiB/s "
                  f"p50 {r['p50_ms']:8.2f} ms  p99 {r['p99_ms']:8.2f} ms{errors}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--drive-size", default="16G")
    arguments = parser.parse_args()
    reports = {}
    for loads in (LOADS, READS):
        # a pool for writing, a fresh one for reading: what was written before must not matter
        with Appliance(arguments.build, drive_size=arguments.drive_size) as appliance:
            appliance.start()
            if loads is READS:
                Load(appliance, "--objects", READ_OBJECTS, "--size", "75k", "--workers", 16, "--prefix", "r/").wait(300)
                loads = [(name, [*load, "--objects", READ_OBJECTS]) for name, load in READS]
            for name, load in loads:
                reports[name] = Load(appliance, *load, "--seconds", arguments.seconds).wait(arguments.seconds + 120)
                row(name, reports[name])
            if loads is LOADS:
                folder, files = dicom_files()
                name = f"put {len(files)} DICOM files twice, 16 workers"
                reports[name] = Load(appliance, "--files", folder, "--objects", 2 * len(files), "--workers", 16, "--prefix", "i/").wait(300)
                row(name, reports[name])
    path = os.path.join(os.path.dirname(os.path.realpath(arguments.build)), "bench.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(reports, f, indent=2)
    print(f"written to {path}")


if __name__ == "__main__":
    main()

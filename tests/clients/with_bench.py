#!/usr/bin/python3
"""The load generator itself: what it reports is what the server counts, wrong bytes and errors end it with their exit status, every mode does its verbs."""
import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, dicom_files  # noqa: E402
from s3 import S3  # noqa: E402

TIMEOUT_S = 120
SIZES = "0,1,8,16383,16384,16392,70k,262145,3m"
OBJECTS = 60
VERBS = {"put": "PutObject", "get": "GetObject", "head": "HeadObject", "list": "ListObjectsV2", "delete": "DeleteObject"}
WRONG, NOT_STARTED, ERRORS = 1, 2, 3


class Bench:
    def __init__(self, appliance):
        self.appliance = appliance
        self.program = os.path.join(appliance.build, "bin", "dolmen-bench")

    def run(self, *arguments, status=0):
        command = [self.program, "--endpoint", self.appliance.endpoint, "--credentials", self.appliance.credentials_path, *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == status, f"{arguments}: status {done.returncode}, expected {status}: {done.stderr[-1000:]} {done.stdout[-2000:]}"
        return json.loads(done.stdout) if done.stdout else {}

    def counted(self, *arguments, **more):
        """A run, and what the server has counted meanwhile by verb."""
        def answered():
            samples = self.appliance.metrics()
            return {verb: sum(v for name, v in samples.items() if name.startswith(f'dolmen_http_requests_total{{operation="{operation}",code="2'))
                    for verb, operation in VERBS.items()}

        before = answered()
        report = self.run(*arguments, **more)
        after = answered()
        return report, {verb: after[verb] - before[verb] for verb in VERBS}


def check_objects(bench, s3):
    """A number of objects: each once, all right, and other options give other bytes."""
    common = ["--objects", OBJECTS, "--workers", 7, "--size", SIZES, "--prefix", "o b/é/"]
    report, counted = bench.counted("--mode", "put", *common)
    assert report["put"]["operations"] == counted["put"] == report["objects"] == OBJECTS and report["errors"] == {}, (report, counted)
    there = s3.list("bench", "o b/é/")
    assert len(there) == OBJECTS and sum(size for size, _ in there.values()) == report["put"]["bytes"], there
    for threads in (1, 3):
        report, counted = bench.counted("--mode", "get", *common, "--verify", "--threads", threads)
        assert report["get"]["operations"] == counted["get"] == OBJECTS and report["mismatches"] == 0, (report, counted)
    report = bench.run("--mode", "get", *common, "--verify", "--seed", 2, status=WRONG)
    assert report["mismatches"] > 0 and report["errors"] == {}, report
    report, counted = bench.counted("--mode", "head", *common)
    assert report["head"]["operations"] == counted["head"] == OBJECTS and report["head"]["bytes"] == 0, (report, counted)
    report, counted = bench.counted("--mode", "list", *common)
    assert report["list"]["operations"] == counted["list"] == OBJECTS and report["list"]["bytes"] > 0, (report, counted)
    report, counted = bench.counted("--mode", "delete", *common)
    assert report["delete"]["operations"] == counted["delete"] == OBJECTS, (report, counted)
    assert s3.list("bench", "o b/é/") == {}
    report = bench.run("--mode", "get", *common, status=WRONG)
    assert report["errors"] == {"404 NoSuchKey": OBJECTS}, report
    bench.run("--mode", "mix", "--mix", "put=1,get=1", "--objects", 5, "--on-error", "fail")
    bench.run("--mode", "put", "--objects", 1, "--prefix", "k" * 500, "--on-error", "fail")


def check_mix(bench):
    report, counted = bench.counted("--mode", "mix", "--mix", "put=30,get=30,head=20,list=5,delete=15", "--objects", 150, "--workers", 9, "--threads", 2,
                                    "--size", "4k,70k,600k", "--verify", "--on-error", "fail")
    assert {verb: report[verb]["operations"] for verb in VERBS} == counted, (report, counted)
    assert counted["put"] == 150 and all(counted[verb] > 0 for verb in VERBS), counted


def check_duplicates(bench):
    """Unique means that the server finds nothing twice."""
    def deduplicated():
        return bench.appliance.metrics()["dolmen_store_chunks_deduplicated_total"]

    for prefix, more, expected in (("u1/", ["--size", "70k,600k,3m"], False), ("u2/", ["--size", "70k,600k,3m"], False),
                                   ("d/", ["--size", "70k", "--duplicates", 50], True)):
        before = deduplicated()
        bench.run("--objects", 40, "--prefix", prefix, *more)
        assert (deduplicated() > before) == expected, prefix
    folder, files = dicom_files()
    for more in ([], ["--unique"]):
        common = ["--files", folder, "--objects", 2 * min(len(files), 40), "--prefix", "f/", *more]
        bench.run(*common, "--on-error", "fail")
        bench.run("--mode", "get", *common, "--verify", "--on-error", "fail")


def check_time(bench):
    report = bench.run("--seconds", 1, "--warm-up", 1, "--size", "4k", "--prefix", "t/", "--rate", 50, "--workers", 4, "--idle", 30)
    assert report["seconds"] == 1.0 and report["idle_opened"] == report["idle_alive"] == 30, report
    assert report["put"]["operations"] < report["objects"], "what was done while warming up counted"
    assert report["rate"] == 50.0 and report["put"]["operations"] + report["backlog"] < 200, report


def check_refusals(bench):
    bench.run("--mode", "mix", "--mix", "get=1", status=NOT_STARTED)
    bench.run("--mode", "get", status=NOT_STARTED)
    bench.run("--size", "70q", status=NOT_STARTED)
    bench.run("--bucket", "Bad_Name", status=NOT_STARTED)
    bench.run("--mode", "get", "--objects", 10, "--prefix", "never/", "--on-error", "fail", status=WRONG)
    bench.run("--mode", "put", "--objects", 2, "--size", "4k", "--prefix", "half/")
    report = bench.run("--mode", "get", "--objects", 4, "--in-order", "--size", "4k", "--prefix", "half/", "--on-error", "fail", status=ERRORS)
    assert report["errors"] == {"404 NoSuchKey": 2} and report["get"]["operations"] == 2, report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--tls", action="store_true", help="over https")
    arguments = parser.parse_args()
    with Appliance(arguments.build, drive_size="2G", tls=arguments.tls) as appliance:
        appliance.start()
        bench, s3 = Bench(appliance), S3(appliance)
        check_objects(bench, s3)
        check_mix(bench)
        check_duplicates(bench)
        check_time(bench)
        check_refusals(bench)
        s3.close()
    print("passed")


if __name__ == "__main__":
    main()

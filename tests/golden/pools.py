#!/usr/bin/python3
"""
The golden pools of every released version are read by this one: by dolmen-fsck and the reference reader as they were left, by kill -9; by dolmend,
which has to answer as the version that wrote them did; and by all three again after it was stopped.

    tests/golden/pools.py --build build/dev
"""
import argparse
import glob
import hashlib
import json
import os
import subprocess
import sys
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from appliance import ROOT, Appliance  # noqa: E402
from s3 import S3  # noqa: E402

READER = os.path.join(ROOT, "fsck", "reader", "dolmen-reader")


def unpack(archive, folder):
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(folder)


def check_alone(appliance, expected):
    """Without a server: fsck finds nothing, the reader finds the same objects."""
    fsck = subprocess.run([os.path.join(appliance.build, "bin", "dolmen-fsck"), "--dev", appliance.folder], capture_output=True, text=True, timeout=300,
                          check=False)
    assert fsck.returncode == 0, f"dolmen-fsck: {fsck.returncode}\n{fsck.stdout}{fsck.stderr}"
    key = os.path.join(appliance.folder, "key")
    reader = subprocess.run(["/usr/bin/python3", READER, "--key", key, "digest", *appliance.drive_paths()], capture_output=True, text=True, timeout=300,
                            check=False)
    assert reader.returncode == 0, reader.stderr
    found = {}
    for line in reader.stdout.splitlines():
        info = json.loads(line)
        assert info["bucket"] == "scans" and info["current"], line
        found[info["key"]] = (info["size"], info["sha256"])
    assert found == {key: (o["size"], o["sha256"]) for key, o in expected["objects"].items()}, "the reader finds other objects"


def get(s3, path, query=()):
    answer = s3.request("GET", path, query)
    assert answer.status == 200, f"GET {path}: {answer!r}"
    return answer


def listed(answer, name):
    return [part.split(f"</{name}>")[0] for part in answer.body.decode().split(f"<{name}>")[1:]]


def check_served(s3, expected):
    assert listed(get(s3, "/"), "Name") == expected["buckets"]
    keys = listed(get(s3, "/scans"), "Key")
    assert keys == sorted(expected["objects"], key=str.encode), keys
    for key, o in expected["objects"].items():
        answer = get(s3, "/scans/" + key)
        assert (len(answer.body), hashlib.sha256(answer.body).hexdigest()) == (o["size"], o["sha256"]), f"{key}: wrong bytes"
        head = s3.request("HEAD", "/scans/" + key)
        now = {name.lower(): value for name, value in head.headers.items()}
        assert {name: now.get(name) for name in o["headers"]} == o["headers"], f"{key}: {now}, not {o['headers']}"
    upload = expected["upload"]
    uploads = get(s3, "/scans", [("uploads", "")])
    assert (listed(uploads, "Key"), listed(uploads, "UploadId")) == ([upload["key"]], [upload["id"]]), uploads.body
    parts = get(s3, "/scans/" + upload["key"], [("uploadId", upload["id"])]).body.decode()
    assert parts == upload["parts"], f"{parts}\nnot\n{upload['parts']}"


def check(build, archive):
    with open(archive.removesuffix(".tar.xz") + ".json", encoding="utf-8") as f:
        expected = json.load(f)
    with Appliance(build) as appliance:
        unpack(archive, appliance.folder)
        appliance.arguments = ["--dev", appliance.folder, "--listen", f"127.0.0.1:{appliance.port}"]
        check_alone(appliance, expected)
        for _ in range(2):
            appliance.start()
            s3 = S3(appliance)
            check_served(s3, expected)
            s3.close()
            appliance.stop()
            check_alone(appliance, expected)
    print(f"{os.path.relpath(archive, HERE)}: {len(expected['objects'])} objects", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    archives = sorted(glob.glob(os.path.join(HERE, "pools-v*", "*.tar.xz")))
    assert archives, "there are no golden pools"
    for archive in archives:
        check(args.build, archive)


if __name__ == "__main__":
    main()

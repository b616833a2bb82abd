#!/usr/bin/python3
"""A full pool: 507 StorageFull for writes, and reads, listings and deletes go on; also after a restart and a kill -9."""
import argparse
import hashlib
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance  # noqa: E402
from s3 import S3, expect  # noqa: E402

BUCKET = "full"
OBJECT_BYTES = 1 << 20
OBJECTS_MAX = 4000


def fill(s3, chance):
    """Puts until the pool is full; {key: SHA-256}."""
    stored = {}
    for number in range(OBJECTS_MAX):
        data = chance.randbytes(OBJECT_BYTES)
        answer = s3.request("PUT", f"/{BUCKET}/{number:05}", body=data)
        if answer.status == 507:
            assert answer.code == "StorageFull", answer
            return stored
        expect(200, answer)
        stored[f"{number:05}"] = hashlib.sha256(data).hexdigest()
    raise AssertionError(f"{OBJECTS_MAX} MiB fit into a small pool")


def check(s3, stored):
    assert set(s3.list(BUCKET)) == set(stored), "the listing differs"
    for key, sha256 in stored.items():
        assert hashlib.sha256(s3.get(BUCKET, key)).hexdigest() == sha256, f"{key}: WRONG BYTES"


def run(appliance, chance):
    """On a started, empty appliance of about 100 MiB a drive."""
    s3 = S3(appliance)
    s3.create_bucket(BUCKET)
    stored = fill(s3, chance)
    print(f"full after {len(stored)} MiB", flush=True)
    assert stored, "full before the first object"
    for _ in range(20):
        answer = s3.request("PUT", f"/{BUCKET}/more", body=chance.randbytes(OBJECT_BYTES))
        assert (answer.status, answer.code) == (507, "StorageFull"), answer
    assert appliance.metrics()['dolmen_alarm{alarm="full"}'] == 1
    check(s3, stored)
    gone = sorted(stored)[::10]
    for key in gone:
        s3.delete(BUCKET, key)
        del stored[key]
    check(s3, stored)
    assert appliance.http_status("/readyz") == 200, "a full pool still serves"
    s3.close()
    appliance.restart()
    check(s3, stored)
    s3.close()
    appliance.kill()
    appliance.start()
    check(s3, stored)
    s3.delete(BUCKET, sorted(stored)[0])
    s3.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--drive-size", default="96M")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with Appliance(arguments.build, drive_size=arguments.drive_size) as appliance:
        appliance.start()
        run(appliance, chance)
    print("passed")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""
A small pool is filled to the brim, emptied by deletes, and filled again, many times: what is deleted gives its space back, by itself. Then many
clients overwrite, read and delete at once, far more than the pool holds, so that slabs are compacted under their hands. Between
rounds the server is restarted, killed, or loses its index; a few objects stay from the first round to the last, and none that was
deleted is ever there again. Whenever the server has stopped, or was killed, dolmen-fsck finds nothing, in the index neither; but in a copy of
the index from before space was given back it does.
"""
import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, wait_until  # noqa: E402
from s3 import S3, expect  # noqa: E402

BUCKET = "refill"
OBJECT_BYTES = 1 << 20
OBJECTS_MAX = 4000
KEPT = 3
KEYS_PER_CLIENT = 20
RECLAIM_TIMEOUT_S = 120


class Pool:
    def __init__(self, appliance, chance):
        self.appliance = appliance
        self.chance = chance
        self.stored = {}
        self.s3 = S3(appliance)
        self.older = os.path.join(appliance.work, "older-index")

    def put(self, key, length):
        data = self.chance.randbytes(length)
        answer = self.s3.request("PUT", f"/{BUCKET}/{key}", body=data)
        if answer.status == 200:
            self.stored[key] = hashlib.sha256(data).hexdigest()
        return answer

    def fill(self, name):
        """Until nothing more fits; how many objects did."""
        for number in range(OBJECTS_MAX):
            answer = self.put(f"{name}/{number:05}", OBJECT_BYTES)
            if answer.status == 507:
                assert answer.code == "StorageFull", answer
                return number
            expect(200, answer)
        raise AssertionError(f"{OBJECTS_MAX} MiB fit into a small pool")

    def empty(self, name):
        for key in [k for k in self.stored if k.startswith(name + "/")]:
            self.s3.delete(BUCKET, key)
            del self.stored[key]

    def check(self):
        assert set(self.s3.list(BUCKET)) == set(self.stored), "the listing differs"
        for key, sha256 in self.stored.items():
            assert hashlib.sha256(self.s3.get(BUCKET, key)).hexdigest() == sha256, f"{key}: WRONG BYTES"

    def interrupt(self, how):
        self.s3.close()
        if how == "nothing":
            return
        if how == "restart":
            self.appliance.stop()
        else:
            self.appliance.kill()
        fsck(self.appliance)
        if how == "kill and lose the index":
            self.appliance.remove_index()
        self.appliance.start()

    def copy_index(self):
        self.s3.close()
        self.appliance.stop()
        shutil.copytree(os.path.join(self.appliance.folder, "index"), self.older)
        self.appliance.start()

    def used_bytes(self):
        return self.appliance.metrics()["dolmen_pool_used_bytes"]

    def wait_for_room(self):
        """Most is free again; a quarter of the pool may stay for later, beside the slabs that are being written to."""
        usable = self.appliance.metrics()["dolmen_pool_usable_bytes"]
        wait_until(lambda: self.used_bytes() <= usable * 0.6, RECLAIM_TIMEOUT_S, "space that comes back")
        expect(200, self.put("probe", 1000))


def run(pool, rounds):
    pool.s3.create_bucket(BUCKET)
    for number in range(KEPT):
        expect(200, pool.put(f"kept/{number}", 70000))
    pool.copy_index()
    counts = []
    for number in range(rounds):
        name = f"round-{number}"
        count = pool.fill(name)
        counts.append(count)
        print(f"{name}: full after {count} MiB", flush=True)
        pool.check()
        pool.empty(name)
        pool.interrupt(("nothing", "restart", "kill", "kill and lose the index")[number % 4])
        pool.wait_for_room()
        pool.check()
    # Of so small a pool a third is in reserve, and what is void may be a quarter before it is worth copying: single rounds vary.
    assert min(counts) > 0 and sum(counts) * 3 > counts[0] * rounds, f"less and less fits: {counts}"
    pool.s3.close()


class Client(threading.Thread):
    """Overwrites, deletes and reads keys of its own; knows what each holds."""

    def __init__(self, appliance, name, seed, steps):
        super().__init__()
        self.appliance = appliance
        self.s3 = S3(appliance)
        self.name_of_keys = name
        self.chance = random.Random(seed)
        self.steps = steps
        self.held = {}
        self.refused = 0
        self.failure = None

    def put(self, key, data):
        """False: 507, which may come, and end the connection, while the body is still on its way."""
        try:
            answer = self.s3.request("PUT", f"/{BUCKET}/{key}", body=data)
        except (BrokenPipeError, ConnectionResetError):
            self.s3.close()
            self.s3 = S3(self.appliance)
            return False
        if answer.status != 507:
            expect(200, answer)
        return answer.status == 200

    def step(self):
        key = f"{self.name_of_keys}/{self.chance.randrange(KEYS_PER_CLIENT)}"
        dice = self.chance.random()
        if dice < 0.6:
            data = self.chance.randbytes(self.chance.choice((0, 1, 4096, 70000, 300000, 1 << 20, 2500000)))
            if self.put(key, data):
                self.held[key] = hashlib.sha256(data).hexdigest()
            else:
                self.refused += 1
                self.s3.delete(BUCKET, key)
                self.held.pop(key, None)
        elif dice < 0.7:
            self.s3.delete(BUCKET, key)
            self.held.pop(key, None)
        elif key in self.held:
            assert hashlib.sha256(self.s3.get(BUCKET, key)).hexdigest() == self.held[key], f"{key}: WRONG BYTES"
        else:
            expect(404, self.s3.request("GET", f"/{BUCKET}/{key}"))

    def run(self):
        try:
            for _ in range(self.steps):
                self.step()
        except BaseException as failure:  # shown by the main thread
            self.failure = failure
        self.s3.close()


def churn(pool, clients, steps):
    pool.s3 = S3(pool.appliance)
    threads = [Client(pool.appliance, f"client-{i}", i, steps) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        if thread.failure is not None:
            raise thread.failure
        pool.stored.update(thread.held)
    print(f"churn: {clients * steps} steps, {sum(t.refused for t in threads)} puts refused", flush=True)
    pool.check()
    pool.interrupt("kill")
    pool.check()
    pool.interrupt("kill and lose the index")
    pool.check()
    pool.s3.close()


def fsck(appliance, status=0, words=()):
    program = os.path.join(appliance.build, "bin", "dolmen-fsck")
    answer = subprocess.run([program, "--dev", appliance.folder, *words], capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == status, answer.stdout + answer.stderr
    return answer.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--drive-size", default="129M")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with Appliance(arguments.build, drives=3, ec="2+1", drive_size=arguments.drive_size) as appliance:
        appliance.start()
        pool = Pool(appliance, random.Random(arguments.seed))
        run(pool, arguments.rounds)
        churn(pool, arguments.clients, arguments.steps)
        appliance.stop()
        fsck(appliance)
        assert "it is an older copy" in fsck(appliance, 4, ["--index", pool.older])
    print("passed")


if __name__ == "__main__":
    main()

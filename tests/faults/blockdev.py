#!/usr/bin/python3
"""
Pools on block devices (loop devices of this machine), made and served as operators do it.

format     what a device carries is not destroyed by mistake, a mounted one never; nothing is written before that is known
identity   drives are found by what is on them: in another order, under other names; a stranger is refused; one program at a time
kill       kill -9 under load, recovery, the index lost; on devices of 512 and of 4096-byte sectors
wide       8+3 on eleven drives, devices and files; three of them go
full       507, reads and deletes go on, also after kill -9
"""
import argparse
import hashlib
import os
import random
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import full  # noqa: E402
import kill9  # noqa: E402
from appliance import skip  # noqa: E402
from devices import ConfiguredAppliance, LoopDevices, loops_missing, run  # noqa: E402
from load import Ledger  # noqa: E402
from s3 import S3, expect  # noqa: E402

BUCKET = "devices"
EXTENTS_OFFSET = 1 << 20  # docs/format.md
DIRTY_BYTES = 64 << 20


def put_some(s3, chance, count):
    """{key: SHA-256}"""
    stored = {}
    for number in range(count):
        data = chance.randbytes(chance.choice((0, 1, 4095, 4096, 70_000, 1 << 20, 3_000_000)))
        expect(200, s3.request("PUT", f"/{BUCKET}/{number:04}", body=data))
        stored[f"{number:04}"] = hashlib.sha256(data).hexdigest()
    return stored


def check(s3, stored):
    assert set(s3.list(BUCKET)) == set(stored), "the listing differs"
    for key, sha256 in stored.items():
        assert hashlib.sha256(s3.get(BUCKET, key)).hexdigest() == sha256, f"{key}: WRONG BYTES"


def created(appliance, *arguments):
    done = appliance.create(*arguments)
    assert done.returncode == 0, done.stderr
    return done


# ---- format ----


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(f.read()).hexdigest()


def make_ext4(device):
    done = run("mkfs.ext4", "-q", "-L", "scans", device)
    assert done.returncode == 0, done.stderr


def make_mbr(device):
    sector = bytearray(512)
    sector[446:462] = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 2048, 10000)
    sector[510:512] = b"\x55\xaa"
    with open(device, "r+b") as f:
        f.write(sector)


def make_gpt(device):
    """A protective MBR and the first header, with one partition (UEFI 2.10, chapter 5)."""
    with open(device, "r+b") as f:
        sectors = f.seek(0, os.SEEK_END) // 512
        mbr = bytearray(512)
        mbr[446:462] = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee, b"\xff\xff\xff", 1, sectors - 1)
        mbr[510:512] = b"\x55\xaa"
        entry = struct.pack("<16s16sQQQ72s", bytes.fromhex("af3dc60f838472478e793d69d8477de4"), b"u" * 16, 2048, 4095, 0,
                            "data".encode("utf-16-le"))
        entries = entry.ljust(128 * 128, b"\0")
        fields = [b"EFI PART", 0x10000, 92, 0, 0, 1, sectors - 1, 34, sectors - 34, b"d" * 16, 2, 128, 128, zlib.crc32(entries)]
        layout = "<8sIIIIQQQQ16sQIII"
        fields[3] = zlib.crc32(struct.pack(layout, *fields))
        f.seek(0)
        f.write(mbr + struct.pack(layout, *fields).ljust(512, b"\0") + entries)


def refused(appliance, loops, expected, *arguments):
    """pool create fails with this in its message, and no byte of any drive has changed."""
    files = [loops.file_of(d) if d.startswith("/dev/") else d for d in appliance.drives if os.path.exists(d)]
    before = [digest(f) for f in files]
    done = appliance.create("--ec", "1+1", *arguments)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert expected in done.stderr, done.stderr
    assert [digest(f) for f in files] == before, "a refused creation has written"
    assert not os.path.exists(appliance.key), "a refused creation has left a key"


def mounted(appliance, loops, device):
    """Refused even with --force."""
    folder = os.path.join(appliance.work, "mnt")
    os.mkdir(folder)
    done = run("mount", device, folder)
    if done.returncode != 0:
        print(f"not tested: a mounted device (mount: {done.stderr.strip()})", flush=True)
        return
    try:
        before = appliance.create("--ec", "1+1", "--force")
        assert before.returncode == 1 and f"the drive {device} is mounted, or in use" in before.stderr, before.stderr
    finally:
        done = run("umount", folder)
        assert done.returncode == 0, done.stderr
    assert "ext4 file system 'scans'" in appliance.create("--ec", "1+1").stderr


def case_format(arguments):
    with ConfiguredAppliance(arguments.build) as appliance, LoopDevices(os.path.join(appliance.work, "loops")) as loops:
        clean, other = loops.add("96M"), loops.add("96M")
        for make, says in ((make_ext4, "ext4 file system 'scans'"), (make_mbr, "dos partition table"), (make_gpt, "gpt partition table")):
            used = loops.add("96M")
            make(used)
            appliance.drives = [clean, used]
            refused(appliance, loops, f"the drive {used} carries: {says}. It is not touched; --force would destroy it.")
            if make is make_ext4:
                mounted(appliance, loops, used)
        link = os.path.join(appliance.work, "same")
        os.symlink(clean, link)
        appliance.drives = [clean, link]
        refused(appliance, loops, "are the same drive", "--force")
        appliance.drives = [clean, "/dev/no-such-drive"]
        refused(appliance, loops, "there is no drive /dev/no-such-drive", "--drive-size", "96M")
        appliance.drives = [clean, appliance.work]
        refused_message = appliance.create("--ec", "1+1").stderr
        assert "neither a block device nor a file" in refused_message, refused_message

        # with --force, over the file system and the partition tables
        appliance.drives = [clean, used]
        created(appliance, "--ec", "1+1", "--force", "--label", "first")
        assert oct(os.stat(appliance.key).st_mode & 0o777) == "0o600"
        assert run("blkid", "-p", used).stdout == "", "the old signature is still there"
        key = digest(appliance.key)
        # a pool is not formatted over, and no key ever
        done = appliance.create("--ec", "1+1", "--force")
        assert done.returncode == 1 and "exists already, and is never overwritten" in done.stderr, done.stderr
        assert digest(appliance.key) == key
        first_key, appliance.key = appliance.key, os.path.join(appliance.work, "second-key")
        appliance.drives = [other, used]
        refused(appliance, loops, f"the drive {used} carries: Dolmen pool 'first' ")
        with open(loops.file_of(used), "r+b") as f:
            f.write(b"\xff" * 8192)  # the first copy of the superblock
        refused(appliance, loops, f"the drive {used} carries: Dolmen pool 'first' ")
        # a running pool: never
        appliance.drives, appliance.key = [clean, used], first_key
        appliance.start()
        appliance.key = os.path.join(appliance.work, "third-key")
        done = appliance.create("--ec", "1+1", "--force")
        assert done.returncode == 1 and "in use" in done.stderr, done.stderr
        appliance.key = first_key
        appliance.stop()


# ---- identity ----


def case_identity(arguments):
    chance = random.Random(arguments.seed)
    with ConfiguredAppliance(arguments.build) as appliance, LoopDevices(os.path.join(appliance.work, "loops")) as loops:
        appliance.drives = [loops.add("128M") for _ in range(6)]
        created(appliance)
        appliance.start()
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        stored = put_some(s3, chance, 20)
        s3.close()
        second_log = run(appliance.program, "--config", appliance.config, timeout_s=60)
        assert second_log.returncode == 1, second_log
        assert "in use" in second_log.stderr, second_log.stderr
        appliance.stop()

        # other names, another order, behind links
        files = [loops.file_of(d) for d in appliance.drives]
        for device in appliance.drives:
            loops.detach(device)
        chance.shuffle(files)
        by_id = os.path.join(appliance.work, "by-id")
        os.mkdir(by_id)
        appliance.drives = []
        for number, path in enumerate(files):
            appliance.drives.append(os.path.join(by_id, f"nvme-{number}"))
            os.symlink(loops.attach(path), appliance.drives[-1])
        appliance.start()
        s3 = S3(appliance)
        check(s3, stored)
        expect(200, s3.request("PUT", f"/{BUCKET}/more", body=b"x"))
        stored["more"] = hashlib.sha256(b"x").hexdigest()
        s3.close()
        appliance.stop()

        # two are gone: everything can be read, and writing goes on; back, they are rebuilt
        everything = appliance.drives
        appliance.drives = everything[2:]
        appliance.start()
        s3 = S3(appliance)
        check(s3, stored)
        expect(200, s3.request("PUT", f"/{BUCKET}/without", body=b"y"))
        stored["without"] = hashlib.sha256(b"y").hexdigest()
        s3.close()
        status = appliance.dolmen("pool", "status", "--config", appliance.config)
        assert status.returncode == 0 and status.stdout.count("MISSING") == 2, status
        assert " state: DEGRADED\n" in status.stdout, status.stdout
        appliance.stop()
        appliance.drives = everything
        appliance.start()
        s3 = S3(appliance)
        check(s3, stored)
        status = appliance.dolmen("pool", "status", "--config", appliance.config)
        assert status.returncode == 0 and "MISSING" not in status.stdout, status
        expect(200, s3.request("PUT", f"/{BUCKET}/again", body=b"x"))
        s3.close()
        appliance.stop()

        # a drive of another pool is not mixed in
        with ConfiguredAppliance(arguments.build) as stranger:
            stranger.drives = [loops.add("128M"), loops.add("128M")]
            created(stranger, "--ec", "1+1")
            appliance.drives = [*everything, stranger.drives[0]]
            appliance.write_config()
            done = run(appliance.program, "--config", appliance.config)
            assert done.returncode == 1 and "do not belong to one pool" in done.stderr, done.stderr
            assert f"{stranger.drives[0]} belongs to another pool" in done.stderr, done.stderr


# ---- kill ----


def read_extents(path):
    with open(path, "rb") as f:
        f.seek(EXTENTS_OFFSET)
        return f.read(DIRTY_BYTES)


def write_extents(path, content):
    """A used device that cannot discard: its extents hold what they held before."""
    with open(path, "r+b") as f:
        f.seek(EXTENTS_OFFSET)
        f.write(content)


def case_kill(arguments):
    """Twice: on devices full of noise, then on devices full of what the first pool wrote."""
    chance = random.Random(arguments.seed)
    used = [chance.randbytes(DIRTY_BYTES)] * 6
    for sector_bytes in (512, 4096):
        ledger = Ledger()
        with ConfiguredAppliance(arguments.build) as appliance, LoopDevices(os.path.join(appliance.work, "loops")) as loops:
            appliance.drives = [loops.add("1G", sector_bytes) for _ in range(6)]
            files = [loops.file_of(device) for device in appliance.drives]
            created(appliance)
            for path, content in zip(files, used):
                write_extents(path, content)
            appliance.start()
            print(f"sectors of {sector_bytes} bytes", flush=True)
            for number in range(1, arguments.rounds + 1):
                kill9.one_round(appliance, ledger, chance, number, 16)
            metrics = appliance.metrics()
            assert metrics["dolmen_store_drive_bytes_prepared_total"] == 0, "devices need no zeros ahead"
            appliance.stop()
            appliance.remove_index()
            appliance.start(timeout_s=600)
            s3 = S3(appliance)
            objects = ledger.check(s3, kill9.BUCKET)
            s3.close()
            assert appliance.metrics()["dolmen_store_reads_reconstructed_total"] == 0, "a whole pool needed its parity"
            print(f"index lost and rebuilt, {objects} objects right", flush=True)
            assert ledger.acknowledged > 0, "nothing was ever acknowledged: the test tested nothing"
            used = [read_extents(path) for path in files]


# ---- wide ----


def case_wide(arguments):
    chance = random.Random(arguments.seed)
    with ConfiguredAppliance(arguments.build) as appliance, LoopDevices(os.path.join(appliance.work, "loops")) as loops:
        devices = [loops.add("128M", 4096 if i % 2 else 512) for i in range(6)]
        files = [os.path.join(appliance.work, f"file-{i}") for i in range(5)]
        appliance.drives = devices + files
        created(appliance, "--ec", "8+3", "--drive-size", "128M")
        appliance.start()
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        stored = put_some(s3, chance, 20)
        s3.close()
        appliance.kill()
        appliance.start()
        s3 = S3(appliance)
        check(s3, stored)
        s3.close()
        appliance.stop()
        appliance.drives = [d for i, d in enumerate(devices + files) if i not in (1, 5, 9)]
        appliance.start()
        s3 = S3(appliance)
        check(s3, stored)
        s3.close()
        assert appliance.metrics()["dolmen_store_reads_reconstructed_total"] > 0


# ---- full ----


def case_full(arguments):
    chance = random.Random(arguments.seed)
    with ConfiguredAppliance(arguments.build) as appliance, LoopDevices(os.path.join(appliance.work, "loops")) as loops:
        appliance.drives = [loops.add("96M") for _ in range(6)]
        created(appliance)
        appliance.start()
        full.run(appliance, chance)


def main():
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--rounds", type=int, default=3, help="of kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("case", nargs="*", choices=[*cases, []])
    arguments = parser.parse_args()
    why = loops_missing()
    if why:
        skip(why)
    for name in arguments.case or cases:
        print(f"---- {name}", flush=True)
        cases[name](arguments)
    print("passed")


if __name__ == "__main__":
    main()

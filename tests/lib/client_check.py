"""What every client has to manage, whatever its commands look like: both ways byte for byte, in one piece and in parts, list, sync, delete, and the second
copy costs nothing."""
import argparse
import os
import random
import shutil
import subprocess

from appliance import Appliance, dicom_files, skip

COMMAND_TIMEOUT_S = 200
LARGE_BYTES = (12 << 20) + 345
CLIENT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL")


class CommandClient:
    """A client that is a command. Subclasses name the program and say how each step is done; `work` is theirs to write in."""

    program = ""

    def __init__(self, appliance):
        self.appliance = appliance
        self.work = appliance.work
        self.environment = {name: os.environ[name] for name in CLIENT_ENVIRONMENT if name in os.environ}
        self.environment["HOME"] = self.work
        self.environment.update(appliance.client_environment())
        # UTF-8 names need a UTF-8 locale, and every Debian has this one.
        self.environment.setdefault("LC_ALL", "C.UTF-8")

    def run(self, *arguments):
        done = subprocess.run([self.program, *arguments], env=self.environment, cwd=self.work, timeout=COMMAND_TIMEOUT_S,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (f"{self.program} {' '.join(arguments)}: status {done.returncode}\n"
                                      f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout + done.stderr

    def write(self, name, text):
        path = os.path.join(self.work, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


def sizes(files):
    return {name: os.path.getsize(path) for name, path in files.items()}


def check_same_bytes(files, folder):
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            found[os.path.relpath(path, folder)] = path
    assert set(found) == set(files), f"other files came back: {sorted(set(found) ^ set(files))[:10]}"
    for name, path in files.items():
        with open(path, "rb") as sent, open(found[name], "rb") as got:
            assert sent.read() == got.read(), f"{name}: other bytes came back"


def stored_bytes(appliance):
    """What reached the drives: units with parity."""
    return appliance.metrics()["dolmen_store_drive_bytes_written_total"]


def check_large_file(client, appliance):
    """One that goes up in parts: all clients are told to begin with that at 5 MiB."""
    folder, back = os.path.join(client.work, "large"), os.path.join(client.work, "large-back")
    os.mkdir(folder)
    os.mkdir(back)
    with open(os.path.join(folder, "slide.tif"), "wb") as f:
        f.write(random.Random(11).randbytes(LARGE_BYTES))
    files = {"slide.tif": os.path.join(folder, "slide.tif")}
    client.upload(folder, "scans", "large")
    done = {n: v for n, v in appliance.metrics().items() if 'operation="CompleteMultipartUpload"' in n and 'code="200"' in n}
    assert sum(done.values()) >= 1, "the large file did not go up in parts"
    assert client.list("scans", "large") == sizes(files)
    client.download("scans", "large", back)
    check_same_bytes(files, back)
    assert client.upload(folder, "scans", "large") == 0, "a sync of what is there transferred something"
    shutil.rmtree(folder)
    shutil.rmtree(back)


def check_client(client_class):
    """The whole test of one client; run as a program with --build, and --tls for https."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--tls", action="store_true", help="over https, with a CA of its own")
    arguments = parser.parse_args()
    if client_class.program and shutil.which(client_class.program) is None:
        skip(f"{client_class.program} is not installed")
    folder, files = dicom_files()
    total = sum(sizes(files).values())
    print(f"{len(files)} files, {total} bytes from {folder}")
    with Appliance(arguments.build, tls=arguments.tls) as appliance:
        appliance.start()
        client = client_class(appliance)
        client.make_bucket("scans")
        before = stored_bytes(appliance)
        client.upload(folder, "scans", "first")
        first_cost = stored_bytes(appliance) - before
        listed = client.list("scans", "first")
        assert listed == sizes(files), f"the listing differs: {sorted(set(listed.items()) ^ set(sizes(files).items()))[:10]}"

        back = os.path.join(client.work, "back")
        os.mkdir(back)
        client.download("scans", "first", back)
        check_same_bytes(files, back)
        assert client.upload(folder, "scans", "first") == 0, "a sync of what is there transferred something"

        before = stored_bytes(appliance)
        client.upload(folder, "scans", "second")
        second_cost = stored_bytes(appliance) - before
        print(f"drives took {first_cost:.0f} bytes for the first copy, {second_cost:.0f} for the second")
        # What a copy costs is its manifests: rows of at least 4 KiB a unit on k+m drives when they come alone.
        assert second_cost < max(first_cost / 3, len(files) * 6 * 8192), "the second copy was not deduplicated"
        shutil.rmtree(back)
        os.mkdir(back)
        client.download("scans", "second", back)
        check_same_bytes(files, back)

        check_large_file(client, appliance)
        one = sorted(files)[0]
        client.delete("scans", f"second/{one}")
        assert set(client.list("scans", "second")) == set(files) - {one}, "deleted one, and the listing says otherwise"
        client.delete_all("scans")
        assert client.list("scans", "") == {}, "deleted everything, and something is listed"
        client.remove_bucket("scans")
    print("passed")

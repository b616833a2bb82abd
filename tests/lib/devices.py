"""Loop devices that are always given back, and an appliance on named drives, as a configuration file describes it.

    with LoopDevices(folder) as loops, ConfiguredAppliance(build) as a:
        a.drives = [loops.add("256M") for _ in range(6)]
        a.create("--ec", "4+2")
        a.start()

Loop devices need root and the kernel's loop driver: loops_missing() tells why there are none.
"""
import os
import re
import shutil
import signal
import subprocess
import sys

from appliance import Appliance

TIMEOUT_S = 60


def run(*command, timeout_s=TIMEOUT_S):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False)


def loops_missing():
    """Why loop devices cannot be made here; empty: they can."""
    if os.geteuid() != 0:
        return "loop devices need root"
    if shutil.which("losetup") is None:
        return "losetup is not installed"
    done = run("losetup", "--find")
    return "" if done.returncode == 0 else f"no loop devices: {done.stderr.strip()}"


class LoopDevices:
    """Devices on sparse files in a folder; leaving the block detaches them all, however it is left."""

    def __init__(self, folder):
        self.folder = folder
        self.devices = []

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        # ctest ends what takes too long with SIGTERM: leave by way of an exception
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        return self

    def __exit__(self, kind, value, trace):
        for device in list(self.devices):
            self.detach(device)

    def add(self, size, sector_bytes=512):
        """A new device of a new file, "64M" large; its path."""
        path = os.path.join(self.folder, f"loop-{len(os.listdir(self.folder)):02}.img")
        with open(path, "xb") as f:
            f.truncate(size_bytes(size))
        return self.attach(path, sector_bytes)

    def attach(self, path, sector_bytes=512):
        done = run("losetup", "--show", "--find", "--sector-size", str(sector_bytes), path)
        assert done.returncode == 0, f"losetup: {done.stderr}"
        device = done.stdout.strip()
        self.devices.append(device)
        return device

    def detach(self, device):
        self.devices.remove(device)
        done = run("losetup", "--detach", device)
        assert done.returncode == 0, f"losetup --detach {device}: {done.stderr}"

    def file_of(self, device):
        done = run("losetup", "--noheadings", "--output", "BACK-FILE", device)
        return done.stdout.strip()


def size_bytes(text):
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


class ConfiguredAppliance(Appliance):
    """dolmend --config: the file is written anew before each start, from drives and settings."""

    def __init__(self, build, settings=()):
        super().__init__(build)
        self.config = os.path.join(self.work, "dolmend.conf")
        self.key = os.path.join(self.work, "key")
        self.index = os.path.join(self.work, "index")
        self.drives = []
        self.settings = list(settings)  # more lines: "[log]", "level = debug"
        self.arguments = ["--config", self.config]

    @property
    def credentials_path(self):
        return os.path.join(self.work, "credentials")

    def write_config(self):
        lines = ["[server]", f"listen = 127.0.0.1:{self.port}", f"admin_socket = {self.work}/admin.sock", "[pool]",
                 *(f"drives = {path}" for path in self.drives), f"index = {self.index}", f"key = {self.key}",
                 f"credentials = {self.credentials_path}", *self.settings]
        with open(self.config, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")

    def fsck_arguments(self):
        return ["--config", self.config]

    def dolmen(self, *arguments):
        """Runs the operator's command."""
        return run(os.path.join(self.build, "bin", "dolmen"), *arguments)

    def create(self, *arguments):
        """dolmen pool create; the finished process."""
        self.write_config()
        return self.dolmen("pool", "create", "--config", self.config, *arguments)

    def start(self, **how):
        self.write_config()
        return super().start(**how)

    def log(self):
        """Empty when it was never started."""
        return super().log() if os.path.exists(self.log_path) else ""

    def drive_paths(self):
        return list(self.drives)

    def remove_index(self):
        shutil.rmtree(self.index)

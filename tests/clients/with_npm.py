#!/usr/bin/python3
"""
The clients of npm: the AWS SDK v3 with lib-storage and the presigner, and minio. Needs node 20 or newer and npm; the packages, pinned by
npm/package-lock.json, are fetched from the registry that npm is set up for, once per build folder.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from appliance import Appliance, skip  # noqa: E402

NODE_MIN = 20
INSTALL_TIMEOUT_S = 240
SCRIPT_TIMEOUT_S = 240
SCRIPTS = ("aws_sdk.mjs", "minio.mjs")


def check_node():
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip("node and npm are not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    if int(re.match(r"v(\d+)", version).group(1)) < NODE_MIN:
        skip(f"node is {version}, these clients need {NODE_MIN} or newer")


def install(build):
    """The folder with our scripts and node_modules."""
    folder = os.path.join(build, "npm")
    os.makedirs(folder, exist_ok=True)
    lock = os.path.join(HERE, "npm", "package-lock.json")
    installed = os.path.join(folder, "installed-lock.json")
    for name in os.listdir(os.path.join(HERE, "npm")):
        shutil.copyfile(os.path.join(HERE, "npm", name), os.path.join(folder, name))
    with open(lock, "rb") as f:
        wanted = f.read()
    if os.path.exists(installed):
        with open(installed, "rb") as f:
            if f.read() == wanted:
                return folder
    try:
        done = subprocess.run(["npm", "ci"], cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        skip(f"npm did not install the packages within {INSTALL_TIMEOUT_S} s")
    if done.returncode != 0:
        said = done.stderr[-1500:]
        # the network is not ours to test; a lock file that npm refuses is
        assert re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network|E5\d\d|E40[137]", said), f"npm ci: {said}"
        skip(f"the registry gave no packages: {said}")
    shutil.copyfile(lock, installed)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--tls", action="store_true", help="over https, with a CA of its own")
    arguments = parser.parse_args()
    check_node()
    folder = install(os.path.realpath(arguments.build))
    with Appliance(arguments.build, tls=arguments.tls) as appliance:
        appliance.start()
        access_key, secret_key = appliance.credentials()
        environment = {"PATH": os.environ["PATH"], "HOME": appliance.work, "DOLMEN_ENDPOINT": appliance.endpoint, "DOLMEN_ACCESS_KEY": access_key,
                       "DOLMEN_SECRET_KEY": secret_key, **appliance.client_environment()}
        for script in SCRIPTS:
            done = subprocess.run(["node", script], cwd=folder, env=environment, timeout=SCRIPT_TIMEOUT_S, capture_output=True, text=True, check=False)
            print(done.stdout, end="", flush=True)
            assert done.returncode == 0, f"{script}: status {done.returncode}: {done.stderr[-4000:]}"
    print("passed")


if __name__ == "__main__":
    main()

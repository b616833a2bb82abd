#!/usr/bin/python3
"""Starts a throw-away appliance and runs the tests of this folder against it."""
import argparse
import contextlib
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from appliance import Appliance, skip  # noqa: E402
from devices import ConfiguredAppliance, LoopDevices, loops_missing  # noqa: E402

DEVICES = 11
DEVICES_EC = "8+3"
DEVICE_SIZE = "256M"
LIFECYCLE_DAY = "1s"


@contextlib.contextmanager
def on_devices(build):
    """An appliance on loop devices, half of them with sectors of 4096 bytes."""
    why = loops_missing()
    if why:
        skip(why)
    with ConfiguredAppliance(build, ["[lifecycle]", f"day = {LIFECYCLE_DAY}"]) as appliance, LoopDevices(os.path.join(appliance.work, "loops")) as loops:
        appliance.drives = [loops.add(DEVICE_SIZE, 4096 if i % 2 else 512) for i in range(DEVICES)]
        created = appliance.create("--ec", DEVICES_EC)
        assert created.returncode == 0, created.stderr
        yield appliance


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build folder: bin/dolmend is used")
    parser.add_argument("--tls", action="store_true", help="over https, with a CA of its own")
    parser.add_argument("--devices", action="store_true", help=f"on {DEVICES} loop devices, {DEVICES_EC}")
    parser.add_argument("tests", nargs="*", help="names as unittest takes them (default: all)")
    options = parser.parse_args()
    try:
        import boto3  # noqa: F401
    except ImportError:
        skip("python3-boto3 is not installed")
    if options.tls and options.devices:
        parser.error("--tls and --devices exclude each other")
    with on_devices(options.build) if options.devices else \
            Appliance(options.build, arguments=["--lifecycle-day", LIFECYCLE_DAY], tls=options.tls) as appliance:
        appliance.start()
        access_key, secret_key = appliance.credentials()
        os.environ.update(DOLMEN_TOOL=os.path.join(appliance.build, "bin", "dolmen"), DOLMEN_POOL=" ".join(appliance.fsck_arguments()),
                          DOLMEN_ENDPOINT=appliance.endpoint, DOLMEN_ACCESS_KEY=access_key, DOLMEN_SECRET_KEY=secret_key,
                          **appliance.client_environment())
        sys.path.insert(0, HERE)
        loader = unittest.TestLoader()
        suite = loader.loadTestsFromNames(options.tests) if options.tests else loader.discover(HERE)
        result = unittest.TextTestRunner(verbosity=1).run(suite)
        if not result.wasSuccessful():
            raise AssertionError("API tests failed")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""
The systemd units and what is installed.

exposure  `systemd-analyze security` gives the services 2.0 or less, and `systemd-analyze verify` has nothing to say
syscalls  dolmend makes no system call that the unit's filter refuses (seen by strace)
install   `cmake --install` puts everything where the unit and the documents say, and keeps a configuration that is there
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import ROOT, skip  # noqa: E402
from devices import ConfiguredAppliance, run  # noqa: E402
from s3 import S3  # noqa: E402

UNIT = os.path.join(ROOT, "systemd", "dolmend.service")
SCRUB = os.path.join(ROOT, "systemd", "dolmen-scrub.service")
TIMER = os.path.join(ROOT, "systemd", "dolmen-scrub.timer")
EXPOSURE_MAX = 2.0


def need(program, package):
    if shutil.which(program) is None:
        skip(f"{program} is not installed (package {package})")


def case_exposure(_):
    need("systemd-analyze", "systemd")
    for unit in (UNIT, SCRUB):
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
        found = re.search(r"Overall exposure level for dolmen[-a-z]+\.service: ([0-9.]+)", done.stdout)
        if not found:
            skip(f"systemd-analyze cannot judge unit files here: {done.stderr.strip()}")
        print(found.group())
        assert float(found[1]) <= EXPOSURE_MAX, done.stdout
    with tempfile.TemporaryDirectory() as folder:
        # verify looks for the programs that the units name
        units = []
        for path in (SCRUB, TIMER, UNIT):
            with open(path, encoding="utf-8") as f:
                text = re.sub(r"/usr/bin/dolmend?\b", "/bin/true", f.read())
            units.append(os.path.join(folder, os.path.basename(path)))
            with open(units[-1], "w", encoding="utf-8") as f:
                f.write(text)
        done = run("systemd-analyze", "verify", "--man=no", *units)
        said = [line for line in (done.stderr + done.stdout).splitlines() if re.search(r"dolmend\.service|dolmen-scrub\.", line)]
        assert not said, said
    for setting in ("LimitMEMLOCK=infinity", "LimitNOFILE=1048576", "LoadCredential=key:/etc/dolmen/key", "ExecReload=/bin/kill -HUP $MAINPID",
                    "DevicePolicy=closed"):
        assert f"\n{setting}\n" in text, f"{setting} is missing in {UNIT}"


# ---- system calls ----


def calls_of(*sets):
    calls = set()
    for name in sets:
        done = run("systemd-analyze", "syscall-filter", "--no-pager", name)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines()[1:]:
            word = line.strip()
            if word.startswith("@"):
                calls |= calls_of(word)
            elif word and not word.startswith("#"):
                calls.add(word)
    return calls


def filtered():
    """What the unit's SystemCallFilter= lines let through."""
    allowed = set()
    with open(UNIT, encoding="utf-8") as f:
        for line in f:
            if line.startswith("SystemCallFilter="):
                value = line.strip().split("=", 1)[1]
                named = calls_of(*value.lstrip("~").split())
                allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def case_syscalls(arguments):
    need("systemd-analyze", "systemd")
    need("strace", "strace")
    allowed = filtered() | calls_of("@default")
    assert {"io_uring_setup", "io_uring_enter", "io_uring_register"} <= allowed, "io_uring is filtered"
    assert "mount" not in allowed and "ptrace" not in allowed
    with ConfiguredAppliance(arguments.build) as appliance:
        appliance.drives = [os.path.join(appliance.work, f"drive-{i}") for i in range(2)]
        done = appliance.create("--ec", "1+1", "--drive-size", "128M")
        assert done.returncode == 0, done.stderr
        trace = os.path.join(appliance.work, "trace")
        wrapper = os.path.join(appliance.work, "traced")
        with open(wrapper, "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec strace -D -f -qq -o "{trace}" "{appliance.program}" "$@"\n')
        os.chmod(wrapper, 0o700)
        appliance.program = wrapper
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # a traced program cannot trace itself
        try:
            appliance.start()
        except AssertionError:
            if "ptrace" in appliance.log():
                appliance.end()
                skip("strace may not trace here")
            raise
        s3 = S3(appliance)
        s3.create_bucket("traced")
        s3.put("traced", "k", os.urandom(3_000_000))
        assert len(s3.get("traced", "k")) == 3_000_000
        s3.delete("traced", "k")
        s3.close()
        appliance.http_status("/metrics")
        appliance.stop()
        with open(trace, encoding="utf-8", errors="replace") as f:
            made = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", f.read(), re.MULTILINE))
    print(f"{len(made)} different system calls")
    assert "io_uring_enter" in made, made
    refused = made - allowed
    assert not refused, f"the unit's filter refuses {sorted(refused)}"


# ---- install ----


def case_install(arguments):
    with tempfile.TemporaryDirectory() as root:
        def install():
            done = subprocess.run(["cmake", "--install", arguments.build, "--prefix", "/usr"], env={**os.environ, "DESTDIR": root},
                                  capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == 0, done.stderr + done.stdout

        def text(path):
            with open(root + path, encoding="utf-8") as f:
                return f.read()

        install()
        for program in ("dolmend", "dolmen", "dolmen-fsck"):
            assert os.access(f"{root}/usr/bin/{program}", os.X_OK), program
        unit = text("/usr/lib/systemd/system/dolmend.service")
        command = re.search(r"^ExecStart=(\S+) --config (\S+)$", unit, re.MULTILINE)
        assert os.access(root + command[1], os.X_OK) and os.path.exists(root + command[2]), command.group()
        for name in ("dolmen-scrub.service", "dolmen-scrub.timer"):
            command_of = re.search(r"^ExecStart=(\S+) scrub start --config (\S+)$", text(f"/usr/lib/systemd/system/{name}"), re.MULTILINE)
            assert name.endswith(".timer") or os.access(root + command_of[1], os.X_OK) and command_of[2] == command[2], name
        documentation = re.search(r"^Documentation=file://(\S+)$", unit, re.MULTILINE)
        assert os.path.exists(root + documentation[1]), documentation.group()
        assert "u dolmen " in text("/usr/lib/sysusers.d/dolmen.conf")
        assert "/etc/dolmen 0750 root dolmen" in text("/usr/lib/tmpfiles.d/dolmen.conf")
        with open(root + "/etc/dolmen/dolmend.conf", "w", encoding="utf-8") as f:
            f.write("# changed\n")
        install()
        assert text("/etc/dolmen/dolmend.conf") == "# changed\n", "an installation has overwritten the configuration"
        for tool, path in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
            if shutil.which(tool) is None:
                print(f"not tested: {tool} is not installed")
                continue
            if tool == "systemd-sysusers":
                done = run(tool, "--dry-run", f"{root}/usr/lib/{path}/dolmen.conf")
                assert done.returncode == 0, done.stderr


def main():
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("case", choices=[*cases])
    arguments = parser.parse_args()
    cases[arguments.case](arguments)
    print("passed")


if __name__ == "__main__":
    main()

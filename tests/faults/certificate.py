#!/usr/bin/python3
"""The TLS certificate is exchanged under a running server: SIGHUP while an object is read, a bad one, a new one; and a server that can't start with one."""
import argparse
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import Appliance, free_port, make_certificate, wait_until  # noqa: E402
from s3 import S3  # noqa: E402

OBJECT_BYTES = 24 << 20
WAIT_S = 30


def served_certificate(appliance):
    """What a new connection is given; not verified."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", appliance.port), WAIT_S) as plain, context.wrap_socket(plain) as s:
        return ssl.DER_cert_to_PEM_cert(s.getpeercert(binary_form=True))


def read_text(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def option(appliance, name):
    return appliance.arguments[appliance.arguments.index(name) + 1]


def hang_up(appliance, line):
    """SIGHUP, and the new line in the log that says what came of it."""
    before = appliance.log().count(line)
    appliance.process.send_signal(signal.SIGHUP)
    wait_until(lambda: appliance.log().count(line) > before, WAIT_S, f"'{line}' in the log")


def refused_at_start(appliance, arguments, why):
    """dolmend with these TLS options ends with status 1 (or 2: wrong usage) before it listens, and says why."""
    folder = os.path.join(appliance.work, "refused")
    done = subprocess.run([appliance.program, "--dev", folder, "--listen", f"127.0.0.1:{free_port()}", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (1, 2) and why in done.stderr, f"{arguments}: {done.returncode}: {done.stderr}"
    drives = os.path.join(folder, "drives")
    assert not os.path.isdir(drives) or not os.listdir(drives), "a pool was made for nothing"
    shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    with Appliance(options.build, tls=True) as a:
        certificate, key = option(a, "--tls-cert"), option(a, "--tls-key")
        _, other_certificate, other_key = make_certificate(a.work)
        a.start()
        first, second = read_text(certificate), read_text(other_certificate)
        assert served_certificate(a) == first

        s3 = S3(a)
        data = os.urandom(1 << 20) * (OBJECT_BYTES >> 20)
        s3.create_bucket("scans")
        s3.put("scans", "big", data)
        signed = s3.signer.headers("GET", "/scans/big", [], {"host": s3.host}, "UNSIGNED-PAYLOAD")
        s3.connection.request("GET", "/scans/big", headers=signed)
        answer = s3.connection.getresponse()
        assert answer.status == 200
        begin = answer.read(100000)  # the rest waits: sockets don't hold so much

        shutil.copy(other_certificate, certificate)
        hang_up(a, "the certificate is not replaced")  # its key is still the old one
        assert "does not match the certificate" in a.log()
        assert served_certificate(a) == first
        shutil.copy(other_key, key)
        hang_up(a, "new connections get the certificate that was read just now")
        assert served_certificate(a) == second

        assert begin + answer.read() == data, "the transfer was disturbed"
        assert len(s3.get("scans", "big")) == OBJECT_BYTES, "the old connection does not go on"
        s3.close()

        refused_at_start(a, ["--tls-cert", certificate, "--tls-key", os.path.join(a.work, "none")], "cannot read the TLS key")
        refused_at_start(a, ["--tls-cert", key, "--tls-key", key], "holds no certificate")
        refused_at_start(a, ["--tls-cert", certificate, "--tls-key", os.path.join(os.path.dirname(other_key), "ca-key.pem")],
                         "does not match the certificate")
        refused_at_start(a, ["--tls-cert", certificate], "tls")
        refused_at_start(a, ["--tls-listen", f"127.0.0.1:{free_port()}"], "tls")
    print("passed")


if __name__ == "__main__":
    main()

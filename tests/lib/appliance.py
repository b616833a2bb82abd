"""A throw-away appliance: starts dolmend on a fresh folder, waits for it, ends it gently or with SIGKILL, damages its drives.

    with Appliance("build/dev", drive_size="256M") as a:
        a.start()
        ...

With tls=True it speaks https only, with a certificate of a CA made for the occasion: give clients a.client_environment(), or a.ca_path. a.endpoint
and a.port are those to talk to either way.

Leaving the block normally stops the server, expects exit status 0 (sanitizers report leaks at exit) and deletes the folder; leaving it by an
exception kills the server, prints the end of its log and keeps the folder. Every wait has a deadline.
"""
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
SANITIZER_REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error: ")
SKIPPED = 77  # the exit status that ctest shows as "Skipped"


def wait_until(condition, timeout_s, what):
    """Polls until condition() is true; AssertionError after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def dicom_files():
    """Absolute paths by relative name: the folder DOLMEN_DICOM, or the set beside the checkout, or tests/data."""
    for folder in (os.environ.get("DOLMEN_DICOM", ""), os.path.join(ROOT, "..", "shared", "dicom")):
        if folder and os.path.isdir(folder):
            break
    else:
        folder = os.path.join(ROOT, "tests", "data")
    files = {}
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(base, name)
            files[os.path.relpath(path, folder)] = path
    return os.path.realpath(folder), files


class Appliance:
    def __init__(self, build, drives=6, ec="4+2", drive_size="1G", arguments=(), tls=False):
        self.build = os.path.realpath(build)
        self.program = os.path.join(self.build, "bin", "dolmend")
        parent = os.path.join(self.build, "tmp")
        os.makedirs(parent, exist_ok=True)
        self.work = tempfile.mkdtemp(prefix="a-", dir=parent)
        self.folder = os.path.join(self.work, "dev")
        self.log_path = os.path.join(self.work, "server.log")
        self.port = free_port()
        self.arguments = ["--dev", self.folder, "--listen", f"127.0.0.1:{self.port}", "--drives", str(drives), "--ec", ec,
                          "--drive-size", drive_size, *arguments]
        self.tls = tls
        self.ca_path = None
        self.ssl_context = None
        if tls:
            self.ca_path, certificate, key = make_certificate(self.work)
            self.ssl_context = ssl.create_default_context(cafile=self.ca_path)
            self.arguments += ["--tls-cert", certificate, "--tls-key", key]
        self.process = None
        self.start_s = 0.0

    # ---- life ----

    def fsck_arguments(self):
        """What names the pool to dolmen-fsck."""
        return ["--dev", self.folder]

    def start(self, timeout_s=START_TIMEOUT_S, ready=True):
        """Starts the server and waits for /readyz (ready=False: for /healthz only)."""
        assert self.process is None
        begin = time.monotonic()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.program, *self.arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        path = "/readyz" if ready else "/healthz"

        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"dolmend ended with {self.process.returncode} instead of serving")
            return self.http_status(path) == 200

        wait_until(answers, timeout_s, path)
        self.start_s = time.monotonic() - begin
        return self

    def stop(self):
        """SIGTERM; the server has to finish with status 0 in time."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"dolmend did not stop within {STOP_TIMEOUT_S} s of SIGTERM") from None
        assert status == 0, f"dolmend ended with status {status} after SIGTERM"

    def kill(self):
        """SIGKILL, at once."""
        process, self.process = self.process, None
        assert process.poll() is None, f"dolmend had ended by itself with {process.returncode}"
        process.kill()
        process.wait()

    def end(self):
        """However it is: for going on after a failure."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            try:
                if self.process is not None:
                    self.stop()
                self.check_sanitizers()
            except AssertionError:
                self.show_log()
                raise
            shutil.rmtree(self.work)
            return
        self.end()
        if kind is not SystemExit:
            self.show_log()

    # ---- what it says ----

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def check_sanitizers(self):
        """A killed server has no exit status to tell what its sanitizers saw."""
        log = self.log()
        found = [report for report in SANITIZER_REPORTS if report in log]
        assert not found, f"{found} in {self.log_path}: {log[log.index(found[0]):][:4000]}"

    def show_log(self):
        print(f"---- end of {self.log_path}", flush=True)
        print("\n".join(self.log().split("\n")[-60:]), flush=True)

    def http_status(self, path):
        try:
            with urllib.request.urlopen(self.endpoint + path, timeout=5, context=self.ssl_context) as answer:
                return answer.status
        except urllib.error.HTTPError as e:
            return e.code
        except OSError:
            return 0

    def metrics(self):
        """The samples of /metrics by name; samples with labels under name{...}, and their sum under the name."""
        with urllib.request.urlopen(self.endpoint + "/metrics", timeout=10, context=self.ssl_context) as answer:
            text = answer.read().decode()
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
                base = name.split("{")[0]
                if base != name:
                    samples[base] = samples.get(base, 0.0) + float(value)
        return samples

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def client_environment(self):
        """What makes clients trust the CA of tls=True: awscli and boto3, Python's requests, OpenSSL and Go, Node, curl."""
        names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE")
        return {name: self.ca_path for name in names} if self.tls else {}

    @property
    def credentials_path(self):
        return os.path.join(self.folder, "credentials")

    def credentials(self):
        values = {}
        with open(self.credentials_path, encoding="utf-8") as f:
            for line in f:
                name, _, value = line.strip().partition("=")
                values[name] = value
        return values["access_key"], values["secret_key"]

    # ---- its drives ----

    def drive_paths(self):
        folder = os.path.join(self.folder, "drives")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def remove_index(self):
        shutil.rmtree(os.path.join(self.folder, "index"))


def make_certificate(folder):
    """A CA, and a certificate of it for this machine, in a new folder below; returns the paths of CA, certificate chain, key."""
    folder = tempfile.mkdtemp(prefix="tls-", dir=folder)
    ca, certificate, key = (os.path.join(folder, name) for name in ("ca.pem", "cert.pem", "key.pem"))
    ca_key, request = os.path.join(folder, "ca-key.pem"), os.path.join(folder, "request.pem")

    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr[-1000:]}"

    def new_key(path):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)

    new_key(ca_key)
    openssl("req", "-x509", "-key", ca_key, "-out", ca, "-days", "30", "-subj", "/CN=Dolmen test CA", "-addext", "keyUsage=critical,keyCertSign")
    new_key(key)
    openssl("req", "-new", "-key", key, "-out", request, "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "30", "-copy_extensions", "copy",
            "-out", certificate)
    return ca, certificate, key


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- damage ----


def data_ranges(path):
    """The parts of a sparse file that hold data, as (begin, end)."""
    ranges = []
    with open(path, "rb") as f:
        end = os.fstat(f.fileno()).st_size
        at = 0
        while at < end:
            try:
                begin = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(f.fileno(), begin, os.SEEK_HOLE)
            ranges.append((begin, at))
    return ranges


def overwrite_with_garbage(path, seed, skip_first=0):
    """Every written byte of the file becomes a random one, from skip_first on."""
    chance = random.Random(seed)
    with open(path, "r+b") as f:
        for begin, end in data_ranges(path):
            at = max(begin, skip_first)
            f.seek(at)
            while at < end:
                n = min(1 << 20, end - at)
                f.write(chance.randbytes(n))
                at += n
        f.flush()
        os.fsync(f.fileno())


def flip_bits(path, seed, count, skip_first=0):
    """Flips single bits at `count` random places among the written bytes that are not zero."""
    chance = random.Random(seed)
    ranges = [(max(b, skip_first), e) for b, e in data_ranges(path) if e > skip_first]
    total = sum(e - b for b, e in ranges)
    flipped = tries = 0
    fd = os.open(path, os.O_RDWR)
    try:
        while flipped < count and total > 0 and tries < 1000 * count:
            tries += 1
            at = chance.randrange(total)
            for begin, end in ranges:
                if at < end - begin:
                    at += begin
                    break
                at -= end - begin
            old = os.pread(fd, 1, at)
            if old != b"\0":
                os.pwrite(fd, bytes([old[0] ^ (1 << chance.randrange(8))]), at)
                flipped += 1
        os.fsync(fd)
    finally:
        os.close(fd)
    return flipped

"""Runs dolmen-bench, the load generator, against an appliance, and keeps account of what its journal says every key must hold."""
import collections
import hashlib
import json
import os
import subprocess

DELETED = "deleted"


class Load:
    """One run of dolmen-bench in the background; wait() gives its report."""

    def __init__(self, appliance, *arguments, journal=None):
        self.report_path = os.path.join(appliance.work, "load.json")
        command = [os.path.join(appliance.build, "bin", "dolmen-bench"), "--endpoint", f"127.0.0.1:{appliance.port}",
                   "--credentials", appliance.credentials_path, "--json", self.report_path, *map(str, arguments)]
        if journal:
            command += ["--journal", journal]
        if os.path.exists(self.report_path):
            os.unlink(self.report_path)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def wait(self, timeout_s=120, may_achieve_nothing=False):
        try:
            _, said = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"dolmen-bench did not end within {timeout_s} s") from None
        allowed = (0, 1) if may_achieve_nothing else (0,)
        report = {}
        if os.path.exists(self.report_path):
            with open(self.report_path, encoding="utf-8") as f:
                report = json.load(f)
        assert report.get("mismatches", 0) == 0, f"wrong bytes: {said[-2000:]}"
        assert self.process.returncode in allowed, f"dolmen-bench: status {self.process.returncode}: {said[-2000:]} {report}"
        return report

    def end(self):
        """For cleaning up after a failure."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Ledger:
    """
    For every key the contents it may hold, as SHA-256 or DELETED: what was acknowledged last, and what was tried since. A try without an answer
    may or may not have happened; once a read has shown which, it must stay so.
    """

    def __init__(self):
        self.allowed = collections.defaultdict(lambda: {DELETED})
        self.acknowledged = 0

    def read_journal(self, path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                what, content, _, key = line.rstrip("\n").split(" ", 3)
                if what == "begin":
                    self.allowed[key].add(content)
                else:
                    self.allowed[key] = {content}
                    self.acknowledged += 1
        os.unlink(path)

    def check(self, s3, bucket):
        """Reads every key, and the listing. AssertionError on a lost, resurrected or changed object."""
        listed = s3.list(bucket)
        for key, allowed in sorted(self.allowed.items()):
            answer = s3.request("GET", f"/{bucket}/{key}")
            if answer.status == 404:
                found = DELETED
            else:
                assert answer.status == 200, f"{key}: status {answer.status} {answer.code}"
                found = hashlib.sha256(answer.body).hexdigest()
            assert found in allowed, f"{key}: holds {found}, allowed are {sorted(allowed)}"
            assert (key in listed) == (found != DELETED), f"{key}: holds {found}, listed: {key in listed}"
            if found != DELETED:
                etag = hashlib.md5(answer.body).hexdigest()
                assert listed[key] == (len(answer.body), etag), f"{key}: listed as {listed[key]}, is {len(answer.body)} {etag}"
            self.allowed[key] = {found}
        strangers = set(listed) - set(self.allowed)
        assert not strangers, f"listed, but never put: {sorted(strangers)[:10]}"
        return len(listed)

#!/usr/bin/python3
"""
What an operator does and sees.

check     dolmend --check: what is wrong, with file and line, exit 2
sample    the sample configuration: good as it is, complete, and every key of it works
credentials  keys as systemd hands them out
metrics   /metrics is what Prometheus expects, and counts what was done
alarms    raised and cleared in /metrics, /readyz, the status and the log alike
log       three formats; request ids; no secret, ever
reload    SIGHUP
status    dolmen pool status, word by word
"""
import argparse
import datetime
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import ssl
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import prometheus  # noqa: E402
from appliance import ROOT, make_certificate, skip, wait_until  # noqa: E402
from devices import ConfiguredAppliance, run  # noqa: E402
from s3 import S3, canonical_query, expect, quote  # noqa: E402

SAMPLE = os.path.join(ROOT, "systemd", "dolmend.conf.example")
KEYS = os.path.join(ROOT, "gateway", "server", "option_keys.c")
RULES = os.path.join(ROOT, "systemd", "prometheus-alerts.yml")
BUCKET = "operated"
WATCH_S = 60  # alarms are looked at every few seconds


def appliance_of_files(build, settings=(), drives=3, ec="2+1"):
    appliance = ConfiguredAppliance(build, settings)
    appliance.drives = [os.path.join(appliance.work, f"drive-{i}") for i in range(drives)]
    done = appliance.create("--ec", ec, "--drive-size", "256M")
    assert done.returncode == 0, done.stderr
    return appliance


def fetch(appliance, path):
    with urllib.request.urlopen(f"{appliance.endpoint}{path}", timeout=30, context=appliance.ssl_context) as answer:
        return answer.read().decode()


# ---- check ----


def case_check(arguments):
    with ConfiguredAppliance(arguments.build) as appliance:
        def checked(text, *more):
            with open(appliance.config, "w", encoding="utf-8") as f:
                f.write(text)
            return run(appliance.program, "--config", appliance.config, "--check", *more)

        good = checked("[pool]\ndrives = /dev/none\n")
        assert (good.returncode, good.stdout) == (0, f"{appliance.config} is good.\n"), good
        assert f"{appliance.config}: the drive /dev/none is not there." in good.stderr, good
        for text, says in (
                ("[pool]\ndrive = /dev/a\n", ":2: [pool] drive: no such key."),
                ("[pool]\ndrives = /dev/a\n[pol]\nx = 1\n", ":4: [pol]: no such section."),
                ("[server]\nlisten = 1\n", ":2: [server] listen = 1: not an address and port."),
                ("[server]\nregion = a\nregion = b\n", ":3: [server] region: given twice, first on line 2"),
                ("[server]\nregion = a\n", ": [pool] drives is missing"),
                ("nonsense\n", ":1: neither [section], key = value, nor a comment")):
            bad = checked(text)
            assert bad.returncode == 2 and bad.stdout == "", bad
            assert bad.stderr.startswith(f"dolmend: {appliance.config}{says}"), bad.stderr
        # the same from the operator's command, and without --check
        bad = appliance.dolmen("pool", "status", "--config", appliance.config)
        assert bad.returncode == 2 and ":1: neither [section]" in bad.stderr, bad
        bad = run(appliance.program, "--config", appliance.config)
        assert bad.returncode == 2 and ":1: neither [section]" in bad.stderr, bad
        none = run(appliance.program, "--config", appliance.config + ".none", "--check")
        assert none.returncode == 2 and "cannot read it: No such file or directory." in none.stderr, none
        none = appliance.dolmen("pool", "status", "--dev", appliance.work)
        assert none.returncode == 3 and "no dolmend serves" in none.stderr, none


# ---- sample ----


def uncommented(text):
    """The sample with every key that it shows as a comment in force."""
    return re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE)


def case_sample(arguments):
    with open(SAMPLE, encoding="utf-8") as f:
        sample = f.read()
    with open(KEYS, encoding="utf-8") as f:
        keys = set(re.findall(r'^    \{"(\w+)",\s*"(\w+)"', f.read(), re.MULTILINE))
    assert len(keys) > 15, keys
    with appliance_of_files(arguments.build, drives=sample.count("\ndrives = "), ec="1+1") as appliance:
        done = run(appliance.program, "--config", SAMPLE, "--check")
        assert done.returncode == 0, done.stderr

        section, shown = "", set()
        for line in uncommented(sample).splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif re.match(r"[a-z_]+ = ", line):
                shown.add((section, line.split(" ")[0]))
        assert shown == keys, f"only in the sample: {shown - keys}, missing there: {keys - shown}"

        # started with all of them, on paths and ports of this test
        appliance.ca_path, certificate, key = make_certificate(appliance.work)
        tls_port = appliance.port
        drives = iter(appliance.drives)
        here = {"listen": "127.0.0.1:0", "tls_listen": f"127.0.0.1:{tls_port}", "tls_cert": certificate, "tls_key": key,
                "domain": "localhost", "admin_socket": f"{appliance.work}/admin.sock", "index": appliance.index, "key": appliance.key,
                "credentials": appliance.credentials_path}
        lines = []
        for line in uncommented(sample).splitlines():
            name = line.split(" = ")[0]
            if name == "drives":
                line = "drives = " + next(drives)
            lines.append(f"{name} = {here[name]}" if name in here else line)
        appliance.write_config = lambda: None
        with open(appliance.config, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        appliance.tls = True
        appliance.ssl_context = ssl.create_default_context(cafile=appliance.ca_path)
        appliance.start()
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        s3.put(BUCKET, "k", b"value")
        assert s3.get(BUCKET, "k") == b"value"
        s3.close()
        metrics = prometheus.check(fetch(appliance, "/metrics"))
        assert 0 < prometheus.value(metrics, "dolmen_cache_bytes_max") <= 4 << 30
        assert sum(metrics["dolmen_tls_handshakes_total"].samples.values()) >= 2


# ---- credentials ----


def case_credentials(arguments):
    """As systemd runs it: a user that cannot read the key file and the credentials gets copies of them, which root owns."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        skip("another user needs root and setpriv (package util-linux)")
    with appliance_of_files(arguments.build) as appliance:
        nobody = 65534
        copies = os.path.join(appliance.work, "copies")
        os.mkdir(copies)
        for path in (appliance.key, appliance.credentials_path):
            shutil.copy(path, copies)
            copy = os.path.join(copies, os.path.basename(path))
            os.chown(copy, 0, nobody)
            os.chmod(copy, 0o440)  # an access list for one user looks like this
        os.chmod(copies, 0o755)
        for path in (appliance.work, *appliance.drives):
            os.chown(path, nobody, nobody)
        wrapper = os.path.join(copies, "as-nobody")
        with open(wrapper, "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec setpriv --reuid {nobody} --regid {nobody} --clear-groups "{appliance.program}" "$@"\n')
        os.chmod(wrapper, 0o755)
        appliance.program = wrapper
        os.environ["CREDENTIALS_DIRECTORY"] = copies
        try:
            appliance.start()
        finally:
            del os.environ["CREDENTIALS_DIRECTORY"]
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        s3.close()
        assert raised(appliance) == set()
        appliance.stop()
        # without the copies it says what it lacks
        appliance.write_config()
        done = run(wrapper, "--config", appliance.config)
        assert done.returncode == 1 and f"the key file {appliance.key} is missing" in done.stderr, done.stderr


# ---- metrics ----


def case_metrics(arguments):
    with appliance_of_files(arguments.build, ["[cache]", "size = 8M"]) as appliance:
        appliance.start()
        before = prometheus.check(fetch(appliance, "/metrics"))
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        for number in range(10):
            s3.put(BUCKET, f"k{number}", bytes([number]) * 1000)
        s3.put(BUCKET, "copy", bytes([3]) * 1000)
        for _ in range(2):
            assert len(s3.get(BUCKET, "k7")) == 1000
        expect(404, s3.request("GET", f"/{BUCKET}/none"))
        expect(404, s3.request("GET", "/no-such-bucket-here/none"))
        s3.delete(BUCKET, "k1")
        s3.close()
        after = prometheus.check(fetch(appliance, "/metrics"))
        prometheus.check_monotone(before, after)

        def value(name, **labels):
            return prometheus.value(after, name, **labels)

        assert value("dolmen_http_requests_total", operation="PutObject", code="200") == 11
        assert value("dolmen_http_requests_total", operation="GetObject", code="200") == 2
        assert value("dolmen_http_requests_total", operation="GetObject", code="404") == 2
        assert value("dolmen_http_errors_total", error="NoSuchKey") == 1
        assert value("dolmen_http_errors_total", error="NoSuchBucket") == 1
        assert value("dolmen_http_request_bytes_total", operation="PutObject") == 11_000
        assert after["dolmen_http_request_duration_seconds"].samples[
            "dolmen_http_request_duration_seconds_count", (("operation", "PutObject"),)] == 11
        assert value("dolmen_store_puts_total") == 11 and value("dolmen_store_deletes_total") == 1
        assert 0 < value("dolmen_store_rows_total") <= value("dolmen_store_records_total")
        assert value("dolmen_store_chunks_deduplicated_total") == 1
        assert value("dolmen_store_bytes_deduplicated_total") == 1000
        assert value("dolmen_cache_hits_total") + value("dolmen_cache_misses_total") >= 2
        assert value("dolmen_pool_raw_bytes") == 3 * (256 << 20)
        assert 0 < value("dolmen_pool_used_bytes") < value("dolmen_pool_usable_bytes") < value("dolmen_pool_raw_bytes")
        assert value("dolmen_pool_reserve_bytes") > 0
        assert value("dolmen_pool_state", state="online") == 1
        assert sum(after["dolmen_drive_state"].samples.values()) == 3
        assert sum(after["dolmen_drive_written_bytes_total"].samples.values()) > 0
        assert len(after["dolmen_alarm"].samples) >= 8 and not any(after["dolmen_alarm"].samples.values())
        assert value("dolmen_build_info", version=run(appliance.program, "--version").stdout.split()[1]) == 1
        # the rules that are handed out ask for what there is
        with open(RULES, encoding="utf-8") as f:
            rules = f.read()
        for name in set(re.findall(r"\bdolmen_\w+", rules)):
            assert name in after or re.sub("_(bucket|sum|count)$", "", name) in after, f"{RULES}: {name} is not in /metrics"
        for names in re.findall(r'alarm=~?"([^"]+)"', rules):
            for name in names.split("|"):
                prometheus.value(after, "dolmen_alarm", alarm=name)


# ---- alarms ----


def raised_in_metrics(appliance):
    families = prometheus.check(fetch(appliance, "/metrics"))
    return {dict(key[1])["alarm"] for key, value in families["dolmen_alarm"].samples.items() if value}


def raised(appliance):
    """What /metrics, /readyz and the status say: the same, unless an alarm has changed between the questions."""
    before = raised_in_metrics(appliance)
    while True:
        ready = set(json.loads(fetch(appliance, "/readyz"))["alarms"])
        status = appliance.dolmen("pool", "status", "--config", appliance.config, "--json")
        assert status.returncode == 0, status
        listed = {alarm["alarm"] for alarm in json.loads(status.stdout)["alarms"]}
        after = raised_in_metrics(appliance)
        if after == before:
            assert ready == listed == after, (ready, listed, after)
            return after
        before = after


def case_alarms(arguments):
    with appliance_of_files(arguments.build) as appliance:
        appliance.start()
        assert raised(appliance) == set()
        away = appliance.key + ".away"
        os.rename(appliance.key, away)
        wait_until(lambda: "key_missing" in raised(appliance), WATCH_S, "the alarm key_missing")
        wait_until(lambda: "raised: key_missing" in appliance.log(), WATCH_S, "its line in the log")
        os.rename(away, appliance.key)
        wait_until(lambda: raised(appliance) == set(), WATCH_S, "the end of the alarm")
        wait_until(lambda: "cleared: key_missing" in appliance.log(), WATCH_S, "its line in the log")
        appliance.stop()

        drives = appliance.drives
        appliance.drives = drives[:2]
        appliance.start()
        assert raised(appliance) == {"degraded", "drive_missing"}
        ready = json.loads(fetch(appliance, "/readyz"))
        assert (ready["ready"], ready["reads"], ready["writes"]) == (True, True, True), ready
        wait_until(lambda: "raised: drive_missing" in appliance.log(), WATCH_S, "the line in the log")
        log = appliance.log()
        for name in ("degraded", "drive_missing", "key_missing"):
            assert log.count(f"raised: {name}: ") == 1, name
        appliance.stop()
        appliance.drives = drives  # the third was away: it is stale, and rebuilt
        appliance.start()
        wait_until(lambda: raised(appliance) == set(), WATCH_S, "the end of the alarms")
        assert "heal: drive 2 is whole" in appliance.log(), appliance.log()


# ---- log ----


def presigned(s3, method, path, query=()):
    """Target and secrets of a presigned request (AWS: Authenticating Requests, Using Query Parameters)."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    signer = s3.signer
    scope = f"{now[:8]}/{signer.region}/s3/aws4_request"
    query = [*query, ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{signer.access_key}/{scope}"),
             ("X-Amz-Date", now), ("X-Amz-Expires", "300"), ("X-Amz-SignedHeaders", "host")]
    canonical = "\n".join([method, quote(path), canonical_query(query), f"host:{s3.host}\n", "host", "UNSIGNED-PAYLOAD"])
    to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = signer.key(now[:8])
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return [*query, ("X-Amz-Signature", signature)], [signature, key.hex()]


def some_requests(appliance):
    """Requests signed in every way, good and bad; what must not be found in the log, and the ids that must."""
    s3 = S3(appliance)
    secrets, ids = [s3.signer.secret_key], []

    def send(method, path, query=(), headers=None, body=b""):
        answer = s3.send(method, path, query, {"host": s3.host, **(headers or {})}, body)
        ids.append(answer.headers["x-amz-request-id"])
        return answer

    def signed(method, path, body=b"", **more):
        headers = s3.signer.headers(method, path, (), {"host": s3.host, **more}, hashlib.sha256(body).hexdigest())
        secrets.append(headers["authorization"].rsplit("=", 1)[1])
        return send(method, path, headers=headers, body=body)

    expect(200, signed("PUT", f"/{BUCKET}"))
    expect(200, signed("PUT", f"/{BUCKET}/k", b"v", **{"x-amz-meta-note": "patient-name-of-metadata"}))
    secrets.append("patient-name-of-metadata")
    query, hidden = presigned(s3, "GET", f"/{BUCKET}/k", [("response-content-type", "text/secret-of-a-client")])
    secrets += [*hidden, "secret-of-a-client"]
    expect(200, send("GET", f"/{BUCKET}/k", query))
    # a wrong signature is a secret all the same: it may be the right one of another request
    query, hidden = presigned(s3, "GET", f"/{BUCKET}/other")
    secrets += hidden
    expect(403, send("GET", f"/{BUCKET}/k", query))
    query = [("X-Amz-Security-Token", "session-token-0123456789"), *query]
    secrets.append("session-token-0123456789")
    assert send("GET", f"/{BUCKET}/k", query).status in (400, 403)
    # spelt in a way that no parser takes for a signature
    send("GET", f"/{BUCKET}/k", [("x-amz-signature", "lowercase-signature"), ("Signature", "version-two-signature"),
                                 ("X-Amz-Signatur\u00e9", "umlaut-signature")])
    secrets += ["lowercase-signature", "version-two-signature", "umlaut-signature"]
    send("GET", f"/{BUCKET}/k", headers={"authorization": "Basic bG9naW46cGFzc3dvcmQ="})
    send("GET", f"/{BUCKET}/k", headers={"authorization": "AWS AKIA:c2lnbmF0dXJlLXR3bw=="})
    send("GET", f"/{BUCKET}/k", headers={"cookie": "cookie-of-somebody"})
    secrets += ["bG9naW46cGFzc3dvcmQ", "c2lnbmF0dXJlLXR3bw", "cookie-of-somebody"]
    s3.close()
    with open(appliance.key, encoding="utf-8") as f:
        secrets += [word for word in re.findall(r"[0-9A-Za-z+/=]{24,}", f.read())]
    return secrets, ids


def check_json(line):
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]), line
    assert entry["level"] in ("error", "warn", "info", "debug") and entry["component"] and isinstance(entry["message"], str), line
    return entry


def case_log(arguments):
    for form in ("text", "json", "journal"):
        with appliance_of_files(arguments.build, ["[log]", "level = debug", f"format = {form}"]) as appliance:
            appliance.start()
            secrets, ids = some_requests(appliance)
            appliance.stop()
            log = appliance.log()
            assert len(secrets) > 15 and all(len(s) >= 12 for s in secrets), secrets
            for secret in secrets:
                assert secret not in log, f"{form}: a secret is in the log"
            lines = [line for line in log.splitlines() if not line.startswith("dolmend ready: ")]
            for request_id in ids:
                assert sum(request_id in line for line in lines) == 1, f"{form}: {request_id}"
            if form == "json":
                entries = [check_json(line) for line in lines]
                requests = {entry["request_id"]: entry for entry in entries if entry["message"] == "request"}
                assert set(ids) <= set(requests)
                first = requests[ids[1]]
                assert (first["operation"], first["method"], first["target"], first["status"], first["bytes_in"]) == \
                    ("PutObject", "PUT", f"/{BUCKET}/k", 200, 1), first
            else:
                shape = r"<[3467]>(error|warn|info|debug) \w+: .*" if form == "journal" else \
                    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) \w+: .*"
                for line in lines:
                    assert re.fullmatch(shape, line), line


# ---- reload ----


def case_reload(arguments):
    with appliance_of_files(arguments.build, ["[log]", "level = info"]) as appliance:
        appliance.start()
        appliance.settings = ["[log]", "level = warn", "format = json"]
        appliance.write_config()
        fetch(appliance, "/healthz")
        appliance.process.send_signal(signal.SIGHUP)
        # below the new level nothing is written any more: requests until one leaves no trace
        quiet = []

        def is_quiet():
            before = appliance.log()
            fetch(appliance, "/healthz")
            quiet.append(appliance.log() == before)
            return quiet[-1]

        wait_until(is_quiet, WATCH_S, "the new level")
        appliance.settings = ["[log]", "level = loud"]
        appliance.write_config()
        appliance.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "nothing is changed" in appliance.log(), WATCH_S, "the complaint")
        last = json.loads(appliance.log().splitlines()[-1])
        assert last["level"] == "error" and "[log] level = loud: not a level." in last["message"], last
        assert appliance.http_status("/readyz") == 200
        appliance.settings = []


# ---- status ----


def case_status(arguments):
    with appliance_of_files(arguments.build) as appliance:
        appliance.start()
        s3 = S3(appliance)
        s3.create_bucket(BUCKET)
        s3.put(BUCKET, "k", b"value")
        s3.close()
        wait_until(lambda: appliance.metrics()["dolmen_pool_objects"] == 1, 30, "an index that counts the object")
        healthy = appliance.dolmen("pool", "status", "--config", appliance.config)
        expected = [
            r"  pool: dolmen \([0-9a-f]{32}\)",
            r" state: ONLINE",
            r"  data: encrypted, run \d+, epoch 1",
            r" space: \d\S* used of \d\S* usable \(768M raw\), \d\S* of it in reserve",
            r" holds: 1 objects in 1 buckets",
            r"server: http://127\.0\.0\.1:\d+, region us-east-1, version \S+, since \S+",
            r"  since start: 1 puts \(5\), 0 gets \(0\), 0 deletes",
            r" scrub: none since dolmend was started",
            r"config:",
            r"",
            r"\tNAME +STATE +READ WRITE CKSUM",
            r"\tdolmen +ONLINE   ",
            r"\t  2\+1 +ONLINE   ",
            r"\t    drive-0 +ONLINE +0 +0 +0",
            r"\t    drive-1 +ONLINE +0 +0 +0",
            r"\t    drive-2 +ONLINE +0 +0 +0",
            r"",
            r"errors: none known",
        ]
        lines = healthy.stdout.splitlines()
        assert len(lines) == len(expected), healthy.stdout
        for line, pattern in zip(lines, expected):
            assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"
        appliance.stop()
        gone = appliance.drives.pop()
        shutil.copy(gone, gone + ".copy")
        appliance.start()
        degraded = appliance.dolmen("pool", "status", "--config", appliance.config).stdout
        assert " state: DEGRADED\n" in degraded, degraded
        assert "status: A drive of the pool is not there, or was away" in degraded, degraded
        assert re.search(r"^reason: .+$", degraded, re.MULTILINE), degraded
        assert re.search(r"^\t    uuid [0-9a-f]{16} +MISSING +0 +0 +0$", degraded, re.MULTILINE), degraded


def main():
    cases = {name[5:]: case for name, case in globals().items() if name.startswith("case_")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("case", nargs="*", choices=[*cases, []])
    arguments = parser.parse_args()
    for name in arguments.case or cases:
        print(f"---- {name}", flush=True)
        cases[name](arguments)
    print("passed")


if __name__ == "__main__":
    main()

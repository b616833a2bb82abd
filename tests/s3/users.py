"""Users of the appliance under test: made, given rights and removed by the `dolmen` command."""
import json
import os
import subprocess
import tempfile
import unittest

from base import client

TOOL = os.environ.get("DOLMEN_TOOL", "")
POOL = os.environ.get("DOLMEN_POOL", "").split()
TIMEOUT_S = 30

if not (TOOL and POOL):
    raise unittest.SkipTest("set DOLMEN_TOOL and DOLMEN_POOL: run.py does")


def run(*words, fails=None):
    """dolmen WORDS; its output. fails: what it must say on standard error instead."""
    done = subprocess.run([TOOL, *words, *POOL], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if fails is None:
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout
    assert done.returncode == 1 and fails in done.stderr, (words, done.returncode, done.stderr)
    return done.stderr


def fields(text):
    return dict(line.split("=", 1) for line in text.splitlines())


class User:
    """A user that is there from `with` to its end; s3() acts as it."""

    def __init__(self, name, *options):
        self.name, self.options = name, options

    def __enter__(self):
        told = fields(run("user", "create", self.name, *self.options))
        self.access_key, self.secret_key, self.id = told["access_key"], told["secret_key"], told["user_id"]
        return self

    def __exit__(self, *_):
        run("user", "delete", self.name)

    def s3(self, **more):
        return client(aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key, **more)


class Policy:
    """A policy by name, attached to a user or group, from `with` to its end."""

    def __init__(self, name, document, *holder):
        self.name, self.document, self.holder = name, document, holder

    def __enter__(self):
        create_policy(self.name, self.document)
        run("policy", "attach", self.name, *self.holder)
        return self

    def __exit__(self, *_):
        run("policy", "detach", self.name, *self.holder)
        run("policy", "delete", self.name)


def create_policy(name, document, fails=None):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write(document if isinstance(document, str) else json.dumps(document))
        f.flush()
        return run("policy", "create", name, f.name, fails=fails)


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions, resources, **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions, resources, **more):
    return {"Effect": "Deny", "Action": actions, "Resource": resources, **more}

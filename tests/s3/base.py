"""What all API tests share: a boto3 client, a bucket of one's own, exact error codes."""
import itertools
import os
import unittest

import boto3
import botocore.config
import botocore.exceptions

import wire

_numbers = itertools.count(1)


def client(**overrides):
    settings = {"endpoint_url": wire.ENDPOINT, "region_name": wire.REGION, "aws_access_key_id": wire.ACCESS_KEY,
                "aws_secret_access_key": wire.SECRET_KEY}
    config = overrides.pop("config", {})
    settings.update(overrides)
    return boto3.client("s3", config=botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **config),
                        **settings)


class ApiTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.s3 = client()
        cls.bucket = cls.new_bucket_name()
        cls.s3.create_bucket(Bucket=cls.bucket)

    @classmethod
    def tearDownClass(cls):
        cls.remove_bucket(cls.bucket)

    @classmethod
    def new_bucket_name(cls):
        return f"t-{cls.__name__.lower()}-{os.getpid()}-{next(_numbers)}"

    @classmethod
    def remove_bucket(cls, name):
        for page in cls.s3.get_paginator("list_object_versions").paginate(Bucket=name):
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                cls.s3.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"], BypassGovernanceRetention=True)
        cls.s3.delete_bucket(Bucket=name)

    def put(self, key, body=b"", **more):
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key, **more):
        return self.s3.get_object(Bucket=self.bucket, Key=key, **more)["Body"].read()

    def refused(self, status, code, function, **arguments):
        """The call fails with exactly this; returns the error's details."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            function(**arguments)
        answer = caught.exception.response
        self.assertEqual((answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]), (status, code))
        return answer["Error"]

    def expect(self, answer, status, code=None):
        self.assertEqual((answer.status, answer.code), (status, code), answer.body[:600])
        self.assertRegex(answer.headers["x-amz-request-id"], r"^[0-9A-F]{16}$")
        return answer

    def target(self, key, query=""):
        return f"/{self.bucket}/{key}" + (f"?{query}" if query else "")

    def nothing_there(self, key):
        self.expect(wire.Request("GET", self.target(key)).send(), 404, "NoSuchKey")

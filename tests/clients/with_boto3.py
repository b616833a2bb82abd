#!/usr/bin/python3
"""boto3: the SDK under most research pipelines; and what commands don't do: ranges, conditions, pages, presigned links, user metadata."""
import concurrent.futures
import os
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from appliance import skip  # noqa: E402
from client_check import check_client  # noqa: E402

try:
    import boto3
    import boto3.s3.transfer
    import botocore.config
    import botocore.exceptions
except ImportError:
    skip("boto3 is not installed")

THREADS = 8
TRANSFER = boto3.s3.transfer.TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)


class Boto3:
    program = ""

    def __init__(self, appliance):
        access_key, secret_key = appliance.credentials()
        self.work = appliance.work
        self.ssl_context = appliance.ssl_context
        self.client = boto3.client(
            "s3", endpoint_url=appliance.endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
            region_name="us-east-1", verify=appliance.ca_path,
            config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=THREADS, retries={"max_attempts": 1}))
        self.pool = concurrent.futures.ThreadPoolExecutor(THREADS)

    def make_bucket(self, bucket):
        self.client.create_bucket(Bucket=bucket)

    def upload(self, folder, bucket, prefix):
        """As a sync does: what is there with the same size stays."""
        there = self.list(bucket, prefix)
        names = [os.path.relpath(os.path.join(base, name), folder) for base, _, files in os.walk(folder) for name in files]
        wanted = [n for n in names if there.get(n) != os.path.getsize(os.path.join(folder, n))]

        def put(name):
            with open(os.path.join(folder, name), "rb") as f:
                self.client.upload_fileobj(f, bucket, f"{prefix}/{name}", Config=TRANSFER,
                                           ExtraArgs={"ContentType": "application/dicom", "Metadata": {"origin": "phantom"}})

        list(self.pool.map(put, wanted))
        return len(wanted)

    def download(self, bucket, prefix, folder):
        def get(name):
            answer = self.client.get_object(Bucket=bucket, Key=f"{prefix}/{name}")
            assert answer["ContentType"] == "application/dicom" and answer["Metadata"] == {"origin": "phantom"}, answer
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(answer["Body"].read())

        names = self.list(bucket, prefix)
        list(self.pool.map(get, names))
        self.check_details(bucket, f"{prefix}/{max(names, key=names.get)}", max(names.values()))

    def list(self, bucket, prefix):
        start = f"{prefix}/" if prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start, PaginationConfig={"PageSize": 50})
        return {e["Key"][len(start):]: e["Size"] for page in pages for e in page.get("Contents", [])}

    def delete(self, bucket, key):
        self.client.delete_object(Bucket=bucket, Key=key)

    def delete_all(self, bucket):
        keys = list(self.list(bucket, ""))
        for first in range(0, len(keys), 1000):
            batch = [{"Key": k} for k in keys[first:first + 1000]]
            answer = self.client.delete_objects(Bucket=bucket, Delete={"Objects": batch})
            assert len(answer["Deleted"]) == len(batch) and "Errors" not in answer, answer

    def remove_bucket(self, bucket):
        self.client.delete_bucket(Bucket=bucket)

    def check_details(self, bucket, key, size):
        head = self.client.head_object(Bucket=bucket, Key=key)
        assert head["ContentLength"] == size
        whole = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for begin, end in ((0, 0), (1, 1000), (size // 2, size - 1), (size - 1, size - 1)):
            part = self.client.get_object(Bucket=bucket, Key=key, Range=f"bytes={begin}-{end}")
            assert part["ContentRange"] == f"bytes {begin}-{end}/{size}"
            assert part["Body"].read() == whole[begin:end + 1], f"range {begin}-{end}"
        assert self.client.get_object(Bucket=bucket, Key=key, Range="bytes=-10")["Body"].read() == whole[-10:]
        self.expect_error("InvalidRange", self.client.get_object, Bucket=bucket, Key=key, Range=f"bytes={size}-")
        self.expect_error("304", self.client.get_object, Bucket=bucket, Key=key, IfNoneMatch=head["ETag"])
        self.expect_error("PreconditionFailed", self.client.get_object, Bucket=bucket, Key=key, IfMatch='"0"')
        self.expect_error("NoSuchKey", self.client.get_object, Bucket=bucket, Key="not/there")
        self.expect_error("NoSuchBucket", self.client.get_object, Bucket="not-there", Key=key)
        url = self.client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=60)
        with urllib.request.urlopen(url, timeout=30, context=self.ssl_context) as answer:
            assert answer.read() == whole, "presigned link"
        folders = self.client.list_objects_v2(Bucket=bucket, Delimiter="/")
        assert key.split("/")[0] + "/" in [p["Prefix"] for p in folders["CommonPrefixes"]] and "Contents" not in folders

    def expect_error(self, code, call, **arguments):
        try:
            call(**arguments)
        except botocore.exceptions.ClientError as e:
            assert e.response["Error"]["Code"] == code, f"{e.response['Error']['Code']}, expected {code}"
            return
        raise AssertionError(f"no error, expected {code}")


if __name__ == "__main__":
    check_client(Boto3)

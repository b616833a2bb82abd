#!/usr/bin/python3
"""s3cmd: HEAD, MD5 comparison, DeleteObjects, and file attributes kept as user metadata."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client_check import CommandClient, check_client  # noqa: E402


class S3cmd(CommandClient):
    program = "s3cmd"

    def __init__(self, appliance):
        super().__init__(appliance)
        access_key, secret_key = appliance.credentials()
        host = f"127.0.0.1:{appliance.port}"
        self.config = self.write("s3cfg", f"""[default]
access_key = {access_key}
secret_key = {secret_key}
host_base = {host}
host_bucket = {host}
bucket_location = us-east-1
use_https = {appliance.tls}
ca_certs_file = {appliance.ca_path or ""}
signature_v2 = False
enable_multipart = True
multipart_chunk_size_mb = 5
progress_meter = False
""")

    def s3cmd(self, *arguments):
        return self.run("--config", self.config, "--no-progress", *arguments)

    def make_bucket(self, bucket):
        self.s3cmd("mb", f"s3://{bucket}")

    def upload(self, folder, bucket, prefix):
        return self.s3cmd("sync", f"{folder}/", f"s3://{bucket}/{prefix}/").count("upload: ")

    def download(self, bucket, prefix, folder):
        self.s3cmd("sync", f"s3://{bucket}/{prefix}/", f"{folder}/")

    def list(self, bucket, prefix):
        start = f"s3://{bucket}/{prefix}/" if prefix else f"s3://{bucket}/"
        found = {}
        for line in self.s3cmd("ls", "--recursive", start).splitlines():
            # date, time, size, URI
            fields = line.split(None, 3)
            found[fields[3][len(start):]] = int(fields[2])
        return found

    def delete(self, bucket, key):
        self.s3cmd("del", f"s3://{bucket}/{key}")

    def delete_all(self, bucket):
        self.s3cmd("del", "--recursive", "--force", f"s3://{bucket}")

    def remove_bucket(self, bucket):
        self.s3cmd("rb", f"s3://{bucket}")


if __name__ == "__main__":
    check_client(S3cmd)

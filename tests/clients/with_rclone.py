#!/usr/bin/python3
"""rclone: modification times as user metadata, Content-MD5, many connections at once."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client_check import CommandClient, check_client  # noqa: E402


class Rclone(CommandClient):
    program = "rclone"

    def __init__(self, appliance):
        super().__init__(appliance)
        # rclone's HTTP client and the CA option of AWS's library don't go together; SSL_CERT_FILE does it.
        self.environment.pop("AWS_CA_BUNDLE", None)
        access_key, secret_key = appliance.credentials()
        self.config = self.write("rclone.conf", f"""[dolmen]
type = s3
provider = Other
access_key_id = {access_key}
secret_access_key = {secret_key}
endpoint = {appliance.endpoint}
region = us-east-1
force_path_style = true
upload_cutoff = 5Mi
chunk_size = 5Mi
""")

    def rclone(self, *arguments):
        return self.run("--config", self.config, "--retries", "1", *arguments)

    def make_bucket(self, bucket):
        self.rclone("mkdir", f"dolmen:{bucket}")

    def upload(self, folder, bucket, prefix):
        return self.rclone("sync", "-v", folder, f"dolmen:{bucket}/{prefix}").count(": Copied ")

    def download(self, bucket, prefix, folder):
        self.rclone("sync", f"dolmen:{bucket}/{prefix}", folder)
        self.rclone("check", "--download", f"dolmen:{bucket}/{prefix}", folder)

    def list(self, bucket, prefix):
        entries = json.loads(self.rclone("lsjson", "-R", "--files-only", f"dolmen:{bucket}/{prefix}".rstrip("/")))
        return {e["Path"]: e["Size"] for e in entries}

    def delete(self, bucket, key):
        self.rclone("deletefile", f"dolmen:{bucket}/{key}")

    def delete_all(self, bucket):
        self.rclone("delete", f"dolmen:{bucket}")

    def remove_bucket(self, bucket):
        self.rclone("rmdir", f"dolmen:{bucket}")


if __name__ == "__main__":
    check_client(Rclone)

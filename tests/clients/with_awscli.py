#!/usr/bin/python3
"""awscli: the command line of AWS itself."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from client_check import CommandClient, check_client  # noqa: E402


class AwsCli(CommandClient):
    # Debian's; other versions may come first on PATH
    program = "/usr/bin/aws"

    def __init__(self, appliance):
        super().__init__(appliance)
        access_key, secret_key = appliance.credentials()
        config = self.write("aws-config", "[default]\nregion = us-east-1\ns3 =\n  multipart_threshold = 5MB\n  multipart_chunksize = 5MB\n")
        self.environment.update(AWS_ACCESS_KEY_ID=access_key, AWS_SECRET_ACCESS_KEY=secret_key, AWS_CONFIG_FILE=config,
                                AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="")

    def aws(self, *arguments):
        return self.run("--endpoint-url", self.appliance.endpoint, *arguments)

    def make_bucket(self, bucket):
        self.aws("s3", "mb", f"s3://{bucket}")

    def upload(self, folder, bucket, prefix):
        return self.aws("s3", "sync", folder, f"s3://{bucket}/{prefix}", "--no-progress").count("upload: ")

    def download(self, bucket, prefix, folder):
        self.aws("s3", "sync", f"s3://{bucket}/{prefix}", folder, "--no-progress")

    def list(self, bucket, prefix):
        start = f"{prefix}/" if prefix else ""
        out = self.aws("s3api", "list-objects-v2", "--bucket", bucket, "--prefix", start, "--page-size", "100", "--output", "json")
        entries = (json.loads(out) if out.strip() else {}).get("Contents", [])
        return {e["Key"][len(start):]: e["Size"] for e in entries}

    def delete(self, bucket, key):
        self.aws("s3", "rm", f"s3://{bucket}/{key}")

    def delete_all(self, bucket):
        self.aws("s3", "rm", f"s3://{bucket}", "--recursive", "--only-show-errors")

    def remove_bucket(self, bucket):
        self.aws("s3", "rb", f"s3://{bucket}")


if __name__ == "__main__":
    check_client(AwsCli)

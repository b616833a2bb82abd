"""Who may do what: users, groups and their policies, the built-in roles, policies of buckets, public access."""
import contextlib
import json
import os

import botocore
import botocore.exceptions

import users
from base import ApiTest
from users import Policy, User, allow, create_policy, deny, document, run
from wire import Request

UNSIGNED = {"signature_version": botocore.UNSIGNED}


def code_of(function, **arguments):
    try:
        function(**arguments)
        return "OK"
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"].replace("403", "AccessDenied")


class Access(ApiTest):
    def setUp(self):
        self.tag = f"{self._testMethodName}-{os.getpid()}"
        self.arn = f"arn:aws:s3:::{self.bucket}"
        self.addCleanup(self.s3.delete_bucket_policy, Bucket=self.bucket)

    def user(self, *options, name="u"):
        """Gone at the end of the test."""
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return stack.enter_context(User(f"{name}-{self.tag}", *options))

    def set_policy(self, *statements, bucket=None):
        self.s3.put_bucket_policy(Bucket=bucket or self.bucket, Policy=json.dumps(document(*statements)))

    # ---- users ----

    def test_user_lives_and_dies(self):
        name = f"life-{self.tag}"
        told = users.fields(run("user", "create", name))
        self.assertRegex(told["access_key"], "^[A-Z2-7]{20}$")
        self.assertRegex(told["secret_key"], "^[A-Za-z0-9]{40}$")
        self.assertRegex(told["user_id"], "^[0-9a-f]{64}$")
        run("user", "create", name, fails="already")
        run("user", "create", "no/name", fails="can't be the name of a user")
        run("user", "create", "root", fails="already")
        keys = {"aws_access_key_id": told["access_key"], "aws_secret_access_key": told["secret_key"]}
        s3 = users.client(**keys)
        self.assertEqual(s3.list_buckets()["Owner"], {"ID": told["user_id"], "DisplayName": name})
        self.assertIn(f"{name}  {told['user_id']}  policies service", run("user", "list"))
        self.assertNotIn(told["secret_key"], run("user", "list", "--json") + run("key", "list", "--json"))
        run("user", "disable", name)
        self.assertEqual(code_of(s3.list_buckets), "InvalidAccessKeyId")
        run("user", "enable", name)
        self.assertEqual(code_of(s3.list_buckets), "OK")
        more = users.fields(run("key", "create", name))
        other = users.client(aws_access_key_id=more["access_key"], aws_secret_access_key=more["secret_key"])
        self.assertEqual(other.list_buckets()["Owner"]["ID"], told["user_id"])
        run("key", "delete", told["access_key"])
        self.assertEqual(code_of(s3.list_buckets), "InvalidAccessKeyId")
        self.assertEqual(code_of(other.list_buckets), "OK")
        run("user", "delete", name)
        self.assertEqual(code_of(other.list_buckets), "InvalidAccessKeyId")
        run("user", "delete", name, fails="there is no user")
        run("key", "delete", more["access_key"], fails="there is no access key")
        # A later user of the same name is somebody else.
        again = users.fields(run("user", "create", name))
        self.assertNotEqual(again["user_id"], told["user_id"])
        self.assertEqual(code_of(other.list_buckets), "InvalidAccessKeyId")
        run("user", "delete", name)

    def test_groups_and_policies(self):
        user, group, policy = self.user("--no-policy"), f"g-{self.tag}", f"p-{self.tag}"
        get = {"function": user.s3().get_object, "Bucket": self.bucket, "Key": "k"}
        self.put("k", b"x")
        run("group", "create", group)
        run("group", "create", group, fails="already")
        run("group", "add", group, "--user", user.name)
        create_policy(policy, "{}", fails="Missing required field Statement")
        create_policy("service", document(allow("s3:*", "*")), fails="built in")
        create_policy(policy, document(allow("s3:GetObject", f"{self.arn}/*")))
        self.assertEqual(json.loads(run("policy", "show", policy)), document(allow("s3:GetObject", f"{self.arn}/*")))
        self.assertEqual(code_of(**get), "AccessDenied")
        run("policy", "attach", policy, "--group", group)
        self.assertEqual(code_of(**get), "OK")
        run("policy", "delete", policy, fails="attached to group")
        run("group", "delete", group, fails="is in the group")
        create_policy(policy, document(deny("s3:GetObject", f"{self.arn}/*")))
        self.assertEqual(code_of(**get), "AccessDenied")
        create_policy(policy, document(allow("s3:GetObject", f"{self.arn}/*")))
        run("group", "remove", group, "--user", user.name)
        self.assertEqual(code_of(**get), "AccessDenied")
        run("group", "remove", group, "--user", user.name, fails="isn't there")
        run("policy", "detach", policy, "--group", group)
        run("group", "delete", group)
        run("policy", "delete", policy)
        run("policy", "delete", "auditor", fails="built in")
        run("policy", "attach", policy, "--user", user.name, fails="there is no policy")

    # ---- roles x operations x resources ----

    def operations(self, s3, bucket, fresh):
        """Each changes nothing that the others look at, whoever asks."""
        b = {"Bucket": bucket}
        return {
            "ListBuckets": (s3.list_buckets, {}),
            "CreateBucket": (s3.create_bucket, {"Bucket": fresh}),
            "HeadBucket": (s3.head_bucket, b),
            "GetBucketLocation": (s3.get_bucket_location, b),
            "GetBucketVersioning": (s3.get_bucket_versioning, b),
            "PutBucketTagging": (s3.put_bucket_tagging, {**b, "Tagging": {"TagSet": []}}),
            "PutBucketPolicy": (s3.put_bucket_policy, {**b, "Policy": json.dumps(document(
                deny("s3:GetObject", f"arn:aws:s3:::{bucket}/none", Principal="*")))}),
            "ListObjectsV2": (s3.list_objects_v2, b),
            "ListObjectVersions": (s3.list_object_versions, b),
            "ListMultipartUploads": (s3.list_multipart_uploads, b),
            "GetObject": (s3.get_object, {**b, "Key": "k"}),
            "HeadObject": (s3.head_object, {**b, "Key": "k"}),
            "GetObjectVersion": (s3.get_object, {**b, "Key": "k", "VersionId": "null"}),
            "GetObjectTagging": (s3.get_object_tagging, {**b, "Key": "k"}),
            "GetObjectAttributes": (s3.get_object_attributes, {**b, "Key": "k", "ObjectAttributes": ["ObjectSize"]}),
            "PutObject": (s3.put_object, {**b, "Key": "new", "Body": b"x"}),
            "PutObjectTagging": (s3.put_object_tagging, {**b, "Key": "k", "Tagging": {"TagSet": []}}),
            "CopyObject": (s3.copy_object, {**b, "Key": "copy", "CopySource": f"{bucket}/k"}),
            "CreateMultipartUpload": (s3.create_multipart_upload, {**b, "Key": "part"}),
            "DeleteObject": (s3.delete_object, {**b, "Key": "none"}),
            "DeleteObjectVersion": (s3.delete_object, {**b, "Key": "none", "VersionId": "null"}),
        }

    READS_SETTINGS = {"ListBuckets", "GetBucketLocation", "GetBucketVersioning"}
    ROLES = {
        "operator": READS_SETTINGS | {"CreateBucket", "PutBucketTagging"},
        "auditor": READS_SETTINGS | {"HeadBucket", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "GetObjectTagging",
                                     "GetObjectAttributes"},
        "service": {"ListBuckets", "CreateBucket"},
        None: set(),
    }

    def test_roles(self):
        self.put("k", b"x")
        for role, allowed in self.ROLES.items():
            user = self.user(*(("--policy", role) if role else ("--no-policy",)), name=str(role).lower())
            fresh = self.new_bucket_name()
            for operation, (function, arguments) in self.operations(user.s3(), self.bucket, fresh).items():
                with self.subTest(role=role, operation=operation):
                    self.assertEqual(code_of(function, **arguments), "OK" if operation in allowed else "AccessDenied")
            if "CreateBucket" in allowed:
                self.remove_bucket(fresh)

    def test_service_on_its_own_bucket(self):
        user = self.user()
        s3, bucket = user.s3(), self.new_bucket_name()
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        fresh = self.new_bucket_name()
        for operation, (function, arguments) in self.operations(s3, bucket, fresh).items():
            with self.subTest(operation=operation):
                self.assertEqual(code_of(function, **arguments), "OK")
        self.assertEqual([b["Name"] for b in s3.list_buckets()["Buckets"]], sorted([bucket, fresh]))
        self.assertEqual(s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"], user.id)
        # The name is taken for others, and root may do as it likes.
        self.assertEqual(code_of(self.user(name="other").s3().create_bucket, Bucket=bucket), "BucketAlreadyExists")
        self.assertIn(bucket, [b["Name"] for b in self.s3.list_buckets()["Buckets"]])
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for name in (bucket, fresh):
            self.remove_bucket(name)

    def test_no_such_bucket_and_no_such_key(self):
        user, none = self.user("--no-policy"), self.new_bucket_name()
        get = {"function": user.s3().get_object, "Bucket": self.bucket, "Key": "none"}
        self.assertEqual(code_of(user.s3().list_objects_v2, Bucket=none), "NoSuchBucket")
        with Policy(f"p-{self.tag}", document(allow("s3:GetObject", f"{self.arn}/*")), "--user", user.name):
            self.assertEqual(code_of(**get), "AccessDenied")
        with Policy(f"p-{self.tag}", document(allow(["s3:GetObject", "s3:ListBucket"], [self.arn, f"{self.arn}/*"])), "--user", user.name):
            self.assertEqual(code_of(**get), "NoSuchKey")

    def test_home_folders(self):
        user = self.user("--no-policy")
        home = document(allow("s3:*Object", f"{self.arn}/${{aws:username}}/*"),
                        allow("s3:ListBucket", self.arn, Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}))
        with Policy(f"p-{self.tag}", home, "--user", user.name):
            s3, b = user.s3(), {"Bucket": self.bucket}
            self.assertEqual(code_of(s3.put_object, Key=f"{user.name}/k", Body=b"x", **b), "OK")
            self.assertEqual(code_of(s3.put_object, Key="other/k", Body=b"x", **b), "AccessDenied")
            self.assertEqual(code_of(s3.list_objects_v2, Prefix=f"{user.name}/", **b), "OK")
            self.assertEqual(code_of(s3.list_objects_v2, Prefix="other/", **b), "AccessDenied")
            self.assertEqual(code_of(s3.list_objects_v2, **b), "AccessDenied")

    # ---- what touches several objects ----

    def test_copies_and_lists_of_deletes(self):
        user = self.user("--no-policy")
        s3, b = user.s3(), {"Bucket": self.bucket}
        for key in ("in/k", "secret/k"):
            self.put(key, b"x")
        self.put("in/tagged", b"x", Tagging="a=b")
        with Policy(f"p-{self.tag}", document(allow(["s3:GetObject", "s3:DeleteObject"], f"{self.arn}/in/*"),
                                              allow("s3:PutObject", f"{self.arn}/out/*")), "--user", user.name):
            self.assertEqual(code_of(s3.copy_object, Key="out/k", CopySource=f"{self.bucket}/in/k", **b), "OK")
            self.assertEqual(code_of(s3.copy_object, Key="out/k", CopySource=f"{self.bucket}/secret/k", **b), "AccessDenied")
            self.assertEqual(code_of(s3.copy_object, Key="in/k2", CopySource=f"{self.bucket}/in/k", **b), "AccessDenied")
            self.assertEqual(code_of(s3.copy_object, Key="out/t", CopySource=f"{self.bucket}/in/tagged", **b), "AccessDenied")
            upload = s3.create_multipart_upload(Key="out/m", **b)["UploadId"]
            more = {"Key": "out/m", "UploadId": upload, "PartNumber": 1, **b}
            self.assertEqual(code_of(s3.upload_part_copy, CopySource=f"{self.bucket}/secret/k", **more), "AccessDenied")
            self.assertEqual(code_of(s3.upload_part_copy, CopySource=f"{self.bucket}/in/k", **more), "OK")
            self.s3.abort_multipart_upload(Key="out/m", UploadId=upload, **b)
            done = s3.delete_objects(Delete={"Objects": [{"Key": "in/k"}, {"Key": "secret/k"}]}, **b)
            self.assertEqual([d["Key"] for d in done["Deleted"]], ["in/k"])
            self.assertEqual([(e["Key"], e["Code"]) for e in done["Errors"]], [("secret/k", "AccessDenied")])
        self.assertEqual(self.get("secret/k"), b"x")
        self.nothing_there("in/k")

    # ---- policies of buckets ----

    def test_bucket_policy_verbs(self):
        b = {"Bucket": self.bucket}
        self.refused(404, "NoSuchBucketPolicy", self.s3.get_bucket_policy, **b)
        self.refused(404, "NoSuchBucketPolicy", self.s3.get_bucket_policy_status, **b)
        text = '{ "Statement" : [ {"Effect":"Allow", "Principal":"*", "Action":"s3:ListBucket", "Resource":"%s"} ] }' % self.arn
        self.assertEqual(self.s3.put_bucket_policy(Policy=text, **b)["ResponseMetadata"]["HTTPStatusCode"], 204)
        answer = Request("GET", f"/{self.bucket}?policy").send()
        self.assertEqual((answer.status, answer.body, answer.headers["content-type"]), (200, text.encode(), "application/json"))
        self.assertEqual(self.s3.get_bucket_policy_status(**b)["PolicyStatus"]["IsPublic"], True)
        self.set_policy(allow("s3:ListBucket", self.arn, Principal="*", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}))
        self.assertEqual(self.s3.get_bucket_policy_status(**b)["PolicyStatus"]["IsPublic"], False)
        for policy, message in (
                ("", "Policies must be valid JSON and the first byte must be '{'"),
                (json.dumps(document(allow("s3:ListBucket", self.arn))), "Missing required field Principal"),
                (json.dumps(document(allow("s3:ListBucket", "arn:aws:s3:::other", Principal="*"))), "Policy has invalid resource"),
                (json.dumps(document(allow("s3:Frobnicate", self.arn, Principal="*"))), "Policy has invalid action"),
                (json.dumps(document(allow("s3:ListBucket", self.arn, Principal={"AWS": "arn:aws:iam:::user/nobody"}))),
                 "Invalid principal in policy"),
                (" " * 20481, "Your policy exceeds the maximum allowed document size of 20480 bytes")):
            self.assertEqual(self.refused(400, "MalformedPolicy", self.s3.put_bucket_policy, Policy=policy or " ", **b)["Message"], message)
        self.assertEqual(self.s3.delete_bucket_policy(**b)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.assertEqual(self.s3.delete_bucket_policy(**b)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(404, "NoSuchBucketPolicy", self.s3.get_bucket_policy, **b)

    def test_bucket_policy_allows_and_denies(self):
        user, other = self.user("--no-policy"), self.user("--no-policy", name="other")
        get = {"Bucket": self.bucket, "Key": "k"}
        self.put("k", b"x")
        for principal in (f"arn:aws:iam:::user/{user.name}", user.id, f"arn:aws:iam::{user.id}:root"):
            self.set_policy(allow("s3:GetObject", f"{self.arn}/*", Principal={"AWS": principal}))
            self.assertEqual(code_of(user.s3().get_object, **get), "OK")
            self.assertEqual(code_of(other.s3().get_object, **get), "AccessDenied")
        # A deny holds for root too, but never keeps it from the policy.
        self.set_policy(allow("s3:GetObject", f"{self.arn}/*", Principal="*"), deny("s3:*", [self.arn, f"{self.arn}/*"], Principal="*"))
        self.assertEqual(code_of(user.s3().get_object, **get), "AccessDenied")
        self.assertEqual(code_of(self.s3.get_object, **get), "AccessDenied")
        self.assertEqual(code_of(self.s3.get_bucket_policy, Bucket=self.bucket), "OK")
        self.assertEqual(code_of(self.s3.delete_bucket_policy, Bucket=self.bucket), "OK")
        self.assertEqual(code_of(self.s3.get_object, **get), "OK")

    def test_conditions_of_a_request(self):
        user = self.user("--no-policy")
        s3, b, tls = user.s3(), {"Bucket": self.bucket}, self.s3.meta.endpoint_url.startswith("https")
        who = {"Principal": {"AWS": f"arn:aws:iam:::user/{user.name}"}}
        self.put("k", b"x")
        self.put("mr", b"x", Tagging="Modality=MR")
        for condition, code in (({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, "OK"),
                                ({"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, "AccessDenied"),
                                ({"Bool": {"aws:SecureTransport": "true"}}, "OK" if tls else "AccessDenied"),
                                ({"StringEquals": {"s3:authType": "REST-HEADER"}}, "OK"),
                                ({"StringEquals": {"aws:username": user.name}}, "OK"),
                                ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "OK"),
                                ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "AccessDenied")):
            self.set_policy(allow("s3:GetObject", f"{self.arn}/*", Condition=condition, **who))
            self.assertEqual(code_of(s3.get_object, Key="k", **b), code, condition)
        self.set_policy(allow("s3:GetObject", f"{self.arn}/*", Condition={"StringEquals": {"s3:ExistingObjectTag/Modality": "MR"}}, **who))
        self.assertEqual(code_of(s3.get_object, Key="mr", **b), "OK")
        self.assertEqual(code_of(s3.get_object, Key="k", **b), "AccessDenied")
        self.set_policy(allow(["s3:PutObject", "s3:PutObjectTagging"], f"{self.arn}/*",
                              Condition={"StringEquals": {"s3:RequestObjectTag/a": "b"}}, **who))
        self.assertEqual(code_of(s3.put_object, Key="t", Body=b"x", Tagging="a=b", **b), "OK")
        self.assertEqual(code_of(s3.put_object, Key="t", Body=b"x", Tagging="a=c", **b), "AccessDenied")
        self.assertEqual(code_of(s3.put_object_tagging, Key="t", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}, **b), "OK")
        self.assertEqual(code_of(s3.put_object_tagging, Key="t", Tagging={"TagSet": [{"Key": "a", "Value": "c"}]}, **b), "AccessDenied")
        self.set_policy(allow("s3:PutObject", f"{self.arn}/*", **who),
                        deny("s3:PutObject", f"{self.arn}/*", Condition={"Null": {"s3:x-amz-server-side-encryption": "true"}}, **who))
        self.assertEqual(code_of(s3.put_object, Key="e", Body=b"x", **b), "AccessDenied")
        self.assertEqual(code_of(s3.put_object, Key="e", Body=b"x", ServerSideEncryption="AES256", **b), "OK")
        self.set_policy(allow("s3:ListBucket", self.arn, Condition={"NumericLessThanEquals": {"s3:max-keys": "10"}}, **who))
        self.assertEqual(code_of(s3.list_objects_v2, MaxKeys=10, **b), "OK")
        self.assertEqual(code_of(s3.list_objects_v2, MaxKeys=11, **b), "AccessDenied")

    # ---- nobody in particular ----

    def test_anonymous(self):
        nobody, b = users.client(config=UNSIGNED), {"Bucket": self.bucket}
        self.put("k", b"x")
        self.assertEqual(code_of(nobody.list_buckets), "AccessDenied")
        self.assertEqual(code_of(nobody.get_object, Key="k", **b), "AccessDenied")
        self.set_policy(allow(["s3:GetObject", "s3:PutObject"], f"{self.arn}/*", Principal="*"))
        self.assertEqual(nobody.get_object(Key="k", **b)["Body"].read(), b"x")
        nobody.put_object(Key="anonymous", Body=b"y" * 100000, **b)
        self.assertEqual(self.get("anonymous"), b"y" * 100000)
        owner = self.s3.list_objects_v2(Prefix="anonymous", FetchOwner=True, **b)["Contents"][0]["Owner"]["ID"]
        self.assertEqual(owner, self.s3.get_bucket_acl(**b)["Owner"]["ID"])
        self.assertEqual(code_of(nobody.delete_object, Key="k", **b), "AccessDenied")
        self.assertEqual(code_of(nobody.list_objects_v2, **b), "AccessDenied")
        self.assertEqual(code_of(nobody.get_object, Key="none", **b), "AccessDenied")

    def test_public_access_is_blocked(self):
        nobody, user, b = users.client(config=UNSIGNED), self.user("--no-policy"), {"Bucket": self.bucket}
        self.addCleanup(self.s3.delete_public_access_block, **b)
        self.put("k", b"x")
        self.set_policy(allow("s3:GetObject", f"{self.arn}/*", Principal="*"))
        self.assertEqual(code_of(nobody.get_object, Key="k", **b), "OK")
        self.s3.put_public_access_block(PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}, **b)
        self.assertEqual(code_of(nobody.get_object, Key="k", **b), "AccessDenied")
        self.assertEqual(code_of(user.s3().get_object, Key="k", **b), "AccessDenied")
        self.assertEqual(code_of(self.s3.get_object, Key="k", **b), "OK")
        self.s3.put_public_access_block(PublicAccessBlockConfiguration={"BlockPublicPolicy": True}, **b)
        self.assertEqual(code_of(nobody.get_object, Key="k", **b), "OK")
        public = json.dumps(document(allow("s3:ListBucket", self.arn, Principal="*")))
        self.refused(403, "AccessDenied", self.s3.put_bucket_policy, Policy=public, **b)
        self.set_policy(allow("s3:ListBucket", self.arn, Principal={"AWS": user.id}))
        self.assertEqual(code_of(user.s3().list_objects_v2, **b), "OK")

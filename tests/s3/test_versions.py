"""Versioning of buckets: versions, delete markers, null versions, and their listing."""
import concurrent.futures
import re
import urllib.parse

from multipart import MultipartTest, Upload
from wire import Request

ID = r"^[0-9a-f]{32}$"
MIB = 1 << 20
NO_SUCH_ID = "0123456789abcdef" * 2


class VersionsTest(MultipartTest):
    """A bucket for each test."""

    def setUp(self):
        self.bucket = self.new_bucket_name()
        self.s3.create_bucket(Bucket=self.bucket)
        self.addCleanup(self.remove_bucket, self.bucket)

    def versioning(self, status):
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})

    def put_version(self, key, body):
        """Its version id; None when the answer has none."""
        return self.put(key, body).get("VersionId")

    def delete(self, key, **more):
        """(is it about a delete marker, version id)"""
        answer = self.s3.delete_object(Bucket=self.bucket, Key=key, **more)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 204)
        return answer.get("DeleteMarker", False), answer.get("VersionId")

    def page(self, **query):
        text = "&".join(["versions"] + [f"{n.replace('_', '-')}={urllib.parse.quote(str(v), safe='')}" for n, v in query.items()])
        answer = self.expect(Request("GET", f"/{self.bucket}?{text}").send(), 200)
        return answer.body.decode()

    def versions(self, **query):
        """[(key, version id, is latest, size; None: a delete marker)] in the order of the document."""
        found = []
        for kind, body in re.findall(r"<(Version|DeleteMarker)>(.*?)</\1>", self.page(**query)):
            def text(name, body=body):
                return re.search(f"<{name}>(.*?)</{name}>", body)[1]
            size = int(text("Size")) if kind == "Version" else None
            found.append((text("Key"), text("VersionId"), text("IsLatest") == "true", size))
        return found


class State(VersionsTest):
    def test_states(self):
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=self.bucket))
        for status in ("Enabled", "Suspended", "Enabled"):
            self.versioning(status)
            self.assertEqual(self.s3.get_bucket_versioning(Bucket=self.bucket)["Status"], status)

    def test_refused(self):
        def send(body):
            return Request("PUT", f"/{self.bucket}?versioning", body).send()
        self.expect(send(b"<VersioningConfiguration/>"), 400, "IllegalVersioningConfigurationException")
        for body in (b"", b"<VersioningConfiguration>", b"<Other><Status>Enabled</Status></Other>",
                     b"<VersioningConfiguration><Status>enabled</Status></VersioningConfiguration>"):
            self.expect(send(body), 400, "MalformedXML")
        mfa = b"<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"
        self.expect(send(mfa), 501, "NotImplemented")
        self.assertNotIn("Status", self.s3.get_bucket_versioning(Bucket=self.bucket))
        self.refused(404, "NoSuchBucket", self.s3.put_bucket_versioning, Bucket="t-nobody-has-it",
                     VersioningConfiguration={"Status": "Enabled"})

    def test_never_versioned(self):
        self.assertIsNone(self.put_version("a", b"1"))
        self.assertNotIn("VersionId", self.s3.head_object(Bucket=self.bucket, Key="a"))
        self.assertEqual(self.versions(), [("a", "null", True, 1)])
        self.assertEqual(self.get("a", VersionId="null"), b"1")
        self.assertEqual(self.delete("a"), (False, None))
        self.assertEqual(self.versions(), [])


class Enabled(VersionsTest):
    def setUp(self):
        super().setUp()
        self.versioning("Enabled")

    def test_overwrite_keeps(self):
        ids = [self.put_version("a", b"x" * n) for n in (1, 2, 3)]
        for version in ids:
            self.assertRegex(version, ID)
        self.assertEqual(len(set(ids)), 3)
        self.assertEqual(self.get("a"), b"xxx")
        for n, version in enumerate(ids, 1):
            self.assertEqual(self.get("a", VersionId=version), b"x" * n)
            self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="a", VersionId=version)["VersionId"], version)
        self.assertEqual(self.versions(), [("a", ids[2], True, 3), ("a", ids[1], False, 2), ("a", ids[0], False, 1)])
        self.assertEqual([e["Key"] for e in self.s3.list_objects_v2(Bucket=self.bucket)["Contents"]], ["a"])

    def test_delete_marker(self):
        version = self.put_version("a", b"1")
        is_marker, marker = self.delete("a")
        self.assertTrue(is_marker)
        self.assertRegex(marker, ID)
        self.assertEqual(self.versions(), [("a", marker, True, None), ("a", version, False, 1)])
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))
        for method in ("GET", "HEAD"):
            answer = Request(method, self.target("a")).send()
            self.assertEqual((answer.status, answer.headers.get("x-amz-delete-marker"), answer.headers.get("x-amz-version-id")),
                             (404, "true", marker))
            answer = Request(method, self.target("a", f"versionId={marker}")).send()
            self.assertEqual((answer.status, answer.headers.get("x-amz-delete-marker"), answer.headers.get("allow")),
                             (405, "true", "DELETE"))
        self.assertEqual(self.get("a", VersionId=version), b"1")
        # without the marker the version is current again
        self.assertEqual(self.delete("a", VersionId=marker), (True, marker))
        self.assertEqual(self.get("a"), b"1")
        self.assertEqual(self.versions(), [("a", version, True, 1)])

    def test_delete_what_is_not_there(self):
        is_marker, marker = self.delete("nothing")
        self.assertTrue(is_marker)
        again = self.delete("nothing")[1]
        self.assertNotEqual(again, marker)
        self.assertEqual(self.versions(), [("nothing", again, True, None), ("nothing", marker, False, None)])

    def test_delete_versions(self):
        ids = [self.put_version("a", b"x" * n) for n in (1, 2, 3)]
        self.assertEqual(self.delete("a", VersionId=ids[1]), (False, ids[1]))
        self.refused(404, "NoSuchVersion", self.get, key="a", VersionId=ids[1])
        self.assertEqual(self.delete("a", VersionId=ids[2]), (False, ids[2]))
        self.assertEqual(self.get("a"), b"x")
        self.assertEqual(self.delete("a", VersionId=ids[1]), (False, ids[1]), "gone already")
        self.assertEqual(self.versions(), [("a", ids[0], True, 1)])
        self.assertEqual(self.delete("a", VersionId=ids[0]), (False, ids[0]))
        self.assertEqual(self.versions(), [])

    def test_bad_ids(self):
        self.put("a", b"1")
        self.refused(404, "NoSuchVersion", self.get, key="a", VersionId=NO_SUCH_ID)
        self.refused(404, "NoSuchVersion", self.get, key="a", VersionId="null")
        for bad in ("x", NO_SUCH_ID[:-1], "f" * 32):
            self.refused(400, "InvalidArgument", self.get, key="a", VersionId=bad)
            self.refused(400, "InvalidArgument", self.s3.delete_object, Bucket=self.bucket, Key="a", VersionId=bad)
        for method in ("GET", "DELETE"):
            self.expect(Request(method, self.target("a", "versionId=")).send(), 400, "InvalidArgument")

    def test_bucket_with_versions_stays(self):
        version = self.put_version("a", b"1")
        marker = self.delete("a")[1]
        self.refused(409, "BucketNotEmpty", self.s3.delete_bucket, Bucket=self.bucket)
        self.delete("a", VersionId=version)
        self.refused(409, "BucketNotEmpty", self.s3.delete_bucket, Bucket=self.bucket)
        self.delete("a", VersionId=marker)
        self.s3.delete_bucket(Bucket=self.bucket)
        self.s3.create_bucket(Bucket=self.bucket)

    def test_delete_objects(self):
        ids = [self.put_version("a", b"1"), self.put_version("b", b"1")]
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [
            {"Key": "a"}, {"Key": "b", "VersionId": ids[1]}, {"Key": "b", "VersionId": NO_SUCH_ID}, {"Key": "b", "VersionId": "?"}]})
        by_key = {(d["Key"], d.get("VersionId")): d for d in answer["Deleted"]}
        self.assertEqual(set(by_key), {("a", None), ("b", ids[1]), ("b", NO_SUCH_ID)})
        self.assertTrue(by_key["a", None]["DeleteMarker"])
        marker = by_key["a", None]["DeleteMarkerVersionId"]
        self.assertNotIn("DeleteMarker", by_key["b", ids[1]])
        self.assertEqual([(e["Key"], e["VersionId"], e["Code"]) for e in answer["Errors"]], [("b", "?", "NoSuchVersion")])
        self.assertEqual(self.versions(), [("a", marker, True, None), ("a", ids[0], False, 1)])
        answer = self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": "a", "VersionId": marker}]})
        self.assertEqual(answer["Deleted"], [{"Key": "a", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}])

    def test_copy(self):
        old = self.put_version("a", b"old")
        self.put("a", b"new!")
        answer = self.s3.copy_object(Bucket=self.bucket, Key="b", CopySource={"Bucket": self.bucket, "Key": "a", "VersionId": old})
        self.assertEqual(answer["CopySourceVersionId"], old)
        self.assertRegex(answer["VersionId"], ID)
        self.assertEqual(self.get("b"), b"old")
        # an old version put on top of itself is how it is restored
        answer = self.s3.copy_object(Bucket=self.bucket, Key="a", CopySource={"Bucket": self.bucket, "Key": "a", "VersionId": old})
        self.assertEqual(self.get("a"), b"old")
        self.assertEqual([v[1:] for v in self.versions(prefix="a")][0], (answer["VersionId"], True, 3))
        marker = self.delete("a")[1]
        self.refused(404, "NoSuchKey", self.s3.copy_object, Bucket=self.bucket, Key="c", CopySource=f"{self.bucket}/a")
        self.refused(400, "InvalidRequest", self.s3.copy_object, Bucket=self.bucket, Key="c",
                     CopySource=f"{self.bucket}/a?versionId={marker}")

    def test_multipart(self):
        first = self.put_version("a", b"1")
        upload = Upload(self, "a")
        upload.part(1, b"x" * MIB)
        completed = upload.complete().headers["x-amz-version-id"]
        self.assertRegex(completed, ID)
        self.assertEqual(upload.complete().headers["x-amz-version-id"], completed, "completed again")
        self.assertEqual(self.versions(), [("a", completed, True, MIB), ("a", first, False, 1)])

    def test_attributes(self):
        version = self.put_version("a", b"123")
        self.put("a", b"1")
        answer = self.s3.get_object_attributes(Bucket=self.bucket, Key="a", VersionId=version, ObjectAttributes=["ObjectSize"])
        self.assertEqual((answer["VersionId"], answer["ObjectSize"]), (version, 3))
        marker = self.delete("a")[1]
        answer = Request("GET", self.target("a", "attributes"), headers={"x-amz-object-attributes": "ETag"}).send()
        self.expect(answer, 404, "NoSuchKey")
        self.assertEqual((answer.headers["x-amz-delete-marker"], answer.headers["x-amz-version-id"]), ("true", marker))

    def test_conditions(self):
        def put(headers):
            return Request("PUT", self.target("a"), b"2", headers).send()
        etag = self.put("a", b"1")["ETag"]
        self.expect(put({"if-none-match": "*"}), 412, "PreconditionFailed")
        self.expect(put({"if-match": etag}), 200)
        self.expect(put({"if-match": etag}), 412, "PreconditionFailed")
        self.delete("a")
        self.expect(put({"if-match": "*"}), 404, "NoSuchKey")
        self.expect(put({"if-none-match": "*"}), 200)
        self.assertEqual([v[3] for v in self.versions()], [1, None, 1, 1])

    def test_many_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda n: self.put_version("a", b"x" * n), range(40)))
        self.assertEqual(len(set(ids)), 40)
        found = self.versions()
        self.assertEqual({v[1]: v[3] for v in found}, {version: n for n, version in enumerate(ids)})
        self.assertEqual([v[2] for v in found], [True] + [False] * 39)
        for n, version in enumerate(ids):
            self.assertEqual(self.get("a", VersionId=version), b"x" * n)


class Null(VersionsTest):
    def test_older_than_versioning(self):
        self.put("a", b"1")
        self.versioning("Enabled")
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="a")["VersionId"], "null")
        version = self.put_version("a", b"22")
        self.assertEqual(self.versions(), [("a", version, True, 2), ("a", "null", False, 1)])
        self.assertEqual(self.get("a", VersionId="null"), b"1")
        marker = self.delete("a")[1]
        self.assertEqual(self.delete("a", VersionId="null"), (False, "null"))
        self.refused(404, "NoSuchVersion", self.get, key="a", VersionId="null")
        self.assertEqual(self.versions(), [("a", marker, True, None), ("a", version, False, 2)])

    def test_suspended(self):
        self.versioning("Enabled")
        kept = self.put_version("a", b"1")
        self.versioning("Suspended")
        self.assertEqual(self.put_version("a", b"22"), "null")
        self.assertEqual(self.put_version("a", b"333"), "null")
        self.assertEqual(self.versions(), [("a", "null", True, 3), ("a", kept, False, 1)])
        # a null version that isn't the newest is the one that is replaced
        self.versioning("Enabled")
        newer = self.put_version("a", b"4444")
        self.versioning("Suspended")
        self.put("a", b"55555")
        self.assertEqual(self.versions(), [("a", "null", True, 5), ("a", newer, False, 4), ("a", kept, False, 1)])

    def test_suspended_delete(self):
        self.versioning("Enabled")
        kept = self.put_version("a", b"1")
        self.versioning("Suspended")
        self.put("a", b"22")
        self.assertEqual(self.delete("a"), (True, "null"))
        self.assertEqual(self.versions(), [("a", "null", True, None), ("a", kept, False, 1)])
        self.assertEqual(self.delete("a"), (True, "null"))
        self.assertEqual(self.versions(), [("a", "null", True, None), ("a", kept, False, 1)])
        self.refused(405, "MethodNotAllowed", self.get, key="a", VersionId="null")
        self.assertEqual(self.delete("a", VersionId="null"), (True, "null"))
        self.assertEqual(self.get("a"), b"1")
        self.assertEqual(self.delete("b"), (True, "null"))

    def test_suspended_copy_and_multipart(self):
        self.versioning("Suspended")
        self.put("a", b"1")
        answer = self.s3.copy_object(Bucket=self.bucket, Key="b", CopySource=f"{self.bucket}/a?versionId=null")
        self.assertEqual((answer["VersionId"], answer["CopySourceVersionId"]), ("null", "null"))
        upload = Upload(self, "b")
        upload.part(1, b"xx")
        self.assertEqual(upload.complete().headers["x-amz-version-id"], "null")
        self.assertEqual(self.versions(), [("a", "null", True, 1), ("b", "null", True, 2)])


class Listing(VersionsTest):
    def setUp(self):
        super().setUp()
        self.put("p/null", b"")
        self.versioning("Enabled")
        for key in ("a", "p/1", "p/2", "q/3", "z"):
            for size in (1, 2):
                self.put_version(key, b"x" * size)
        self.put_version("p/null", b"x")
        self.delete("p/1")
        self.all = self.versions()
        self.assertEqual([(v[0], v[2], v[3]) for v in self.all],
                         [("a", True, 2), ("a", False, 1), ("p/1", True, None), ("p/1", False, 2), ("p/1", False, 1), ("p/2", True, 2),
                          ("p/2", False, 1), ("p/null", True, 1), ("p/null", False, 0), ("q/3", True, 2), ("q/3", False, 1),
                          ("z", True, 2), ("z", False, 1)])

    def test_pages(self):
        for size in (1, 2, 3, 5, 12, 13):
            found, query = [], {}
            while True:
                document = self.page(max_keys=size, **query)
                page = self.versions(max_keys=size, **query)
                self.assertLessEqual(len(page), size)
                found += page
                if "<IsTruncated>false</IsTruncated>" in document:
                    break
                query = {"key_marker": re.search("<NextKeyMarker>(.*?)</", document)[1],
                         "version_id_marker": re.search("<NextVersionIdMarker>(.*?)</", document)[1]}
            self.assertEqual(found, self.all)
            self.assertNotIn("<NextKeyMarker>", document)

    def test_key_marker_alone_passes_the_key(self):
        self.assertEqual(self.versions(key_marker="p/1"), self.all[5:])
        self.assertEqual(self.versions(key_marker="p/1", version_id_marker=self.all[2][1]), self.all[3:])
        self.assertEqual(self.versions(key_marker="p/null", version_id_marker="null"), self.all[9:])
        # a marker whose version has gone meanwhile
        self.delete("p/1", VersionId=self.all[2][1])
        rest = [("p/1", self.all[3][1], True, 2)] + self.all[4:]
        self.assertEqual(self.versions(key_marker="p/1", version_id_marker=self.all[2][1]), rest)

    def test_prefix_and_delimiter(self):
        self.assertEqual(self.versions(prefix="p/"), self.all[2:9])
        document = self.page(delimiter="/")
        self.assertEqual(re.findall("<CommonPrefixes><Prefix>(.*?)</Prefix></CommonPrefixes>", document), ["p/", "q/"])
        self.assertEqual(self.versions(delimiter="/"), self.all[:2] + self.all[11:])
        document = self.page(delimiter="/", max_keys=3)
        self.assertIn("<NextKeyMarker>p/</NextKeyMarker>", document)
        self.assertNotIn("NextVersionIdMarker", document)
        document = self.page(delimiter="/", max_keys=3, key_marker="p/")
        self.assertEqual(re.findall("<CommonPrefixes><Prefix>(.*?)</Prefix></CommonPrefixes>", document), ["q/"])
        self.assertEqual(self.versions(delimiter="/", max_keys=3, key_marker="p/"), self.all[11:])

    def test_details(self):
        page = self.s3.list_object_versions(Bucket=self.bucket, Prefix="a", MaxKeys=1)
        self.assertEqual((page["Name"], page["Prefix"], page["MaxKeys"], page["IsTruncated"]), (self.bucket, "a", 1, True))
        version = page["Versions"][0]
        self.assertEqual((version["ETag"], version["StorageClass"]), ('"9336ebf25087d91c818ee6e9ec29f8c1"', "STANDARD"))
        self.assertRegex(version["Owner"]["ID"], r"^[0-9a-f]{64}$")
        marker = self.s3.list_object_versions(Bucket=self.bucket, Prefix="p/1")["DeleteMarkers"][0]
        self.assertEqual((marker["Owner"], marker["IsLatest"]), (version["Owner"], True))
        self.assertEqual(self.s3.list_object_versions(Bucket=self.bucket, MaxKeys=0)["IsTruncated"], False)

    def test_refused(self):
        def send(query):
            return Request("GET", f"/{self.bucket}?versions&{query}").send()
        for query in ("version-id-marker=" + NO_SUCH_ID, "key-marker=a&version-id-marker=", "key-marker=a&version-id-marker=x",
                      "max-keys=-1", "encoding-type=x"):
            self.expect(send(query), 400, "InvalidArgument")
        self.refused(404, "NoSuchBucket", self.s3.list_object_versions, Bucket="t-nobody-has-it")

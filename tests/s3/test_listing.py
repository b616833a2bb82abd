"""ListObjects, both versions, by boto3 and by hand."""
from base import ApiTest
from wire import Request

KEYS = sorted(["a/1", "a/2", "b/1", "c", "d e", "f&<>", "photos/2006/feb", "photos/2006/jan", "photos/2007/x", "z", "é/ü", "\x01c"], key=str.encode)


class Listing(ApiTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for key in KEYS:
            cls.s3.put_object(Bucket=cls.bucket, Key=key, Body=key.encode())

    def walk(self, operation, **more):
        keys, prefixes, sizes = [], [], []
        for page in self.s3.get_paginator(operation).paginate(Bucket=self.bucket, **more):
            keys += [e["Key"] for e in page.get("Contents", [])]
            prefixes += [p["Prefix"] for p in page.get("CommonPrefixes", [])]
            sizes.append(len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])))
        return keys, prefixes, sizes

    def test_pages_of_every_size(self):
        for operation in ["list_objects", "list_objects_v2"]:
            for size in list(range(1, len(KEYS) + 2)) + [1000]:
                keys, prefixes, sizes = self.walk(operation, PaginationConfig={"PageSize": size})
                self.assertEqual((keys, prefixes), (KEYS, []))
                self.assertTrue(all(s == size for s in sizes[:-1]))

    def test_delimiter_pages(self):
        expected_prefixes = ["a/", "b/", "photos/", "é/"]
        expected_keys = [k for k in KEYS if "/" not in k]
        for operation in ["list_objects", "list_objects_v2"]:
            for size in range(1, 10):
                keys, prefixes, _ = self.walk(operation, Delimiter="/", PaginationConfig={"PageSize": size})
                self.assertEqual((keys, prefixes), (expected_keys, expected_prefixes), (operation, size))

    def test_prefixes(self):
        self.assertEqual(self.walk("list_objects_v2", Prefix="photos/", Delimiter="/")[:2], ([], ["photos/2006/", "photos/2007/"]))
        self.assertEqual(self.walk("list_objects_v2", Prefix="photos/2006/", Delimiter="/")[:2],
                         (["photos/2006/feb", "photos/2006/jan"], []))
        self.assertEqual(self.walk("list_objects_v2", Delimiter="2006/")[1], ["photos/2006/"])
        self.assertEqual(self.walk("list_objects_v2", Prefix="nothing")[:2], ([], []))
        self.assertEqual(self.walk("list_objects_v2", Prefix="c")[0], ["c"])

    def test_positions(self):
        after = self.s3.list_objects_v2(Bucket=self.bucket, StartAfter="f")
        self.assertEqual([e["Key"] for e in after["Contents"]], [k for k in KEYS if k.encode() > b"f"])
        self.assertEqual(after["StartAfter"], "f")
        marker = self.s3.list_objects(Bucket=self.bucket, Marker="f", MaxKeys=1)
        self.assertEqual([e["Key"] for e in marker["Contents"]], ["f&<>"])
        self.assertNotIn("NextMarker", marker)
        self.assertTrue(marker["IsTruncated"])
        self.assertEqual(self.s3.list_objects(Bucket=self.bucket, Marker="\U0010ffff").get("Contents", []), [])

    def test_fields(self):
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="c", FetchOwner=True)
        entry = page["Contents"][0]
        self.assertEqual((entry["Size"], entry["StorageClass"], entry["ETag"]), (1, "STANDARD", '"4a8a08f09d37b73795649038408b5f33"'))
        self.assertRegex(entry["Owner"]["ID"], "^[0-9a-f]{64}$")
        self.assertEqual((page["KeyCount"], page["MaxKeys"], page["IsTruncated"], page["Name"]), (1, 1000, False, self.bucket))
        self.assertNotIn("Owner", self.s3.list_objects_v2(Bucket=self.bucket, Prefix="c")["Contents"][0])

    def test_raw_parameters(self):
        def ask(query, status=200, code=None):
            return self.expect(Request("GET", f"/{self.bucket}?{query}").send(), status, code)

        self.assertIsNone(ask("max-keys=0").element("Contents"))
        self.assertEqual(ask("max-keys=0").element("IsTruncated"), "false")
        self.assertEqual(ask("max-keys=5000").element("MaxKeys"), "1000")
        for value in ["x", "-1", "4294967296", "1.0"]:
            ask(f"max-keys={value}", 400, "InvalidArgument")
        ask("list-type=2&continuation-token=", 400, "InvalidArgument")
        ask("list-type=2&continuation-token=bm9uc2Vuc2U%3D", 400, "InvalidArgument")
        ask("list-type=3", 400, "InvalidArgument")
        ask("encoding-type=base64", 400, "InvalidArgument")
        self.assertEqual(ask("prefix=f&encoding-type=url").element("Key"), "f%26%3C%3E")
        self.assertEqual(ask("prefix=f").element("Key"), "f&amp;&lt;&gt;")
        self.assertEqual(ask("prefix=%01").element("Key"), "&#x1;c")
        self.assertEqual(ask("delimiter=%2F&max-keys=1&prefix=a").element("NextMarker"), None)
        self.assertEqual(ask("delimiter=%2F&max-keys=2").element("NextMarker"), "a/")

    def test_more_than_a_page(self):
        name = self.new_bucket_name()
        self.s3.create_bucket(Bucket=name)
        keys = [f"{i:05d}" for i in range(1001)]
        for key in keys:
            self.s3.put_object(Bucket=name, Key=key, Body=b"")
        for operation in ["list_objects", "list_objects_v2"]:
            pages = list(self.s3.get_paginator(operation).paginate(Bucket=name))
            self.assertEqual([len(p["Contents"]) for p in pages], [1000, 1])
            self.assertEqual([e["Key"] for p in pages for e in p["Contents"]], keys)
        self.s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": k} for k in keys[:1000]]})
        self.s3.delete_object(Bucket=name, Key=keys[1000])
        self.s3.delete_bucket(Bucket=name)

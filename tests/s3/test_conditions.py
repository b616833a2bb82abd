"""Conditions of writes and deletes; races between them."""
import concurrent.futures
import hashlib

from multipart import MultipartTest, Upload
from wire import Request, md5_text

OLD = b"old"
NEW = b"new"
OLD_ETAG = f'"{hashlib.md5(OLD).hexdigest()}"'
# header, value, answer when the old object is there, when nothing is; None: it happens
ROWS = [("if-none-match", "*", (412, "PreconditionFailed"), None),
        ("if-none-match", OLD_ETAG, (501, "NotImplemented"), (501, "NotImplemented")),
        ("if-match", "*", None, (404, "NoSuchKey")),
        ("if-match", OLD_ETAG, None, (404, "NoSuchKey")),
        ("if-match", OLD_ETAG.strip('"'), None, (404, "NoSuchKey")),
        ("if-match", '"0"', (412, "PreconditionFailed"), (404, "NoSuchKey")),
        ("if-match", OLD_ETAG[:-1] + '-1"', (412, "PreconditionFailed"), (404, "NoSuchKey"))]


class Conditions(MultipartTest):
    KEY = "conditional"

    def check(self, send):
        """send(headers): an attempt to make the object NEW; for each row, both ways."""
        for name, value, there, absent in ROWS:
            self.put(self.KEY, OLD)
            for before, refusal in [(OLD, there), (None, absent)]:
                answer = send({name: value})
                if refusal is None:
                    self.expect(answer, 200)
                    self.assertEqual(self.get(self.KEY), NEW)
                else:
                    self.expect(answer, *refusal)
                    if refusal[0] == 412:
                        self.assertEqual(answer.element("Condition").lower(), name)
                    if before is None:
                        self.nothing_there(self.KEY)
                    else:
                        self.assertEqual(self.get(self.KEY), before)
                self.s3.delete_object(Bucket=self.bucket, Key=self.KEY)

    def test_put(self):
        self.check(lambda headers: Request("PUT", self.target(self.KEY), NEW, headers).send())

    def test_copy(self):
        self.put("source", NEW)
        self.check(lambda headers: Request("PUT", self.target(self.KEY), b"", {"x-amz-copy-source": f"/{self.bucket}/source", **headers}).send())

    def test_complete(self):
        def send(headers):
            upload = Upload(self, self.KEY)
            upload.part(1, NEW)
            return upload.send_complete(headers=headers)
        self.check(send)

    def test_etag_of_multipart(self):
        upload = Upload(self, self.KEY)
        upload.part(1, NEW)
        etag = upload.complete().element("ETag").replace("&quot;", '"')
        self.expect(Request("PUT", self.target(self.KEY), OLD, {"if-match": etag[:-2] + '2"'}).send(), 412, "PreconditionFailed")
        self.expect(Request("PUT", self.target(self.KEY), OLD, {"if-match": etag}).send(), 200)

    def test_delete(self):
        for name, value, there, absent in ROWS[2:]:
            self.put(self.KEY, OLD)
            answer = Request("DELETE", self.target(self.KEY), headers={name: value}).send()
            self.expect(answer, *(there or (204, None)))
            if there is not None:
                self.assertEqual(self.get(self.KEY), OLD)
            self.s3.delete_object(Bucket=self.bucket, Key=self.KEY)
            self.expect(Request("DELETE", self.target(self.KEY), headers={name: value}).send(), *absent)
        self.expect(Request("DELETE", self.target(self.KEY), headers={"if-none-match": "*"}).send(), 501, "NotImplemented")

    def test_delete_objects(self):
        for key in ["right", "wrong", "any", "sized"]:
            self.put(key, OLD)
        body = (f"<Delete><Object><Key>right</Key><ETag>{OLD_ETAG}</ETag></Object><Object><Key>wrong</Key><ETag>0</ETag></Object>"
                "<Object><Key>any</Key><ETag>*</ETag></Object><Object><Key>absent</Key><ETag>*</ETag></Object>"
                "<Object><Key>sized</Key><Size>3</Size></Object></Delete>").encode()
        answer = self.expect(Request("POST", f"/{self.bucket}?delete", body, {"content-md5": md5_text(body)}).send(), 200, "PreconditionFailed")
        for text in [b"<Deleted><Key>right</Key></Deleted>", b"<Deleted><Key>any</Key></Deleted>",
                     b"<Error><Key>wrong</Key><Code>PreconditionFailed</Code>", b"<Error><Key>absent</Key><Code>NoSuchKey</Code>",
                     b"<Error><Key>sized</Key><Code>NotImplemented</Code>"]:
            self.assertIn(text, answer.body)
        self.assertEqual((self.get("wrong"), self.get("sized")), (OLD, OLD))

    def test_both(self):
        self.expect(Request("PUT", self.target(self.KEY), NEW, {"if-match": "*", "if-none-match": "*"}).send(), 501, "NotImplemented")

    def test_one_creates(self):
        """Of many that want to be first, one is."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for i in range(10):
                key = f"first-{i}"
                answers = list(pool.map(lambda n: Request("PUT", self.target(key), str(n).encode(), {"if-none-match": "*"}).send(), range(8)))
                statuses = [a.status for a in answers]
                self.assertEqual(sorted(statuses), [200] + [412] * 7)
                self.assertEqual(self.get(key), str(statuses.index(200)).encode())

    def test_counting(self):
        """Read, add one, write if unchanged: nobody's one is lost."""
        self.put("counter", b"0")

        def add():
            while True:
                got = self.s3.get_object(Bucket=self.bucket, Key="counter")
                value = int(got["Body"].read()) + 1
                if Request("PUT", self.target("counter"), str(value).encode(), {"if-match": got["ETag"]}).send().status == 200:
                    return
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(add) for _ in range(24)]:
                done.result()
        self.assertEqual(self.get("counter"), b"24")

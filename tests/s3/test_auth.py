"""Who gets in."""
import urllib.error
import urllib.request

from base import ApiTest, client
from wire import Request, presigned


class Auth(ApiTest):
    def test_anonymous(self):
        self.expect(Request("GET", f"/{self.bucket}", signed=False).send(), 403, "AccessDenied")
        self.expect(Request("PUT", self.target("key"), b"x", signed=False).send(), 403, "AccessDenied")
        self.nothing_there("key")

    def test_wrong_access_key(self):
        self.refused(403, "InvalidAccessKeyId", client(aws_access_key_id="AKIANOBODY").list_buckets)

    def test_wrong_secret(self):
        self.refused(403, "SignatureDoesNotMatch", client(aws_secret_access_key="guess").list_buckets)

    def test_wrong_region(self):
        answer = self.expect(Request("GET", "/", region="eu-west-3").send(), 400, "AuthorizationHeaderMalformed")
        self.assertEqual(answer.element("Region"), "us-east-1")

    def test_skew(self):
        self.expect(Request("GET", "/", time_offset_s=-16 * 60).send(), 403, "RequestTimeTooSkewed")
        self.expect(Request("GET", "/", time_offset_s=16 * 60).send(), 403, "RequestTimeTooSkewed")
        self.expect(Request("GET", "/", time_offset_s=-14 * 60).send(), 200)

    def test_missing_content_sha256(self):
        self.expect(Request("GET", "/", headers={"x-amz-content-sha256": None}).send(), 400, "InvalidRequest")

    def test_header_not_signed(self):
        self.expect(Request("PUT", self.target("key"), b"x", unsigned_headers={"x-amz-meta-a": "b"}).send(), 403, "AccessDenied")
        self.nothing_there("key")

    def test_signature_version_2(self):
        answer = Request("GET", "/", signed=False, headers={"authorization": "AWS AKIAEXAMPLE:c2ln", "date": "x"}).send()
        self.expect(answer, 400, "InvalidRequest")

    def test_query_order_and_bare_names(self):
        self.expect(Request("GET", f"/{self.bucket}?prefix=a&location").send(), 200)
        self.expect(Request("GET", f"/{self.bucket}?location=&a=%20%2B").send(), 200)

    def test_tampered_query(self):
        request = Request("GET", f"/{self.bucket}?prefix=a")
        request.target = f"/{self.bucket}?prefix=b"
        self.expect(request.send(), 403, "SignatureDoesNotMatch")


class Presigned(ApiTest):
    @staticmethod
    def fetch(url, method="GET", data=None, headers=None):
        request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as e:
            return e.code, e.read(), e.headers

    def url(self, operation, key, expires=60, **more):
        s3 = client(config={"signature_version": "s3v4"})
        return s3.generate_presigned_url(operation, Params={"Bucket": self.bucket, "Key": key, **more}, ExpiresIn=expires)

    def test_get_and_head(self):
        self.put("a b/é", b"presigned")
        self.assertEqual(self.fetch(self.url("get_object", "a b/é"))[:2], (200, b"presigned"))
        self.assertEqual(self.fetch(self.url("head_object", "a b/é"), "HEAD")[0], 200)
        status, _, headers = self.fetch(self.url("get_object", "a b/é", ResponseContentType="text/x"))
        self.assertEqual((status, headers["Content-Type"]), (200, "text/x"))

    def test_put(self):
        url = self.url("put_object", "put")
        status, body, _ = self.fetch(url, "PUT", b"by url", {"Content-Type": "application/dicom"})
        self.assertEqual((status, body), (200, b""))
        self.assertEqual(self.get("put"), b"by url")

    def test_method_is_signed(self):
        self.put("kept", b"x")
        status, body, _ = self.fetch(self.url("get_object", "kept"), "DELETE")
        self.assertEqual(status, 403)
        self.assertIn(b"<Code>SignatureDoesNotMatch</Code>", body)
        self.assertEqual(self.get("kept"), b"x")

    def test_times(self):
        self.put("timed", b"x")
        for offset_s, expires_s, status, message in [(0, 60, 200, None), (-50, 60, 200, None), (-70, 60, 403, "Request has expired"),
                                                     (-3600, 7200, 200, None), (1200, 60, 403, "Request is not valid yet")]:
            answer = Request("GET", presigned("GET", self.target("timed"), offset_s, expires_s), signed=False).send()
            self.assertEqual((answer.status, answer.element("Message")), (status, message))
        answer = Request("GET", presigned("GET", self.target("timed"), 0, 604801), signed=False).send()
        self.expect(answer, 400, "AuthorizationQueryParametersError")

    def test_version_2_url(self):
        answer = Request("GET", self.target("key", "AWSAccessKeyId=AKID&Signature=c2ln&Expires=9999999999"), signed=False).send()
        self.expect(answer, 400, "InvalidRequest")

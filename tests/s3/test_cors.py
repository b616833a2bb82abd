"""What browsers are told: rules, preflight, headers of answers and errors."""
from base import ApiTest
from wire import Request

RULES = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*suffix"]}, {"AllowedMethods": ["GET"], "AllowedOrigins": ["start*end"]},
         {"AllowedMethods": ["GET"], "AllowedOrigins": ["prefix*"]},
         {"ID": "writers", "AllowedMethods": ["PUT", "POST"], "AllowedOrigins": ["https://*.example.org"], "AllowedHeaders": ["x-amz-*", "Content-Type"],
          "ExposeHeaders": ["ETag", "x-amz-version-id"], "MaxAgeSeconds": 3000},
         {"AllowedMethods": ["DELETE"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}]
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


class Cors(ApiTest):
    def setUp(self):
        self.s3.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": RULES})

    def told(self, method, origin, asked=None, headers=None, signed=True, target="key"):
        """Status, allowed origin, methods, headers."""
        more = {"origin": origin}
        if asked:
            more["access-control-request-method"] = asked
        if headers:
            more["access-control-request-headers"] = headers
        answer = Request(method, self.target(target), None, more, signed=signed).send()
        allowed = [answer.headers.get(f"access-control-allow-{n}") for n in ("origin", "methods", "headers")]
        self.assertEqual(answer.headers.get("vary"), VARY if allowed[0] else None)
        self.assertEqual(answer.headers.get("access-control-allow-credentials"), "true" if allowed[0] not in (None, "*") else None)
        return [answer.status, *allowed]

    def test_life(self):
        self.assertEqual(self.s3.get_bucket_cors(Bucket=self.bucket)["CORSRules"], RULES)
        self.assertEqual(self.s3.delete_bucket_cors(Bucket=self.bucket)["ResponseMetadata"]["HTTPStatusCode"], 204)
        self.refused(404, "NoSuchCORSConfiguration", self.s3.get_bucket_cors, Bucket=self.bucket)
        self.assertEqual(self.told("GET", "foo.suffix"), [404, None, None, None])

    def test_origins(self):
        self.put("there", b"x")
        for origin, fits in (("foo.suffix", True), ("foo.bar", False), ("foo.suffix.get", False), ("startend", True), ("start1end", True),
                             ("start12end", True), ("0start12end", False), ("prefix", True), ("prefix.suffix", True), ("bla.prefix", False),
                             ("PREFIX", False)):
            self.assertEqual(self.told("GET", origin, target="there"), [200, origin, "GET", None] if fits else [200, None, None, None])
        self.assertEqual(self.told("GET", "prefix"), [404, "prefix", "GET", None])
        self.assertEqual(self.told("GET", "prefix", signed=False), [403, "prefix", "GET", None])
        self.assertEqual(self.told("PUT", "prefix", signed=False), [403, None, None, None])
        self.assertEqual(self.told("DELETE", "anybody"), [204, "*", "DELETE", None])
        self.assertEqual(self.told("DELETE", "prefix", asked="GET"), [204, "prefix", "GET", None])

    def test_preflight(self):
        def preflight(*arguments):
            return self.told("OPTIONS", *arguments, signed=False)
        self.assertEqual(preflight("foo.suffix", "GET"), [200, "foo.suffix", "GET", None])
        self.assertEqual(preflight("foo.suffix", "PUT"), [403, None, None, None])
        self.assertEqual(preflight("foo.suffix", "GET", "x-amz-date"), [403, None, None, None])
        self.assertEqual(preflight("https://a.example.org", "PUT", "X-Amz-Date, content-type"),
                         [200, "https://a.example.org", "PUT, POST", "X-Amz-Date, content-type"])
        self.assertEqual(preflight("https://a.example.org", "PUT", "authorization"), [403, None, None, None])
        self.assertEqual(preflight("https://example.org", "PUT"), [403, None, None, None])
        self.assertEqual(preflight("https://example.org", "DELETE", "a,b"), [200, "*", "DELETE", "a,b"])
        self.assertEqual(preflight("foo.suffix", "PATCH")[0], 400)
        self.assertEqual(preflight("foo.suffix")[0], 400)
        self.expect(Request("OPTIONS", self.target("key"), signed=False, headers={"access-control-request-method": "GET"}).send(), 400, "BadRequest")
        answer = Request("OPTIONS", self.target("key"), signed=False,
                         headers={"origin": "https://a.example.org", "access-control-request-method": "POST"}).send()
        self.assertEqual((answer.headers["access-control-max-age"], answer.headers["access-control-expose-headers"]), ("3000", "ETag, x-amz-version-id"))
        for bucket in ("t-nobody-has-it", ""):
            self.expect(Request("OPTIONS", f"/{bucket}", signed=False, headers={"origin": "foo.suffix", "access-control-request-method": "GET"}).send(),
                        403, "AccessForbidden")

    def test_refused(self):
        good = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
        for code, change in (("InvalidRequest", {"AllowedMethods": ["PATCH"]}), ("InvalidRequest", {"AllowedMethods": ["get"]}),
                             ("InvalidRequest", {"AllowedOrigins": ["a*b*"]}), ("InvalidRequest", {"AllowedHeaders": ["**"]}),
                             ("InvalidRequest", {"ExposeHeaders": ["x-*"]}), ("MalformedXML", {"AllowedOrigins": []}),
                             ("MalformedXML", {"AllowedMethods": []}), ("MalformedXML", {"ExposeHeaders": ["a\nb"]})):
            self.refused(400, code, self.s3.put_bucket_cors, Bucket=self.bucket, CORSConfiguration={"CORSRules": [{**good, **change}]})
        self.refused(400, "MalformedXML", self.s3.put_bucket_cors, Bucket=self.bucket, CORSConfiguration={"CORSRules": [good] * 101})
        self.assertEqual(self.s3.get_bucket_cors(Bucket=self.bucket)["CORSRules"], RULES)

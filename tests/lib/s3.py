"""A small S3 client of our own: SigV4 by hand over http.client, so that tests can send what SDKs refuse to, and many requests cheaply."""
import datetime
import hashlib
import hmac
import http.client
import socket
import urllib.parse
import xml.etree.ElementTree as ElementTree

UNSIGNED = "UNSIGNED-PAYLOAD"
REGION = "us-east-1"
TIMEOUT_S = 60


def quote(text, safe="-._~/"):
    return urllib.parse.quote(text, safe=safe)


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """AWS Signature Version 4 in the Authorization header (AWS: Create a signed AWS API request)."""

    def __init__(self, access_key, secret_key, region=REGION):
        self.access_key, self.secret_key, self.region = access_key, secret_key, region

    def key(self, day):
        key = hmac_sha256(("AWS4" + self.secret_key).encode(), day)
        for part in (self.region, "s3", "aws4_request"):
            key = hmac_sha256(key, part)
        return key

    def headers(self, method, path, query, headers, payload_hash, now=None):
        """headers plus date, content hash and Authorization; path is not encoded, query a list of pairs; all headers are signed."""
        now = now or datetime.datetime.now(datetime.timezone.utc)
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        signed = {name.lower(): value.strip() for name, value in headers.items()}
        signed["x-amz-date"] = stamp
        signed["x-amz-content-sha256"] = payload_hash
        names = ";".join(sorted(signed))
        canonical = "\n".join([
            method, quote(path), canonical_query(query),
            "".join(f"{name}:{signed[name]}\n" for name in sorted(signed)), names, payload_hash])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signature = hmac.new(self.key(stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, "
                                   f"Signature={signature}")
        return signed


def canonical_query(query):
    return "&".join(f"{quote(n, '-._~')}={quote(v, '-._~')}" for n, v in sorted(query))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        """S3's error code, or ''."""
        return self.text("Code")

    def text(self, name):
        """The first element with that local name, or ''."""
        try:
            for element in ElementTree.fromstring(self.body).iter():
                if element.tag.rsplit("}", 1)[-1] == name:
                    return element.text or ""
        except ElementTree.ParseError:
            pass
        return ""

    def __repr__(self):
        return f"{self.status} {self.code}"


class S3:
    """One kept-alive connection to the appliance. OSError and http.client.HTTPException when it breaks."""

    def __init__(self, appliance):
        self.port = appliance.port
        self.ssl_context = appliance.ssl_context
        self.signer = Signer(*appliance.credentials())
        self.connection = None

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def request(self, method, path, query=(), headers=None, body=b"", payload_hash=None):
        """path is not encoded: "/bucket/key". Signs, sends, reads the whole answer."""
        if payload_hash is None:
            payload_hash = hashlib.sha256(body).hexdigest()
        signed = self.signer.headers(method, path, query, {"host": self.host, **(headers or {})}, payload_hash)
        return self.send(method, path, query, signed, body)

    def send(self, method, path, query, headers, body):
        if self.connection is None:
            if self.ssl_context:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=TIMEOUT_S, context=self.ssl_context)
            else:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        target = quote(path) + ("?" + canonical_query(query) if query else "")
        try:
            self.connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.connection.putheader(name, value)
            self.connection.endheaders(body)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    # ---- verbs, each with the status it has to give ----

    def create_bucket(self, bucket):
        return expect(200, self.request("PUT", f"/{bucket}"))

    def put(self, bucket, key, data, headers=None):
        return expect(200, self.request("PUT", f"/{bucket}/{key}", headers=headers, body=data))

    def get(self, bucket, key):
        return expect(200, self.request("GET", f"/{bucket}/{key}")).body

    def delete(self, bucket, key):
        return expect(204, self.request("DELETE", f"/{bucket}/{key}"))

    def list(self, bucket, prefix=""):
        """Every object: {key: (size, etag without quotes)}, page by page."""
        found, token = {}, ""
        while True:
            query = [("list-type", "2"), ("prefix", prefix)] + ([("continuation-token", token)] if token else [])
            page = ElementTree.fromstring(expect(200, self.request("GET", f"/{bucket}", query=query)).body)
            space = page.tag[:page.tag.index("}") + 1] if page.tag.startswith("{") else ""
            for entry in page.iter(f"{space}Contents"):
                found[entry.findtext(f"{space}Key")] = (int(entry.findtext(f"{space}Size")),
                                                        entry.findtext(f"{space}ETag").strip('"'))
            token = page.findtext(f"{space}NextContinuationToken") or ""
            if page.findtext(f"{space}IsTruncated") != "true":
                return found


def expect(status, answer):
    assert answer.status == status, f"status {answer.status} {answer.code}, expected {status}: {answer.body[:400]!r}"
    return answer

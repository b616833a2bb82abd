"""HTTP and SigV4 by hand: requests are bytes that the test chose, answers are what came back.

    answer = Request("PUT", "/bucket/key", body=b"hello").send()
    answer.status, answer.code, answer.headers["etag"], answer.body
"""
import base64
import datetime
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import unittest
import urllib.parse
import zlib

ENDPOINT = os.environ.get("DOLMEN_ENDPOINT", "")
ACCESS_KEY = os.environ.get("DOLMEN_ACCESS_KEY", "")
SECRET_KEY = os.environ.get("DOLMEN_SECRET_KEY", "")
REGION = os.environ.get("DOLMEN_REGION", "us-east-1")
TIMEOUT_S = 30
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

if not (ENDPOINT and ACCESS_KEY and SECRET_KEY):
    raise unittest.SkipTest("set DOLMEN_ENDPOINT, DOLMEN_ACCESS_KEY and DOLMEN_SECRET_KEY")

_url = urllib.parse.urlsplit(ENDPOINT)
HOST = _url.hostname
PORT = _url.port or (443 if _url.scheme == "https" else 80)
# Over https, SSL_CERT_FILE may name the CA.
SSL_CONTEXT = ssl.create_default_context() if _url.scheme == "https" else None


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def crc32_text(data):
    return base64.b64encode(struct.pack(">I", zlib.crc32(data))).decode()


def md5_text(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def aws_chunked(data, trailers=(), size=65536):
    """Unsigned aws-chunked body with trailer lines."""
    out = b""
    for at in range(0, len(data), size):
        piece = data[at:at + size]
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n" + b"".join(b"%s:%s\r\n" % (n.encode(), v.encode()) for n, v in trailers) + b"\r\n"


def http_chunked(data, size=4096):
    out = b""
    for at in range(0, len(data), size):
        piece = data[at:at + size]
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n\r\n"


def presigned(method, target, time_offset_s=0, expires_s=60, more=None):
    """The target with a signature in its query, made at another time if so wished; `more` goes into the query, and is signed."""
    date = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=time_offset_s)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    query = {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{ACCESS_KEY}/{scope}", "X-Amz-Date": date,
             "X-Amz-Expires": str(expires_s), "X-Amz-SignedHeaders": "host", **(more or {})}
    text = "&".join(f"{n}={urllib.parse.quote(v, safe='')}" for n, v in sorted(query.items()))
    canonical = f"{method}\n{target}\n{text}\nhost:{HOST}:{PORT}\n\nhost\nUNSIGNED-PAYLOAD"
    key = ("AWS4" + SECRET_KEY).encode()
    for part in scope.split("/"):
        key = hmac256(key, part)
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return f"{target}?{text}&X-Amz-Signature={hmac256(key, to_sign).hex()}"


class Answer:
    def __init__(self, status, headers, body, raw_head):
        self.status = status
        self.headers = headers  # lower-case names
        self.body = body
        self.raw_head = raw_head

    def element(self, name):
        """Text of the first such element, None when there is none."""
        m = re.search(rf"<{name}(?: [^>]*)?>(.*?)</{name}>".encode(), self.body, re.S)
        return m.group(1).decode() if m else None

    @property
    def code(self):
        return self.element("Code")


class Connection:
    """One TCP connection; answers are read by their Content-Length."""

    def __init__(self):
        self.sock = socket.create_connection((HOST, PORT), TIMEOUT_S)
        if SSL_CONTEXT:
            self.sock = SSL_CONTEXT.wrap_socket(self.sock, server_hostname=HOST)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def end_sending(self):
        """The end of the TCP stream; over TLS without a goodbye, as when a client is cut off."""
        socket.socket.shutdown(self.sock, socket.SHUT_WR)

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the server closed the connection")
        self.rest += data

    def closed(self):
        """True once the server has closed, false when it sends something instead."""
        try:
            return not self.rest and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def read_head(self):
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return int(lines[0].split(" ")[1]), headers, head

    def read_answer(self, method="GET"):
        status, headers, head = self.read_head()
        length = int(headers.get("content-length", 0))
        if method == "HEAD" or status in (204, 304) or status < 200:
            length = 0
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return Answer(status, headers, body, head)


class Request:
    def __init__(self, method, target, body=None, headers=None, payload=None, access_key=ACCESS_KEY, secret_key=SECRET_KEY,
                 region=REGION, time_offset_s=0, signed=True, unsigned_headers=None):
        """target: encoded path and query. payload: x-amz-content-sha256, None: the digest of body. unsigned_headers: added after signing."""
        self.method, self.target, self.body = method, target, body
        self.access_key, self.secret_key, self.region = access_key, secret_key, region
        self.headers = {"host": f"{HOST}:{PORT}"}
        if signed:
            now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=time_offset_s)
            self.amz_date = now.strftime("%Y%m%dT%H%M%SZ")
            self.payload = payload if payload is not None else hashlib.sha256(body or b"").hexdigest()
            self.headers["x-amz-date"] = self.amz_date
            self.headers["x-amz-content-sha256"] = self.payload
        self.headers.update({k.lower(): v for k, v in (headers or {}).items()})
        for name in [n for n, v in self.headers.items() if v is None]:
            del self.headers[name]
        self.extra = dict(unsigned_headers or {})
        self.signature = None
        if signed:
            self._sign()

    @property
    def scope(self):
        return f"{self.amz_date[:8]}/{self.region}/s3/aws4_request"

    @property
    def key(self):
        key = ("AWS4" + self.secret_key).encode()
        for part in self.scope.split("/"):
            key = hmac256(key, part)
        return key

    def _sign(self):
        path, _, query = self.target.partition("?")
        pieces = sorted(p if "=" in p else p + "=" for p in query.split("&") if p)
        names = sorted(self.headers)
        canonical = "\n".join([self.method, path, "&".join(pieces), *(f"{n}:{self.headers[n]}" for n in names), "",
                               ";".join(names), self.payload])
        to_sign = "\n".join(["AWS4-HMAC-SHA256", self.amz_date, self.scope, hashlib.sha256(canonical.encode()).hexdigest()])
        self.signature = hmac256(self.key, to_sign).hex()
        self.extra["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope}, "
                                       f"SignedHeaders={';'.join(names)}, Signature={self.signature}")

    def chunk_signature(self, previous, data):
        to_sign = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.amz_date, self.scope, previous, EMPTY_SHA256,
                             hashlib.sha256(data).hexdigest()])
        return hmac256(self.key, to_sign).hex()

    def signed_chunks(self, data, size, trailers=()):
        """The aws-chunked body whose signatures continue from this request's."""
        out, previous = b"", self.signature
        pieces = [data[at:at + size] for at in range(0, len(data), size)] + [b""]
        for piece in pieces:
            previous = self.chunk_signature(previous, piece)
            out += b"%x;chunk-signature=%s\r\n" % (len(piece), previous.encode()) + piece + (b"\r\n" if piece else b"")
        if not trailers:
            return out + b"\r\n"
        text = "".join(f"{n}:{v}\n" for n, v in trailers)
        to_sign = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.amz_date, self.scope, previous,
                             hashlib.sha256(text.encode()).hexdigest()])
        lines = "".join(f"{n}:{v}\r\n" for n, v in trailers)
        return out + f"{lines}x-amz-trailer-signature:{hmac256(self.key, to_sign).hex()}\r\n\r\n".encode()

    def head(self, content_length="auto"):
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{n}: {v}" for n, v in {**self.headers, **self.extra}.items()]
        if content_length == "auto" and self.body is not None and "transfer-encoding" not in {**self.headers, **self.extra}:
            content_length = len(self.body)
        if content_length not in ("auto", None):
            lines.append(f"content-length: {content_length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")

    def bytes(self):
        return self.head() + (self.body or b"")

    def send(self, connection=None):
        if connection is not None:
            connection.send(self.bytes())
            return connection.read_answer(self.method)
        with Connection() as fresh:
            return self.send(fresh)

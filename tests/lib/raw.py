"""Requests as bytes: what no HTTP library would send, and answers read strictly."""
import datetime
import hashlib
import hmac
import socket

from s3 import Answer, Signer, canonical_query, quote

ANSWER_TIMEOUT_S = 20


class Connection:
    """One socket to the server; read_answer() reads exactly one response, so that what follows it is seen."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.continues = 0

    def close(self):
        self.socket.close()

    def send(self, data):
        """A server may refuse and close while we send; what it said is still there to read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def end_sending(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def receive(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.pending += data
        return bool(data)

    def at_end(self):
        """True when the server has closed; False when it stays open for a moment. Unexpected bytes are an error."""
        self.socket.settimeout(1.0)
        try:
            more = self.receive()
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(ANSWER_TIMEOUT_S)
        assert not more and not self.pending, f"bytes after the answer: {self.pending[:200]!r}"
        return True

    def read_answer(self, method="GET"):
        """None when the server closes without an answer."""
        while True:
            while b"\r\n\r\n" not in self.pending:
                if not self.receive():
                    assert not self.pending, f"half an answer: {self.pending[:200]!r}"
                    return None
            head, self.pending = self.pending.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            version, status, _ = lines[0].split(" ", 2)
            assert version == "HTTP/1.1", lines[0]
            headers = {}
            for line in lines[1:]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            if status != "100":
                break
            self.continues += 1
        length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        while len(self.pending) < length:
            assert self.receive(), "the answer's body was cut off"
        body, self.pending = self.pending[:length], self.pending[length:]
        return Answer(int(status), headers, body)


class Requests:
    """Builds signed requests as bytes, whole or spoilt."""

    def __init__(self, appliance):
        self.port = appliance.port
        self.signer = Signer(*appliance.credentials())

    def head(self, method, path, query=(), headers=None, payload_hash=None, signer=None, now=None, extra=()):
        """headers are signed; extra lines are added as they are. payload_hash None: of an empty body."""
        payload_hash = payload_hash or hashlib.sha256(b"").hexdigest()
        signed = (signer or self.signer).headers(method, path, query, {"host": f"127.0.0.1:{self.port}", **(headers or {})}, payload_hash,
                                                 now)
        target = quote(path) + ("?" + canonical_query(query) if query else "")
        lines = [f"{method} {target} HTTP/1.1", *(f"{n}: {v}" for n, v in signed.items()), *extra]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def put(self, path, body, headers=None, payload_hash=None, **more):
        payload_hash = payload_hash or hashlib.sha256(body).hexdigest()
        return self.head("PUT", path, headers={"content-length": str(len(body)), **(headers or {})}, payload_hash=payload_hash, **more) + body


def http_chunks(data, piece=1000):
    """HTTP/1.1 chunked coding (RFC 9112, 7.1)."""
    out = b""
    for at in range(0, len(data), piece):
        part = data[at:at + piece]
        out += f"{len(part):x}\r\n".encode() + part + b"\r\n"
    return out + b"0\r\n\r\n"


def unsigned_aws_chunks(pieces, trailers):
    """aws-chunked without signatures, with trailer lines (AWS: STREAMING-UNSIGNED-PAYLOAD-TRAILER)."""
    out = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in pieces)
    return out + b"0\r\n" + b"".join(f"{n}:{v}\r\n".encode() for n, v in trailers) + b"\r\n"


def signed_aws_chunks(signer, head, pieces, spoil=None):
    """aws-chunked with signatures (AWS: STREAMING-AWS4-HMAC-SHA256-PAYLOAD); `spoil`: the number of the chunk whose signature is wrong."""
    text = head.decode("latin-1").lower()
    previous = text.split("signature=")[1].split("\r\n")[0]
    stamp = text.split("x-amz-date: ")[1].split("\r\n")[0].upper()
    scope = f"{stamp[:8]}/{signer.region}/s3/aws4_request"
    out = b""
    for number, piece in enumerate([*pieces, b""]):
        to_sign = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, hashlib.sha256(b"").hexdigest(),
                             hashlib.sha256(piece).hexdigest()])
        previous = hmac.new(signer.key(stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
        shown = "0" * 64 if number == spoil else previous
        out += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece + b"\r\n"
    return out


def signed_chunk_length(pieces):
    """Content-Length of signed_aws_chunks()."""
    return sum(len(f"{len(p):x}") + len(";chunk-signature=") + 64 + 2 + len(p) + 2 for p in [*pieces, b""])


def minutes_ago(minutes):
    return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)

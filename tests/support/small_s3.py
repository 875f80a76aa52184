"""A small S3 server in a thread, whose every answer a test may take over, and which lends credentials that end.

It lends them as STS, an instance's metadata service and a container's service do, on the same port.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

__all__ = ["Asked", "Reply", "SmallS3", "small_s3"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that the server had; header names are in lower case.

    Attributes:
        client: port that it came from: of one connection the same.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    client: int = 0

    @property
    def access_key_id(self) -> str:
        found = re.search(r"Credential=([^/]+)/", self.headers.get("authorization", ""))
        return found[1] if found else ""

    @property
    def region(self) -> str:
        found = re.search(r"Credential=[^/]+/\d+/([^/]+)/", self.headers.get("authorization", ""))
        return found[1] if found else ""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer, or none: the connection is reset."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_reset: bool = False

    @staticmethod
    def error(status: int, code: str, extra: str = "", **headers: str) -> Reply:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>it is so</Message>{extra}</Error>"
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return Reply(status=status, body=body.encode(), headers={"Content-Type": "application/xml", **told})


@dataclass(kw_only=True)
class SmallS3:
    """The server's state.

    Attributes:
        objects: by bucket and key, as ``bucket/key``.
        classes: of storage, of objects that are of another than the usual one.
        life_seconds: of the credentials that are lent.
        takes: access key that are taken without end.
        is_open: requests need no signature.
        lent: when each access key id ends.
        connect_status: that it answers CONNECT with, as a proxy.
        domain: that buckets may stand before in the header Host, empty for none.
        path_code: of the error of requests that name their bucket in the path, empty where they may.
        takeover: gives an answer in the place of the server's own, or None.
    """

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    life_seconds: float = 3600
    takes: set[str] = field(default_factory=set)
    is_open: bool = False
    lent: dict[str, float] = field(default_factory=dict)
    num_lent_refused: int = 0
    requests: list[Asked] = field(default_factory=list)
    lending: list[Asked] = field(default_factory=list)
    page_objects: int = 1000
    takeover: Callable[[Asked], Reply | None] = lambda asked: None
    lends: bool = True
    connect_status: int = 501
    domain: str = ""
    path_code: str = ""
    num_connects: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Reply:
        if (reply := self._lend(asked)) is not None:
            self.lending.append(asked)
            return reply
        with self.lock:
            self.requests.append(asked)
        return self.takeover(asked) or self._check(asked) or self._serve_in_host(asked)

    def lend(self) -> dict[str, str]:
        """Make credentials, as a service gives them."""
        with self.lock:
            number = len(self.lent) + 1
            self.lent[f"LENT{number:04}"] = time.time() + self.life_seconds
        ends = datetime.fromtimestamp(time.time() + self.life_seconds, UTC)
        return {
            "AccessKeyId": f"LENT{number:04}",
            "SecretAccessKey": f"secret{number}",
            "Token": f"token-of-LENT{number:04}",
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _lend(self, asked: Asked) -> Reply | None:
        form = dict(parse_qsl(asked.body.decode(errors="replace"))) if asked.method == "POST" else {}
        action = form.get("Action", "")
        is_mine = action.startswith("AssumeRole") or asked.path.startswith(("/latest/", "/container", "/federation/"))
        if not is_mine:
            return None
        if not self.lends:
            return Reply.error(403, "AccessDenied") if action else Reply(status=500)
        if asked.path == "/latest/api/token":
            return Reply(body=b"metadata-token", headers={"X-aws-ec2-metadata-token-ttl-seconds": "21600"})
        if asked.path == "/latest/meta-data/iam/security-credentials/":
            return Reply(body=b"role")
        keys = self.lend()
        if action:
            named = {"Token": "SessionToken"}
            inner = "".join(
                f"<{named.get(name, name)}>{value}</{named.get(name, name)}>" for name, value in keys.items()
            )
            body = (
                f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
                f"{inner}</Credentials></{action}Result></{action}Response>"
            )
            return Reply(body=body.encode(), headers={"Content-Type": "text/xml"})
        if asked.path == "/federation/credentials":
            ends = datetime.fromisoformat(keys["Expiration"]).timestamp() * 1000
            role = {
                "accessKeyId": keys["AccessKeyId"],
                "secretAccessKey": keys["SecretAccessKey"],
                "sessionToken": keys["Token"],
                "expiration": int(ends),
            }
            return Reply(
                body=json.dumps({"roleCredentials": role}).encode(), headers={"Content-Type": "application/json"}
            )
        return Reply(body=json.dumps({"Code": "Success", "Type": "AWS-HMAC", **keys}).encode())

    def _check(self, asked: Asked) -> Reply | None:
        if self.is_open:
            return None
        name = asked.access_key_id
        if name in self.takes:
            return None
        if name not in self.lent or asked.headers.get("x-amz-security-token") != f"token-of-{name}":
            return Reply.error(403, "InvalidAccessKeyId" if name else "AccessDenied")
        if time.time() > self.lent[name]:
            self.num_lent_refused += 1
            return Reply.error(400, "ExpiredToken")
        return None

    def _serve_in_host(self, asked: Asked) -> Reply:
        host = asked.headers.get("host", "").partition(":")[0]
        bucket = host.removesuffix(f".{self.domain}") if self.domain and host.endswith(f".{self.domain}") else ""
        if bucket:
            return self._serve(replace(asked, path=f"/{bucket}{asked.path}"))
        return Reply.error(403, self.path_code) if self.path_code else self._serve(asked)

    def _serve(self, asked: Asked) -> Reply:
        name = unquote(asked.path).lstrip("/")
        bucket, _, key = name.partition("/")
        if not key and asked.method == "GET" and asked.query:
            return self.page(asked, bucket)
        if asked.method == "PUT":
            self.objects[name] = asked.body
            return Reply(headers={"ETag": _etag(asked.body)})
        if asked.method == "DELETE":
            self.objects.pop(name, None)
            return Reply(status=204)
        data = self.objects.get(name)
        if data is None:
            return Reply.error(404, "NoSuchKey")
        etag = _etag(data)
        if asked.headers.get("if-match", etag) != etag:
            return Reply.error(412, "PreconditionFailed")
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
        if not span:
            return Reply(body=data, headers={"ETag": etag})
        first, end = int(span[1]), min(int(span[2]) + 1, len(data))
        told = {"ETag": etag, "Content-Range": f"bytes {first}-{end - 1}/{len(data)}"}
        return Reply(status=206, body=data[first:end], headers=told)

    def page(self, asked: Asked, bucket: str) -> Reply:
        """Return a page of a listing."""
        prefix, after = asked.query.get("prefix", ""), asked.query.get("continuation-token", "")
        names = sorted(name.partition("/")[2] for name in self.objects if name.startswith(f"{bucket}/"))
        left = [key for key in names if key.startswith(prefix) and key > after]
        shown = left[: self.page_objects]
        more = len(left) > len(shown)
        token = f"<NextContinuationToken>{quote(shown[-1])}</NextContinuationToken>" if more else ""
        entries = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(data)}</Size><ETag>{_etag(data)}</ETag>"
            "<LastModified>2026-01-02T03:04:05.000Z</LastModified>"
            f"<StorageClass>{self.classes.get(f'{bucket}/{key}', 'STANDARD')}</StorageClass></Contents>"
            for key, data in ((key, self.objects[f"{bucket}/{key}"]) for key in shown)
        )
        body = (
            f"<ListBucketResult><Name>{bucket}</Name><EncodingType>url</EncodingType>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
        )
        return Reply(body=body.encode(), headers={"Content-Type": "application/xml"})


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


@contextlib.contextmanager
def small_s3(*, certificate: Path | None = None, **options: object) -> Iterator[SmallS3]:
    """Serve until left; by TLS as localhost where a certificate with its key is given."""
    state = SmallS3(**options)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            if self.headers.get("Expect") and length:
                self.send_response_only(100)
                self.end_headers()
            parts = urlsplit(self.path)
            asked = Asked(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(length),
                client=self.client_address[1],
            )
            reply = state.answer(asked)
            if reply.is_reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        def do_CONNECT(self) -> None:
            state.num_connects += 1
            self.send_response(state.connect_status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = True

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def handle_expect_100(self) -> bool:
            return True

    class Server(ThreadingHTTPServer):
        request_queue_size = 512
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Leave unsaid that a client went away, as with requests that are made once more elsewhere."""

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        state.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="penstock-small-s3-0")
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

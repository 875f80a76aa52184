"""A server between a client and an S3 server, that keeps one object back for as long as it is told to."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Gate:
    """What becomes of requests for the objects whose key ends in ``held``: they wait, and then may be denied."""

    held: str
    url: str = ""
    denies: bool = False
    is_open: threading.Event = field(default_factory=threading.Event)
    waited: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def gate_before(server_url: str, held: str) -> Iterator[Gate]:
    """Serve; give the gate, which is closed."""
    place = urlsplit(server_url)
    gate = Gate(held=held)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if urlsplit(self.path).path.endswith(gate.held):
                gate.waited.set()
                gate.is_open.wait()
                if gate.denies:
                    self._send(403, b"<Error><Code>AccessDenied</Code></Error>", {})
                    return
            upstream = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
            with contextlib.closing(upstream):
                upstream.request("GET", self.path, headers=dict(self.headers.items()))
                answer = upstream.getresponse()
                kept = {k: v for k, v in answer.getheaders() if k.lower() not in ("connection", "content-length")}
                self._send(answer.status, answer.read(), kept)

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may be a process that was killed
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 1024  # connections that find no room, of hundreds at once, wait half a minute

    with Server(("127.0.0.1", 0), Handler) as server:
        gate.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield gate
        finally:
            gate.is_open.set()
            server.shutdown()

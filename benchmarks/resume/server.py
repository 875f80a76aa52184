"""A web server of one folder in a thread, that tells which bytes of which file were sent."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["Served", "serving"]

_PIECE_BYTES = 1 << 20


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are gone."""


class Served:
    """A server's address, and what it sent: begin and end in the file."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[tuple[int, int]] = []
        self.lock = threading.Lock()

    def sent_bytes(self, before: int | None = None) -> int:
        """Return how many bytes were sent, those sent twice counted twice; all, or those before a place alone."""
        with self.lock:
            return sum(max(0, (end if before is None else min(end, before)) - begin) for begin, end in self.sent)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve the files of a folder until left."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = folder / self.path.lstrip("/")
            if not path.is_file():
                self.send_error(404)
                return
            size = path.stat().st_size
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            begin = int(asked[1]) if asked else 0
            end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(end - begin))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{size}-{path.stat().st_mtime_ns}"')
            if asked:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
            self.end_headers()
            if body:
                self._send(path, begin, end)

        def _send(self, path: Path, begin: int, end: int) -> None:
            at = begin
            with path.open("rb") as file, contextlib.suppress(OSError):
                file.seek(begin)
                while at < end:
                    piece = file.read(min(_PIECE_BYTES, end - at))
                    at += len(piece)  # what is sent at last, and not taken any more, is counted too
                    self.wfile.write(piece)
            with served.lock:
                served.sent.append((begin, at))

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="bench-server-0", daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

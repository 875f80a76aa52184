"""A server that gives the answers it is told to, byte for byte, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Answering", "answer", "error", "part", "serve"]


@dataclass(kw_only=True)
class Answering:
    """A server's port, what it answers, and the heads of the requests it had."""

    url: str
    answers: list[bytes]
    requests: list[str] = field(default_factory=list)

    def header(self, name: str) -> list[str | None]:
        """Return a header's value in each request."""
        found = []
        for request in self.requests:
            lines = (line.partition(":") for line in request.split("\r\n")[1:])
            found.append(next((value.strip() for key, _, value in lines if key.lower() == name), None))
        return found


def answer(status: str, body: bytes = b"", *, length_bytes: int | None = None, **headers: str | None) -> bytes:
    """Return an HTTP answer; ``length_bytes`` is what it promises, where that is not what it sends."""
    told: dict[str, str | None] = {
        "Content-Length": str(len(body) if length_bytes is None else length_bytes),
        "Connection": "close",
        "ETag": '"e"',
        "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def part(data: bytes, first: int, end: int, *, sent_bytes: int | None = None, etag: str = '"e"') -> bytes:
    """Return the answer to a range request, its body cut off after ``sent_bytes``."""
    content_range = f"bytes {first}-{end - 1}/{len(data)}"
    body = data[first:end][:sent_bytes]
    return answer("206 Partial Content", body, length_bytes=end - first, Content_Range=content_range, ETag=etag)


def error(status: str, code: str = "", **headers: str) -> bytes:
    """Return an error as S3 does."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>" if code else ""
    return answer(status, body.encode(), **headers)


@contextlib.contextmanager
def serve(answers: Sequence[bytes]) -> Iterator[Answering]:
    """Serve answers in order, the last one again and again; an empty one closes the connection unanswered."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Answering(url=f"http://127.0.0.1:{listener.getsockname()[1]}", answers=list(answers))
    thread = threading.Thread(target=_run, args=(listener, server), name="penstock-answering-0")
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _run(listener: socket.socket, server: Answering) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:  # it was shut down
            return
        with connection:
            if head := _head(connection):
                server.requests.append(head)
                connection.sendall(server.answers.pop(0) if len(server.answers) > 1 else server.answers[0])
                connection.shutdown(socket.SHUT_WR)


def _head(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return ""
        data += received
    return data.decode()

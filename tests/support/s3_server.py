"""A small S3 of one's own, with a log: what is counted is compared with what went over the wire.

The server keeps objects in memory and knows GET (ranges, If-Match), ListObjectsV2, PUT and DELETE. The proxy passes
whole connections on and writes down each request whose head it has read, as ``(kind, path)``; it may be told to answer
requests itself, to cut answers off, or to reset connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

MAX_KEYS = 100


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request: its number among all, its kind as S3 bills it, key and head."""

    number: int
    kind: str
    key: str
    head: str
    body: bytes = b""

    def header(self, name: str) -> str:
        found = re.search(rf"\r\n{name}: ([^\r]*)", self.head, re.I)
        return found[1] if found else ""


@dataclass(kw_only=True)
class OwnS3:
    """A server of one bucket."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)

    def answer(self, asked: Asked) -> bytes:
        if asked.kind == "LIST":
            return self._list(asked)
        if asked.kind == "PUT":
            self.objects[asked.key] = asked.body
            return _answer("200 OK", b"", ETag=_etag(asked.body))
        if asked.kind == "DELETE":
            self.objects.pop(asked.key, None)
            return _answer("204 No Content", b"")
        data = self.objects.get(asked.key)
        if data is None:
            return _error("404 Not Found", "NoSuchKey")
        if asked.header("If-Match") not in ("", _etag(data)):
            return _error("412 Precondition Failed", "PreconditionFailed")
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.header("Range"))
        if span is None:
            return _answer("200 OK", data, ETag=_etag(data))
        first, end = int(span[1]), min(int(span[2]) + 1, len(data))
        if first >= len(data):
            return _error("416 Range Not Satisfiable", "InvalidRange")
        told = {"Content-Range": f"bytes {first}-{end - 1}/{len(data)}", "ETag": _etag(data)}
        return _answer("206 Partial Content", data[first:end], **told)

    def _list(self, asked: Asked) -> bytes:
        query = parse_qs(urlsplit(asked.head.split(" ")[1]).query, keep_blank_values=True)
        prefix, after = query["prefix"][0], query.get("continuation-token", [""])[0]
        keys = [key for key in sorted(self.objects) if key.startswith(prefix) and key > after]
        page, more = keys[:MAX_KEYS], len(keys) > MAX_KEYS
        items = "".join(
            f"<Contents><Key>{quote(key)}</Key><Size>{len(self.objects[key])}</Size>"
            f"<ETag>{escape(_etag(self.objects[key]))}</ETag></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        told = f"<IsTruncated>{str(more).lower()}</IsTruncated><EncodingType>url</EncodingType>{token}"
        return _answer("200 OK", f"<ListBucketResult>{told}{items}</ListBucketResult>".encode())


@dataclass(kw_only=True)
class Wire:
    """What went through the proxy.

    Attributes:
        asked: requests whose head was read, in their order.
        statuses: of the answers that were sent, by kind and class; none for those that got none.
        body_bytes: of answers' bodies that were sent.
        meddle: is asked first what becomes of a request: an answer of its own, ``"cut"``, ``"reset"`` or None.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    statuses: Counter[tuple[str, str]] = field(default_factory=Counter)
    body_bytes: int = 0
    meddle: Callable[[Asked], Any] = lambda asked: None

    def counts(self) -> dict[str, int]:
        """Requests by kind."""
        return dict(sorted(Counter(asked.kind for asked in self.asked).items()))


def _answer(status: str, body: bytes, **headers: str) -> bytes:
    told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{told}\r\n".encode() + body


def _error(status: str, code: str) -> bytes:
    return _answer(status, f"<Error><Code>{code}</Code></Error>".encode())


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


@contextlib.contextmanager
def own_s3(objects: dict[str, bytes] | None = None) -> Iterator[tuple[OwnS3, Wire]]:
    """Serve a bucket ``bucket`` through a wire that is looked at."""
    server, wire = OwnS3(objects=dict(objects or {})), Wire()
    loop = asyncio.new_event_loop()
    begun = threading.Event()
    stop: list[asyncio.Event] = []

    async def run() -> None:
        stop.append(asyncio.Event())
        listener = await asyncio.start_server(
            lambda r, w: _talk(server, wire, r, w), "127.0.0.1", 0, limit=1 << 26, backlog=1024
        )
        wire.url = server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        begun.set()
        await stop[0].wait()
        listener.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="test-own-s3-0")
    thread.start()
    begun.wait()
    try:
        yield server, wire
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join()
        loop.close()


async def _talk(server: OwnS3, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target = head.split(" ")[:2]
            path, query = urlsplit(target).path, urlsplit(target).query
            key = unquote(path).removeprefix("/bucket").removeprefix("/")
            kind = "LIST" if method == "GET" and "list-type" in query else method
            asked = Asked(number=len(wire.asked), kind=kind, key=key, head=head)
            wire.asked.append(asked)  # before its body: what was sent is counted by its head
            length = int(asked.header("Content-Length") or 0)
            if asked.header("Expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            asked = Asked(number=asked.number, kind=kind, key=key, head=head, body=await reader.readexactly(length))
            found = wire.meddle(asked)
            if isinstance(found, Awaitable):
                found = await found
            answer = found if isinstance(found, bytes) else server.answer(asked)
            if found == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            head_bytes = answer.index(b"\r\n\r\n") + 4
            if found == "cut":
                answer = answer[: head_bytes + max(1, (len(answer) - head_bytes) // 2)]
            wire.statuses[kind, answer[9:10].decode() + "xx"] += 1
            wire.body_bytes += len(answer) - head_bytes
            writer.write(answer)
            await writer.drain()
            if found == "cut":
                writer.close()
                return
    writer.close()

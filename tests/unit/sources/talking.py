"""A server in the test's own event loop that keeps connections open and is told what to do for each request."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

__all__ = ["Request", "Talk", "Talking", "ranged", "reset", "talking", "whole"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request: its number, that of its connection, and its head."""

    number: int
    connection: int
    head: str

    @property
    def range(self) -> tuple[int, int]:
        """First byte and the one after the last."""
        found = re.search(r"\r\nRange: bytes=(\d+)-(\d+)\r\n", self.head + "\r\n", re.I)
        assert found
        return int(found[1]), int(found[2]) + 1


Talk = Callable[[Request, asyncio.StreamWriter], Awaitable[bool]]
"""Answers a request, and tells whether the connection stays open."""


@dataclass(kw_only=True)
class Talking:
    url: str
    requests: list[Request] = field(default_factory=list)
    num_connections: int = 0
    num_open: int = 0


def ranged(data: bytes, request: Request, *, etag: str = '"e"', extra: str = "") -> bytes:
    """Return the right answer to a request for a range, or for all, with the connection kept open."""
    if "\r\nrange: " not in request.head.lower():
        return whole(data, etag=etag, extra=extra)
    first, end = request.range
    body = data[first:end]
    return (
        f"HTTP/1.1 206 Partial Content\r\nETag: {etag}\r\nContent-Length: {len(body)}\r\n"
        f"Content-Range: bytes {first}-{end - 1}/{len(data)}\r\n{extra}\r\n"
    ).encode() + body


def whole(data: bytes, *, etag: str = '"e"', extra: str = "") -> bytes:
    """Return the right answer to a request for a whole object, with the connection kept open."""
    return f"HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {len(data)}\r\n{extra}\r\n".encode() + data


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.asynccontextmanager
async def talking(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talking]:
    """Serve until left."""
    state = Talking(url="")
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        number = state.num_connections
        state.num_connections += 1
        state.num_open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                state.requests.append(Request(number=len(state.requests), connection=number, head=head))
                if not await talk(state.requests[-1], writer):
                    return
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            state.num_open -= 1
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    state.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

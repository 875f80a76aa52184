"""An S3-like server of random objects that fails in every way that a real one does, by a seeded chance.

GET with Range and If-Match, path-style, unsigned. An object's bytes are a function of its number, so that any
process can check any sample.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

FAULTS = ("503", "slow-down", "cut-body", "short-body", "stalled-body", "reset", "wrong-length", "slow-first-byte")
STALL_SECONDS = 4.0


def object_bytes(number: int, size_bytes: int) -> bytes:
    """Give an object's bytes."""
    return np.random.default_rng(number).bytes(size_bytes)


def object_etag(number: int, size_bytes: int) -> str:
    """Give an object's ETag."""
    return f'"{hashlib.md5(f"{number}/{size_bytes}".encode()).hexdigest()}"'


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served: ``num_objects`` objects of ``object_bytes`` bytes; a request fails by chance ``faults``."""

    num_objects: int
    object_bytes: int
    faults: float
    seed: int


class ChaosServer:
    """The server's state: its chance, and what it counted."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._random = random.Random(served.seed)
        self._objects: dict[int, bytes] = {}
        self.counts: Counter[str] = Counter()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._answer(head.decode("latin-1"), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, asyncio.CancelledError):
            self.counts["connection ended"] += 1
        finally:
            writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; tell whether the connection goes on."""
        found = re.search(r"(\d{6})\.bin HTTP", head)
        span = re.search(r"(?i)\r\nrange: bytes=(\d+)-(\d+)", head)
        if not head.startswith("GET ") or found is None or span is None or int(found[1]) >= self._served.num_objects:
            await _send(writer, "404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>", {})
            return True
        number, first, last = int(found[1]), int(span[1]), int(span[2])
        size = self._served.object_bytes
        body = self._object(number)[first : last + 1]
        headers = {
            "ETag": object_etag(number, size),
            "Content-Range": f"bytes {first}-{first + len(body) - 1}/{size}",
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        fault = self._random.choice(FAULTS) if self._random.random() < self._served.faults else "none"
        self.counts[fault] += 1
        return await _misbehave(fault, writer, body, headers)

    def _object(self, number: int) -> bytes:
        if number not in self._objects:
            self._objects[number] = object_bytes(number, self._served.object_bytes)
        return self._objects[number]


async def _send(writer: asyncio.StreamWriter, status: str, body: bytes, headers: dict[str, str]) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()


async def _misbehave(fault: str, writer: asyncio.StreamWriter, body: bytes, headers: dict[str, str]) -> bool:
    """Answer with a fault; tell whether the connection goes on."""
    if fault in ("503", "slow-down"):
        code = "SlowDown" if fault == "slow-down" else "InternalError"
        await _send(writer, "503 Service Unavailable", f"<Error><Code>{code}</Code></Error>".encode(), {})
        return True
    if fault == "reset":
        writer.transport.abort()
        return False
    if fault == "slow-first-byte":
        await asyncio.sleep(0.5)
    if fault == "wrong-length":
        await _send(writer, "206 Partial Content", body + b"too much", headers)
        return False
    if fault in ("cut-body", "short-body", "stalled-body"):
        lines = [f"{k}: {v}" for k, v in headers.items()]
        head = "\r\n".join(["HTTP/1.1 206 Partial Content", f"Content-Length: {len(body)}", *lines, "", ""])
        writer.write(head.encode() + body[: len(body) // 3])
        await writer.drain()
        if fault == "stalled-body":
            await asyncio.sleep(STALL_SECONDS)
        if fault == "cut-body":
            writer.transport.abort()
        return False
    await _send(writer, "206 Partial Content", body, headers)
    return True


async def _serve(served: Served) -> None:
    chaos = ChaosServer(served)
    server = await asyncio.start_server(chaos.handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(0, ended.set)
    await ended.wait()
    print(dict(chaos.counts), flush=True)


if __name__ == "__main__":
    asyncio.run(
        _serve(
            Served(
                num_objects=int(sys.argv[1]),
                object_bytes=int(sys.argv[2]),
                faults=float(sys.argv[3]),
                seed=int(sys.argv[4]),
            )
        )
    )

"""An S3-like server of random objects that fails in every way that a real one does, by a seeded chance.

GET with or without Range and If-Match, path-style. An object's bytes are a function of its number and version, so
that any process can check any sample. Where it asks for credentials, an access key says in its name until when it is
good (``AK<seconds since 1970>``); signatures are not looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from benchmarks.chaos.faults import FAULTS, Answer, misbehave, send_error

__all__ = ["Served", "object_bytes", "object_etag"]


def object_bytes(number: int, size_bytes: int, version: int = 0) -> bytes:
    """Return an object's bytes."""
    return np.random.default_rng((number, version)).bytes(size_bytes)


def object_etag(number: int, size_bytes: int, version: int = 0) -> str:
    """Return an object's ETag."""
    return f'"{hashlib.md5(f"{number}/{size_bytes}/{version}".encode()).hexdigest()}"'


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served, and what goes wrong.

    Attributes:
        num_objects: objects, ``object_bytes`` bytes each.
        faults: chance that a request meets a fault.
        changing: object that is another from its second request on, None for none.
        on_change: whether If-Match is heard (412) or the new version is given as if it were the old one.
        asks_for_key: whether requests must be signed with a key that is still good.
        good_requests: answers after which no key is good any more, None for no end.
    """

    num_objects: int
    object_bytes: int
    faults: float
    seed: int
    changing: int | None = None
    on_change: Literal["412", "given"] = "412"
    asks_for_key: bool = False
    good_requests: int | None = None

    def words(self) -> list[str]:
        """Return the command line that serves it."""
        return [sys.executable, "-m", "benchmarks.chaos.server", json.dumps(asdict(self))]


class ChaosServer:
    """The server's state: its chance, and what it counted."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._random = random.Random(served.seed)
        self._objects: dict[tuple[int, int], bytes] = {}
        self._num_asked: Counter[int] = Counter()
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
        if not head.startswith("GET ") or found is None or int(found[1]) >= self._served.num_objects:
            self.counts["404"] += 1
            await send_error(writer, "404 Not Found", "NoSuchKey")
            return True
        if self._served.asks_for_key and not self._has_good_key(head):
            self.counts["403"] += 1
            await send_error(writer, "403 Forbidden", "ExpiredToken")
            return True
        number = int(found[1])
        first, end = (int(span[1]), int(span[2]) + 1) if span else (0, self._served.object_bytes)
        answer = self._find(number, first, end, is_whole=span is None)
        match = re.search(r"(?i)\r\nif-match: ([^\r]*)", head)
        if self._served.on_change == "412" and match and match[1] != answer.etag:
            self.counts["412"] += 1
            await send_error(writer, "412 Precondition Failed", "PreconditionFailed")
            return True
        fault = self._random.choice(FAULTS) if self._random.random() < self._served.faults else "none"
        self.counts[fault] += 1
        return await misbehave(fault, writer, answer)

    def _find(self, number: int, first: int, end: int, *, is_whole: bool) -> Answer:
        size = self._served.object_bytes
        version = int(number == self._served.changing and self._num_asked[number] > 0)
        self._num_asked[number] += 1
        if (number, version) not in self._objects:
            self._objects[number, version] = object_bytes(number, size, version)
        body = self._objects[number, version][first:end]
        etag = object_etag(number, size, version)
        return Answer(body=body, first=first, total_bytes=size, etag=etag, is_whole=is_whole)

    def _has_good_key(self, head: str) -> bool:
        found = re.search(r"Credential=AK(\d+)/", head)
        over = self._served.good_requests is not None and self.counts["none"] >= self._served.good_requests
        return found is not None and int(found[1]) > time.time() and not over


async def _serve(served: Served) -> None:
    chaos = ChaosServer(served)
    server = await asyncio.start_server(chaos.handle, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    await ended.wait()
    print(json.dumps(chaos.counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(Served(**json.loads(sys.argv[1]))))

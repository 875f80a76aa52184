"""An S3-like server that fails in every way that a real one does, by a seeded chance.

GET with or without Range and If-Match, path-style, of random objects, whose bytes are a function of their number and
version, so that any process can check any sample; or of the files of a folder, which it lists too. Where it asks for
credentials, an access key says in its name until when it is good (``AK<seconds since 1970>``); signatures are not
looked at.
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
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import numpy as np

from benchmarks.chaos.faults import FAULTS, LISTING_FAULTS, Answer, misbehave, send_error

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
        folder: whose files are served in the place of random objects.
    """

    num_objects: int = 0
    object_bytes: int = 0
    faults: float
    seed: int
    changing: int | None = None
    on_change: Literal["412", "given"] = "412"
    asks_for_key: bool = False
    good_requests: int | None = None
    folder: str | None = None

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
        self._files = _read_files(Path(served.folder)) if served.folder else {}
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
        answer, faults = self._find(head), FAULTS
        if answer is None and self._served.folder and re.match(r"GET /[^/ ]+/?\?[^ ]*list-type=2", head):
            answer, faults = self._list(head), LISTING_FAULTS
        if answer is None:
            self.counts["404"] += 1
            await send_error(writer, "404 Not Found", "NoSuchKey")
            return True
        if self._served.asks_for_key and not self._has_good_key(head):
            self.counts["403"] += 1
            await send_error(writer, "403 Forbidden", "ExpiredToken")
            return True
        match = re.search(r"(?i)\r\nif-match: ([^\r]*)", head)
        if self._served.on_change == "412" and match and match[1] != answer.etag:
            self.counts["412"] += 1
            await send_error(writer, "412 Precondition Failed", "PreconditionFailed")
            return True
        fault = self._random.choice(faults) if self._random.random() < self._served.faults else "none"
        self.counts[fault] += 1
        return await misbehave(fault, writer, answer)

    def _find(self, head: str) -> Answer | None:
        """Return what was asked for of an object; None where there is none of that name."""
        asked = re.match(r"GET /[^/]+/([^ ?]+) HTTP", head)
        found = self._object(unquote(asked[1])) if asked else None
        if found is None:
            return None
        data, etag = found
        span = re.search(r"(?i)\r\nrange: bytes=(\d+)-(\d+)", head)
        first, end = (int(span[1]), int(span[2]) + 1) if span else (0, len(data))
        return Answer(body=data[first:end], first=first, total_bytes=len(data), etag=etag, is_whole=span is None)

    def _object(self, key: str) -> tuple[bytes, str] | None:
        """Return the bytes and the ETag of an object."""
        if self._served.folder:
            return self._files.get(key)
        numbered = re.fullmatch(r"(\d{6})\.bin", key)
        if numbered is None or int(numbered[1]) >= self._served.num_objects:
            return None
        number, size = int(numbered[1]), self._served.object_bytes
        version = int(number == self._served.changing and self._num_asked[number] > 0)
        self._num_asked[number] += 1
        if (number, version) not in self._objects:
            self._objects[number, version] = object_bytes(number, size, version)
        return self._objects[number, version], object_etag(number, size, version)

    def _list(self, head: str) -> Answer:
        """Return the listing of everything, in one page."""
        bucket = head.removeprefix("GET /").partition("?")[0].rstrip("/")
        entries = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(data)}</Size><ETag>{etag}</ETag></Contents>"
            for key, (data, etag) in sorted(self._files.items())
        )
        body = f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        return Answer(body=body.encode(), first=0, total_bytes=len(body), etag='"listing"', is_whole=True)

    def _has_good_key(self, head: str) -> bool:
        found = re.search(r"Credential=AK(\d+)/", head)
        over = self._served.good_requests is not None and self.counts["none"] >= self._served.good_requests
        return found is not None and int(found[1]) > time.time() and not over


def _read_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Return the bytes and the ETag of each file below a folder."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found[str(path.relative_to(folder))] = data, f'"{hashlib.md5(data).hexdigest()}"'
    return found


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

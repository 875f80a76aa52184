"""A link of a limited rate: a TCP proxy whose answers pass a token bucket, all connections together.

    python -m benchmarks.stall.link COUNTS '[[UPSTREAM_PORT, BYTES_PER_SECOND, CUT_BYTES], …]'

It prints the ports it listens on as JSON, a port a link, and ends with its standard input. The file COUNTS holds for
each link the bytes that passed, headers included, as 64-bit integers that any process may map.

Each chunk of an answer takes its turn at the link in the order in which chunks come, and leaves when the link has had
time for it; until then nothing more is read for its connection, so the server feels the link too. A turn may be made up
for ``BURST_SECONDS`` late, which is what a timer or a busy core costs; so the rate holds over any time that is long
against it. Requests pass at once. The connection of which a byte passes each ``CUT_BYTES`` is cut there; 0 cuts none.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.machine import REPOSITORY

CHUNK_BYTES = 32 << 10
BURST_SECONDS = 0.02


class Link:
    """The turns of one link; ``passed`` counts its bytes, shape (1,)."""

    def __init__(self, bytes_per_second: float, passed: NDArray[np.int64], *, cut_bytes: int = 0) -> None:
        self._bytes_per_second = bytes_per_second
        self._cut_bytes = cut_bytes
        self._free_at = 0.0
        self._passed = passed

    def take(self, size_bytes: int, now: float) -> float:
        """Take the next turn; give the time at which the last byte has passed."""
        self._free_at = max(self._free_at, now - BURST_SECONDS) + size_bytes / self._bytes_per_second
        return self._free_at

    def count(self, size_bytes: int) -> bool:
        """Count what has passed; tell whether its connection is cut behind it."""
        before = int(self._passed[0])
        self._passed[0] = before + size_bytes
        return bool(self._cut_bytes) and (before + size_bytes) // self._cut_bytes > before // self._cut_bytes


class _Down(asyncio.BufferedProtocol):
    """The server's side of a connection: what it answers waits for its turn."""

    def __init__(self, link: Link, client: asyncio.Transport) -> None:
        self._link, self._client = link, client
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(CHUNK_BYTES)
        self._server: asyncio.Transport | None = None
        self._client_is_full = self._server_is_done = self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._server = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert self._server is not None
        self._server.pause_reading()
        self._waits = True
        self._loop.call_at(self._link.take(nbytes, self._loop.time()), self._pass, nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server_is_done = True
        if not self._waits:
            self._client.close()

    def client_is_full(self, is_full: bool) -> None:
        """Read on, or not, as the client does."""
        self._client_is_full = is_full
        self._read_on()

    def _pass(self, size_bytes: int) -> None:
        self._waits = False
        is_cut = self._link.count(size_bytes)
        self._client.write(bytes(memoryview(self._buffer)[:size_bytes]))
        if is_cut and self._server is not None:
            self._server.abort()
            self._client.close()
            return
        if self._server_is_done:
            self._client.close()
        self._read_on()

    def _read_on(self) -> None:
        if self._server is not None and not (self._client_is_full or self._waits or self._server_is_done):
            self._server.resume_reading()


class _Up(asyncio.Protocol):
    """The client's side of a connection: what it asks passes at once."""

    def __init__(self, link: Link, upstream_port: int) -> None:
        self._link, self._upstream_port = link, upstream_port
        self._early = b""
        self._server: asyncio.Transport | None = None
        self._down: _Down | None = None
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._connecting = asyncio.ensure_future(self._connect(_Down(self._link, transport)))

    def data_received(self, data: bytes) -> None:
        if self._server is None:
            self._early += data
        else:
            self._server.write(data)

    def pause_writing(self) -> None:
        if self._down is not None:
            self._down.client_is_full(True)

    def resume_writing(self) -> None:
        if self._down is not None:
            self._down.client_is_full(False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self._server is not None:
            self._server.abort()

    async def _connect(self, down: _Down) -> None:
        loop = asyncio.get_running_loop()
        try:
            server, _ = await loop.create_connection(lambda: down, "127.0.0.1", self._upstream_port)
        except OSError:
            self._client.abort()
            return
        self._server, self._down = server, down
        if self._is_lost:
            server.abort()
        elif self._early:
            server.write(self._early)


async def _serve(counts: Path, links: Sequence[tuple[int, float, int]]) -> None:
    loop = asyncio.get_running_loop()
    passed = np.memmap(counts, dtype=np.int64, mode="w+", shape=(len(links),))
    ports = []
    for number, (upstream_port, rate, cut_bytes) in enumerate(links):
        link = Link(rate, passed[number : number + 1], cut_bytes=cut_bytes)
        server = await loop.create_server(
            lambda link=link, port=upstream_port: _Up(link, port),  # type: ignore[misc]
            "127.0.0.1",
            0,
            backlog=1024,
        )
        ports.append(server.sockets[0].getsockname()[1])
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


def read_passed(counts: Path, number: int) -> int:
    """Return the bytes that passed a link so far."""
    return int(np.memmap(counts, dtype=np.int64, mode="r")[number])


@contextlib.contextmanager
def open_links(links: Sequence[tuple[int, float, int]], counts: Path) -> Iterator[list[int]]:
    """Open links in a process of their own; give their ports.

    Args:
        links: upstream port, bytes a second, and after how many bytes each time a connection is cut (0: none is), in
            the order of their numbers.
        counts: file that is made for what passes.
    """
    words = [sys.executable, "-m", "benchmarks.stall.link", str(counts), json.dumps(links)]
    process = subprocess.Popen(words, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


if __name__ == "__main__":
    links = [(int(port), float(rate), int(cut)) for port, rate, cut in json.loads(sys.argv[2])]
    asyncio.run(_serve(Path(sys.argv[1]), links))

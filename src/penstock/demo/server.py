"""An S3 server for the demo: a folder's files by aiohttp, in a process of its own, on the loopback interface alone.

It answers what a reader of a public bucket asks (a listing by pages, objects, ranges of them, by ``If-Match``), sends
files from the kernel without copying them (about 2,600 ranges of 116 kB a second on one core, where moto gives 200),
and can be as slow as a link of a given rate. ``python -m penstock.demo.server`` serves until its standard
input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from penstock.children.step import ChildStep, Program
from penstock.children.telling import tell_begun, tell_error, tell_fault, watch_parent
from penstock.errors import ConfigError, PenstockError

__all__ = ["BUCKET", "REGION", "serve_s3"]

BUCKET = "penstock-demo"
REGION: Final = "us-east-2"
HOST = "127.0.0.1"
PAGE_KEYS = 1000
CHUNK_BYTES = 1 << 16
WHOLE_BYTES = 1 << 20
"""Of an answer, up to which it is made at once: the server should take little of the CPU that the training needs."""
BURST_SECONDS = 0.05
"""How far ahead of its rate a limited link may be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """What is served, and how.

    Attributes:
        folder: its files are the objects.
        port: of the loopback interface, which another process holds.
        link_bytes_per_second: what all answers together get; None sends as fast as the machine can.
    """

    folder: Path
    port: int
    link_bytes_per_second: int | None = None

    def to_argv(self) -> list[str]:
        """Return the words that ``from_argv`` reads as this."""
        link = self.link_bytes_per_second
        rate = [] if link is None else ["--link-bytes-per-second", str(link)]
        return ["--port", str(self.port), *rate, "--", str(self.folder)]

    @classmethod
    def from_argv(cls) -> ServerConfig:
        """Read the words of this process."""
        parser = argparse.ArgumentParser()
        parser.add_argument("folder", type=Path)
        parser.add_argument("--port", type=int, required=True)
        parser.add_argument("--link-bytes-per-second", type=int)
        return cls(**vars(parser.parse_args()))


PROGRAM = Program(
    words=("penstock.demo.server",),
    name="the demo's S3 server",
    event="demo_server",
    fix="see what it wrote above, and run the demo again",
)


@contextlib.contextmanager
def serve_s3(folder: Path, *, link_bytes_per_second: int | None = None) -> Iterator[str]:
    """Serve a folder as the bucket ``BUCKET`` for as long as the block runs; give the URL.

    Args:
        folder: its files are the objects.
        link_bytes_per_second: what all answers together get; None sends as fast as the machine can.

    Raises:
        PenstockError: the server did not start, or what the block failed for is that it was lost.
    """
    with _held_port() as port:
        config = ServerConfig(folder=folder, port=port, link_bytes_per_second=link_bytes_per_second)
        with ChildStep(PROGRAM, config) as server:
            server.wait_begun()
            try:
                yield f"http://{HOST}:{port}"
            except PenstockError as error:
                if (lost := server.error()) is not None:
                    raise lost from error
                raise


@contextlib.contextmanager
def _held_port() -> Iterator[int]:
    """Keep a free port for one server after another."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind((HOST, 0))
        yield kept.getsockname()[1]


class Link:
    """A link that all answers share: a chunk is sent when the ones before it have had their time.

    Args:
        bytes_per_second: its rate.
    """

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._free_at = 0.0

    async def take(self, num_bytes: int) -> None:
        """Wait until the link has carried what was asked for before."""
        now = asyncio.get_running_loop().time()
        begins = max(self._free_at, now - BURST_SECONDS)
        self._free_at = begins + num_bytes / self._bytes_per_second
        await asyncio.sleep(max(0.0, self._free_at - now))


def page_of(keys: list[tuple[str, int, str]], *, prefix: str, after: str) -> bytes:
    """Return a page of ListObjectsV2.

    Args:
        keys: key, size in bytes and ETag of every object, sorted by key.
        prefix: of the keys that are listed.
        after: the last key of the page before.
    """
    fitting = [item for item in keys if item[0].startswith(prefix) and item[0] > after]
    shown, more = fitting[:PAGE_KEYS], len(fitting) > PAGE_KEYS
    rows = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><ETag>&quot;{etag}&quot;</ETag>"
        f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
        for key, size, etag in shown
    )
    token = f"<NextContinuationToken>{escape(shown[-1][0])}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(shown)}</KeyCount>"
        f"<MaxKeys>{PAGE_KEYS}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
    ).encode()


def _is_no_hang_up(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionError))


async def _serve(config: ServerConfig) -> None:
    from aiohttp import web

    folder = config.folder
    link = None if config.link_bytes_per_second is None else Link(config.link_bytes_per_second)

    def found() -> list[tuple[str, int, str]]:
        paths = sorted((str(path.relative_to(folder)), path.stat()) for path in folder.rglob("*") if path.is_file())
        return [(key, stat.st_size, f"{stat.st_mtime_ns:x}-{stat.st_size:x}") for key, stat in paths]

    keys = await asyncio.to_thread(found)
    sizes = {key: (size, etag) for key, size, etag in keys}
    files: dict[str, int] = {}

    def file_of(key: str) -> int:
        if key not in files:
            files[key] = os.open(folder / key, os.O_RDONLY)
        return files[key]

    async def list_page(request: web.Request) -> web.StreamResponse:
        asked = request.query
        after = asked.get("continuation-token", asked.get("start-after", ""))
        body = page_of(keys, prefix=asked.get("prefix", ""), after=after)
        return web.Response(body=body, content_type="application/xml")

    async def get_object(request: web.Request) -> web.StreamResponse:
        key = request.match_info["key"]
        if key not in sizes:
            body = f"<Error><Code>NoSuchKey</Code><Key>{escape(key)}</Key></Error>"
            return web.Response(status=404, text=body, content_type="application/xml")
        size, etag = sizes[key]
        if request.headers.get("If-Match", f'"{etag}"') != f'"{etag}"':
            return web.Response(status=412)
        start, stop, _ = request.http_range.indices(size)
        headers = {"ETag": f'"{etag}"'}
        status = 200
        if "Range" in request.headers:
            status, headers["Content-Range"] = 206, f"bytes {start}-{stop - 1}/{size}"
        if request.method == "HEAD":
            return web.Response(status=status, headers=headers | {"Content-Length": str(stop - start)})
        if link is None and stop - start <= WHOLE_BYTES:
            return web.Response(status=status, headers=headers, body=os.pread(file_of(key), stop - start, start))
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = stop - start
        # Whoever asked may be gone before the end, as a job that is stopped.
        with contextlib.suppress(ConnectionError):
            await response.prepare(request)
            for offset in range(start, stop, CHUNK_BYTES):
                chunk = os.pread(file_of(key), min(CHUNK_BYTES, stop - offset), offset)
                if link is not None:
                    await link.take(len(chunk))
                await response.write(chunk)
        return response

    app = web.Application()
    app.router.add_get(f"/{BUCKET}", list_page)
    app.router.add_get(f"/{BUCKET}/{{key:.+}}", get_object)
    logging.getLogger("aiohttp.server").addFilter(_is_no_hang_up)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, config.port, reuse_port=True).start()
    except OSError as error:
        raise ConfigError(
            f"the demo's S3 server cannot listen at {HOST}:{config.port} ({error.strerror})", fix="run the demo again"
        ) from error
    done = asyncio.Event()
    watch_parent(partial(asyncio.get_running_loop().call_soon_threadsafe, done.set))
    tell_begun()
    await done.wait()
    await runner.cleanup()


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):  # the parent ends it
        signal.signal(number, signal.SIG_IGN)
    try:
        asyncio.run(_serve(ServerConfig.from_argv()))
    except PenstockError as error:
        if not tell_error(error):
            sys.stderr.write(f"{error}\n")
        os._exit(error.exit_code)
    except Exception as error:
        tell_fault(error)
        raise
    os._exit(0)


if __name__ == "__main__":
    _main()

"""Every way a server misbehaves in time or size: each request must make progress, and is tried for a stated time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from penstock.clock import running_seconds
from penstock.errors import OutputError, PenstockError, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, open_blobs, open_source
from penstock.sources.http.response import retry_after_seconds
from penstock.sources.patience import MAX_RETRY_AFTER_SECONDS, Patience
from support.s3_server import Asked, own_s3
from unit.sources.answering import answer, error, part, serve
from unit.sources.places import Read
from unit.sources.talking import Request, ranged, reset, talking

DATA = bytes(range(250)) * 400
INFO = ObjectInfo(key="object", size_bytes=len(DATA), version='"e"')
LIMITS = ClientLimits(
    connect_timeout_seconds=0.4, request_timeout_seconds=0.4, least_bytes_per_second=1000, retry_seconds=1.5
)
"""A body must bring 400 bytes in 0.4 s; whatever stays wrong is given up after 1.5 s and one last try."""
AT_MOST_SECONDS = 20
"""Far more than that: the machine may be busy."""
HEAD = b'HTTP/1.1 206 Partial Content\r\nETag: "e"\r\nContent-Length: 1000\r\nContent-Range: bytes 0-999/100000\r\n\r\n'
ERROR_HEAD = b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n"
PAGE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

Talk = Callable[[Request, asyncio.StreamWriter], Awaitable[bool]]


def source_of(url: str, limits: ClientLimits = LIMITS) -> ObjectSource:
    return open_source(SourceSpec.of("s3://bucket", endpoint_url=url, anonymous=True), limits=limits)


def trickling(first: bytes, rest: bytes = b"x" * 1000) -> Talk:
    """Send a beginning at once, and then a byte now and then for ever."""

    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(first)
        for number in range(len(rest)):
            writer.write(rest[number : number + 1])
            await writer.drain()
            await asyncio.sleep(0.02)
        return True

    return talk


SLOW: dict[str, tuple[Talk, str]] = {
    "body": (trickling(HEAD), "answer comes too slowly|of 1000 bytes"),
    "head": (trickling(b"HTTP/1.1 206 Partial Content\r\n"), "did not answer"),
    "error body": (trickling(ERROR_HEAD), "answer comes too slowly"),
    "nothing at all": (trickling(b"", b""), "did not answer"),
}


async def read(source: ObjectSource) -> None:
    await source.read_into(INFO, 0, memoryview(bytearray(1000)))


async def list_it(source: ObjectSource) -> None:
    await source.list_all()


@pytest.mark.parametrize("ask", [read, list_it], ids=["range", "listing"])
@pytest.mark.parametrize("what", SLOW)
def test_a_server_that_trickles_is_given_up_and_told(what: str, ask: Callable[[ObjectSource], Awaitable[None]]) -> None:
    talk, reason = SLOW[what]
    if what == "body" and ask is list_it:
        talk = trickling(PAGE_HEAD)
    elif what == "body":

        async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
            head, _, body = ranged(DATA, request).partition(b"\r\n\r\n")
            return await trickling(head + b"\r\n\r\n", body)(request, writer)

    if what == "nothing at all":

        async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
            await asyncio.sleep(60)
            return True

    async def run() -> None:
        async with talking(talk) as server, asyncio.timeout(AT_MOST_SECONDS):
            with pytest.raises(SourceUnavailable, match=rf"({reason}).*; \d+ tries in \d+ s: check the network"):
                await ask(source_of(server.url))
            assert len(server.requests) >= 2

    asyncio.run(run())


def test_a_slow_link_that_goes_on_is_no_fault() -> None:
    async def steady(request: Request, writer: asyncio.StreamWriter) -> bool:
        sent = ranged(DATA, request)
        for at in range(0, len(sent), 4000):
            writer.write(sent[at : at + 4000])
            await writer.drain()
            await asyncio.sleep(0.05)
        return True

    async def run() -> None:
        async with talking(steady) as server:
            place = bytearray(len(DATA))
            await source_of(server.url).read_into(INFO, 0, memoryview(place))
            assert place == DATA
            assert len(server.requests) == 1

    asyncio.run(run())


def test_a_server_that_is_busy_for_long_is_waited_for(read: Read) -> None:
    """Not for a number of tries: for as long as was said."""
    until: list[float] = []

    async def busy(request: Request, writer: asyncio.StreamWriter) -> bool:
        until[:] = until or [time.monotonic() + 4]
        if time.monotonic() < until[0]:
            writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(ranged(DATA, request))
        return True

    async def run() -> None:
        async with talking(busy) as server:
            limits = ClientLimits(retry_seconds=60)
            assert bytes(await read(source_of(server.url, limits), INFO, 0, 100)) == DATA[:100]

    asyncio.run(run())


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_server_is_not_asked_before_it_wants_to_be(form: str, read: Read) -> None:
    later = "2" if form == "seconds" else formatdate(time.time() + 3, usegmt=True)
    began = time.monotonic()
    with serve([error("503 Slow Down", Retry_After=later), part(DATA, 0, 100)]) as server:
        assert bytes(asyncio.run(read(source_of(server.url, ClientLimits()), INFO, 0, 100))) == DATA[:100]
    assert 1.5 < time.monotonic() - began < AT_MOST_SECONDS
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
        ("1e99", None),
    ],
)
def test_when_a_server_wants_to_be_asked_again(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now=1445412480) == seconds


def test_a_place_that_never_answered_is_not_tried_for_long() -> None:
    now = [0.0]
    patience = Patience(ClientLimits(), clock=lambda: now[0], chance=lambda: 1.0, is_answered=False)
    while (pause := patience.pause()) is not None:
        now[0] += pause
    assert now[0] == 20
    patience.is_answered = True
    assert patience.pause() is not None


def test_tries_go_on_until_the_time_is_spent_and_good_progress_begins_it_anew() -> None:
    now = [0.0]
    limits = ClientLimits(retry_seconds=100, least_bytes_per_second=10, request_timeout_seconds=10)
    patience = Patience(limits, clock=lambda: now[0], chance=lambda: 1.0)

    def tries(*, new_bytes: int) -> int:
        number = 0
        while (pause := patience.pause()) is not None:
            now[0] += pause
            patience.progress(new_bytes)
            number += 1
            if number == 1000:
                break
        return number

    assert tries(new_bytes=0) == 13
    assert now[0] == 100
    assert patience.told == "14 tries in 100 s"
    assert tries(new_bytes=1) == 0
    patience.progress(100)
    assert patience.pause() == 0.1
    assert tries(new_bytes=50) == 1000  # half of what is good progress, each: as good as any link is slow
    patience.progress(100)
    assert patience.pause(retry_after_seconds=1e6) == MAX_RETRY_AFTER_SECONDS * 1.25


@pytest.mark.parametrize("how", ["reset", "closed", "a byte"])
def test_a_server_that_breaks_off_each_time_is_given_up(how: str, read: Read) -> None:
    async def breaking(request: Request, writer: asyncio.StreamWriter) -> bool:
        if how == "a byte":
            first, _ = request.range
            writer.write(ranged(DATA, request).partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + DATA[first : first + 1])
            await writer.drain()
        elif how == "reset":
            reset(writer)
        return False

    async def run() -> None:
        async with talking(breaking) as server, asyncio.timeout(AT_MOST_SECONDS):
            with pytest.raises(SourceUnavailable, match=r"; \d+ tries in \d s"):
                await read(source_of(server.url), INFO, 0, 50_000)

    asyncio.run(run())


def endless(head: bytes) -> Talk:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(head)
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in head else b"x" * 65536)
            await writer.drain()

    return talk


PART = b'HTTP/1.1 206 P\r\nETag: "e"\r\nContent-Range: bytes 0-999/100000\r\n'
LYING = {
    "longer than told": PART + b"Content-Length: 1000\r\n\r\n",
    "chunked": PART + b"Transfer-Encoding: chunked\r\n\r\n",
    "to the end": PART + b"\r\n",
    "error": b"HTTP/1.1 500 Oops\r\n\r\n",
    "error in chunks": b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n",
    "whole": b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n",
    "packed": PART + b"Content-Encoding: gzip\r\n\r\n",
    "a head without end": b"HTTP/1.1 206 P\r\nX: ",
}


@pytest.mark.parametrize("ask", [read, list_it], ids=["range", "listing"])
@pytest.mark.parametrize("what", LYING)
def test_no_more_is_taken_than_was_asked_for(what: str, ask: Callable[[ObjectSource], Awaitable[None]]) -> None:
    async def run() -> int:
        async with talking(endless(LYING[what])) as server, asyncio.timeout(AT_MOST_SECONDS):
            source = source_of(server.url)
            with pytest.raises(SourceError):
                await ask(source)
            return source.meter.bytes_downloaded // len(server.requests)

    most = 20 << 20 if ask is list_it else 200_000
    if what == "longer than told" and ask is read:  # the first 1000 are what was asked for: the rest is cut off unread
        return
    assert asyncio.run(run()) < most


def test_a_server_that_listens_and_says_nothing(read: Read) -> None:
    """TCP connects, as the kernel does it for whoever listens; TLS would be begun, and is not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for scheme in ("http", "https"):
            began = time.monotonic()
            with pytest.raises(SourceUnavailable, match=r"tries in \d+ s"):
                asyncio.run(read(source_of(f"{scheme}://127.0.0.1:{port}"), INFO, 0, 100))
            assert time.monotonic() - began < AT_MOST_SECONDS


@contextlib.contextmanager
def no_name_found(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the system look names up for as long as the block runs; no thread that asked it outlives that."""
    over = threading.Event()

    def hang(*args: object, **options: object) -> None:
        over.wait()
        raise OSError("nobody waits for it")

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", hang)
        try:
            yield
        finally:
            over.set()
            for thread in threading.enumerate():
                if thread.name.startswith("penstock-lookup"):
                    thread.join()


def test_a_name_that_is_looked_up_for_ever(monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    told = r"no name found for store\.example:9000 in 0\.4 s\).*tries in \d s"
    with no_name_found(monkeypatch):
        began = time.monotonic()
        with pytest.raises(SourceUnavailable, match=told):
            asyncio.run(read(source_of("http://store.example:9000"), INFO, 0, 100))
        assert time.monotonic() - began < AT_MOST_SECONDS - 5


def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize("what", ["silent", "503", "head"])
def test_checkpoints_are_written_and_read_in_bounded_time(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)

    async def misbehave(asked: Asked) -> object:
        if what == "503":
            return b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
        await asyncio.sleep(30)
        return None

    with own_s3({"run/x": b"there"}) as (_, wire):
        blobs = open_blobs("s3://bucket/run", endpoint_url=wire.url, limits=LIMITS)
        assert blobs.read("x") == b"there"
        wire.meddle = misbehave
        began = time.monotonic()
        with pytest.raises(OutputError, match=r"cannot write s3://bucket/run/x: .*tries in \d+ s"):
            blobs.write("x", b"1")
        with pytest.raises(SourceUnavailable, match=r"cannot read s3://bucket/run/x: .*tries in \d+ s"):
            blobs.read("x")
        assert time.monotonic() - began < AT_MOST_SECONDS
        wire.meddle = lambda asked: None
        assert blobs.read("x") == b"there"


def test_a_large_checkpoint_goes_on_where_it_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch)
    data = bytes(range(256)) * 20_000
    with own_s3() as (server, wire):
        blobs = open_blobs("s3://bucket/run", endpoint_url=wire.url, limits=LIMITS)
        blobs.write("x", data)
        assert server.objects["run/x"] == data
        assert wire.asked[0].header("Expect") == "100-continue"
        cut = iter(["cut"])
        wire.meddle = lambda asked: next(cut, None)
        assert blobs.read("x") == data
        with pytest.raises(PenstockError, match="at most"):
            blobs.read("x", most_bytes=1000)


def test_a_place_whose_answer_is_no_blob(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    credentials(monkeypatch)
    huge = answer("206 Partial Content", b"x" * 1000, Content_Range=f"bytes 0-999/{1 << 60}")
    with serve([huge]) as server:
        blobs = open_blobs("s3://bucket/run", endpoint_url=server.url, limits=LIMITS)
        with pytest.raises(SourceUnavailable, match="at most"):
            blobs.read("x")


def test_pauses_longer_than_the_clock_looks_count() -> None:
    """A pause of several seconds is no time in which the process stood still, or a request is tried for ever."""
    spec = SourceSpec.of("s3://bucket/x", endpoint_url="http://127.0.0.1:9", region="us-east-2", anonymous=True)

    async def work() -> float:
        source = open_source(spec, limits=ClientLimits(first_answer_seconds=7))
        began = running_seconds()
        with pytest.raises(SourceUnavailable, match="did not answer"):
            _ = [page async for page in source.list_objects()]
        await asyncio.sleep(6)
        source.close()
        return running_seconds() - began

    assert 12 < asyncio.run(work()) < 60

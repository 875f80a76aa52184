"""Ranges received straight to their place: connections kept, cut, stalled, stale, given up and encrypted."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from penstock.errors import PenstockError, SourceChanged, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, RequestMeter, open_source
from penstock.sources.http.connection import Query
from penstock.sources.http.pool import Address, Pool
from penstock.sources.http.response import Wanted
from unit.sources.places import by_read_into
from unit.sources.talking import Request, Talk, ranged, reset, talking

DATA = bytes(range(251)) * 2000
INFO = ObjectInfo(key="folder/object", size_bytes=len(DATA), version='"e"')
ONCE = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=0.4, max_retries=0, retry_seconds=5)
TWICE = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=0.4, max_retries=1, retry_seconds=5)


def source_of(url: str, limits: ClientLimits = ONCE) -> ObjectSource:
    return open_source(SourceSpec.of("s3://bucket", endpoint_url=url, anonymous=True), limits=limits)


async def good(request: Request, writer: asyncio.StreamWriter) -> bool:
    writer.write(ranged(DATA, request))
    return True


async def read_all(source: ObjectSource, num_side_by_side: int, *, step: int = 1000, num_ranges: int = 200) -> None:
    """Read ranges one after the other in each of some tasks, and see that they are right."""
    offsets = iter(range(0, num_ranges * step, step))

    async def one_by_one() -> None:
        for offset in offsets:
            assert await by_read_into(source, INFO, offset, step) == DATA[offset : offset + step]

    await asyncio.gather(*(one_by_one() for _ in range(num_side_by_side)))


def test_connections_are_used_again() -> None:
    async def run() -> None:
        async with talking(good) as server:
            source = source_of(server.url)
            await read_all(source, 1)
            assert server.num_connections == 1
            await read_all(source, 8)
            assert server.num_connections == 8
            assert (source.meter.read().get_requests, source.meter.read().bytes_downloaded) == (400, 400_000)
            source.close()
            source.close()
            await read_all(source, 1)
            assert server.num_connections == 9

    asyncio.run(run())


def test_connections_that_nobody_uses_are_closed() -> None:
    async def run() -> None:
        async with talking(good) as server:
            port = int(server.url.rpartition(":")[2])
            pool = Pool(
                Address(host="127.0.0.1", port=port, is_tls=False),
                limits=ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=0.2),
                max_connections=3,
                idle_seconds=0.1,
            )
            wanted = Wanted(first=0, end=9, total_bytes=len(DATA), etag=b'"e"')
            places = [memoryview(bytearray(9)) for _ in range(20)]
            data = b"GET /x HTTP/1.1\r\nHost: x\r\nRange: bytes=0-8\r\n\r\n"
            query = Query(data, RequestMeter().line("GET", "data"), wanted)
            assert await asyncio.gather(*(pool.fetch(query, place) for place in places)) == [9] * 20
            assert all(place == DATA[:9] for place in places)
            assert server.num_connections == pool.num_open == 3
            async with asyncio.timeout(5):
                while server.num_open:
                    await asyncio.sleep(0.02)
            assert pool.num_open == 0

    asyncio.run(run())


@pytest.mark.parametrize("with_reset", [False, True])
def test_a_connection_that_was_closed_meanwhile_is_no_failure(with_reset: bool) -> None:
    async def closing(request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.number % 2 and request.connection == (request.number - 1) // 2:
            if with_reset:
                reset(writer)
            return False  # the second request of a connection is not answered
        return await good(request, writer)

    async def run() -> None:
        async with talking(closing) as server:
            source = source_of(server.url)
            await read_all(source, 1, num_ranges=4)
            assert server.num_connections > 1
            assert source.meter.read().failed_requests == 0

    asyncio.run(run())


@pytest.mark.parametrize("how", ["stalled", "closed", "reset", "error first"])
def test_a_body_that_ends_early_is_taken_up_where_it_ended(how: str) -> None:
    async def cutting(request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.number:
            return await good(request, writer)
        if how == "error first":
            writer.write(b"HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n0\r\n\r\n")
            return True
        writer.write(ranged(DATA, request)[:50_000])
        await writer.drain()
        await asyncio.sleep(30 if how == "stalled" else 0.05)
        if how == "reset":
            reset(writer)
        return False

    async def run() -> None:
        async with talking(cutting) as server:
            source = source_of(server.url, TWICE)
            assert await by_read_into(source, INFO, 7, 100_000) == DATA[7:100_007]
            first, again = (request.range for request in server.requests)
            assert first == (7, 100_007)
            assert again[1] == 100_007
            assert (again[0] == 7) == (how == "error first")
            assert 'If-Match: "e"' in server.requests[1].head
            meter = source.meter.read()
            assert (meter.get_requests, meter.failed_requests) == (len(server.requests), 0)
            assert meter.bytes_downloaded >= 100_000

    asyncio.run(run())


@pytest.mark.parametrize("sent_bytes", [0, 20, 5000])
def test_silence_that_stays_is_an_error(sent_bytes: int) -> None:
    async def silent(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(ranged(DATA, request)[:sent_bytes])
        await asyncio.sleep(30)
        return False

    async def run() -> None:
        async with talking(silent) as server:
            source = source_of(server.url, TWICE)
            with pytest.raises(SourceUnavailable):
                await by_read_into(source, INFO, 0, 10_000)
            assert len(server.requests) == 2
            assert source.meter.read().failed_requests == 1

    asyncio.run(run())


def test_a_slow_body_is_no_silence() -> None:
    async def slow(request: Request, writer: asyncio.StreamWriter) -> bool:
        answer = ranged(DATA, request)
        for first in range(0, len(answer), 400):
            writer.write(answer[first : first + 400])
            await asyncio.sleep(0.1)
        return True

    async def run() -> None:
        async with talking(slow) as server:
            assert await by_read_into(source_of(server.url), INFO, 0, 4000) == DATA[:4000]

    asyncio.run(run())


def test_nothing_is_written_after_a_read_was_cancelled() -> None:
    half = asyncio.Event()
    go_on = asyncio.Event()

    async def halting(request: Request, writer: asyncio.StreamWriter) -> bool:
        answer = ranged(DATA, request)
        writer.write(answer[:60_000])
        half.set()
        await go_on.wait()
        writer.write(answer[60_000:])
        return True

    async def run() -> None:
        async with talking(halting) as server:
            source = source_of(server.url)
            memory = bytearray(100_000)
            reading = asyncio.create_task(source.read_into(INFO, 0, memoryview(memory)))
            await half.wait()
            while not memory[10_000]:
                await asyncio.sleep(0)
            go_on.set()
            await asyncio.sleep(0)  # the rest is on its way, some of it received
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            memory[:] = b"\x5a" * len(memory)  # the slot is another sample's now
            async with asyncio.timeout(5):
                while server.num_open:
                    await asyncio.sleep(0.02)
            assert memory == b"\x5a" * len(memory)
            await read_all(source, 2)
            assert memory == b"\x5a" * len(memory)

    asyncio.run(run())


def test_reads_cancelled_at_any_moment_leave_the_others_right() -> None:
    async def run() -> None:
        async with talking(good) as server:
            source = source_of(server.url)
            for turns in range(40):
                memory = bytearray(b"\x5a" * 30_000)
                reading = asyncio.create_task(source.read_into(INFO, 0, memoryview(memory)))
                others = asyncio.create_task(read_all(source, 3, num_ranges=6))
                for _ in range(turns):
                    await asyncio.sleep(0)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                seen = bytes(memory)
                await others
                assert memory == seen

    asyncio.run(run())


def test_an_object_that_changes_between_two_ranges() -> None:
    async def changing(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(ranged(DATA, request, etag='"e"' if request.number == 0 else '"f"'))
        return True

    async def run() -> None:
        async with talking(changing) as server:
            source = source_of(server.url)
            assert await by_read_into(source, INFO, 0, 100) == DATA[:100]
            memory = bytearray(100)
            with pytest.raises(SourceChanged):
                await source.read_into(INFO, 100, memoryview(memory))
            assert memory == bytes(100)

    asyncio.run(run())


def test_more_than_was_told_is_nobody_s() -> None:
    async def generous(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(ranged(DATA, request) + b"\xff" * 9000)
        return True

    async def run() -> None:
        async with talking(generous) as server:
            source = source_of(server.url)
            for number in range(9):
                try:
                    found = await by_read_into(source, INFO, number * 20_000, 20_000)
                except PenstockError:
                    continue
                assert found == DATA[number * 20_000 :][:20_000]

    asyncio.run(run())


@pytest.mark.parametrize("how", ["content encoding", "chunked", "to the end"])
def test_bodies_are_taken_however_they_are_framed(how: str) -> None:
    """A content encoding is how the object was stored: its bytes are what is read, packed as they are."""

    async def framed(request: Request, writer: asyncio.StreamWriter) -> bool:
        if how == "content encoding":
            writer.write(ranged(DATA, request, extra="Content-Encoding: gzip\r\n"))
            return True
        head, _, body = ranged(DATA, request).partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
        if how == "to the end":
            writer.write(b"\r\n".join([*lines, b"", body]))
            return False
        half = len(body) // 2
        chunks = b"".join(b"%x;x=y\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
        writer.write(b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", chunks + b"0\r\nT: x\r\n\r\n"]))
        return True

    async def run() -> None:
        async with talking(framed) as server:
            source = source_of(server.url)
            await read_all(source, 2, num_ranges=10)
            assert len(server.requests) == source.meter.read().get_requests == 10
            assert server.num_connections == (10 if how == "to the end" else 2)

    asyncio.run(run())


def test_a_proxy_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    async def proxy(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(ranged(DATA, request, extra="Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n"))
        return True

    async def run() -> str:
        async with talking(proxy) as server:
            monkeypatch.setenv("http_proxy", server.url)
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            source = source_of("http://store.example:9000")
            await read_all(source, 1, num_ranges=2)
            return server.requests[0].head

    assert asyncio.run(run()).startswith("GET http://store.example:9000/bucket/folder/object HTTP/1.1\r\n")


def encrypted(talk: Talk, certificate: Path) -> tuple[Talk, ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return talk, context


def test_encrypted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cutting(request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.number == 150:
            writer.write(ranged(DATA, request)[:500])
            return False
        return await good(request, writer)

    async def run() -> None:
        talk, tls = encrypted(cutting, certificate)
        async with talking(talk, tls=tls) as server:
            source = source_of(server.url, TWICE)
            await read_all(source, 4, num_ranges=300)
            assert server.num_connections <= 5
            assert await by_read_into(source, INFO, 0, len(DATA)) == DATA
            assert all("User-Agent: penstock" in request.head for request in server.requests)

    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    asyncio.run(run())


def test_a_certificate_that_is_not_trusted(certificate: Path) -> None:
    async def run() -> None:
        talk, tls = encrypted(good, certificate)
        async with talking(talk, tls=tls) as server:
            with pytest.raises(SourceError, match=r"not trusted.*AWS_CA_BUNDLE"):
                await by_read_into(source_of(server.url, ONCE), INFO, 0, 100)
            assert server.requests == []
            assert server.num_connections <= 1

    asyncio.run(run())

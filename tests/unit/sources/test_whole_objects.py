"""Objects that are read whole are checked against what the store knows of them; late requests are made twice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from collections.abc import Awaitable, Callable

import google_crc32c
import pytest

from penstock.errors import ChecksumMismatch, SourceChanged
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, open_source
from penstock.sources.http.hedging import BUDGET_START, LEAST_SECONDS, LEAST_SEEN, Hedging
from support.cli import Bucket
from unit.sources.places import by_read_into
from unit.sources.talking import Request, Talk, ranged, talking, whole

DATA = bytes(range(251)) * 400
INFO = ObjectInfo(key="object", size_bytes=len(DATA), version='"e"')
LIMITS = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=5, max_retries=2, retry_seconds=10)
CHECKSUMS = {
    "crc32": zlib.crc32(DATA).to_bytes(4, "big"),
    "crc32c": int(google_crc32c.value(DATA)).to_bytes(4, "big"),
    "sha1": hashlib.sha1(DATA, usedforsecurity=False).digest(),
    "sha256": hashlib.sha256(DATA).digest(),
}


def told(name: str, digest: bytes) -> str:
    return f"x-amz-checksum-{name}: {base64.b64encode(digest).decode()}\r\n"


def read_from(talk: Talk, work: Callable[[ObjectSource], Awaitable[None]]) -> list[Request]:
    """Let a source of a server do something; give the requests that it made."""

    async def run() -> list[Request]:
        async with talking(talk) as server:
            spec = SourceSpec.of("s3://bucket", endpoint_url=server.url, anonymous=True)
            source = open_source(spec, limits=LIMITS)
            await work(source)
            source.close()
            return server.requests

    return asyncio.run(run())


@pytest.mark.parametrize("name", CHECKSUMS)
def test_checksums_that_match_are_believed(name: str) -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(whole(DATA, extra=told(name, CHECKSUMS[name])))
        return True

    async def work(source: ObjectSource) -> None:
        assert await by_read_into(source, INFO, 0, len(DATA)) == DATA
        assert source.meter.read().count().answers_2xx == source.meter.read().get_requests == 1

    (request,) = read_from(talk, work)
    assert "Range" not in request.head
    assert "x-amz-checksum-mode: ENABLED" in request.head


@pytest.mark.parametrize("name", CHECKSUMS)
@pytest.mark.parametrize("passes", [True, False])
def test_damaged_bodies_are_asked_for_again(name: str, passes: bool) -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        damaged = DATA[:-1] + b"\xff"
        writer.write(whole(DATA if passes and request.number else damaged, extra=told(name, CHECKSUMS[name])))
        return True

    async def work(source: ObjectSource) -> None:
        if passes:
            assert await by_read_into(source, INFO, 0, len(DATA)) == DATA
            assert (source.meter.read().retried_requests, source.meter.read().bytes_downloaded) == (1, 2 * len(DATA))
        else:
            with pytest.raises(ChecksumMismatch, match=f"object .*{name}"):
                await by_read_into(source, INFO, 0, len(DATA))

    assert len(read_from(talk, work)) == (2 if passes else 1 + LIMITS.max_retries)


@pytest.mark.parametrize(
    "extra", ["x-amz-checksum-crc64nvme: AAAAAAAAAAA=\r\n", "x-amz-checksum-crc32: AAAAAA==-3\r\n"]
)
def test_what_cannot_be_checked_is_let_through(extra: str) -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(whole(DATA, extra=f"x-amz-checksum-{told}\r\n"))
        return True

    async def work(source: ObjectSource) -> None:
        assert await by_read_into(source, INFO, 0, len(DATA)) == DATA

    assert len(read_from(talk, work)) == 1


def test_a_checksum_of_the_whole_says_nothing_of_a_part() -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(ranged(DATA, request, extra=told("crc32", CHECKSUMS["crc32"])))
        return True

    async def work(source: ObjectSource) -> None:
        assert await by_read_into(source, INFO, 5, 1000) == DATA[5:1005]

    assert "x-amz-checksum-mode" not in read_from(talk, work)[0].head


def test_a_body_that_is_cut_is_taken_up_by_a_range() -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.number:
            writer.write(ranged(DATA, request))
            return True
        writer.write(whole(DATA)[:50_000])
        await writer.drain()
        await asyncio.sleep(0.05)
        return False

    async def work(source: ObjectSource) -> None:
        assert await by_read_into(source, INFO, 0, len(DATA)) == DATA
        assert source.meter.read().count().answers_2xx == 2

    first, again = read_from(talk, work)
    assert "Range" not in first.head
    assert again.range[0] > 0


@pytest.mark.parametrize("answer", [whole(DATA, etag='"f"'), whole(DATA[:-1], etag='"f"')])
def test_another_object_is_a_changed_one(answer: bytes) -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer)
        return False

    async def work(source: ObjectSource) -> None:
        with pytest.raises(SourceChanged):
            await by_read_into(source, INFO, 0, len(DATA))

    read_from(talk, work)


def test_answers_are_counted_by_their_class() -> None:
    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.number < 2:
            writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")
            return True
        writer.write(whole(DATA))
        return True

    async def work(source: ObjectSource) -> None:
        assert await by_read_into(source, INFO, 0, len(DATA)) == DATA
        meter = source.meter.read()
        assert (
            meter.count().answers_2xx,
            meter.count().answers_4xx,
            meter.count().answers_5xx,
            meter.retried_requests,
        ) == (1, 0, 2, 2)

    assert len(read_from(talk, work)) == 3


def test_a_real_store_s_checksum_is_checked(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="checked", Body=DATA, ChecksumAlgorithm="SHA256")

    async def work() -> None:
        source = open_source(SourceSpec.of(bucket.uri, endpoint_url=bucket.url, region="us-east-2"))
        (info,) = [info for info in await source.list_all() if info.key == "checked"]
        assert await by_read_into(source, info, 0, len(DATA)) == DATA

    asyncio.run(work())


def test_a_late_request_is_made_twice_and_the_first_answer_taken() -> None:
    slow = asyncio.Event()

    async def talk(request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.number == 100:
            await slow.wait()
        writer.write(ranged(DATA, request))
        return True

    async def work(source: ObjectSource) -> None:
        for number in range(101):
            assert await by_read_into(source, INFO, number, 1000) == DATA[number : number + 1000]
        meter = source.meter.read()
        assert (meter.hedged_requests, meter.failed_requests, meter.retried_requests) == (1, 0, 0)
        assert (meter.bytes_downloaded, meter.wasted_bytes) == (101_000, 0)
        slow.set()
        assert await by_read_into(source, INFO, 5, 1000) == DATA[5:1005]

    assert len(read_from(talk, work)) == 103


def test_no_more_than_a_few_are_made_twice() -> None:
    hedging = Hedging()
    assert hedging.late_after_seconds(1000) is None
    for _ in range(LEAST_SEEN):
        hedging.note(1000, 0.1)
    limit = hedging.late_after_seconds(1000)
    assert limit is not None
    assert LEAST_SECONDS < limit < 0.2
    assert hedging.late_after_seconds(8 << 20) is None
    taken = 0
    while hedging.take_one():
        taken += 1
    assert BUDGET_START <= taken <= BUDGET_START + 0.02 * LEAST_SEEN + 1

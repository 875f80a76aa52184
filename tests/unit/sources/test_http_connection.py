"""Answers in any pieces, right and wrong: bytes come to their place or the connection ends, never anything else."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.sources.http.connection import Answered, Connection, Cut, Query, Stale
from penstock.sources.http.response import Head, Verdict, Wanted, judge, parse_head
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import pause_seconds

BODY = bytes(range(200)) * 50
WANTED = Wanted(first=100, end=100 + len(BODY), total_bytes=99_999, etag=b'"e"')
HEADERS = [b'ETag: "e"', b"Content-Length: 10000", b"Content-Range: bytes 100-10099/99999", b"Server: x", b"x-amz-a: b"]
GUARD = b"\xa5" * 100


class Wire(asyncio.Transport):
    """The other end of a connection, as far as a protocol sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True


def receive(answer: bytes, sizes: list[int], *, ends: bool) -> tuple[BaseException | None, bytes, Connection, bool]:
    """Let a connection receive an answer in pieces; give the outcome, the place, and what became of it."""

    async def run() -> tuple[BaseException | None, bytes, Connection, bool]:
        wire = Wire()
        connection = Connection(asyncio.get_running_loop(), lambda _: None)
        connection.connection_made(wire)
        memory = bytearray(GUARD + bytes(len(BODY)) + GUARD)
        place = memoryview(memory)[len(GUARD) : -len(GUARD)]
        done = connection.request(query(), place)
        at, turn = 0, 0
        while at < len(answer) and not wire.is_aborted:
            target = connection.get_buffer(-1)
            assert len(target)
            piece = answer[at : at + min(sizes[turn % len(sizes)], len(target))]
            target[: len(piece)] = piece
            connection.buffer_updated(len(piece))
            at, turn = at + len(piece), turn + 1
        if ends:
            connection.connection_lost(None)
        assert memory[: len(GUARD)] == memory[-len(GUARD) :] == GUARD
        if not done.done():
            return TimeoutError(), bytes(place), connection, wire.is_aborted
        return done.exception(), bytes(place), connection, wire.is_aborted

    return asyncio.run(run())


def query(wanted: Wanted | None = WANTED, **options: Any) -> Query:
    return Query(b"GET", RequestMeter().line("GET", "data"), wanted, **options)


SIZES = st.lists(st.integers(1, 9000), min_size=1, max_size=6)


@given(SIZES, st.permutations(HEADERS), st.sampled_from([bytes.lower, bytes.title, bytes]))
def test_a_right_answer_in_any_pieces(sizes: list[int], headers: list[bytes], case: Any) -> None:
    lines = []
    for header in headers:
        name, _, value = header.partition(b":")
        lines.append(case(name) + b":" + value)
    answer = b"\r\n".join([b"HTTP/1.1 206 Partial Content", *lines, b"", BODY])
    error, place, connection, aborted = receive(answer, sizes, ends=False)
    assert error is None
    assert place == BODY
    assert connection.is_idle
    assert not aborted


@given(SIZES, st.integers(0, len(BODY) - 1))
def test_a_body_that_is_cut_leaves_its_beginning(sizes: list[int], sent_bytes: int) -> None:
    answer = b"\r\n".join([b"HTTP/1.1 206 OK", *HEADERS, b"", BODY[:sent_bytes]])
    error, place, connection, aborted = receive(answer, sizes, ends=True)
    assert isinstance(error, Cut)
    assert connection.received_bytes <= sent_bytes
    assert place == BODY[: connection.received_bytes] + bytes(len(BODY) - connection.received_bytes)
    assert aborted


PIECES = st.sampled_from(
    [b"HTTP/1.1 206 OK\r\n", b"HTTP/1.1 503 No\r\n", b"\r\n", b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n", *HEADERS]
)


@given(st.lists(PIECES | st.binary(max_size=40), max_size=12).map(b"".join), SIZES, st.booleans())
def test_whatever_comes_nothing_beside_the_place_is_written(answer: bytes, sizes: list[int], ends: bool) -> None:
    error, _, connection, aborted = receive(answer, sizes, ends=ends)
    assert isinstance(error, Cut | Answered | TimeoutError | None)
    assert not connection.is_idle
    assert not ends or aborted


def head(status: int = 206, **changes: Any) -> Head:
    told = {
        "length_bytes": len(BODY),
        "content_range": (100, 10_099, 99_999),
        "etag": b'"e"',
        "is_chunked": False,
        "keeps_alive": True,
    }
    return Head(status, **cast("Any", told | changes))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (head(), Verdict.FILL),
        (head(200), Verdict.UNUSUAL),
        (head(200, content_range=None), Verdict.UNUSUAL),
        (head(302), Verdict.REFUSED),
        (head(206, content_range=None), Verdict.UNUSUAL),
        (head(206, length_bytes=None), Verdict.FILL),
        (head(206, length_bytes=9), Verdict.RETRY),
        (head(206, content_range=(99, 10_099, 99_999)), Verdict.RETRY),
        (head(206, content_range=(100, 10_098, 99_999)), Verdict.RETRY),
        (head(206, content_range=(100, 10_099, 99_998)), Verdict.CHANGED),
        (head(206, etag=b'"f"'), Verdict.CHANGED),
        (head(206, etag=b""), Verdict.CHANGED),
        (head(206, is_chunked=True), Verdict.FILL),
        (head(206, is_chunked=True, content_range=None), Verdict.UNUSUAL),
        (head(206, etag=b"", headers=(("content-type", "text/html"),)), Verdict.UNUSUAL),
        (head(301), Verdict.REFUSED),
        (head(307), Verdict.REFUSED),
        (head(100), Verdict.UNUSUAL),
        (head(400), Verdict.REFUSED),
        (head(404), Verdict.REFUSED),
        (head(412), Verdict.REFUSED),
        (head(408), Verdict.RETRY),
        (head(429), Verdict.RETRY),
        (head(500), Verdict.RETRY),
        (head(503), Verdict.RETRY),
    ],
)
def test_what_is_done_with_an_answer(answer: Head, verdict: Verdict) -> None:
    assert judge(answer, WANTED) is verdict


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/2 200",
        b"HTTP/1.1 2000 OK",
        b"SSH-2.0",
        b"HTTP/1.1 206 OK\r\nContent-Length: -1",
        b"HTTP/1.1 206 OK\r\nContent-Length: 1\r\nContent-Length: 2",
        b"HTTP/1.1 206 OK\r\ncontent-length: 0x10",
    ],
)
def test_what_is_no_head(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_head(data)


@pytest.mark.parametrize(
    ("line", "header", "kept"),
    [
        (b"HTTP/1.1 206 OK", b"", True),
        (b"HTTP/1.1 206", b"Connection: Close", False),
        (b"HTTP/1.0 206 OK", b"", False),
        (b"HTTP/1.0 206 OK", b"Connection: keep-alive", True),
    ],
)
def test_when_a_connection_is_kept(line: bytes, header: bytes, kept: bool) -> None:
    assert parse_head(line + b"\r\n" + header).keeps_alive is kept


def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    wire = Wire()
    connection = Connection(asyncio.new_event_loop(), lambda _: None)
    connection.connection_made(wire)
    connection.get_buffer(-1)[:1] = b"x"
    connection.buffer_updated(1)
    assert wire.is_aborted


def test_a_connection_is_stale_only_after_it_was_used() -> None:
    async def run() -> list[BaseException | None]:
        found = []
        for num_before in (0, 1):
            connection = Connection(asyncio.get_running_loop(), lambda _: None)
            connection.connection_made(Wire())
            answer = b"\r\n".join([b"HTTP/1.1 206 OK", *HEADERS, b"", BODY])
            for _ in range(num_before):
                connection.request(query(), memoryview(bytearray(len(BODY))))
                while answer:
                    target = connection.get_buffer(-1)
                    piece = answer[: len(target)]
                    target[: len(piece)] = piece
                    connection.buffer_updated(len(piece))
                    answer = answer[len(piece) :]
            done = connection.request(query(), memoryview(bytearray(len(BODY))))
            connection.connection_lost(None)
            found.append(done.exception())
        return found

    fresh, used = asyncio.run(run())
    assert isinstance(fresh, Cut)
    assert isinstance(used, Stale)


@given(st.integers(0, 1000), st.floats(0, 1))
def test_pauses_grow_to_a_bound(num_retries: int, share: float) -> None:
    pause = pause_seconds(num_retries, share)
    assert 0.05 <= pause <= 15
    assert pause <= 2 * pause_seconds(num_retries + 1, share)
    assert pause_seconds(num_retries, 1) == min(0.1 * 2.0 ** min(num_retries, 16), 15)

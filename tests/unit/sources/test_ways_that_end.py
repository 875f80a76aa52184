"""Links that end while what they lead to is read: whatever stands there then, it is asked anew where they lead."""

from __future__ import annotations

import asyncio
import gc
import itertools
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from penstock.errors import ObjectUnreadable, SourceChanged, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, open_source
from support.hub_server import serve_hub
from support.small_s3 import Asked, Reply, SmallS3, small_s3
from unit.sources.places import QUICK

DATA = bytes(range(256)) * 40
LIMITS = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=5, retry_seconds=60, max_retries=6)
EXPIRED = Reply(status=403, body=b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
PAGE = {"Content-Type": "text/html"}


@pytest.fixture
def server() -> Iterator[SmallS3]:
    """Leads ``/x`` to ``/link/N``, N being the number of the request."""
    numbers = itertools.count(1)

    def take_over(asked: Asked) -> Reply | None:
        if asked.path == "/x":
            return Reply(status=302, headers={"Location": f"/link/{next(numbers)}?sig=hunter2hunter2"})
        return None

    with small_s3(is_open=True) as served:
        served.objects["login"] = b"sign in"
        served.takeover = take_over
        yield served


def file_of(server: SmallS3) -> tuple[ObjectSource, ObjectInfo]:
    info = ObjectInfo(key="x", size_bytes=len(DATA), version='"e"')
    return open_source(SourceSpec(uri=f"{server.url}/x"), limits=LIMITS), info


def at_links(server: SmallS3, replies: Callable[[int, Asked], Reply]) -> None:
    """Have links answer by the number of requests that came to any of them, the first being 1."""
    lead, numbers = server.takeover, itertools.count(1)
    server.takeover = lambda asked: replies(next(numbers), asked) if asked.path.startswith("/link/") else lead(asked)


def right(asked: Asked) -> Reply:
    first, last = map(int, asked.headers.get("range", f"bytes=0-{len(DATA) - 1}").partition("=")[2].split("-"))
    told = {"ETag": '"e"', "Content-Range": f"bytes {first}-{last}/{len(DATA)}"}
    return Reply(status=206, body=DATA[first : last + 1], headers=told)


def cut(asked: Asked, num_bytes: int) -> Reply:
    """Return the whole file, cut off after some bytes."""
    told = {"ETag": '"e"', "Content-Length": str(len(DATA)), "Connection": "close"}
    return Reply(body=DATA[:num_bytes], headers=told)


ENDS = {
    "403": EXPIRED,
    "400": Reply.error(400, "ExpiredToken"),
    "401": Reply(status=401),
    "404": Reply(status=404),
    "410": Reply(status=410),
    "a page": Reply(body=b"<html>your link has expired</html>", headers=PAGE),
    "a login": Reply(status=302, headers={"Location": "/denied"}),
    "nowhere": Reply(status=302),
    "a page without encryption or host": Reply(status=302, headers={"Location": "ftp://sign.in/"}),
    "another file": Reply(status=412),
    "bytes of another file": Reply(
        status=206, body=b"0" * 10, headers={"ETag": '"f"', "Content-Range": f"bytes 50-59/{len(DATA)}"}
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_stands_at_the_end_of_a_link_that_was_good_is_asked_for_anew(server: SmallS3, end: str) -> None:
    at_links(server, lambda number, asked: ENDS[end] if number in (2, 4) else right(asked))
    source, info = file_of(server)

    async def read() -> list[bytes]:
        return [bytes(await source.get_range(info, at, 10)) for at in (30, 50, 70)]

    assert asyncio.run(read()) == [DATA[at : at + 10] for at in (30, 50, 70)]
    paths = [asked.path for asked in server.requests if asked.path != "/denied"]
    assert paths == ["/x", "/link/1", "/link/1", "/x", "/link/2", "/link/2", "/x", "/link/3"]


@pytest.mark.parametrize("end", ENDS)
def test_what_stands_at_the_end_of_a_new_link_is_believed(server: SmallS3, end: str) -> None:
    at_links(server, lambda number, asked: ENDS[end])
    source, info = file_of(server)
    with pytest.raises(SourceError) as caught:
        asyncio.run(source.get_range(info, 50, 10))
    assert "hunter2" not in f"{caught.value} {caught.value.fix}"
    assert [asked.path for asked in server.requests if asked.path != "/denied"] == ["/x", "/link/1"]
    kind = SourceChanged if "another" in end else ObjectUnreadable if end == "403" else SourceError
    assert isinstance(caught.value, kind)


@pytest.mark.parametrize("before", ["busy", "reset", "cut off"])
def test_a_link_that_ends_between_two_tries_is_asked_for_anew(server: SmallS3, before: str) -> None:
    """A server is busy, or breaks off, until the link has ended: again and again, in one read."""
    passing = {"busy": Reply(status=503), "reset": Reply(is_reset=True)}

    def replies(number: int, asked: Asked) -> Reply:
        if number % 2 == 0 and number <= 4:
            return EXPIRED
        if number < 4:
            return passing[before] if before in passing else cut(asked, 100)
        return right(asked)

    at_links(server, replies)
    source, info = file_of(server)
    assert asyncio.run(source.get(info)) == DATA
    assert server.requests[-1].path == "/link/3"


def test_links_that_end_more_often_than_redirects_may_be_many(server: SmallS3) -> None:
    def replies(number: int, asked: Asked) -> Reply:
        if number > 12:
            return right(asked)
        return EXPIRED if number % 2 == 0 else Reply(status=503)

    at_links(server, replies)
    source, info = file_of(server)
    assert bytes(asyncio.run(source.get_range(info, 5, 10))) == DATA[5:15]


def test_a_mirror_that_is_gone_is_left_for_the_one_that_is_led_to_by_now(server: SmallS3) -> None:
    at_links(
        server, lambda number, asked: right(asked) if asked.path != "/link/1" or number == 1 else Reply(is_reset=True)
    )
    source, info = file_of(server)

    async def read() -> list[bytes]:
        return [bytes(await source.get_range(info, at, 10)) for at in (0, 50)]

    assert asyncio.run(read()) == [DATA[:10], DATA[50:60]]


def test_mirrors_that_are_all_gone_are_given_up(server: SmallS3) -> None:
    at_links(server, lambda number, asked: Reply(status=503))
    source, info = file_of(server)
    with pytest.raises(SourceUnavailable, match="7 tries"):
        asyncio.run(source.get_range(info, 50, 10))
    assert sum(asked.path.startswith("/link/") for asked in server.requests) == 7


def test_a_link_of_the_hub_that_ends_while_its_server_is_busy() -> None:
    with serve_hub() as hub:
        hub.files["a.bin"] = DATA
        hub.large.add("a.bin")
        answer, left = hub.cdn.takeover, [1]

        def busy_once(asked: Asked) -> Reply | None:
            if left[0]:
                left[0] -= 1
                hub.signature = "another"  # by the next try
                return Reply(status=503)
            return answer(asked)

        hub.cdn.takeover = busy_once
        source = open_source(SourceSpec.of("hf://datasets/org/name", endpoint_url=hub.url), limits=QUICK)

        async def read() -> bytes:
            [info] = await source.list_all()
            return bytes(await source.get_range(info, 50, 10))

        assert asyncio.run(read()) == DATA[50:60]


@pytest.mark.parametrize("is_cut", [False, True])
def test_memory_that_was_read_to_is_let_go_of_at_once_after_a_redirect_or_another_try(
    server: SmallS3, *, is_cut: bool
) -> None:
    """And not when garbage is collected by and by: a redirect of each file would hold some MiB of each."""
    at_links(server, lambda number, asked: cut(asked, 0) if is_cut and number == 1 else right(asked))
    source, info = file_of(server)

    async def read() -> weakref.ref[np.ndarray]:
        place = np.empty(len(DATA), np.uint8)
        await source.read_into(info, 0, place.data)
        assert place.tobytes() == DATA
        return weakref.ref(place)

    gc.disable()
    try:
        assert asyncio.run(read())() is None
    finally:
        gc.enable()
        source.close()

"""Listings of a server that lies: an error for whoever lists, and nothing of it that steers a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ObjectUnreadable, SourceError, SourceUnavailable
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, open_source
from support.cli import penstock
from support.small_s3 import Asked, Reply, SmallS3, small_s3
from unit.sources.test_s3_listing import BAD, entry, more, page

LIMITS = ClientLimits(connect_timeout_seconds=2, request_timeout_seconds=5, max_retries=1, retry_seconds=5)


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as server:
        yield server


def listed(server: SmallS3) -> list[str]:
    spec = SourceSpec.of("s3://bucket/data", endpoint_url=server.url, region="us-east-2", anonymous=True)
    return [info.key for info in asyncio.run(open_source(spec, limits=LIMITS).list_all())]


def answers(server: SmallS3, *bodies: bytes) -> None:
    """Return these pages, the last one again and again."""
    left = list(bodies)
    server.takeover = lambda asked: Reply(body=left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize(("body", "why"), BAD, ids=range(len(BAD)))
def test_no_page_that_is_wrong_is_taken_as_a_listing(body: bytes, why: str, server: SmallS3) -> None:
    answers(server, page(entry("data/0"), truncated=more("asked")), body)
    with pytest.raises(SourceError, match=rf"cannot be trusted: .*{why}|refused|did not answer"):
        listed(server)


def test_a_page_that_is_cut_off_once_is_asked_for_again(server: SmallS3) -> None:
    answers(server, page(entry("data/0"))[:-20], page(entry("data/0")))
    assert listed(server) == ["0"]
    answers(server, page(entry("data/0"))[:-20])
    with pytest.raises(SourceUnavailable, match="cut off"):
        listed(server)


def test_an_error_that_passes_is_asked_for_again_though_its_status_is_200(server: SmallS3) -> None:
    answers(server, b"<Error><Code>SlowDown</Code></Error>", page(entry("data/0")))
    assert listed(server) == ["0"]
    answers(server, b"<Error><Code>AccessDenied</Code></Error>", page(entry("data/0")))
    with pytest.raises(SourceError, match="cannot be trusted"):
        listed(server)


@pytest.mark.parametrize("tokens", [["a"], ["a", "b"], ["a", "b", "c", "d", "e"]])
def test_a_listing_that_goes_round_in_a_circle_ends(tokens: list[str], server: SmallS3) -> None:
    number = 0

    def again(asked: Asked) -> Reply:
        nonlocal number
        number += 1
        return Reply(body=page(entry(f"data/{number:05}"), truncated=more(tokens[number % len(tokens)])))

    server.takeover = again
    with pytest.raises(SourceError, match="never end"):
        listed(server)
    assert number < 40


@pytest.mark.parametrize("pages", [[("a", "b", "a")], [("a", "b"), ("c", "a")], [("b",), ("a",), ("b",)]])
def test_an_object_that_is_named_twice_is_an_error(pages: list[tuple[str, ...]], server: SmallS3) -> None:
    bodies = [page(*(entry(f"data/{key}") for key in keys), truncated=more(f"t{at}")) for at, keys in enumerate(pages)]
    bodies[-1] = page(*(entry(f"data/{key}") for key in pages[-1]))
    answers(server, *bodies)
    with pytest.raises(SourceError, match="twice"):
        listed(server)


@pytest.mark.parametrize("early", [False, True])
def test_the_command_line_tells_it_in_a_line_that_steers_no_terminal(
    server: SmallS3, tmp_path: Path, early: bool
) -> None:
    url = "<EncodingType>url</EncodingType>"
    steering = "data/%1B%5D0%3Bowned%07%0A%E2%80%AEa"
    answers(server, page(entry(steering, 2**63), extra=url))
    words = ["list", "--source", "s3://bucket/data", "--endpoint-url", server.url, "--anonymous", "--task", "objects"]
    words += ["--split", "1,0,0", "--manifest", str(tmp_path / "m"), "--plan", str(tmp_path / "p")]
    words += ["--stream-listing"] if early else []
    done = penstock(*words)
    assert done.returncode == SourceError.exit_code
    assert not any(letter in done.stdout + done.stderr for letter in "\x1b\x07\u202e")
    assert "9223372036854775808" in done.stderr
    assert sum("error: " in line for line in done.stderr.splitlines()) == 1
    archived = page(entry(steering, extra="<StorageClass>GLACIER</StorageClass>"), entry("data/z"), extra=url)
    answers(server, archived)
    assert penstock(*words).returncode == ObjectUnreadable.exit_code
    done = penstock(*words, "--on-bad-object", "skip")
    assert done.returncode == 0, done.stderr
    assert "is archived (GLACIER)" in done.stdout
    assert "1 sample in 1 object" in done.stdout
    assert not any(letter in done.stdout + done.stderr for letter in "\x1b\x07\u202e")

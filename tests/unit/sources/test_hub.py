"""The Hugging Face Hub: revisions, pages, tokens, signed links, limits, and what it answers."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ChecksumMismatch,
    ConfigError,
    EmptyListing,
    ObjectNotFound,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.manifest import SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, locate, open_source
from support.hub_server import COMMIT, Hub, serve_hub
from support.small_s3 import Asked, Reply
from unit.sources.places import QUICK

DATA = bytes(range(256)) * 40
TOKEN = "hf_thisisatokenofthetestsalone"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in (
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH",
        "HF_ENDPOINT",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "XDG_CACHE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with serve_hub() as served:
        served.files |= {"data/a b.parquet": DATA, "data/deep/c.parquet": DATA[::-1], "README.md": b"read me"}
        served.large |= {"data/a b.parquet", "data/deep/c.parquet"}
        yield served


def opened(hub: Hub, path: str = "datasets/org/name", *, limits: ClientLimits = QUICK, **options: Any) -> ObjectSource:
    return open_source(SourceSpec.of(f"hf://{path}", endpoint_url=hub.url, **options), limits=limits)


def listed(source: ObjectSource) -> dict[str, ObjectInfo]:
    return {info.key: info for info in asyncio.run(source.list_all())}


def test_a_repository_is_listed_at_a_commit_and_read(hub: Hub) -> None:
    source = opened(hub)
    found = listed(source)
    assert {key: info.size_bytes for key, info in found.items()} == {key: len(data) for key, data in hub.files.items()}
    assert source.spec.uri == f"hf://datasets/org/name@{COMMIT}"
    assert {key: asyncio.run(source.get(info)) for key, info in found.items()} == hub.files
    again = open_source(source.spec, limits=QUICK)
    assert bytes(asyncio.run(again.get_range(found["data/a b.parquet"], 100, 50))) == DATA[100:150]
    assert listed(again) == found


@pytest.mark.parametrize(
    "revision", ["", "@main", "@v1", "@refs/convert/parquet", f"@{COMMIT}", "@refs%2Fconvert%2Fparquet"]
)
@pytest.mark.parametrize(
    ("path", "keys"), [("/data", {"a b.parquet", "deep/c.parquet"}), ("/data/deep/", {"c.parquet"})]
)
def test_folders_and_revisions(hub: Hub, revision: str, path: str, keys: set[str]) -> None:
    source = opened(hub, f"datasets/org/name{revision}{path}")
    found = listed(source)
    assert set(found) == keys
    assert source.spec.uri.rstrip("/") == f"hf://datasets/org/name@{COMMIT}{path.rstrip('/')}"
    assert all(len(asyncio.run(source.get(info))) == len(DATA) for info in found.values())


def test_one_file(hub: Hub) -> None:
    source = opened(hub, "datasets/org/name/data/a b.parquet")
    found = listed(source)
    assert set(found) == {"a b.parquet"}
    assert asyncio.run(open_source(source.spec, limits=QUICK).get(found["a b.parquet"])) == DATA


def test_a_prefix_is_a_folder(hub: Hub) -> None:
    assert [info.key for info in asyncio.run(opened(hub).list_all("data/deep"))] == ["data/deep/c.parquet"]


@pytest.mark.parametrize("page_entries", [1, 2, 5])
def test_all_pages_are_read(hub: Hub, page_entries: int) -> None:
    hub.page_entries = page_entries
    assert set(listed(opened(hub))) == set(hub.files)


def test_the_token_goes_to_the_hub_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    source = opened(hub)
    assert {key: asyncio.run(source.get(info)) for key, info in listed(source).items()} == hub.files
    assert {asked.headers.get("authorization") for asked in hub.hub.requests} == {f"Bearer {TOKEN}"}
    assert hub.cdn.requests
    assert all("authorization" not in asked.headers for asked in hub.cdn.requests)


@pytest.mark.parametrize("way", ["HF_TOKEN_PATH", "HF_HOME", "HUGGING_FACE_HUB_TOKEN", "cache"])
def test_the_token_is_found_where_the_hubs_own_tools_look(
    hub: Hub, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = TOKEN
    folder = tmp_path / "tokens"
    (folder / "huggingface").mkdir(parents=True)
    for path in (folder / "token", folder / "huggingface/token"):
        path.write_text(f"{TOKEN}\n")
    value = {"HF_TOKEN_PATH": str(folder / "token"), "HF_HOME": str(folder), "HUGGING_FACE_HUB_TOKEN": TOKEN}.get(way)
    if value is None:
        monkeypatch.delenv("HF_HOME")
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    else:
        monkeypatch.setenv(way, value)
    assert set(listed(opened(hub))) == set(hub.files)


def test_private_repositories_without_a_good_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = TOKEN
    with pytest.raises(BucketNotFound, match=r"or it is private and no token was sent"):
        listed(opened(hub))
    monkeypatch.setenv("HF_TOKEN", "hf_someotherstokenwhichisnotgood")
    with pytest.raises(BucketNotFound, match=r"the token is not taken .*Repository not found") as caught:
        listed(opened(hub))
    assert "hf_some" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(BucketNotFound, match="no token was sent"):
        listed(opened(hub, anonymous=True))


def test_a_token_that_is_revoked_under_way(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token, hub.link_seconds = TOKEN, 0.0
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    source = opened(hub)
    info = listed(source)["README.md"]
    hub.hub.takeover = lambda asked: Reply(status=401)
    with pytest.raises(AccessDenied, match="the token is not taken") as caught:
        asyncio.run(source.get(info))
    assert "HF_TOKEN" in caught.value.fix
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("asks", ["list", "read"])
def test_a_token_that_the_server_says_back_is_not_shown(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asks: str
) -> None:
    """One of no known form, that no variable holds: of a Hub of a company's own."""
    (tmp_path / "token").write_text("company-token-of-the-tests")
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    source = opened(hub)
    info = listed(source)["README.md"]
    said = {"X-Error-Message": "there is no company-token-of-the-tests here"}
    hub.hub.takeover = lambda asked: Reply(status=401, headers=said)
    with pytest.raises(AccessDenied, match=r"there is no \[redacted\] here") as caught:
        asyncio.run(source.list_all() if asks == "list" else source.get(info))  # type: ignore[arg-type]
    assert "company-token" not in str(caught.value)


def test_a_repository_that_is_hidden_under_way_is_told_as_one_that_was_there(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub says of a private repository, to whom may not see it, that there is none."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    source = opened(hub)
    info = listed(source)["README.md"]
    hub.token = "hf_another"
    with pytest.raises(AccessDenied, match=r"access to README\.md was denied: the token is not taken"):
        asyncio.run(source.get(info))


@pytest.mark.parametrize("asks", ["list", "read"])
def test_a_token_that_a_file_holds_since_is_taken_when_the_old_one_ends(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asks: str
) -> None:
    hub.token, hub.link_seconds = TOKEN, 0.3
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    source = opened(hub)
    info = listed(source)["README.md"]
    hub.token = "hf_thenexttokenofthetestsalone"
    (tmp_path / "token").write_text(f"{hub.token}\n")
    hub.hub.requests.clear()

    async def read() -> list[bytes]:
        return [bytes(part) for part in await asyncio.gather(*(source.get_range(info, at, 2) for at in range(5)))]

    if asks == "list":
        assert len(listed(source)) == 3
    else:
        assert asyncio.run(read()) == [b"read me"[at : at + 2] for at in range(5)]
    assert not any("authorization" in asked.headers for asked in hub.cdn.requests)
    (tmp_path / "token").write_text("hf_one that is none")
    hub.token = "hf_athird"
    with pytest.raises(SourceError, match="the token is not taken") as caught:
        listed(source)
    assert "hf_" not in str(caught.value)


def test_a_token_that_is_anew_asked_for_is_none_of_who_sends_none(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = opened(hub, anonymous=True)
    info = listed(source)["README.md"]
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.token = TOKEN
    with pytest.raises(AccessDenied, match="no token was sent"):
        asyncio.run(source.get(info))
    assert not any("authorization" in asked.headers for asked in hub.hub.requests)


def test_what_can_be_no_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_a b\r\nHost: other")
    with pytest.raises(ConfigError, match="HF_TOKEN holds no token") as caught:
        opened(hub)
    assert "Host" not in str(caught.value)


def test_signed_links_are_asked_for_anew_when_they_end(hub: Hub) -> None:
    hub.link_seconds = 0.3
    source = opened(hub)
    info = listed(source)["data/a b.parquet"]

    async def read_slowly() -> None:
        for offset in range(0, 1000, 100):
            assert bytes(await source.get_range(info, offset, 100)) == DATA[offset : offset + 100]
            await asyncio.sleep(0.1)

    asyncio.run(read_slowly())
    links = [asked for asked in hub.hub.requests if "/resolve/" in asked.path]
    assert 2 <= len(links) < 10


async def read_at_once(hub: Hub, source: ObjectSource, found: dict[str, ObjectInfo], *keys: str) -> int:
    """Read many ranges of each object at once; return how often the Hub itself was asked for one."""
    hub.hub.requests.clear()
    ranges = [(key, at) for key in keys for at in range(0, 1000, 50)]
    parts = await asyncio.gather(*(source.get_range(found[key], at, 50) for key, at in ranges))
    assert [bytes(part) for part in parts] == [hub.files[key][at : at + 50] for key, at in ranges]
    return sum("/resolve/" in asked.path for asked in hub.hub.requests)


def test_of_ranges_that_are_read_at_once_one_finds_out_where_a_link_leads(hub: Hub) -> None:
    hub.files["small.bin"] = DATA[:1000]
    source = opened(hub)
    found = listed(source)
    large = ("data/a b.parquet", "data/deep/c.parquet")

    async def read() -> None:
        assert await read_at_once(hub, source, found, *large) == 2
        assert await read_at_once(hub, source, found, *large) == 0
        hub.signature = "another"  # the links have ended, for all that are read at once
        assert await read_at_once(hub, source, found, *large) == 2
        assert await read_at_once(hub, source, found, "small.bin") == 20  # no link: the Hub has it itself

    asyncio.run(read())


def test_who_finds_out_where_a_link_leads_keeps_nobody_waiting_where_it_fails(hub: Hub) -> None:
    source = opened(hub)
    found = listed(source)
    answer, left = hub.hub.takeover, [1]

    def refused_once(asked: Asked) -> Reply | None:
        if "/resolve/" in asked.path and "b.parquet" in asked.path and left[0]:
            left[0] -= 1
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        return answer(asked)

    hub.hub.takeover = refused_once

    async def read() -> list[object]:
        reads = [source.get_range(found["data/a b.parquet"], at, 10) for at in range(0, 100, 10)]
        standing = asyncio.ensure_future(source.get_range(found["data/deep/c.parquet"], 0, 10))
        await asyncio.sleep(0)
        standing.cancel()
        other = source.get_range(found["data/deep/c.parquet"], 0, 10)
        return await asyncio.gather(*reads, other, return_exceptions=True)

    *parts, other = asyncio.run(read())
    assert [type(part) for part in parts].count(ObjectNotFound) == 1
    assert [bytes(part) for part in parts if isinstance(part, memoryview)] == [
        DATA[at : at + 10] for at, part in zip(range(0, 100, 10), parts, strict=True) if isinstance(part, memoryview)
    ]
    assert bytes(other) == DATA[::-1][:10]  # type: ignore[call-overload]


@pytest.mark.parametrize("limited", [1, 3])
def test_limits_are_kept_to(hub: Hub, limited: int) -> None:
    source = opened(hub, limits=ClientLimits(retry_seconds=60))
    hub.limited = limited
    began = time.monotonic()
    found = listed(source)
    assert time.monotonic() - began > limited * 0.9
    hub.limited = 1

    assert bytes(asyncio.run(source.get_range(found["README.md"], 0, 4))) == b"read"
    assert hub.early == 0


def test_limits_that_do_not_end_are_given_up(hub: Hub) -> None:
    hub.limited, hub.wait_seconds = 100, 0
    with pytest.raises(SourceUnavailable, match="the Hub asks for fewer requests"):
        listed(opened(hub))


def test_bytes_that_are_not_what_the_commit_names(hub: Hub) -> None:
    source = opened(hub)
    info = listed(source)["data/a b.parquet"]
    hub.files["data/a b.parquet"] = DATA[::-1]
    with pytest.raises(ChecksumMismatch, match="came damaged"):
        asyncio.run(source.get(info))
    hub.files["data/a b.parquet"] = DATA[:-1]
    with pytest.raises(SourceChanged):
        asyncio.run(source.get(info))
    del hub.files["data/a b.parquet"]
    hub.hub.takeover = lambda asked: Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
    with pytest.raises(ObjectNotFound, match=r"is not in .* any more"):
        asyncio.run(opened(hub).get(info))


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("datasets/org/other", BucketNotFound, "there is no hf://datasets/org/other, or it is private"),
        ("org/name", BucketNotFound, "there is no hf://org/name"),
        ("datasets/org/name@v9", BucketNotFound, "no such revision"),
        ("datasets/org/name/dato", EmptyListing, "beside it lie: README.md, data/"),
    ],
)
def test_what_is_not_there(hub: Hub, path: str, kind: type[PenstockError], told: str) -> None:
    with pytest.raises(kind, match=told):
        listed(opened(hub, path))


def test_a_repository_that_is_gated(hub: Hub) -> None:
    hub.hub.takeover = lambda asked: Reply(status=403, headers={"X-Error-Code": "GatedRepo"})
    with pytest.raises(AccessDenied, match="is gated, and no token was sent") as caught:
        listed(opened(hub))
    assert f"accept its conditions at {hub.url}/datasets/org/name," in caught.value.fix
    with pytest.raises(AccessDenied) as caught:
        listed(opened(hub, "models/org/model"))
    assert f"accept its conditions at {hub.url}/org/model," in caught.value.fix


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "../x"},
        {"path": "/etc/passwd"},
        {"path": "a//b"},
        {"path": "x", "size": -1},
        {"path": 3},
        {"type": "file"},
        {"path": "x", "lfs": {"oid": "abc"}},
    ],
)
def test_listings_that_lie(hub: Hub, entry: dict[str, object]) -> None:
    body = json.dumps([{"type": "file", "oid": "1" * 40, "size": 3, **entry}]).encode()
    own = hub.hub.takeover
    hub.hub.takeover = lambda asked: Reply(body=body) if "/tree/" in asked.path else own(asked)
    with pytest.raises(SourceError, match="cannot be trusted"):
        listed(opened(hub))


@pytest.mark.parametrize("link", ["{url}{path}", "https://elsewhere.org/api/next", "https://[elsewhere/next", "//h]"])
def test_pages_without_an_end(hub: Hub, link: str) -> None:
    own = hub.hub.takeover
    body = json.dumps([{"type": "file", "oid": "1" * 40, "size": 3, "path": "x"}]).encode()

    def answer(asked: Any) -> Reply | None:
        if "/tree/" not in asked.path:
            return own(asked)
        following = link.format(url=hub.url, path=f"{asked.path}?recursive=true&expand=false")
        return Reply(body=body, headers={"Link": f'<{following}>; rel="next"'})

    hub.hub.takeover = answer
    with pytest.raises(SourceError, match="cannot be trusted: its next page"):
        listed(opened(hub))


@pytest.mark.parametrize(
    "uri",
    [
        "hf://",
        "hf://datasets",
        "hf://datasets/",
        "hf://spaces/org/app",
        "hf://buckets/org",
        "hf://buckets/org/na me",
        "hf://a b/c",
        "hf://org/..",
        "hf://org/name@",
        "hf://org/n\x00",
    ],
)
def test_a_uri_that_cannot_be(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"hf://|repository|revision") as caught:
        locate(SourceSpec(uri=uri))
    assert caught.value.fix


def test_options_of_s3_mean_nothing() -> None:
    for options in ({"region": "us-east-2"}, {"requester_pays": True}):
        with pytest.raises(ConfigError, match="means nothing for the Hugging Face Hub"):
            locate(SourceSpec.of("hf://org/name", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_nothing_is_asked_where_the_environment_says_so(hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError, match=f"{name} is set, by which nothing is asked"):
        listed(opened(hub))
    assert not hub.hub.requests
    monkeypatch.setenv(name, "0")
    assert listed(opened(hub))


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_TOKEN_PATH"])
def test_the_file_of_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    hub.token = TOKEN
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("FOLDER", str(tmp_path))
    monkeypatch.setenv(variable, "$FOLDER" if variable == "HF_HOME" else "${FOLDER}/token")
    assert listed(opened(hub))


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", {"data/a b.bin", "data/deep/c.bin", "database.bin"}),
        ("/data", {"a b.bin", "deep/c.bin"}),
        ("/data/deep", {"c.bin"}),
        ("/data/a b.bin", {"a b.bin"}),
        ("/database.bin", {"database.bin"}),
    ],
)
def test_a_bucket_of_files(hub: Hub, path: str, keys: set[str]) -> None:
    hub.bucket = {"data/a b.bin": DATA, "data/deep/c.bin": DATA[::-1], "database.bin": b"base"}
    source = opened(hub, f"buckets/org/files{path}")
    found = listed(source)
    assert set(found) == keys
    assert all(info.version.startswith("xet:") for info in found.values())
    again = open_source(source.spec, limits=QUICK)
    for key, info in found.items():
        name = next(name for name in hub.bucket if name.endswith(key) and len(hub.bucket[name]) == info.size_bytes)
        assert len(asyncio.run(again.get(info))) == len(hub.bucket[name])
        assert bytes(asyncio.run(again.get_range(info, 1, 2))) in (DATA[1:3], DATA[::-1][1:3], b"as")


def test_what_a_bucket_has_not(hub: Hub) -> None:
    hub.bucket = {"data/a.bin": DATA}
    with pytest.raises(EmptyListing, match="beside it lie: data/"):
        listed(opened(hub, "buckets/org/files/dat"))
    with pytest.raises(BucketNotFound, match="there is no hf://buckets/org/other, or it is private"):
        listed(opened(hub, "buckets/org/other"))


def test_a_file_of_a_bucket_that_is_another_by_now(hub: Hub) -> None:
    hub.bucket = {"a b.bin": DATA}
    source = opened(hub, "buckets/org/files")
    info = listed(source)["a b.bin"]
    assert bytes(asyncio.run(source.get_range(info, 0, 10))) == DATA[:10]
    hub.bucket["a b.bin"] = DATA[::-1]  # of the same size
    with pytest.raises(SourceChanged, match=r"a b\.bin in .* changed"):
        asyncio.run(opened(hub, "buckets/org/files").get_range(info, 0, 10))
    del hub.bucket["a b.bin"]
    with pytest.raises(ObjectNotFound):
        asyncio.run(opened(hub, "buckets/org/files").get(info))


def meeting(hub: Hub, *parts: str) -> None:
    """Have requests whose paths hold these parts answered when all of them have come."""
    came = {part: threading.Event() for part in parts}

    def answer(asked: Asked) -> Reply:
        found = hub.answer(asked)
        if own := [part for part in parts if part in asked.path]:
            came[own[0]].set()
            if not all(event.wait(20) for event in came.values()):
                return Reply(status=400)
        return found

    hub.hub.takeover = answer


async def _card_and_files(source: ObjectSource) -> dict[str, bytes]:
    source.expect("README.md")
    return {info.key: await source.get(info) for info in await source.list_all() if info.key == "README.md"}


def test_a_card_is_asked_for_while_the_files_are_listed(hub: Hub) -> None:
    meeting(hub, "/tree/", "README.md")
    assert asyncio.run(_card_and_files(opened(hub))) == {"README.md": b"read me"}
    assert sum("README.md" in asked.path for asked in hub.hub.requests) == 1


@pytest.mark.parametrize("large", [False, True])
def test_a_card_that_does_not_come_early_is_read_when_it_is_asked_for(hub: Hub, large: bool) -> None:
    hub.large |= {"README.md"} if large else set()
    asked_for: list[str] = []

    def answer(asked: Asked) -> Reply:
        if "README.md" in asked.path:
            asked_for.append(asked.path)
            if len(asked_for) == 1:
                return Reply(status=403)
        return hub.answer(asked)

    hub.hub.takeover = answer
    assert asyncio.run(_card_and_files(opened(hub))) == {"README.md": b"read me"}
    assert len(asked_for) == 2


def test_a_card_that_is_not_there_is_no_error(hub: Hub) -> None:
    del hub.files["README.md"]
    assert asyncio.run(_card_and_files(opened(hub))) == {}


def test_of_a_listing_that_fails_no_request_is_left(hub: Hub) -> None:
    """Neither is an error of what was asked for meanwhile lost in a warning."""
    hub.hub.takeover = lambda asked: Reply(status=404) if "/revision/" not in asked.path else hub.answer(asked)
    source = opened(hub)
    with pytest.raises(SourceError):
        asyncio.run(_card_and_files(source))
    source.close()


def test_the_connection_to_the_hub_is_kept_when_the_commit_is_known(hub: Hub) -> None:
    """Another one takes as long as several requests where it is encrypted."""
    listed(opened(hub))
    assert len(hub.hub.requests) > 1
    assert len({asked.client for asked in hub.hub.requests}) == 1


async def _foreseen(source: ObjectSource, first: str | None) -> bytes:
    source.foresee(lambda keys: first if first in keys else None)
    await source.get_ready()
    found = {info.key: info for info in await source.list_all()}
    return bytes(await source.get_range(found["data/a b.parquet"], 100, 50))


def _links_asked(hub: Hub) -> list[tuple[str, str]]:
    asked = [each for each in hub.hub.requests if "/resolve/" in each.path]
    return [(each.method, unquote(each.path).rpartition("/")[2]) for each in asked]


def test_a_link_that_will_be_needed_is_looked_up_while_files_are_listed(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names that come with the commit: nobody asks again, and the other server is asked for bytes alone."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.token = TOKEN
    meeting(hub, "/tree/", "a%20b.parquet")
    assert asyncio.run(_foreseen(opened(hub), "data/a b.parquet")) == DATA[100:150]
    assert _links_asked(hub) == [("HEAD", "a b.parquet")]
    assert sum("/revision/" in asked.path for asked in hub.hub.requests) == 1
    assert [(asked.method, "authorization" in asked.headers) for asked in hub.cdn.requests] == [("GET", False)]


@pytest.mark.parametrize("first", ["data/deep/c.parquet", "README.md", "no such", None])
def test_a_guess_of_what_will_be_read_may_be_wrong(hub: Hub, first: str | None) -> None:
    assert asyncio.run(_foreseen(opened(hub), first)) == DATA[100:150]
    assert ("GET", "a b.parquet") in _links_asked(hub)


@pytest.mark.parametrize("reply", [Reply(status=403), Reply(status=503), Reply(body=b'{"sha": 1}')])
def test_what_is_wrong_early_is_told_by_who_reads(hub: Hub, reply: Reply) -> None:
    """A link that is not found is asked for again; a commit that is none is an error of the listing."""
    hub.hub.takeover = lambda asked: reply if asked.method == "HEAD" and not reply.body else hub.answer(asked)
    assert asyncio.run(_foreseen(opened(hub), "data/a b.parquet")) == DATA[100:150]
    hub.hub.takeover = lambda asked: reply if "/revision/" in asked.path else hub.answer(asked)
    with pytest.raises(PenstockError):
        asyncio.run(_foreseen(opened(hub), "data/a b.parquet"))


@pytest.mark.parametrize("names", ["null", "7", '["data/a b.parquet"]', '[{"name": "x"}]', '[{"rfilename": "\udcff"}]'])
def test_names_that_come_with_the_commit_are_a_hint_alone(hub: Hub, names: str) -> None:
    told = f'{{"sha": "{COMMIT}", "siblings": {names}}}'.encode("utf-8", "surrogateescape")
    hub.hub.takeover = lambda asked: Reply(body=told) if "/revision/" in asked.path else hub.answer(asked)
    assert asyncio.run(_foreseen(opened(hub), "data/a b.parquet")) == DATA[100:150]
    assert _links_asked(hub) == [("GET", "a b.parquet")]


def test_a_link_of_a_bucket_is_looked_up_by_who_knows_the_file_s_hash(hub: Hub) -> None:
    hub.bucket["a.parquet"] = DATA
    asyncio.run(opened(hub, "buckets/org/files").find_way("a.parquet"))
    assert hub.hub.requests == []


@pytest.mark.parametrize(("path", "num_links"), [("datasets/org/name", 1), ("buckets/org/files", 2)])
def test_sources_share_where_links_led_but_those_of_buckets(hub: Hub, path: str, num_links: int) -> None:
    """A link of a bucket leads to the version that its asker expected, which others may not."""
    hub.bucket["data/a b.parquet"] = DATA
    first = opened(hub, path)
    info = listed(first)["data/a b.parquet"]
    shared: dict[Any, Any] = {}
    for source in (open_source(first.spec, limits=QUICK), open_source(first.spec, limits=QUICK)):
        source.share_ways(shared)
        assert asyncio.run(source.get(info)) == DATA
    assert len(_links_asked(hub)) == num_links


def test_links_are_not_shared_with_who_asks_without_a_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.token = TOKEN
    first = opened(hub)
    info = listed(first)["data/a b.parquet"]
    shared: dict[Any, Any] = {}
    first.share_ways(shared)
    asyncio.run(first.get(info))
    other = open_source(SourceSpec.of(first.spec.uri, endpoint_url=hub.url, anonymous=True), limits=QUICK)
    other.share_ways(shared)
    with pytest.raises(PenstockError):
        asyncio.run(other.get(info))

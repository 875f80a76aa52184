"""Kaggle: versions, pages, credentials, signed links, archives, limits, and what it answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    EmptyListing,
    ObjectNotFound,
    ObjectUnreadable,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
)
from penstock.formats.zip.format import Zip
from penstock.manifest import Extent, SourceSpec
from penstock.sources import ClientLimits, ObjectInfo, ObjectSource, locate, open_source
from penstock.sources.registry import find_scheme
from penstock.units import GIB
from support.kaggle_server import KEY, TOKEN, USER, Kaggle, serve_kaggle, zipped
from support.small_s3 import Asked, Reply
from unit.sources.places import QUICK

DATA = bytes(range(256)) * 40
DATASET, CONTEST = "datasets/owner/name", "competitions/contest"


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    for name in (
        "KAGGLE_USERNAME",
        "KAGGLE_KEY",
        "KAGGLE_API_TOKEN",
        "KAGGLE_API_V1_TOKEN",
        "KAGGLE_CONFIG_DIR",
        "KAGGLE_API_ENDPOINT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve_kaggle() as served:
        new = {"images/a b.png": DATA, "images/deep/c.png": DATA[::-1], "labels.csv": b"name,label\n"}
        served.files = {2: {"old.csv": b"old"}, 3: new}
        served.competition = {"train/a.bin": DATA, "test.csv": b"id\n1\n"}
        yield served


def opened(kaggle: Kaggle, path: str = DATASET, *, limits: ClientLimits = QUICK, **options: Any) -> ObjectSource:
    return open_source(SourceSpec.of(f"kaggle://{path}", endpoint_url=kaggle.url, **options), limits=limits)


def listed(source: ObjectSource) -> dict[str, ObjectInfo]:
    return {info.key: info for info in asyncio.run(source.list_all())}


def put_key(folder: Path, name: str = ".kaggle/kaggle.json", text: str = "", mode: int = 0o600) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text or json.dumps({"username": USER, "key": KEY}))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("page_files", [1, 2, 200])
def test_a_dataset_is_listed_at_its_newest_version_and_read(kaggle: Kaggle, page_files: int) -> None:
    kaggle.page_files = page_files
    source = opened(kaggle)
    found = listed(source)
    assert {key: info.size_bytes for key, info in found.items()} == {key: len(x) for key, x in kaggle.files[3].items()}
    assert source.spec.uri == "kaggle://datasets/owner/name@3"
    assert {key: asyncio.run(source.get(info)) for key, info in found.items()} == kaggle.files[3]
    kaggle.files[4] = {}
    again = open_source(source.spec, limits=QUICK)
    assert bytes(asyncio.run(again.get_range(found["images/a b.png"], 100, 50))) == DATA[100:150]
    assert listed(again) == found


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("@2", {"old.csv"}),
        ("/versions/2", {"old.csv"}),
        ("@3/images", {"a b.png", "deep/c.png"}),
        ("/versions/3/images/deep/", {"c.png"}),
        ("/images/a b.png", {"a b.png"}),
        ("@3/labels.csv", {"labels.csv"}),
    ],
)
def test_what_a_uri_names(kaggle: Kaggle, path: str, keys: set[str]) -> None:
    source = opened(kaggle, f"{DATASET}{path}")
    found = listed(source)
    assert set(found) == keys
    for info in found.values():
        assert len(asyncio.run(source.get(info))) == info.size_bytes


def test_a_competition_is_listed_and_read(kaggle: Kaggle, tmp_path: Path) -> None:
    with pytest.raises(AccessDenied, match="no credentials were sent"):
        listed(opened(kaggle, CONTEST))
    put_key(tmp_path)
    source = opened(kaggle, CONTEST)
    assert {key: asyncio.run(source.get(info)) for key, info in listed(source).items()} == kaggle.competition
    assert set(listed(opened(kaggle, f"{CONTEST}/train"))) == {"a.bin"}


@pytest.mark.parametrize("path", [DATASET, CONTEST])
def test_members_of_the_archive_are_read_by_range(kaggle: Kaggle, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle.files[3]["large.bin"] = kaggle.competition["large.bin"] = np.random.default_rng(0).bytes(1_000_000)
    source = opened(kaggle, path, archive=True)
    info = listed(source)["archive.zip"]
    assert info.version.startswith('"')
    own = kaggle.store.takeover
    given: list[int] = []

    def count(asked: Asked) -> Reply | None:
        reply = own(asked)
        given.append(len(reply.body) if reply else 0)
        return reply

    kaggle.store.takeover = count
    wanted = "images/a b.png" if path == DATASET else "train/a.bin"

    async def read() -> bytes:
        kind = Zip(by="member")
        found = [each async for each in kind.index(source, info) if isinstance(each, Extent)]
        extent = next(each for each in found if each.key.endswith(wanted))
        parts = [await source.get_range(info, span.offset, span.length_bytes) for span in extent.spans]
        [value] = kind.decode(memoryview(b"".join(parts)), extent, extent.codec, np.arange(1))
        return bytes(value)

    assert asyncio.run(read()) == DATA
    links = [asked for asked in kaggle.api.requests if "/download" in asked.path]
    assert len(links) <= 2
    assert sum(given) < info.size_bytes // 4


def write_large_archive(path: Path, num_members: int, large_bytes: int) -> None:
    """Write a ZIP64 file with small members before and behind a large one, which is a hole."""
    with path.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("first.bin", b"first")
        large = zipfile.ZipInfo("large.bin")
        large.header_offset, large.file_size, large.compress_size, large.CRC = file.tell(), large_bytes, large_bytes, 0
        file.write(large.FileHeader(zip64=True))
        file.seek(large_bytes, 1)
        archive.filelist.append(large)
        archive.start_dir = file.tell()
        for number in range(num_members):
            archive.writestr(f"small/{number:05}.bin", b"%05d" % number)


def test_members_of_an_archive_of_45_gb(kaggle: Kaggle, tmp_path: Path) -> None:
    write_large_archive(tmp_path / "large.zip", 2000, 45 * GIB)
    total = (tmp_path / "large.zip").stat().st_size
    given: list[int] = []

    def give(asked: Asked) -> Reply:
        first, last = map(int, asked.headers["range"].removeprefix("bytes=").split("-"))
        with (tmp_path / "large.zip").open("rb") as file:
            file.seek(first)
            data = file.read(last + 1 - first)
        given.append(len(data))
        return Reply(status=206, body=data, headers={"ETag": '"v"', "Content-Range": f"bytes {first}-{last}/{total}"})

    kaggle.store.takeover = give
    source = opened(kaggle, archive=True)
    info = listed(source)["archive.zip"]
    assert info.size_bytes == total

    async def read(kind: Zip, extent: Extent) -> bytes:
        parts = [await source.get_range(info, span.offset, span.length_bytes) for span in extent.spans]
        return bytes(kind.decode(memoryview(b"".join(parts)), extent, extent.codec, np.arange(1))[0])

    async def read_some() -> list[bytes]:
        kind = Zip(by="member", memory="64Gi")
        found = [each async for each in kind.index(source, info) if isinstance(each, Extent)]
        assert len(found) == 2002
        by_key = {each.key: each for each in found}
        return [await read(kind, by_key[f"archive.zip/{key}.bin"]) for key in ("first", "small/00000", "small/01999")]

    assert asyncio.run(read_some()) == [b"first", b"00000", b"01999"]
    assert sum(given) < 1_000_000  # the directory, and what was asked for
    assert len([asked for asked in kaggle.api.requests if "/download/" in asked.path]) == 1


def test_an_archive_that_is_another_by_now(kaggle: Kaggle) -> None:
    source = opened(kaggle, archive=True)
    info = listed(source)["archive.zip"]
    [where] = kaggle.archives
    kaggle.archives[where] = kaggle.archives[where][::-1]
    with pytest.raises(SourceChanged, match=r"archive\.zip in .* changed"):
        asyncio.run(source.get_range(info, 0, 10))


def test_signed_links_are_asked_for_anew_when_they_end(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle.link_seconds = 0.3
    source = opened(kaggle)
    info = listed(source)["images/a b.png"]

    async def read_slowly() -> None:
        for offset in range(0, 1000, 100):
            assert bytes(await source.get_range(info, offset, 100)) == DATA[offset : offset + 100]
            await asyncio.sleep(0.1)

    asyncio.run(read_slowly())
    links = [asked for asked in kaggle.api.requests if "/download/" in asked.path]
    assert 2 <= len(links) < 10
    assert all("authorization" in asked.headers for asked in links)
    assert kaggle.store.requests
    assert not any("authorization" in asked.headers for asked in kaggle.store.requests)


@pytest.mark.parametrize(
    ("variables", "file", "text"),
    [
        ({"KAGGLE_API_TOKEN": TOKEN}, "", ""),
        ({"KAGGLE_API_TOKEN": "{home}/token"}, "token", TOKEN),
        ({"KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY}, "", ""),
        ({"KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY}, ".kaggle/access_token", "KGAT_of_another_that_is_not_taken"),
        ({}, ".kaggle/access_token", f"{TOKEN}\n"),
        ({}, ".kaggle/access_token.txt", TOKEN),
        ({"KAGGLE_API_V1_TOKEN": "{home}/token"}, "token", TOKEN),
        ({}, ".kaggle/kaggle.json", ""),
        ({"KAGGLE_CONFIG_DIR": "{home}/conf"}, "conf/kaggle.json", ""),
    ],
)
def test_where_credentials_are_found(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], file: str, text: str
) -> None:
    kaggle.is_private = True
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    if file:
        put_key(tmp_path, file, text)
    assert set(listed(opened(kaggle))) == set(kaggle.files[3])
    with pytest.raises(AccessDenied, match="private or not there"):
        listed(opened(kaggle, anonymous=True))


def test_a_key_that_others_may_read_is_told(kaggle: Kaggle, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_key(tmp_path, mode=0o644)
    with caplog.at_level(logging.WARNING):
        listed(opened(kaggle))
    assert "chmod 600" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("variables", "text", "told"),
    [
        ({"KAGGLE_USERNAME": USER}, "", "KAGGLE_USERNAME is set, and KAGGLE_KEY is not"),
        ({"KAGGLE_KEY": KEY}, "", "KAGGLE_KEY is set, and KAGGLE_USERNAME is not"),
        ({"KAGGLE_API_TOKEN": "KGAT_a b\r\nHost: other"}, "", "KAGGLE_API_TOKEN holds no credentials"),
        ({"KAGGLE_USERNAME": USER, "KAGGLE_KEY": "ünicode-secret"}, "", "holds no credentials"),
        ({"KAGGLE_USERNAME": f"{USER}:x", "KAGGLE_KEY": KEY}, "", "holds no user name"),
        ({}, "{not json 0123456789abcdef", r"kaggle\.json holds no credentials"),
        ({}, '{"username": "x"}', r"kaggle\.json holds no credentials"),
        ({}, f'{{"username": 3, "key": "{KEY}"}}', r"kaggle\.json holds no credentials"),
        ({}, "[" * 100_000, r"kaggle\.json holds no credentials"),
    ],
)
def test_what_can_be_no_credentials(
    kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], text: str, told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if text:
        put_key(tmp_path, text=text)
    with pytest.raises(ConfigError, match=told) as caught:
        opened(kaggle)
    assert not any(word in str(caught.value) for word in ("Host", KEY, "unicode", "not json"))


def test_credentials_that_are_not_taken(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_of_another_that_is_not_taken")
    with pytest.raises(AccessDenied, match=r"those of KAGGLE_API_TOKEN are not taken .*HTTP 401") as caught:
        listed(opened(kaggle))
    assert "KGAT_of" not in str(caught.value)


def test_credentials_that_end_under_way(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.link_seconds = 0.0
    path = put_key(tmp_path)
    source = opened(kaggle)
    info = listed(source)["labels.csv"]
    said = json.dumps({"code": 401, "message": f"{KEY} has ended"}).encode()
    kaggle.api.takeover = lambda asked: Reply(status=401, body=said)
    with pytest.raises(AccessDenied, match=f"those of {path} are not taken") as caught:
        asyncio.run(source.get(info))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("asks", ["list", "read"])
def test_credentials_that_a_file_holds_since_are_taken_when_the_old_ones_end(
    kaggle: Kaggle, tmp_path: Path, asks: str
) -> None:
    kaggle.link_seconds = 0.3
    put_key(tmp_path)
    source = opened(kaggle)
    info, answer = listed(source)["labels.csv"], kaggle.api.takeover
    kaggle.api.takeover = lambda asked: (
        answer(asked) if asked.headers["authorization"] == f"Bearer {TOKEN}" else Reply(status=401)
    )
    put_key(tmp_path, ".kaggle/access_token", TOKEN)
    if asks == "list":
        assert "labels.csv" in listed(source)
    else:
        assert asyncio.run(source.get(info)) == b"name,label\n"
    assert not any("authorization" in asked.headers for asked in kaggle.store.requests)


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize(
    ("path", "told", "where"),
    [
        (CONTEST, "rules of contest are not accepted", "/competitions/contest/rules"),
        (DATASET, "its terms are not accepted", "/datasets/owner/name"),
    ],
)
def test_terms_that_are_not_accepted(
    kaggle: Kaggle, path: str, told: str, where: str, archive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle.has_accepted = False

    def read() -> None:
        source = opened(kaggle, path, archive=archive)
        info = next(iter(listed(source).values()))
        asyncio.run(source.get(info))

    with pytest.raises(AccessDenied, match=told) as caught:
        read()
    assert f"{kaggle.url}{where}" in caught.value.fix
    assert caught.value.exit_code == (21 if archive else 26)
    assert isinstance(caught.value, ObjectUnreadable) is not archive


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("datasets/owner/other", AccessDenied, "private or not there"),
        ("datasets/owner/name@9", BucketNotFound, "no such dataset, or no such version"),
        ("competitions/other", BucketNotFound, "no such competition"),
        ("datasets/owner/name/imoges", EmptyListing, r"beside it lie: images/, labels\.csv"),
        ("datasets/owner/name/images/x.png", EmptyListing, r"beside it lie: a b\.png, deep/"),
    ],
)
def test_what_is_not_there(
    kaggle: Kaggle, path: str, kind: type[PenstockError], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    with pytest.raises(kind, match=told):
        listed(opened(kaggle, path))


def test_a_file_that_goes_or_changes(kaggle: Kaggle) -> None:
    source = opened(kaggle)
    info = listed(source)["labels.csv"]
    kaggle.files[3]["labels.csv"] = b"longer than it was before"
    with pytest.raises(SourceChanged):
        asyncio.run(source.get(info))
    del kaggle.files[3]["labels.csv"]
    with pytest.raises(ObjectNotFound, match=r"not in .* any more"):
        asyncio.run(opened(kaggle, f"{DATASET}@3").get(info))


@pytest.mark.parametrize("path", [DATASET, f"{DATASET}/images", CONTEST])
def test_a_file_that_is_kept_packed_is_read_once(kaggle: Kaggle, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle.packed |= {"images/a b.png", "train/a.bin"}
    source = opened(kaggle, path)
    info = next(info for key, info in listed(source).items() if key.endswith(("a b.png", "a.bin")))

    async def read() -> bytes:
        parts = await asyncio.gather(*(source.get_range(info, at, 1024) for at in range(0, len(DATA), 1024)))
        return b"".join(parts)

    assert asyncio.run(read()) == DATA
    assert asyncio.run(source.get(info)) == DATA
    assert len(kaggle.store.requests) == 1
    assert source.meter.failed_requests == 0
    source.close()


def test_a_large_file_that_is_kept_packed(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.sources.kaggle.packed.MOST_PACKED_BYTES", len(DATA) - 1)
    kaggle.packed.add("images/a b.png")
    source = opened(kaggle)
    with pytest.raises(SourceError, match=r"packed, as images/a b\.png\.zip .* more than") as caught:
        asyncio.run(source.get(listed(source)["images/a b.png"]))
    assert "archive=true" in caught.value.fix
    assert not isinstance(caught.value, SourceChanged)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a b.png": DATA[:-1]}, "holds 'a b.png' of"),
        ({"c.png": DATA}, "holds 'c.png'"),
        ({"a b.png": DATA, "c.png": b""}, "other things"),
        ({}, "other things"),
        (None, "cannot be unpacked"),
    ],
)
def test_what_a_packed_file_may_not_hold(kaggle: Kaggle, files: dict[str, bytes] | None, told: str) -> None:
    kaggle.packed.add("images/a b.png")
    source = opened(kaggle)
    info = listed(source)["images/a b.png"]
    kaggle.store.takeover = lambda asked: Reply(body=b"no ZIP" if files is None else zipped(files))
    with pytest.raises(PenstockError, match=told) as caught:
        asyncio.run(source.get(info))
    assert caught.value.exit_code in (25, 35)


@pytest.mark.parametrize("limited", [1, 3])
def test_limits_are_kept_to(kaggle: Kaggle, limited: int) -> None:
    source = opened(kaggle, limits=ClientLimits(retry_seconds=60))
    kaggle.limited = limited
    began = time.monotonic()
    found = listed(source)
    assert time.monotonic() - began > limited * 0.9
    kaggle.limited = 1
    assert asyncio.run(source.get(found["labels.csv"])) == kaggle.files[3]["labels.csv"]
    assert kaggle.early == 0


def test_limits_that_do_not_end_are_given_up(kaggle: Kaggle) -> None:
    kaggle.limited, kaggle.wait_seconds = 100, 0
    with pytest.raises(SourceUnavailable, match="Kaggle asks for fewer requests") as caught:
        listed(opened(kaggle))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "page",
    [
        [{"name": "../x"}],
        [{"name": "/etc/passwd"}],
        [{"name": "a//b"}],
        [{"name": "x", "totalBytes": -1}],
        [{"name": 3}],
        [{}],
        "no list",
    ],
)
def test_listings_that_lie(kaggle: Kaggle, page: object) -> None:
    own = kaggle.api.takeover
    body = json.dumps({"datasetFiles": page}).encode()
    kaggle.api.takeover = lambda asked: Reply(body=body) if "/list/" in asked.path else own(asked)
    with pytest.raises(SourceError, match="cannot be trusted"):
        listed(opened(kaggle))


@pytest.mark.parametrize("path", [f"{DATASET}@3", CONTEST])
def test_what_kaggle_leaves_out_or_gives_as_null(kaggle: Kaggle, path: str) -> None:
    own = b'[{"name": "x", "creationDate": null, "columns": null}, {"name": "y"}], "nextPageToken": null}'
    kind, other = (b"datasetFiles", b"files") if path.startswith(DATASET) else (b"files", b"datasetFiles")
    kaggle.api.takeover = lambda asked: Reply(body=b'{"%b": null, "%b": %b' % (other, kind, own))
    assert set(listed(opened(kaggle, path))) == {"x", "y"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"datasetFiles": [{"name": "x"}], "nextPageToken": "same"}', SourceError),
        (b'{"currentVersionNumber": 0}', SourceError),
        (b"{}", SourceError),
        (b"[" * 200_000, SourceError),
        (b'{"code": 404, "message": "gone"}', BucketNotFound),
        (b'{"code": 403, "message": "denied"}', AccessDenied),
    ],
)
def test_answers_that_are_none(kaggle: Kaggle, body: bytes, kind: type[PenstockError]) -> None:
    kaggle.api.takeover = lambda asked: Reply(body=body)
    path = f"{DATASET}@3" if b"datasetFiles" in body else DATASET
    with pytest.raises(kind):
        listed(opened(kaggle, path))


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("kaggle://", "neither a dataset nor a competition"),
        ("kaggle://owner/name", "neither a dataset nor a competition"),
        ("kaggle://datasets", "names nothing of Kaggle"),
        ("kaggle://datasets/owner", "names nothing of Kaggle"),
        ("kaggle://datasets/owner/na me", "names nothing of Kaggle"),
        ("kaggle://datasets/owner/..", "names nothing of Kaggle"),
        ("kaggle://datasets/owner/name@", "no version after its @"),
        ("kaggle://datasets/owner/name@0", "no version after its @"),
        ("kaggle://datasets/owner/name@main", "no version after its @"),
        ("kaggle://datasets/owner/name/../x", "no folder or file"),
        ("kaggle://datasets/owner/n\x00", "control character"),
        ("kaggle://competitions", "names nothing of Kaggle"),
        ("kaggle://competitions/", "names nothing of Kaggle"),
    ],
)
def test_a_uri_that_cannot_be(uri: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        locate(SourceSpec(uri=uri))
    assert caught.value.fix


def test_the_endpoint_of_the_environment(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_ENDPOINT", kaggle.url)
    assert set(listed(open_source(SourceSpec(uri="kaggle://datasets/owner/name@2"), limits=QUICK))) == {"old.csv"}


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("kaggle://datasets/owner/name", "images/*.png"),
        ("kaggle://datasets/owner/name@3", "images/*.png"),
        ("kaggle://datasets/owner/name/versions/3", "images/{a,b}.png"),
        ("kaggle://competitions/contest", "train/"),
        ("kaggle://competitions/contest", ""),
    ],
)
def test_what_of_a_uri_is_no_folder_is_how_it_begins(base: str, path: str) -> None:
    assert find_scheme(base).root(f"{base}/{path}") == base


def test_options_that_cannot_be() -> None:
    for options in ({"region": "us-east-2"}, {"requester_pays": True}):
        with pytest.raises(ConfigError, match="means nothing for Kaggle"):
            locate(SourceSpec.of("kaggle://competitions/x", **options))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="names a folder or file, and the option archive all"):
        locate(SourceSpec.of("kaggle://datasets/owner/name/images", archive=True))

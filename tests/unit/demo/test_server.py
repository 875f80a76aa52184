"""The demo's server gives a folder's files as a bucket: by pages, by ranges, at the version that is asked for."""

from __future__ import annotations

import asyncio
import http.client
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.demo.server import BUCKET, REGION, page_of, serve_s3
from penstock.errors import SourceChanged
from penstock.manifest import SourceSpec
from penstock.sources import ObjectInfo, open_source

BODY = bytes(range(256)) * 1024


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket") / "inside"
    for name in ("p/a & b <c>.bin", "p/sub/z.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(BODY)
    (folder.parent / "outside.txt").write_text("not to be had")
    return folder


@pytest.fixture(scope="module", params=[None, 50_000_000], ids=["fast", "link"])
def url(request: pytest.FixtureRequest, bucket: Path) -> Iterator[str]:
    with serve_s3(bucket, link_bytes_per_second=request.param) as url:
        yield url


def read(url: str, *, stale: bool = False) -> tuple[list[ObjectInfo], bytes]:
    spec = SourceSpec.of(f"s3://{BUCKET}/p", endpoint_url=url, region=REGION, anonymous=True)

    async def work() -> tuple[list[ObjectInfo], bytes]:
        source = open_source(spec)
        found = await source.list_all()
        place = memoryview(bytearray(1000))
        info = found[0]
        if stale:
            info = ObjectInfo(key=info.key, size_bytes=info.size_bytes, version='"another"')
        await source.read_into(info, 513, place)
        source.close()
        return found, bytes(place)

    return asyncio.run(work())


def test_objects_are_listed_and_read_by_range(url: str) -> None:
    found, middle = read(url)
    assert [(info.key, info.size_bytes) for info in found] == [("a & b <c>.bin", len(BODY)), ("sub/z.bin", len(BODY))]
    assert middle == BODY[513:1513]


def test_another_version_is_refused(url: str) -> None:
    with pytest.raises(SourceChanged):
        read(url, stale=True)


def test_whole_objects_come_whole(url: str) -> None:
    with urllib.request.urlopen(f"{url}/{BUCKET}/p/sub/z.bin") as answer:
        assert (answer.status, answer.read()) == (200, BODY)


@pytest.mark.parametrize("key", ["../outside.txt", "p/../../outside.txt", "%2e%2e/outside.txt", "nothing"])
def test_nothing_beside_the_folder_is_served(url: str, key: str) -> None:
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    connection.request("GET", f"/{BUCKET}/{key}")
    answer = connection.getresponse()
    assert answer.status == 404
    assert b"not to be had" not in answer.read()


def test_a_listing_goes_on_where_its_page_ended() -> None:
    keys = [(f"k{number:05}", 1, "e") for number in range(2500)]
    pages, after = [], ""
    while True:
        page = page_of(keys, prefix="k", after=after).decode()
        pages.append(page.count("<Contents>"))
        if "<IsTruncated>false" in page:
            break
        after = page.partition("<NextContinuationToken>")[2].partition("<")[0]
    assert pages == [1000, 1000, 500]


def test_who_hangs_up_is_not_told_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(8 << 20))
    with serve_s3(tmp_path, link_bytes_per_second=40_000_000) as url:
        for _ in range(4):
            with socket.create_connection(tuple(urllib.parse.urlsplit(url).netloc.split(":"))) as asking:
                asking.sendall(f"GET /{BUCKET}/large.bin HTTP/1.1\r\nHost: it\r\n\r\n".encode())
                assert asking.recv(1000)
        with urllib.request.urlopen(f"{url}/{BUCKET}/large.bin") as answer:
            assert len(answer.read()) == 8 << 20
    assert capfd.readouterr().err == ""

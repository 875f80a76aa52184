"""Where a bucket is named: by a server that takes it in the host's name, which it is reached by as by a proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import ConfigError, SourceError
from penstock.manifest import SourceSpec
from penstock.sources import open_blobs, open_source
from penstock.sources.s3.place import s3_place
from support.cli import penstock, succeed
from support.small_s3 import Reply, SmallS3, small_s3
from unit.sources.places import QUICK
from unit.sources.ways import clean_aws

DATA = bytes(range(200))
ENDPOINT = "http://store.test"
OF_STORES = ["SecondLevelDomainForbidden", "PathStyleDomainForbidden", "InvalidPathAccess"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SmallS3]:
    """A store whose domain is looked up by nobody but it."""
    clean_aws(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY-OF-THE-TEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    with small_s3(domain="store.test", page_objects=2) as state:
        state.takes.add("KEY-OF-THE-TEST")
        state.objects |= {f"bucket/data/{number}.bin": DATA for number in range(5)}
        monkeypatch.setenv("http_proxy", state.url)
        yield state


def read_all(uri: str = "s3://bucket/data", **options: str | bool) -> list[bytes]:
    source = open_source(SourceSpec.of(uri, endpoint_url=ENDPOINT, **options), limits=QUICK)

    async def read() -> list[bytes]:
        return [bytes(await source.get_range(info, 50, 50)) for info in await source.list_all()]

    try:
        return asyncio.run(read())
    finally:
        source.close()


def hosts(server: SmallS3) -> list[str]:
    return list(dict.fromkeys(asked.headers["host"] for asked in server.requests))


@pytest.mark.parametrize(
    ("addressing", "host"), [("virtual", "bucket.store.test"), ("path", "store.test"), ("auto", "store.test")]
)
def test_the_bucket_is_named_where_it_is_asked_for(server: SmallS3, addressing: str, host: str) -> None:
    assert read_all(addressing=addressing) == [DATA[50:100]] * 5
    assert hosts(server) == [host]
    assert all(asked.path.startswith("/bucket") == (addressing != "virtual") for asked in server.requests)


@pytest.mark.parametrize("code", OF_STORES)
def test_auto_follows_a_store_that_wants_it_in_the_host(server: SmallS3, code: str) -> None:
    server.path_code = code
    assert read_all() == [DATA[50:100]] * 5
    assert [asked.headers["host"] for asked in server.requests].count("store.test") == 1
    blobs = open_blobs("s3://bucket/out", endpoint_url=ENDPOINT)
    blobs.write("record", b"1")
    assert blobs.read("record") == b"1"
    assert server.objects["bucket/out/record"] == b"1"
    with pytest.raises(SourceError, match="wants the bucket in the host's name"):
        read_all(addressing="path")


def test_a_store_that_wants_what_it_cannot_have_is_told_of(server: SmallS3) -> None:
    server.takeover = lambda asked: Reply.error(403, OF_STORES[0])
    with pytest.raises(SourceError, match="wants the bucket in the host's name"):
        read_all()
    assert len(server.requests) == 2
    with pytest.raises(SourceError, match="wants the bucket in the host's name"):
        read_all("s3://Under_score/data")
    assert len(server.requests) == 3


def test_the_profile_says_so_for_data_and_records(
    server: SmallS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    assert read_all() == [DATA[50:100]] * 5
    open_blobs("s3://bucket/out", endpoint_url=ENDPOINT).write("record", b"1")
    assert hosts(server) == ["bucket.store.test"]
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = hosted\n")
    with pytest.raises(ConfigError, match="the profile's addressing_style 'hosted'"):
        read_all()
    assert read_all(addressing="path") == [DATA[50:100]] * 5


@pytest.mark.parametrize(
    ("bucket", "endpoint", "told"),
    [
        ("bucket", "http://127.0.0.1:9000", "is a number"),
        ("bucket", "http://[::1]:9000", "is a number"),
        ("Upper", "https://store.test", "'Upper' cannot stand"),
        ("under_score", None, "'under_score' cannot stand"),
        ("b" * 64, "https://store.test", "cannot stand"),
        ("a.-b", "https://store.test", "cannot stand"),
    ],
)
def test_a_bucket_that_no_host_can_name(server: SmallS3, bucket: str, endpoint: str | None, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        s3_place(f"s3://{bucket}", endpoint_url=endpoint, region=None, addressing="virtual")
    found = s3_place(f"s3://{bucket}", endpoint_url=endpoint, region=None, addressing="path")
    assert found is not None
    assert not found.virtual_hosted


def test_another_region_keeps_to_what_was_asked_for(server: SmallS3) -> None:
    for addressing, url in (("path", "https://s3.eu-west-1.amazonaws.com"), ("virtual", "https://bucket.store.test")):
        endpoint = "https://store.test" if addressing == "virtual" else None
        found = s3_place("s3://bucket", endpoint_url=endpoint, region="eu-west-2", addressing=addressing)
        assert found is not None
        assert found.in_region("eu-west-1").url == url


def test_a_step_is_told_so_by_a_source_option(server: SmallS3) -> None:
    server.path_code = "AccessDenied"
    words = ("inspect", "s3://bucket/data", "--endpoint-url", ENDPOINT, "--source-option")
    assert "5 objects, 1000 B" in succeed(*words, "addressing=virtual")
    done = penstock(*words, "addressing=hosted")
    assert done.returncode == 2
    assert "addressing 'hosted' is no way to name a bucket: write one of auto, path, virtual" in done.stderr

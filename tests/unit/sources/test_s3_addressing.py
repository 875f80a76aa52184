"""Where a bucket is named: by a server that takes it in the host's name, which it is reached by as by a proxy."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import AccessDenied, BucketNotFound, ConfigError, SourceError
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


def read_all(uri: str = "s3://bucket/data", *, endpoint_url: str = ENDPOINT, **options: str | bool) -> list[bytes]:
    source = open_source(SourceSpec.of(uri, endpoint_url=endpoint_url, **options), limits=QUICK)

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


# ---- what an endpoint may hold, and where a store sends


@pytest.mark.parametrize("endpoint", ["http://store.test/bucket", "http://bucket.store.test"])
@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchBucket"])
def test_an_endpoint_that_names_the_bucket_too_is_named(server: SmallS3, endpoint: str, code: str) -> None:
    server.takeover = lambda asked: Reply.error(404, code)
    with pytest.raises(BucketNotFound, match=f"names the bucket too: leave bucket out of {endpoint}"):
        read_all(endpoint_url=endpoint)
    with pytest.raises(BucketNotFound) as caught:
        read_all()
    assert "names the bucket too" not in caught.value.fix


@pytest.mark.parametrize("quote", ["'", "&apos;", "&#39;"])
def test_a_region_that_only_the_message_names_is_asked(server: SmallS3, quote: str) -> None:
    told = f"the region {quote}us-east-1{quote} is wrong; expecting {quote}eu-west-1{quote}"
    body = f"<Error><Code>AuthorizationHeaderMalformed</Code><Message>{told}</Message></Error>".encode()
    server.takeover = lambda asked: None if asked.region == "eu-west-1" else Reply(status=400, body=body)
    assert read_all() == [DATA[50:100]] * 5
    assert {asked.region for asked in server.requests[1:]} == {"eu-west-1"}
    server.takeover = lambda asked: Reply(status=403, body=body.replace(b"AuthorizationHeaderMalformed", b"Other"))
    with pytest.raises(AccessDenied):
        read_all()


def test_a_store_that_sends_to_another_server_is_not_followed_but_named(server: SmallS3) -> None:
    """One that says the region that was asked for: another region would help nothing."""
    extra = "<Endpoint>bucket.other.test</Endpoint>"
    server.takeover = lambda asked: Reply.error(301, "PermanentRedirect", extra, x_amz_bucket_region="us-east-1")
    with pytest.raises(SourceError, match=r"at bucket\.other\.test.*give that server with --endpoint-url"):
        read_all()
    assert hosts(server) == ["store.test"]


@pytest.mark.parametrize(
    "endpoint", [None, "https://s3.eu-west-1.amazonaws.com", "https://s3.cn-north-1.amazonaws.com.cn"]
)
def test_a_bucket_with_a_dot_in_a_host_of_aws_is_refused_before_anything_is_asked(endpoint: str | None) -> None:
    with pytest.raises(ConfigError, match=r"no bucket with a dot \('my\.bucket'\): give addressing=path"):
        s3_place("s3://my.bucket", endpoint_url=endpoint, region=None, addressing="virtual")
    for addressing in ("auto", "path"):
        found = s3_place("s3://my.bucket", endpoint_url=endpoint, region=None, addressing=addressing)
        assert found is not None
        assert not found.virtual_hosted


def test_a_certificate_that_covers_no_bucket_with_a_dot(
    server: SmallS3, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: look_up("127.0.0.1", *more, **named))
    with small_s3(is_open=True, certificate=certificate) as safe:
        safe.objects["my.bucket/a"] = DATA
        for bucket, fix in (("my.bucket", "give addressing=path"), ("bucket", "AWS_CA_BUNDLE")):
            with pytest.raises(SourceError, match=f"is not trusted .*{fix}"):
                read_all(f"s3://{bucket}", endpoint_url=safe.url, addressing="virtual")
        assert read_all("s3://my.bucket", endpoint_url=safe.url) == [DATA[50:100]]


@pytest.mark.parametrize("host", ["s3-accelerate.amazonaws.com", "s3-accelerate.dualstack.amazonaws.com"])
def test_the_accelerated_endpoint_has_the_bucket_in_its_host_in_every_region(host: str) -> None:
    found = s3_place("s3://bucket", endpoint_url=f"https://{host}", region="us-east-1")
    assert found is not None
    assert found.url == f"https://bucket.{host}"
    assert found.in_region("eu-west-1").url == f"https://bucket.{host}"
    assert found.in_region("eu-west-1").region == "eu-west-1"

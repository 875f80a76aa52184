"""Every way to find credentials, for all that is asked of a store, with credentials that end in mid-run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.doctor.source import check_source
from penstock.errors import AccessDenied, ConfigError, ObjectUnreadable, PenstockError, SourceError
from penstock.manifest import SourceSpec
from penstock.sources import ObjectSource, open_blobs, open_source
from support.small_s3 import Reply, SmallS3, small_s3
from unit.sources.places import QUICK
from unit.sources.ways import EXPIRING, WAYS, clean_aws

DATA = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3() as server:
        server.objects |= {f"bucket/data/{number}": DATA for number in range(5)}
        server.page_objects = 2
        yield server


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which botocore finds nothing."""
    clean_aws(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def keyed(aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3) -> pytest.MonkeyPatch:
    """Keys without an end."""
    WAYS["keys"](aws, tmp_path, server)
    return aws


def spec_of(server: SmallS3, *, anonymous: bool = False) -> SourceSpec:
    return SourceSpec.of("s3://bucket/data", endpoint_url=server.url, region="us-east-2", anonymous=anonymous)


async def read_all(source: ObjectSource, server: SmallS3 | None = None) -> list[bytes]:
    """List, and read a part of each object; where a server is given, its credentials end before each read."""
    found = []
    for info in [info async for page in source.list_objects() for info in page]:
        if server is not None:
            server.lent.update(dict.fromkeys(server.lent, 0.0))
        place = bytearray(100)
        await source.read_into(info, 50, memoryview(place))
        found.append(bytes(place))
    return found


@pytest.mark.parametrize("way", EXPIRING)
def test_credentials_that_end_in_mid_run_are_renewed_for_all_that_is_asked(
    way: str, aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3
) -> None:
    WAYS[way](aws, tmp_path, server)
    source = open_source(spec_of(server), limits=QUICK)
    assert asyncio.run(read_all(source, server)) == [DATA[50:150]] * 5
    assert source.meter.read().list_requests == 3
    assert server.num_lent_refused == 5
    assert check_source(spec_of(server)).state == "ok"
    blobs = open_blobs("s3://bucket/out", endpoint_url=server.url, region="us-east-2")
    for number in range(3):
        blobs.write("checkpoint", bytes([number]))
        server.lent.update(dict.fromkeys(server.lent, 0.0))
        assert blobs.read("checkpoint") == bytes([number])
    blobs.delete("checkpoint")
    assert "bucket/out/checkpoint" not in server.objects


def test_many_ranges_at_once_renew_together(aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3) -> None:
    WAYS["container"](aws, tmp_path, server)

    async def run() -> None:
        source = open_source(spec_of(server), limits=QUICK)
        infos = [info async for page in source.list_objects() for info in page]
        server.lent.update(dict.fromkeys(server.lent, 0.0))
        places = [bytearray(10) for _ in range(100)]
        reads = (source.read_into(infos[at % 5], at, memoryview(place)) for at, place in enumerate(places))
        await asyncio.gather(*reads)
        assert all(bytes(place) == DATA[at : at + 10] for at, place in enumerate(places))

    asyncio.run(run())
    assert len(server.lent) == 2


def test_a_token_that_has_ended_for_good_is_told(aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3) -> None:
    WAYS["token"](aws, tmp_path, server)
    server.lent.update(dict.fromkeys(server.lent, 0.0))
    with pytest.raises(AccessDenied, match=r"have expired.*ExpiredToken.*get new ones"):
        asyncio.run(read_all(open_source(spec_of(server), limits=QUICK)))
    assert len(server.requests) == 1


def test_a_refusal_that_no_credentials_mend_renews_nothing(
    aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3
) -> None:
    WAYS["container"](aws, tmp_path, server)
    server.takeover = lambda asked: Reply.error(403, "AccessDenied")
    with pytest.raises(AccessDenied, match="s3:ListBucket"):
        asyncio.run(read_all(open_source(spec_of(server), limits=QUICK)))
    assert len(server.lent) == 1


def test_credentials_of_moto_s_sts_by_web_identity(aws: pytest.MonkeyPatch, tmp_path: Path, s3_url: str) -> None:
    WAYS["web-identity"](aws, tmp_path, SmallS3(url=s3_url))
    with small_s3(is_open=True) as server:
        server.objects["bucket/data/a"] = DATA
        asyncio.run(read_all(open_source(spec_of(server), limits=QUICK)))
        assert server.requests[0].access_key_id.startswith("ASIA")
        assert server.requests[0].headers["x-amz-security-token"]


# ---- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("asks", ["list", "read", "get", "write", "blob", "delete"])
def test_no_redirect_is_followed_by_whatever_asks(
    status: int, asks: str, aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3
) -> None:
    WAYS["container"](aws, tmp_path, server)
    source = open_source(spec_of(server), limits=QUICK)
    blobs = open_blobs("s3://bucket/out", endpoint_url=server.url, region="us-east-2")
    infos = asyncio.run(source.list_all())

    asks_for: dict[str, Callable[[], object]] = {
        "list": lambda: asyncio.run(source.list_all()),
        "read": lambda: asyncio.run(source.read_into(infos[0], 0, memoryview(bytearray(10)))),
        "get": lambda: asyncio.run(source.get_range(infos[0], 0, 10)),
        "write": lambda: blobs.write("x", b"1"),
        "blob": lambda: blobs.read("x"),
        "delete": lambda: blobs.delete("x"),
    }
    with small_s3(is_open=True) as other:
        server.takeover = lambda asked: Reply(status=status, headers={"Location": f"{other.url}{asked.path}"})
        with pytest.raises(PenstockError) as caught:
            asks_for[asks]()
        assert "127.0.0.1" in str(caught.value)
        assert other.requests == []


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (301, Reply.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")),
        (400, Reply.error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
        (307, Reply.error(307, "TemporaryRedirect", Location="https://b.s3.eu-west-1.amazonaws.com/x")),
    ],
)
def test_a_bucket_in_another_region_is_asked_there(
    status: int, reply: Reply, keyed: pytest.MonkeyPatch, server: SmallS3
) -> None:
    server.takeover = lambda asked: None if asked.region == "eu-west-1" else reply
    assert len(asyncio.run(read_all(open_source(spec_of(server), limits=QUICK)))) == 5
    assert [asked.region for asked in server.requests][:2] == ["us-east-2", "eu-west-1"]
    assert {asked.region for asked in server.requests[1:]} == {"eu-west-1"}
    blobs = open_blobs("s3://bucket/out", endpoint_url=server.url, region="us-east-2")
    blobs.write("x", b"1")
    assert blobs.read("x") == b"1"


def test_a_region_that_helps_nothing_is_named(keyed: pytest.MonkeyPatch, server: SmallS3) -> None:
    server.takeover = lambda asked: Reply.error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
    with pytest.raises(SourceError, match=r"in the region eu-west-1.*--region eu-west-1"):
        asyncio.run(read_all(open_source(spec_of(server), limits=QUICK)))
    assert len(server.requests) == 2


# ---- what the store says


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply.error(403, "RequestTimeTooSkewed"), "set the clock"),
        (Reply.error(403, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID"),
        (Reply.error(403, "SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
        (Reply(status=407), "HTTPS_PROXY"),
        (Reply(body=b"<html>Welcome</html>", headers={"Content-Type": "text/html"}), "captive portal"),
        (Reply(status=403, body=b"<html>No</html>", headers={"Content-Type": "text/html"}), "HTTP 403, a web page"),
    ],
)
@pytest.mark.parametrize("asks", ["list", "read"])
def test_each_trouble_is_told_with_its_own_advice(
    reply: Reply, told: str, asks: str, keyed: pytest.MonkeyPatch, server: SmallS3
) -> None:
    source = open_source(spec_of(server), limits=QUICK)
    infos = asyncio.run(source.list_all())
    server.takeover = lambda asked: reply
    asks_for = source.list_all() if asks == "list" else source.read_into(infos[0], 5, memoryview(bytearray(10)))
    with pytest.raises(SourceError, match=told):
        asyncio.run(asks_for)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_an_object_that_cannot_be_read_is_one_that_may_be_left_out(
    code: str, keyed: pytest.MonkeyPatch, server: SmallS3
) -> None:
    source = open_source(spec_of(server), limits=QUICK)
    infos = asyncio.run(source.list_all())
    server.takeover = lambda asked: Reply.error(403, code) if asked.path.endswith("/3") else None
    with pytest.raises(ObjectUnreadable) as caught:
        asyncio.run(source.read_into(infos[3], 5, memoryview(bytearray(10))))
    assert caught.value.skippable
    assert caught.value.about == "3"


# ---- endpoints


@pytest.mark.parametrize(
    "url", ["127.0.0.1:9000", "http://127.0.0.1:port", "http://127.0.0.1:99999", "ftp://h", "http://ü"]
)
def test_an_endpoint_that_cannot_be_is_refused_before_anything_is_asked(url: str, keyed: pytest.MonkeyPatch) -> None:
    keyed.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL"):
        open_source(SourceSpec(uri="s3://bucket/data"))
    for given in (None, url):
        with pytest.raises(ConfigError):
            open_blobs("s3://bucket/out", endpoint_url=given)


# ---- credentials that end, as each store says it

ENDED = [
    (400, "ExpiredToken"),
    (403, "InvalidTokenId"),
    (403, "SecurityTokenExpired"),
    (403, "InvalidSecurityToken"),
    (403, "InvalidSecurity"),
    (401, "Unauthorized"),
    (401, ""),
]


@pytest.mark.parametrize(("status", "code"), ENDED)
@pytest.mark.parametrize("way", ["container", "token"])
def test_credentials_that_end_are_renewed_or_told_of_whatever_a_store_calls_it(
    status: int, code: str, way: str, aws: pytest.MonkeyPatch, tmp_path: Path, server: SmallS3
) -> None:
    """They are no trouble of a single object, which may be left out."""
    WAYS[way](aws, tmp_path, server)
    source = open_source(spec_of(server), limits=QUICK)
    infos = asyncio.run(source.list_all())
    [ended] = server.lent
    server.takeover = lambda asked: Reply.error(status, code) if asked.access_key_id == ended else None
    read = source.read_into(infos[0], 5, memoryview(place := bytearray(10)))
    if way == "container":
        asyncio.run(read)
        assert bytes(place) == DATA[5:15]
        return
    with pytest.raises(AccessDenied) as caught:
        asyncio.run(read)
    assert not caught.value.skippable
    assert len(server.requests) == 4  # three pages, and one read

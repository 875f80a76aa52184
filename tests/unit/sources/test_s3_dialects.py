"""Stores that speak like S3, and differ: each difference by a server that has it, met by the same listing and reads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import unquote
from xml.sax.saxutils import escape

import pytest

from penstock.errors import SourceChanged
from penstock.manifest import SourceSpec
from penstock.sources import ObjectSource, open_source
from support.small_s3 import Asked, Reply, SmallS3, small_s3
from unit.sources.places import QUICK

OBJECTS = {f"data/{number:03}.bin": bytes([number]) * (100 + number) for number in range(25)} | {
    "data/ü &+%41/x.bin": b"odd"
}


@pytest.fixture
def server() -> Iterator[SmallS3]:
    with small_s3(is_open=True, page_objects=10) as state:
        state.objects |= {f"bucket/{key}": data for key, data in OBJECTS.items()}
        yield state


def source_at(server: SmallS3, **options: str) -> ObjectSource:
    given = {"endpoint_url": server.url, "anonymous": True, **options}
    return open_source(SourceSpec(uri="s3://bucket/data", options=given), limits=QUICK)


def _is_list(asked: Asked) -> bool:
    return asked.path.strip("/") == "bucket"


def _listed_as(change: Callable[[str], str]) -> Callable[[SmallS3], None]:
    def set_up(server: SmallS3) -> None:
        def take(asked: Asked) -> Reply | None:
            reply = server._serve(asked) if _is_list(asked) else None
            return replace(reply, body=change(reply.body.decode()).encode()) if reply is not None else None

        server.takeover = take

    return set_up


def _read_as(change: Callable[[Asked, Reply], Reply]) -> Callable[[SmallS3], None]:
    def set_up(server: SmallS3) -> None:
        server.takeover = lambda asked: None if _is_list(asked) else change(asked, server._serve(asked))

    return set_up


def _unquoted(asked: Asked, reply: Reply) -> Reply:
    headers = {name: value.strip('"') for name, value in reply.headers.items()}
    return replace(reply, headers=headers)


def _without_match(server: SmallS3) -> None:
    def take(asked: Asked) -> Reply | None:
        kept = {name: value for name, value in asked.headers.items() if name != "if-match"}
        return None if _is_list(asked) else server._serve(replace(asked, headers=kept))

    server.takeover = take


def _first_version(server: SmallS3) -> None:
    """List as ListObjects does, whatever is asked for: by markers, without tokens or counts."""

    def take(asked: Asked) -> Reply | None:
        if not _is_list(asked):
            return None
        query = {"prefix": asked.query.get("prefix", ""), "continuation-token": asked.query.get("marker", "")}
        body = server._serve(replace(asked, query=query)).body.decode()
        marker = asked.query.get("marker", "")
        body = re.sub("<NextContinuationToken>.*?</NextContinuationToken>", "", body)
        return Reply(body=body.replace("<IsTruncated>", f"<Marker>{marker}</Marker><IsTruncated>").encode())

    server.takeover = take


def _no_attributes(server: SmallS3) -> None:
    def take(asked: Asked) -> Reply | None:
        return Reply.error(501, "NotImplemented") if "x-amz-optional-object-attributes" in asked.headers else None

    server.takeover = take


def _of_parts(server: SmallS3) -> None:
    """Tell ETags as of objects that were uploaded in parts, and a checksum of the parts' checksums."""

    def take(asked: Asked) -> Reply | None:
        headers = {name: value.replace('-3"', '"') for name, value in asked.headers.items()}
        reply = server._serve(replace(asked, headers=headers))
        if _is_list(asked):
            return replace(reply, body=_etags(r"&quot;\1-3&quot;")(reply.body.decode()).encode())
        told = {name: value[:-1] + '-3"' if name == "ETag" else value for name, value in reply.headers.items()}
        return replace(reply, headers={**told, "x-amz-checksum-sha256": "AAAA-3"})

    server.takeover = take


def _etags(told: str) -> Callable[[str], str]:
    return lambda body: re.sub('<ETag>"(.*?)"</ETag>', f"<ETag>{told}</ETag>", body)


def _plain_keys(body: str) -> str:
    named = re.sub("<Key>(.*?)</Key>", lambda found: f"<Key>{_plain(found[1])}</Key>", body)
    return named.replace("<EncodingType>url</EncodingType>", "")


def _spaced(body: str) -> str:
    return body.replace("<ListBucketResult>", '<ListBucketResult xmlns="http://x/">')


DIALECTS: dict[str, Callable[[SmallS3], None]] = {
    "as S3": lambda server: None,
    "ETags without quotes in listings": _listed_as(_etags(r"\1")),
    "ETags with quotes as entities": _listed_as(_etags(r"&quot;\1&quot;")),
    "ETags without quotes in answers": _read_as(_unquoted),
    "If-Match not looked at": _without_match,
    "names that are not encoded": _listed_as(_plain_keys),
    "another namespace": _listed_as(_spaced),
    "listings by markers alone": _first_version,
    "no optional attributes": _no_attributes,
}


def _plain(text: str) -> str:
    return escape(unquote(text))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_of_s3_is_listed_and_read(server: SmallS3, dialect: str) -> None:
    check(server, DIALECTS[dialect])


def check(server: SmallS3, dialect: Callable[[SmallS3], None]) -> None:
    """See that objects are listed and read, and that a changed one is not."""
    dialect(server)

    async def look(source: ObjectSource) -> None:
        found = {info.key: info for info in await source.list_all()}
        assert sorted(f"data/{key}" for key in found) == sorted(OBJECTS)
        for key, info in found.items():
            assert await source.get(info) == OBJECTS[f"data/{key}"]
            assert await source.get_range(info, 1, 2) == OBJECTS[f"data/{key}"][1:3]
        assert await source.find("000.bin") == found["000.bin"]
        server.objects["bucket/data/001.bin"] = b"x" * 101
        with pytest.raises(SourceChanged):
            await source.get(found["001.bin"])

    source = source_at(server)
    try:
        asyncio.run(look(source))
    finally:
        source.close()


def test_etags_of_parts_are_versions_as_any_other(server: SmallS3) -> None:
    check(server, _of_parts)
    source = source_at(server)
    assert all(info.version.endswith('-3"') for info in asyncio.run(source.list_all()))
    source.close()


def test_the_region_auto_is_signed_for(server: SmallS3, monkeypatch: pytest.MonkeyPatch) -> None:
    server.is_open = False
    server.takes.add("KEY-OF-THE-TEST")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY-OF-THE-TEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    options = {"endpoint_url": server.url, "region": "auto"}
    source = open_source(SourceSpec(uri="s3://bucket/data", options=options), limits=QUICK)
    found = asyncio.run(source.list_all())
    assert asyncio.run(source.get(found[0])) == OBJECTS["data/000.bin"]
    assert {asked.region for asked in server.requests} == {"auto"}
    source.close()


def test_the_version_is_the_same_in_every_dialect(server: SmallS3) -> None:
    versions = []
    for dialect in DIALECTS.values():
        server.takeover = lambda asked: None
        dialect(server)
        source = source_at(server)
        versions.append({info.key: info.version for info in asyncio.run(source.list_all())})
        source.close()
    assert all(each == versions[0] for each in versions)

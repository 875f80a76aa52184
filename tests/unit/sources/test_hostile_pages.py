"""Pages of listings that servers, or what stands between, make up: each is a page or refused, whatever it holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import SourceError
from penstock.manifest import SourceSpec
from penstock.sources import open_source
from penstock.sources.azure.listing import parse_page as parse_azure
from penstock.sources.gcs.listing import parse_page as parse_gcs
from penstock.sources.s3.listing import parse_page as parse_s3
from penstock.sources.stores.pages import Asked, BadListing, Page
from support.gcs_server import Gcs
from support.hub_server import serve_hub
from support.small_s3 import Reply, small_s3
from unit.sources.places import QUICK

Parser = Callable[[bytes, Asked], Page]
ASKED = Asked(bucket="box", base="p/", prefix="p/")

_GCS = json.dumps(
    {
        "kind": "storage#objects",
        "items": [{"name": f"p/{number}", "size": "5", "generation": "7", "bucket": "box"} for number in range(3)],
        "nextPageToken": "t",
    }
).encode()
_BLOB = "<Blob><Name>p/{}</Name><Properties><Etag>0x1</Etag><Content-Length>5</Content-Length></Properties></Blob>"
_AZURE = (
    '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="box"><Prefix>p/</Prefix><Blobs>'
    + "".join(map(_BLOB.format, range(3)))
    + "</Blobs><NextMarker>t</NextMarker></EnumerationResults>"
).encode()
_OBJECT = "<Contents><Key>p/{}</Key><Size>5</Size><ETag>e</ETag></Contents>"
_S3 = (
    "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    + "".join(map(_OBJECT.format, range(3)))
    + "</ListBucketResult>"
).encode()
PARSERS = {"s3": (parse_s3, _S3), "gs": (parse_gcs, _GCS), "az": (parse_azure, _AZURE)}


def check(parse: Parser, body: bytes) -> None:
    """See that what is taken as a page has keys below the prefix, sizes that can be, and versions."""
    try:
        page = parse(body, ASKED)
    except BadListing:
        return
    for info in page.objects:
        assert 0 <= info.size_bytes <= 1 << 50
        assert info.version
        assert info.version.isascii()


@pytest.mark.parametrize("kind", PARSERS)
def test_a_good_page_is_read(kind: str) -> None:
    parse, page = PARSERS[kind]
    found = parse(page, ASKED)
    assert ([info.key for info in found.objects], found.next_token) == (["0", "1", "2"], "t")


@settings(max_examples=150)
@given(data=st.data())
@pytest.mark.parametrize("kind", PARSERS)
def test_a_page_with_other_bytes_in_it_is_a_page_or_refused(kind: str, data: st.DataObject) -> None:
    parse, page = PARSERS[kind]
    first = data.draw(st.integers(0, len(page)))
    end = data.draw(st.integers(first, min(len(page), first + 40)))
    words = [
        b"<",
        b">",
        b"&#0;",
        b"&x;",
        b"{",
        b"[",
        b"null",
        b"-1",
        b"1e9",
        b"\xff",
        b"\x00",
        b"</Blobs>",
        b'"',
        b"9" * 25,
    ]
    put = data.draw(st.one_of(st.binary(max_size=20), st.sampled_from(words)))
    check(parse, page[:first] + put + page[end:])


@settings(max_examples=60)
@given(body=st.binary(max_size=200))
@pytest.mark.parametrize("kind", PARSERS)
def test_any_bytes_are_a_page_or_refused(kind: str, body: bytes) -> None:
    check(PARSERS[kind][0], body)


@pytest.mark.parametrize("kind", PARSERS)
@pytest.mark.parametrize(
    "deep", [b"[" * 100_000, b'{"items":' * 50_000, b'{"x":' + b"[" * 100_000, b"<a>" * 100_000, b"<a " * 100_000]
)
def test_a_page_that_goes_deep_is_refused(kind: str, deep: bytes) -> None:
    with pytest.raises(BadListing):
        PARSERS[kind][0](deep, ASKED)


DEEP = b'[{"type": "file", "path": "x", "name": "x", "more": ' + b"[" * 100_000


def test_pages_of_the_hub_and_of_web_servers_that_go_deep_are_refused() -> None:
    with serve_hub() as hub:
        hub.hub.takeover = lambda asked: Reply(body=DEEP) if "/tree/" in asked.path else hub.answer(asked)
        spec = SourceSpec.of("hf://datasets/org/name", endpoint_url=hub.url, anonymous=True)
        with pytest.raises(SourceError, match=r"cannot be trusted: .*deep"):
            asyncio.run(open_source(spec, limits=QUICK).list_all())
    with small_s3(is_open=True) as server:
        server.takeover = lambda asked: Reply(body=DEEP, headers={"Content-Type": "application/json"})
        with pytest.raises(SourceError):
            asyncio.run(open_source(SourceSpec(uri=f"{server.url}/folder/"), limits=QUICK).list_all())


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_an_error_that_goes_deep_is_told(status: int, gcs: Gcs) -> None:
    gcs.server.takeover = lambda asked: Reply(status=status, body=b'{"error": ' + b"[" * 100_000)
    source = open_source(SourceSpec.of(gcs.uri, endpoint_url=gcs.url), limits=QUICK)
    with pytest.raises(SourceError, match=f"HTTP {status}"):
        asyncio.run(source.list_all())

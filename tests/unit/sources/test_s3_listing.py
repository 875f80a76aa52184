"""Pages of a listing: what they give, and what makes them unfit to be taken as a listing."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.sources.s3.listing import listing_query, parse_page
from penstock.sources.stores.pages import Asked, BadListing, Page, PageOrder

NS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ASKED = Asked(bucket="bucket", base="data/", prefix="data/")
ETAG = "&quot;e&quot;"


def entry(key: str = "data/a", size: object = 1, etag: str | None = ETAG, extra: str = "") -> str:
    told = "" if etag is None else f"<ETag>{etag}</ETag>"
    return f"<Contents><Key>{key}</Key><Size>{size}</Size>{told}{extra}</Contents>"


def page(*entries: str, truncated: str = "<IsTruncated>false</IsTruncated>", ns: str = NS, extra: str = "") -> bytes:
    inner = "".join(entries)
    return f"<?xml version='1.0'?><ListBucketResult{ns}>{truncated}{extra}{inner}</ListBucketResult>".encode()


def more(token: str) -> str:
    return f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"


@pytest.mark.parametrize("ns", [NS, ""])
def test_objects_come_with_keys_below_the_base(ns: str) -> None:
    found = parse_page(page(entry(), entry("data/b/c", 2), truncated=more("t"), ns=ns), ASKED)
    assert [(info.key, info.size_bytes, info.version, info.trouble) for info in found.objects] == [
        ("a", 1, '"e"', ""),
        ("b/c", 2, '"e"', ""),
    ]
    assert found.next_token == "t"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_name_comes_back_from_its_encoding(name: str) -> None:
    url = "<EncodingType>url</EncodingType>"
    found = parse_page(page(entry("data/" + quote(f"x{name}x", safe="/")), extra=url), ASKED)
    assert found.objects[0].key == f"x{name}x"


def test_a_plus_is_a_space_where_names_are_encoded_and_itself_where_not() -> None:
    url = "<EncodingType>url</EncodingType>"
    assert parse_page(page(entry("data/a+b%2B"), extra=url), ASKED).objects[0].key == "a b+"
    assert parse_page(page(entry("data/a+b%2B")), ASKED).objects[0].key == "a+b%2B"


def test_markers_of_folders_lose_their_slash_and_that_of_the_folder_asked_for_is_left_out() -> None:
    found = parse_page(page(entry("data/", 0), entry("data/b/", 0)), ASKED)
    assert [info.key for info in found.objects] == ["b"]


def test_folders_are_named_where_they_were_asked_for() -> None:
    folders = "<CommonPrefixes><Prefix>data/b/</Prefix></CommonPrefixes>"
    asked = Asked(bucket="bucket", base="data/", prefix="data/", by_folder=True)
    assert parse_page(page(folders), asked).prefixes == ["b/"]
    with pytest.raises(BadListing, match="folder"):
        parse_page(page(folders), ASKED)


@pytest.mark.parametrize(
    ("extra", "trouble"),
    [
        ("<StorageClass>GLACIER</StorageClass>", "archived"),
        ("<StorageClass>DEEP_ARCHIVE</StorageClass>", "archived"),
        ("<StorageClass>GLACIER_IR</StorageClass>", ""),
        (
            "<StorageClass>GLACIER</StorageClass><RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>"
            "<RestoreExpiryDate>2030-01-01T00:00:00Z</RestoreExpiryDate></RestoreStatus>",
            "",
        ),
    ],
)
def test_objects_that_cannot_be_read_are_listed_with_what_is_wrong(extra: str, trouble: str) -> None:
    found = parse_page(page(entry(extra=extra)), ASKED).objects[0]
    assert trouble in found.trouble
    assert bool(found.trouble) == bool(trouble) == found.is_archived
    assert f"<StorageClass>{found.storage_class}</StorageClass>" in extra


BAD: Sequence[tuple[bytes, str]] = [
    (page(entry(), truncated="<IsTruncated>true</IsTruncated>"), "no token"),
    (page(entry(), truncated="<IsTruncated>true</IsTruncated><NextContinuationToken/>"), "no token"),
    (page(entry(), truncated=""), "whether more follow"),
    (page(entry(), truncated="<IsTruncated>maybe</IsTruncated>"), "whether more follow"),
    (page(entry(), truncated=more("t").replace("true", "false")), "last"),
    (page(entry(), truncated=more("asked")), "never end"),
    (page(entry(), truncated=more("t") + more("u")), "twice"),
    *((page(entry(size=size)), "size") for size in (2**63, 2**50 + 1, -1, "many", "", "1e3", "0x10", "١", 10**30)),
    (page(entry(etag=None)), "ETag"),
    (page(entry(etag="")), "ETag"),
    (page(entry(etag="a\r\nX: y")), "ETag"),
    (page(entry(extra="<Size>2</Size>")), "twice"),
    (page(entry(key="")), "key"),
    (page("<Contents/>"), "key"),
    (page(entry(key="other/a")), "begin"),
    (page(entry(key="data")), "begin"),
    (page(entry("data/%ff"), extra="<EncodingType>url</EncodingType>"), "no text"),
    (page(entry(), extra="<Name>other</Name>"), "bucket"),
    (page(entry(), extra="<Prefix>data/x/</Prefix>"), "prefix"),
    (page(entry(), extra="<KeyCount>2</KeyCount>"), "names 1"),
    (page(entry(), extra="<KeyCount>0</KeyCount>"), "names 1"),
    (page(entry())[:-30], "cut off"),
    (b"", "empty"),
    (b"<!DOCTYPE html><html><body>Please log in</body></html>", "web page"),
    (b"<html><head></head></html>", "web page"),
    (b"{}", "begins with"),
    (b"<Error><Code>SlowDown</Code></Error>", "begins with"),
    (b'<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>' + page(entry()), "no listing"),
    ("<?xml version='1.0' encoding='utf-16'?><ListBucketResult/>".encode("utf-16"), "no listing"),
    (b"<ListBucketResult>" + b"<a>" * 300_000, "no listing"),
]


@pytest.mark.parametrize(("body", "why"), BAD, ids=range(len(BAD)))
def test_a_page_that_is_incomplete_or_contradicts_itself_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadListing, match=why):
        parse_page(body, Asked(bucket="bucket", base="data/", prefix="data/", token="asked"))


@settings(max_examples=300)
@given(st.data())
def test_no_damage_makes_it_fail_otherwise(data: st.DataObject) -> None:
    body = bytearray(page(entry(), entry("data/b"), truncated=more("t"), extra="<Name>bucket</Name>"))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    try:
        found = parse_page(bytes(body), ASKED)
    except BadListing:
        return
    assert all(0 <= info.size_bytes <= 1 << 50 for info in found.objects)


def test_what_a_page_takes_is_bounded() -> None:
    bombs = [b"<ListBucketResult>" + b"<a>" * 5_000_000, b"<ListBucketResult>" + b"x" * (20 << 20)]
    for bomb in bombs:
        tracemalloc.start()
        with pytest.raises(BadListing):
            parse_page(bomb, ASKED)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()


def _pages(*tokens: str, keys: Sequence[str] | None = None) -> list[Page]:
    names = keys or [f"{number:03}" for number in range(len(tokens))]
    return [
        parse_page(page(entry(f"data/{name}"), truncated=more(token)), ASKED)
        for name, token in zip(names, tokens, strict=True)
    ]


def _take(order: PageOrder, pages: Sequence[Page]) -> None:
    for found in pages:
        order.take(found)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_tokens_that_go_round_in_a_circle_are_found_out(length: int) -> None:
    order = PageOrder()
    with pytest.raises(BadListing, match="never end"):
        _take(order, _pages(*[f"t{number % length}" for number in range(6 * length + 4)]))


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_pages_that_come_again_under_new_tokens_are_found_out(length: int) -> None:
    order = PageOrder()
    num_pages = 6 * length + 4
    keys = [str(number % length) for number in range(num_pages)]
    with pytest.raises(BadListing, match=r"repeats|twice"):
        _take(order, _pages(*[f"t{number}" for number in range(num_pages)], keys=keys))


def test_a_key_named_twice_is_found_out_within_and_between_pages() -> None:
    with pytest.raises(BadListing, match="twice"):
        PageOrder().take(parse_page(page(entry(), entry()), ASKED))
    order = PageOrder()
    first, again = _pages("t", "u", keys=["a", "a"])
    order.take(first)
    with pytest.raises(BadListing, match="twice"):
        order.take(again)


def test_empty_pages_without_end_are_given_up() -> None:
    pages = [parse_page(page(truncated=more(f"t{number}")), ASKED) for number in range(1000)]
    with pytest.raises(BadListing, match="without an object"):
        _take(PageOrder(), pages)


def test_a_page_is_asked_for_with_names_encoded() -> None:
    asked = Asked(bucket="b", base="", prefix="x y/", by_folder=True, token="t&")
    assert listing_query(asked) == [
        ("continuation-token", "t&"),
        ("delimiter", "/"),
        ("encoding-type", "url"),
        ("list-type", "2"),
        ("prefix", "x y/"),
    ]

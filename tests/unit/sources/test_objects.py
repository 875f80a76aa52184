"""What every source does: local folders, S3 and web servers are held to the same."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    EmptyListing,
    ObjectNotFound,
    SourceChanged,
    SourceError,
    TruncatedObject,
)
from penstock.manifest import SourceSpec
from penstock.records import RequestCount
from penstock.sources import ObjectInfo, ObjectSource, RequestMeter, find_object, open_source
from penstock.sources.local.files import look_through
from support.cli import Bucket
from unit.sources.answering import answer, serve
from unit.sources.places import QUICK, BucketPlace, Place, Read

DATA = bytes(range(256)) * 400
KEYS = [
    "plain.bin",
    "with space.bin",
    "plus+.bin",
    "hash#tag.bin",
    "100%.bin",
    "a%20b.bin",
    "ask?me=x&y.bin",
    "st*r~[a]{b}^|`.bin",
    "quote'\".bin",
    "back\\slash.bin",
    "Grün-日本-é.bin",
    "🧠.bin",
    ".hidden",
    "deep/er/still/file",
]


def info_of(source: ObjectSource, key: str) -> ObjectInfo:
    return next(info for info in asyncio.run(source.list_all()) if info.key == key)


def test_objects_are_listed_with_sizes_in_order(place: Place, source: ObjectSource) -> None:
    sizes = {"b/2": 5, "a": 0, "b/10": 7, "c/d/e": 1, "B": 2}
    for key, size in sizes.items():
        place.put(key, b"x" * size)
    found = asyncio.run(source.list_all())
    assert [info.key for info in found] == sorted(sizes)
    assert {info.key: info.size_bytes for info in found} == sizes
    assert all(info.version for info in found)


def test_a_prefix_is_a_folder(place: Place, source: ObjectSource, read: Read) -> None:
    for key in ("R1/a", "R1/b/c", "R1_mini/d", "R10/e"):
        place.put(key, b"x")

    async def keys(source: ObjectSource, prefix: str) -> list[str]:
        return sorted([info.key async for page in source.list_objects(prefix) for info in page])

    assert asyncio.run(keys(source, "R1")) == ["R1/a", "R1/b/c"]
    assert asyncio.run(keys(source, "R1/")) == ["R1/a", "R1/b/c"]
    assert asyncio.run(keys(source, "nothing")) == []
    below = open_source(place.spec("R1/"), limits=QUICK)
    assert asyncio.run(keys(below, "")) == ["a", "b/c"]
    assert bytes(asyncio.run(read(below, info_of(below, "b/c"), 0, 1))) == b"x"


@pytest.mark.parametrize("key", ["top.csv", "R1/a b.csv", "R1/deep/Grün+.csv"])
def test_one_object_is_found_by_its_key(place: Place, source: ObjectSource, key: str) -> None:
    for each in (key, "R1/other", "top.csv.old", "top.csv/below"):
        if place.kind in ("s3", "gs", "az") or not each.startswith(
            "top.csv/"
        ):  # elsewhere a name is a file's or a folder's
            place.put(each, b"abc")
    assert asyncio.run(source.find(key)) == info_of(source, key)
    for missing in ("top", "R1", "R1/deep", "nowhere/x", f"{key}x", key.upper()):
        assert asyncio.run(source.find(missing)) is None
    whole, info = asyncio.run(find_object(place.spec(key), meter=RequestMeter()))
    assert bytes(asyncio.run(whole.get(info))) == b"abc"


def test_more_objects_than_a_page(tmp_path: Path) -> None:
    for number in range(1203):
        (tmp_path / f"{number:05}").write_bytes(b"")
    source = open_source(SourceSpec(uri=str(tmp_path)))

    async def pages() -> list[int]:
        return [len(page) async for page in source.list_objects()]

    sizes = asyncio.run(pages())
    assert (max(sizes), sum(sizes), len(sizes)) == (1000, 1203, 2)
    assert source.meter.read().list_requests == 1


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_taken_as_they_are(
    place: Place, source: ObjectSource, key: str, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    if key == ".hidden" and place.kind in ("html", "json"):
        pytest.skip("nginx lists no hidden files")
    place.put(key, key.encode())
    info = info_of(source, key)
    assert asyncio.run(source.get(info)) == key.encode()
    assert asyncio.run(read(source, info, 0, info.size_bytes)) == key.encode()
    assert "range.unusual" not in caplog.text


@pytest.mark.parametrize("prefix", ["with space", "plus+", "hash#tag", "100%", "a%20b", "ask?me", "Grün-日本"])
def test_prefixes_are_taken_as_they_are(place: Place, prefix: str, read: Read) -> None:
    place.put(f"{prefix}/deep/object", b"here")
    source = open_source(place.spec(prefix), limits=QUICK)
    assert asyncio.run(read(source, info_of(source, "deep/object"), 0, 4)) == b"here"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_range_is_exactly_those_bytes(place: Place, source: ObjectSource, data: st.DataObject, read: Read) -> None:
    if not source.meter.read().list_requests:
        place.put("object", DATA)
    offset = data.draw(st.integers(0, len(DATA)))
    length = data.draw(st.integers(0, len(DATA) - offset))
    info = info_of(source, "object")
    assert bytes(asyncio.run(read(source, info, offset, length))) == DATA[offset : offset + length]


def test_ranges_side_by_side(place: Place, source: ObjectSource, read: Read) -> None:
    place.put("object", DATA)
    info = info_of(source, "object")

    async def whole() -> bytes:
        parts = await asyncio.gather(*(read(source, info, first, 1000) for first in range(0, 100_000, 1000)))
        return b"".join(parts)

    assert asyncio.run(whole()) == DATA[:100_000]


def test_a_read_that_is_broken_off_writes_no_more(place: Place, source: ObjectSource) -> None:
    place.put("object", DATA)
    info = info_of(source, "object")

    async def broken_off(num_turns: int) -> None:
        memory = bytearray(len(DATA))
        reading = asyncio.create_task(source.read_into(info, 0, memoryview(memory)))
        for _ in range(num_turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        before = bytes(memory)
        await asyncio.sleep(0.05)
        assert memory == before

    for num_turns in (0, 1, 2, 4, 8, 16):
        asyncio.run(broken_off(num_turns))
    assert asyncio.run(source.get(info)) == DATA


def test_the_meter_counts_what_was_sent(place: Place, source: ObjectSource, read: Read) -> None:
    place.put("object", DATA)
    info = info_of(source, "object")
    listed = RequestCount(kind="LIST", purpose="listing", sent=1, answers_2xx=1)
    assert source.meter.read().count("LIST", purpose="listing") == listed
    asyncio.run(read(source, info, 0, 0))
    num_heads = source.meter.read().count("HEAD", purpose="listing").sent
    assert num_heads == (place.kind == "html")
    assert source.meter.read().count().sent == listed.sent + num_heads
    for length in (1, 1000, len(DATA)):
        asyncio.run(read(source, info, 0, length))
    seen = source.meter.bytes_downloaded
    place.delete("object")
    with pytest.raises(ObjectNotFound):
        asyncio.run(read(source, info, 0, 10))
    found = source.meter.read()
    assert found.failed_requests == 1
    if place.kind == "local":
        assert (found.get_requests, found.bytes_downloaded) == (4, 1001 + len(DATA))
        return
    told = RequestCount(kind="GET", purpose="data", sent=4, answers_2xx=3, answers_4xx=1)
    assert found.count("GET", purpose="data") == told
    assert seen > 1001 + len(DATA)  # with the listing's page
    assert found.bytes_downloaded > seen  # with the error's body


def test_an_empty_listing_is_counted_too(place: Place, source: ObjectSource) -> None:
    async def pages() -> list[int]:
        return [len(page) async for page in source.list_objects()]

    assert asyncio.run(pages()) == []
    assert source.meter.read().list_requests == 1


def test_a_range_beyond_the_end(place: Place, source: ObjectSource, read: Read) -> None:
    place.put("object", b"0123456789")
    info = info_of(source, "object")
    for offset, length in ((0, 11), (10, 1), (11, 0), (5, 6)):
        with pytest.raises(TruncatedObject, match=f"object has 10 bytes, {offset + length} are needed") as caught:
            asyncio.run(read(source, info, offset, length))
        assert caught.value.about == "object"
    assert source.meter.read().count("GET").sent == 0


@pytest.mark.parametrize("content", [b"9876543210", b"012345678", b"0123456789-and-more", b""])
def test_an_object_that_changed_is_never_read(place: Place, source: ObjectSource, content: bytes, read: Read) -> None:
    place.put("object", b"0123456789")
    info = info_of(source, "object")
    place.put("object", content)
    with pytest.raises(SourceChanged, match=r"object in .* changed after the manifest was made: run `penstock list`"):
        asyncio.run(read(source, info, 2, 5))


def test_an_object_of_another_size_is_never_read_without_an_etag(
    place: Place, source: ObjectSource, read: Read
) -> None:
    place.put("object", b"0123456789")
    size_only = ObjectInfo(key="object", size_bytes=10, version="")
    assert bytes(asyncio.run(read(source, size_only, 2, 5))) == b"23456"
    place.put("object", b"0123456789ab")
    with pytest.raises(SourceChanged):
        asyncio.run(read(source, size_only, 2, 5))


def test_an_object_that_is_gone(place: Place, source: ObjectSource, read: Read) -> None:
    place.put("deep/object", b"0123456789")
    info = info_of(source, "deep/object")
    place.delete("deep/object")
    with pytest.raises(ObjectNotFound, match=r"deep/object is not in .* any more") as caught:
        asyncio.run(read(source, info, 2, 5))
    assert caught.value.about == "deep/object"


def test_an_empty_prefix_names_what_lies_beside_it(place: Place) -> None:
    place.put("NeurIPS25/R1_L100_bdf/participants.tsv", b"x")
    place.put("readme", b"x")
    if place.kind == "local":
        Path(place.spec("NeurIPS2025").uri).mkdir()
    source = open_source(place.spec("NeurIPS2025"), limits=QUICK)
    kind, what = (EmptyListing, r"nothing lies under .*NeurIPS2025/?")
    if place.kind in ("html", "json"):  # a server tells a folder that is not there from an empty one
        kind, what = (BucketNotFound, r"there is no .*NeurIPS2025/ on the server \(HTTP 404\)")
    with pytest.raises(kind, match=rf"{what}; beside it lie: NeurIPS25/, .*readme"):
        asyncio.run(source.list_all())


def test_an_empty_folder_of_a_source_names_what_lies_beside_it(place: Place, source: ObjectSource) -> None:
    for number in range(12):
        place.put(f"R1/R{number:02}/x", b"x")
    with pytest.raises(
        EmptyListing, match=r"nothing lies under .*/R1/R99; beside it lie: R00/, .* and 4 more \(in .*/R1\)"
    ):
        asyncio.run(source.list_all("R1/R99"))


@pytest.mark.parametrize("key", ["a b#?.parquet", "t/deep/a.parquet"])
def test_a_uri_of_one_object_is_a_source_of_it_alone(place: Place, key: str, read: Read) -> None:
    if place.kind not in ("s3", "gs", "az"):
        pytest.skip("a path that names a file is refused, and a web server's file is read otherwise")
    for each in (key, f"{key}.old", f"{key[:-3]}x", "other"):
        place.put(each, b"0123456789")
    source = open_source(place.spec(key), limits=QUICK)
    (info,) = asyncio.run(source.list_all())
    assert info.key == key.rpartition("/")[2]
    assert bytes(asyncio.run(read(source, info, 2, 5))) == b"23456"
    again = open_source(source.spec, limits=QUICK)  # as of a manifest
    assert bytes(asyncio.run(read(again, info, 2, 5))) == b"23456"
    whole, found = asyncio.run(find_object(place.spec(key), meter=RequestMeter()))
    assert bytes(asyncio.run(whole.get(found))) == b"0123456789"


def test_an_object_in_a_folders_place_is_told(place: Place, source: ObjectSource) -> None:
    if place.kind not in ("s3", "gs", "az"):
        pytest.skip("a file in a folder's place is another thing there")
    place.put("t/a.parquet", b"x")
    with pytest.raises(EmptyListing, match=r"an object and no folder: name its folder, .*/t, and choose 'a.parquet'"):
        asyncio.run(source.list_all("t/a.parquet"))


def test_the_nearest_parent_that_holds_anything_is_told(bucket: Bucket) -> None:
    place = BucketPlace(bucket=bucket)
    with pytest.raises(EmptyListing, match="the bucket or folder holds nothing"):
        asyncio.run(open_source(place.spec("a/b"), limits=QUICK).list_all())
    place.put("a/other/x", b"")
    with pytest.raises(EmptyListing, match=rf"beside it lie: other/ \(in {bucket.uri}/a\)"):
        asyncio.run(open_source(place.spec("a/b/c/d"), limits=QUICK).list_all())


def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    spec = SourceSpec.of("s3://no-such-bucket-at-all/x", endpoint_url=bucket.url, region="us-east-2")
    with pytest.raises(BucketNotFound, match="bucket of s3://no-such-bucket-at-all/x does not exist"):
        asyncio.run(open_source(spec, limits=QUICK).list_all())


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert open_source(SourceSpec(uri=str(tmp_path / "file"))).spec.uri == str(tmp_path)
    for name in ("nowhere", "file/below"):
        with pytest.raises(BucketNotFound, match=f"there is no folder {tmp_path}/{name}"):
            open_source(SourceSpec(uri=str(tmp_path / name)))


@pytest.mark.parametrize("uri", ["quux://bucket/x", "gopher://host/x", "s3://", "s3:///x", "file://host/x"])
def test_a_uri_of_another_kind(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"s3://bucket/prefix|file:///host/x"):
        open_source(SourceSpec(uri=uri))


def test_a_local_folder_as_a_file_uri(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "x").write_bytes(b"here")
    source = open_source(SourceSpec(uri=folder.as_uri()))
    assert asyncio.run(source.get(info_of(source, "x"))) == b"here"


@pytest.mark.parametrize("name", ["run#1", "new\nline", "bell\x07"])
def test_a_file_whose_name_cannot_be_read_is_not_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "good").write_bytes(b"")
    (tmp_path / "deep" / name).write_bytes(b"")
    with pytest.raises(SourceError, match="has a name that cannot be read: rename it"):
        asyncio.run(open_source(SourceSpec(uri=str(tmp_path))).list_all())


def test_a_file_whose_name_is_no_text_is_not_passed_over(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/latin-\xe9", "wb"):  # noqa: PTH123
        pass
    with pytest.raises(SourceError, match="name that cannot be read"):
        asyncio.run(open_source(SourceSpec(uri=str(tmp_path))).list_all())


@pytest.mark.parametrize("links", [1, 2])
def test_a_folder_that_leads_back_to_itself_is_named(tmp_path: Path, links: int) -> None:
    for number in range(links):
        (tmp_path / f"link-{number}").symlink_to(tmp_path)
    with pytest.raises(SourceError, match=r"link-. leads back to .*: remove the link"):
        asyncio.run(open_source(SourceSpec(uri=str(tmp_path))).list_all())


def test_links_to_one_folder_that_is_none_above_are_listed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_bytes(b"")
    for name in ("a", "b"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).symlink_to(tmp_path / "other")
    found = asyncio.run(open_source(SourceSpec(uri=str(tmp_path / "data"))).list_all())
    assert [info.key for info in found] == ["a/x", "b/x"]


def test_looking_through_a_folder_ends_where_nobody_waits(tmp_path: Path) -> None:
    (tmp_path / "bell\x07").write_bytes(b"")
    given_up = threading.Event()
    given_up.set()
    look_through(tmp_path, tmp_path, given_up)


def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is too long for a path"):
        open_source(SourceSpec(uri=f"{tmp_path}/{'a' * 5000}"))


@pytest.mark.parametrize("key", ["a//b", "folder/./x", "line\nbreak", "\x7f"])
def test_objects_of_odd_names_are_read(key: str) -> None:
    """A server that takes names as S3 does: moto's web server resolves dots and double slashes."""
    told = f'<Contents><Key>{quote(key)}</Key><Size>9</Size><ETag>"e"</ETag></Contents>'
    page = (
        f"<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>{told}</ListBucketResult>"
    )
    with serve([answer("200 OK", page.encode()), answer("200 OK", b"123456789")]) as server:
        source = open_source(SourceSpec.of("s3://bucket", endpoint_url=server.url, anonymous=True), limits=QUICK)
        (info,) = asyncio.run(source.list_all())
        assert info.key == key
        assert asyncio.run(source.get(info)) == b"123456789"
    assert server.requests[1].startswith(f"GET /bucket/{quote(key)} HTTP/1.1")


def test_objects_of_any_name_are_listed(bucket: Bucket) -> None:
    names = ["a//b", "a b+c", "%41", "\u202e", "é"]
    for name in names:
        bucket.put(name, b"x")
    found = asyncio.run(open_source(BucketPlace(bucket=bucket).spec(), limits=QUICK).list_all())
    assert [info.key for info in found] == sorted(names)


def test_folder_markers_are_no_objects(bucket: Bucket) -> None:
    for key, data in {"R1/": b"", "R1/sub/": b"", "R1/sub/file": b"x", "empty": b""}.items():
        bucket.put(key, data)
    found = asyncio.run(open_source(BucketPlace(bucket=bucket).spec(), limits=QUICK).list_all())
    assert [info.key for info in found] == ["R1/sub/file", "empty"]


def test_unsigned_reads_see_what_is_public_alone(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("public", b"for all", public=True)
    bucket.put("private", b"for me")
    signed = open_source(BucketPlace(bucket=bucket).spec(), limits=QUICK)
    infos = {info.key: info for info in asyncio.run(signed.list_all())}
    assert asyncio.run(signed.get(infos["private"])) == b"for me"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    spec = SourceSpec.of(bucket.uri, endpoint_url=bucket.url, region="us-east-2", anonymous=True)
    unsigned = open_source(spec, limits=QUICK)
    assert asyncio.run(unsigned.get(infos["public"])) == b"for all"
    with pytest.raises(AccessDenied, match=r"access to private was denied .*s3:GetObject"):
        asyncio.run(unsigned.get(infos["private"]))

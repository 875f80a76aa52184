"""What stores and sites answer, that is read: listings, errors, pages, inventories, cards.

A maker gives examples, and a function that raises Penstock's own errors, or those of its own that its callers catch.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["STORES", "Made"]

Made = tuple[list[bytes], Callable[[bytes], None]]

_S3 = b"""<ListBucketResult><Name>box</Name><Prefix>p/</Prefix><IsTruncated>true</IsTruncated>
<NextContinuationToken>t</NextContinuationToken><Contents><Key>p/0</Key><Size>5</Size><ETag>&quot;e&quot;</ETag>
<StorageClass>GLACIER</StorageClass></Contents><CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>
<EncodingType>url</EncodingType></ListBucketResult>"""
_AZURE = b"""<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="box"><Prefix>p/</Prefix><Blobs>
<Blob><Name>p/0</Name><Properties><Etag>0x1</Etag><Content-Length>5</Content-Length><AccessTier>Archive</AccessTier>
</Properties></Blob><BlobPrefix><Name>p/d/</Name></BlobPrefix></Blobs><NextMarker>t</NextMarker></EnumerationResults>"""
_GCS = json.dumps(
    {
        "kind": "storage#objects",
        "items": [{"name": "p/0", "size": "5", "generation": "7", "bucket": "box", "metageneration": "1"}],
        "prefixes": ["p/d/"],
        "nextPageToken": "t",
    }
).encode()


def _listing(parse: Any, page: bytes) -> Made:
    from penstock.sources.stores.pages import Asked, BadListing

    asked = [
        Asked(bucket="box", base="p/", prefix="p/"),
        Asked(bucket="box", base="", prefix="", by_folder=True, token="t"),
    ]

    def feed(data: bytes) -> None:
        try:
            found = parse(data[1:], asked[data[0] % 2] if data else asked[0])
        except BadListing:
            return
        assert all(0 <= info.size_bytes <= 1 << 50 and info.version for info in found.objects)

    return [bytes([number]) + page for number in range(2)], feed


def s3_listing() -> Made:
    from penstock.sources.s3.listing import parse_page

    return _listing(parse_page, _S3)


def gcs_listing() -> Made:
    from penstock.sources.gcs.listing import parse_page

    return _listing(parse_page, _GCS)


def azure_listing() -> Made:
    from penstock.sources.azure.listing import parse_page

    return _listing(parse_page, _AZURE)


def answers() -> Made:
    """Of stores that refuse: heads and bodies."""
    from penstock.sources.azure.answers import read_answer as read_azure
    from penstock.sources.gcs.answers import read_answer as read_gcs
    from penstock.sources.http.connection import Answer
    from penstock.sources.http.response import parse_head, retry_after_seconds
    from penstock.sources.kaggle.answers import status_of
    from penstock.sources.s3.answers import read_answer as read_s3

    def feed(data: bytes) -> None:
        text, _, body = data.partition(b"\r\n\r\n")
        try:
            head = parse_head(text + b"\r\n\r\n")
        except ValueError:
            return
        answer = Answer(head=head, body=body)
        assert read_s3(head.status, dict(head.headers), body).told is not None
        assert read_gcs(answer).told is not None
        assert read_azure(answer) is not None
        assert status_of(answer) is not None
        retry_after_seconds(head.header("retry-after"))

    error = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>wait</Message><Region>r-1</Region></Error>"
    told = b'{"error": {"code": 403, "message": "no", "errors": [{"reason": "forbidden"}]}}'
    head = b'HTTP/1.1 503 Slow\r\nRetry-After: 3\r\nContent-Length: 9\r\nContent-Range: bytes 0-8/90\r\nETag: "e"\r\n'
    more = b"Transfer-Encoding: chunked\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-goog-hash: crc32c=AAAAAA==\r\n"
    return [head + b"\r\n" + error, head + more + b"\r\n" + told, b"HTTP/1.0 200 OK\r\n\r\n<html>"], feed


def web_page() -> Made:
    from penstock.sources.web.pages import BadPage, read_page

    html = b'<html><title>Index of /d/</title><a href="../">up</a><a href="a.csv">a</a><a href="e/">e</a></html>'
    listed = b'[{"name": "a.csv", "type": "file", "size": 5, "mtime": "Mon, 01 Jan 2024 00:00:00 GMT"}]'

    def feed(data: bytes) -> None:
        kind = "application/json" if data[:1] == b"[" else "text/html"
        try:
            read_page(data, kind, url="https://h/d/", root="https://h/d/")
        except BadPage:
            return

    return [html, listed], feed


def web_list() -> Made:
    from penstock.sources.web.lists import read_list

    lines = b"url,size,sha256\nhttps://h/a.csv,5," + b"a" * 64 + b"\nhttps://h/b.csv,,\n"
    summed = b"d41d8cd98f00b204e9800998ecf8427e  https://h/a\n# no\nhttps://h/b?x=1\n"

    def feed(data: bytes) -> None:
        list(read_list(data.decode(errors="replace"), "list"))

    return [lines, summed, lines.replace(b",", b"\t")], feed


def inventories() -> Made:
    """Of manifests, and of the tables that they name, in CSV, Parquet and ORC."""
    from penstock.sources.azure.inventory import INVENTORY as AZURE
    from penstock.sources.gcs.inventory import INVENTORY as GCS
    from penstock.sources.inventory.report import BadInventory, ManifestPlace
    from penstock.sources.inventory.rows import Rows
    from penstock.sources.inventory.source import _objects_of
    from penstock.sources.inventory.tables import read_tables
    from penstock.sources.s3.inventory import INVENTORY as S3
    from support.inventories import azure_inventory, gcs_inventory, s3_inventory, s3_rows

    kinds = [S3, GCS, AZURE]
    place = ManifestPlace(uri="s3://inventories/m/manifest.json", bucket="bucket", prefix="")
    rows = s3_rows({"a/b.bin": b"abc", "c d": b""})
    of_google = [{"bucket": "bucket", "name": "a/b", "size": 5, "generation": 7}]
    of_azure = [{"Name": "bucket/a", "Content-Length": 5, "Etag": "0x1"}]
    made = [s3_inventory(rows), gcs_inventory(of_google, bucket="bucket"), azure_inventory(of_azure)]
    made += [s3_inventory(rows, kind=kind) for kind in ("Parquet", "ORC")]
    reports: list[Any] = []
    seeds = []
    for number, files in zip([0, 1, 2, 0, 0], made, strict=True):
        for key, data in files.items():
            if key.endswith(".json"):
                seeds.append(bytes([number, 255]) + data)
                try:
                    reports.append((kinds[number].read(data, place), kinds[number]))
                except BadInventory:
                    continue
    for number, (report, _) in enumerate(reports):
        for files in made:
            for key, data in files.items():
                if any(key.endswith(each.key.rpartition("/")[2]) for each in report.files):
                    seeds.append(bytes([0, number]) + data)

    def feed(data: bytes) -> None:
        if len(data) < 2:
            return
        try:
            if data[1] == 255:
                kinds[data[0] % 3].read(data[2:], place)
                return
            report, kind = reports[data[1] % len(reports)]
            read = Rows(kind, place, "", is_csv=report.file_format == "csv")
            assert all(len(page) >= 0 for page in _objects_of(read_tables(io.BytesIO(data[2:]), report, kind), read))
        except BadInventory:
            return

    return seeds, feed


def hub() -> Made:
    """Of the Hub's JSON and Kaggle's, of every kind that is read."""
    from penstock.sources.http.json import read_json
    from penstock.sources.hub import objects as of_hub
    from penstock.sources.kaggle import objects as of_kaggle

    kinds: list[Any] = [list[of_hub._Entry], of_hub._Revision, of_kaggle._Page, of_kaggle._Dataset]
    entry = {"type": "file", "path": "a.bin", "size": 5, "oid": "e" * 40, "lfs": {"oid": "a" * 64, "size": 5}}
    page = {"datasetFiles": [{"name": "a", "totalBytes": 5, "creationDate": "2024-01-01"}], "nextPageToken": "t"}
    told: list[Any] = [[entry], {"sha": "e" * 40}, page, {"currentVersionNumber": 3}]

    def feed(data: bytes) -> None:
        try:
            read_json(data[1:], kinds[data[0] % 4] if data else kinds[0])
        except msgspec.MsgspecError:
            return

    return [bytes([number]) + json.dumps(each).encode() for number, each in enumerate(told)], feed


def hub_card() -> Made:
    from penstock.tasks.dataset_card import split_files

    card = b"""---
license: mit
configs:
- config_name: a
  default: true
  data_files:
  - split: train
    path: data/train-*
- config_name: b
  data_dir: d
  data_files: "*.csv"
---
# Card
"""

    def feed(data: bytes) -> None:
        split_files(data.decode(errors="replace"), "train", "", "hf://datasets/a/b")

    return [card, card.replace(b"a\n", b"b\n")], feed


STORES: dict[str, Callable[[], Made]] = {
    "S3 listings": s3_listing,
    "GCS listings": gcs_listing,
    "Azure listings": azure_listing,
    "answers of stores": answers,
    "index pages": web_page,
    "lists of URLs": web_list,
    "inventories": inventories,
    "Hub and Kaggle JSON": hub,
    "Hub cards": hub_card,
}

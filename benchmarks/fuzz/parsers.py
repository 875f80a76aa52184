"""Parsers of bytes from outside that are no formats: what each is fed with at first, and what feeds it.

A maker gives examples, and a function that raises Penstock's own errors, or those of its own that its callers catch.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["PARSERS", "Made"]

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
    summed = b"d41d8cd98f00b204e9800998ecf8427e  https://h/a\n# no\nhttps://h/b?x=1#f\n"

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


def events() -> Made:
    """Of tables with tabs, as BIDS has them, and with commas."""
    from penstock.formats.tables import read_table
    from penstock.tasks.eeg.events import events_of, find_trials, read_events_table

    table = b"onset\tduration\tvalue\tevent_code\n0.5\tn/a\tcontrastTrial_start\t1\n1.5\t0\tright_target\t2\n"

    def feed(data: bytes) -> None:
        read_table(data, name="t.csv", delimiter=",")
        find_trials(events_of(read_events_table(data, name="e.tsv"), "value"))

    return [table, b'a,b\n1,"x\n2"\n'], feed


def conversations() -> Made:
    from penstock.tokens.conversations import conversation_of

    rows: list[Any] = [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": None, "tool_calls": [{}]}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "system": "s"},
        {"instruction": "a", "input": "", "output": "b"},
        {"prompt": "a", "completion": "b", "tools": "[]"},
        {"prompt": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "completion": []},
        [{"role": "user", "content": "a"}],
    ]

    def feed(data: bytes) -> None:
        try:
            row = json.loads(data)
        except (ValueError, RecursionError):
            return
        conversation_of(row, column=None, kind=None, tools=None)

    return [json.dumps(row).encode() for row in rows], feed


def pipeline_file() -> Made:
    from penstock.dataset.opening import described, loading_said

    one = b"format: parquet\nsource: s3://b/t\ncolumns: [text]\nsplit: {valid: 0.2, by: p, seed: 0}\nrename: {a: b}\n"
    mixed = b"mix:\n  - {weight: 0.7, format: jsonl, source: /d}\n  - {weight: {0: 1, 2: 2}, format: csv, source: /e}\n"

    def feed(data: bytes) -> None:
        text = data.decode(errors="replace")
        described(text, "d.yaml")
        loading_said(text, "d.yaml")

    return [one, mixed + b"seed: 0\nstop: all\nwindow: 1Gi\nbatch: 8\n"], feed


def uris() -> Made:
    from penstock.manifest import SourceSpec
    from penstock.patterns import matcher
    from penstock.sources.registry import find_scheme
    from penstock.units import parse_bytes

    def feed(data: bytes) -> None:
        text = data.decode(errors="replace")
        for asked in (parse_bytes, matcher, lambda each: find_scheme(each).locate(SourceSpec(uri=each))):
            try:
                asked(text)
            except Exception as error:
                from penstock.errors import PenstockError

                if not isinstance(error, PenstockError):
                    raise

    words = [
        "1.5Gi",
        "s3://b/p",
        "hf://datasets/a/b@r/c",
        "az://c/p?x",
        "https://h:1/a%20b",
        "**/{a,b}-{000..009}.[ch]",
    ]
    return [word.encode() for word in words], feed


def records() -> Made:
    """Of what crosses from one step to another."""
    from penstock.records.codec import decode_record, encode_record
    from penstock.records.plan import Plan, StreamSpec
    from penstock.records.run import RunRecord, StepRecord

    kinds: list[Any] = [Plan, StreamSpec, RunRecord, StepRecord]
    plan = Plan(manifest_fingerprint="f" * 64, seed=7, num_lanes=64, shuffle="full", mix=1)
    seeds = [
        bytes([number]) + json.dumps({"record": kind.kind, "version": kind.version}).encode()
        for number, kind in enumerate(kinds)
    ]

    def feed(data: bytes) -> None:
        if data:
            decode_record(data[1:], kinds[data[0] % len(kinds)])

    return [b"\0" + encode_record(plan), *seeds], feed


def control() -> Made:
    """Of a window's control file, cursors and the meters beside them."""
    from penstock.window.control import Control
    from penstock.window.cursor import Cursor
    from penstock.window.folder import CONTROL, cursor_name

    kept = tempfile.TemporaryDirectory(prefix="penstock-fuzz-")
    folder = Path(kept.name)
    Control.create(folder, capacity=4, window_bytes=1 << 20)
    whole = (folder / CONTROL).read_bytes()

    def feed(data: bytes) -> None:
        if not data:
            return
        assert kept.name
        if data[0] % 2:
            (folder / cursor_name(0)).write_bytes(data[1:])
            found = Cursor.open(folder, 0)
            if found is not None:
                assert found.index is not None
            return
        (folder / CONTROL).write_bytes(data[1:])
        made = Control(folder, writable=False)
        made.error("s")
        made.find_ready(0)
        assert made.is_current(folder) is not None

    return [b"\0" + whole, b"\1" + bytes(64)], feed


def manifest() -> Made:
    """Of a manifest's Parquet."""
    from penstock.manifest import ManifestReader
    from support.raw import make_raw_dataset

    kept = tempfile.TemporaryDirectory(prefix="penstock-fuzz-")
    folder = Path(kept.name)
    path = make_raw_dataset(folder, sizes=[10] * 12, per_object=4).manifest
    whole = path.read_bytes()

    def feed(data: bytes) -> None:
        assert kept.name
        path.write_bytes(data)
        with ManifestReader(path) as reader:
            for row in range(8):
                assert reader.row(row) is not None

    return [whole], feed


def checkpoint() -> Made:
    """Of what ``torch`` reads."""
    import torch

    from penstock.train.checkpoint_file import decode_checkpoint

    file = io.BytesIO()
    torch.save(
        {"format": "penstock.checkpoint", "version": 1, "model": {"w": torch.zeros(2)}, "weights_sha256": ""}, file
    )

    def feed(data: bytes) -> None:
        decode_checkpoint(data, "c.pt")

    return [file.getvalue()], feed


def held() -> Made:
    """Of what a packed loader's position holds."""
    from penstock.tokens.held import lane_of
    from penstock.tokens.packing import PackCounts, Packing

    packing = Packing(length=8, method="concat", long="split", buffer=4, pad_id=0)
    empty = {"passed": 0, "counts": asdict(PackCounts()), "held": {"sizes": [], "ids": "", "labels": ""}}

    def feed(data: bytes) -> None:
        try:
            state = json.loads(data)
        except (ValueError, RecursionError):
            return
        lane_of(state, packing)

    return [json.dumps(empty).encode()], feed


PARSERS: dict[str, Callable[[], Made]] = {
    "S3 listings": s3_listing,
    "GCS listings": gcs_listing,
    "Azure listings": azure_listing,
    "answers of stores": answers,
    "index pages": web_page,
    "lists of URLs": web_list,
    "inventories": inventories,
    "Hub and Kaggle JSON": hub,
    "Hub cards": hub_card,
    "tables of events": events,
    "conversations": conversations,
    "dataset files": pipeline_file,
    "URIs and patterns": uris,
    "records": records,
    "window's files": control,
    "manifests": manifest,
    "checkpoints": checkpoint,
    "packing's positions": held,
}

"""Inventories as listings: the same objects as the store's own listing, and errors where they cannot be trusted."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from penstock.errors import ConfigError, EmptyListing, ObjectNotFound, PenstockError, SourceChanged, SourceError
from penstock.manifest import SourceSpec
from penstock.sources import ObjectInfo, ObjectSource, SortedListing, open_source
from penstock.sources.asking import read_storage_options
from support.azure_server import CONTAINER, Azure
from support.gcs_server import BUCKET, Gcs
from support.inventories import DATE, azure_inventory, gcs_inventory, md5, s3_inventory, s3_rows
from support.small_s3 import SmallS3, small_s3
from unit.sources.places import QUICK, AzurePlace, GcsPlace

OBJECTS = {
    "data/a.bin": b"a" * 10,
    "data/b c+d%e.bin": b"b" * 20,
    'data/ü/,".bin': b"c" * 30,
    "data/deep/er/d.bin": b"d" * 40,
    "data2/not-of-it.bin": b"e",
    "other.bin": b"f",
}
MANIFEST = f"s3://inv/of/bucket/config/{DATE}/manifest.json"
FOLDER = "s3://inv/of/bucket/config"


@pytest.fixture
def s3() -> Iterator[SmallS3]:
    with small_s3(is_open=True) as server:
        put(server, "bucket", OBJECTS)
        yield server


def put(server: SmallS3, bucket: str, objects: Mapping[str, bytes]) -> None:
    server.objects |= {f"{bucket}/{key}": data for key, data in objects.items()}


def source_at(server: SmallS3, prefix: str = "data", **options: str) -> ObjectSource:
    given = {"endpoint_url": server.url, "anonymous": True, **options}
    return open_source(SourceSpec(uri=f"s3://bucket/{prefix}".rstrip("/"), options=given), limits=QUICK)


def listed(source: ObjectSource, prefix: str = "") -> list[ObjectInfo]:
    return asyncio.run(source.list_all(prefix))


def listed_s3(server: SmallS3, prefix: str = "data", inventory: str = FOLDER, **options: str) -> list[ObjectInfo]:
    return listed(source_at(server, prefix, inventory=inventory, **options))


@pytest.mark.parametrize("kind", ["CSV", "Parquet", "ORC"])
@pytest.mark.parametrize("prefix", ["", "data", "data/deep", "data/b c+d%e.bin"])
def test_an_s3_inventory_lists_what_the_bucket_lists(s3: SmallS3, kind: str, prefix: str) -> None:
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS), kind=kind))
    if prefix.endswith(".bin"):  # no folder
        with pytest.raises(EmptyListing, match="names nothing under"):
            listed_s3(s3, prefix)
        return
    assert listed_s3(s3, prefix) == listed(source_at(s3, prefix))
    lists = [asked for asked in s3.requests if asked.path.strip("/") == "bucket"]
    assert len(lists) == 1  # that of the comparison: the bucket is not listed


def test_a_folder_of_a_source_is_listed_by_its_keys_below_the_source(s3: SmallS3) -> None:
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS)))
    assert [info.key for info in listed(source_at(s3, inventory=FOLDER), "deep")] == ["deep/er/d.bin"]


def test_old_versions_delete_markers_and_folder_markers_are_no_objects(s3: SmallS3) -> None:
    rows = s3_rows({**OBJECTS, "data/": b"", "data/empty/": b""})
    rows = [{**row, "VersionId": "v2", "IsLatest": True, "IsDeleteMarker": False} for row in rows]
    rows += [{**rows[0], "VersionId": "v1", "IsLatest": False, "ETag": "0" * 32}]
    gone = {**rows[0], "Key": "data/gone.bin", "Size": "", "ETag": ""}
    rows += [{**gone, "IsDeleteMarker": True}]
    columns = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "ETag", "StorageClass")
    put(s3, "inv", s3_inventory(rows, columns=columns))
    found = asyncio.run(_all(source_at(s3, inventory=FOLDER)))
    assert sorted(info.key for info in found if info.size_bytes) == sorted(
        key.removeprefix("data/") for key in OBJECTS if key.startswith("data/")
    )
    assert [info.key for info in found if not info.size_bytes] == ["empty"]
    put(s3, "bucket", {"data/": b"", "data/empty/": b""})
    assert listed(source_at(s3, inventory=FOLDER)) == listed(source_at(s3))


async def _all(source: ObjectSource) -> list[ObjectInfo]:
    return [info async for page in source.list_objects() for info in page]


def test_archived_objects_are_told_as_such(s3: SmallS3) -> None:
    rows = s3_rows(OBJECTS)
    rows[0]["StorageClass"] = "DEEP_ARCHIVE"
    put(s3, "inv", s3_inventory(rows))
    rows[1]["StorageClass"] = "GLACIER_IR"
    put(s3, "inv", s3_inventory(rows))
    found = {info.key: info for info in listed_s3(s3)}
    assert (found["a.bin"].trouble, found["a.bin"].storage_class) == ("is archived (DEEP_ARCHIVE)", "DEEP_ARCHIVE")
    told = [(info.trouble, info.storage_class) for info in found.values() if info.key != "a.bin"]
    assert told.count(("", "GLACIER_IR")) == 1
    assert told.count(("", "STANDARD")) == len(told) - 1


def test_the_newest_whole_inventory_of_a_folder_is_taken_and_noted(s3: SmallS3) -> None:
    put(s3, "inv", s3_inventory(s3_rows({"data/old.bin": b"o"}), date="2026-10-30T01-00Z"))
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS)))
    put(s3, "inv", s3_inventory(s3_rows({"data/new.bin": b"n"}), date="2026-11-02T01-00Z", is_whole=False))
    source = source_at(s3, inventory=FOLDER)
    assert len(listed(source)) == 4
    assert source.spec.text("inventory") == MANIFEST
    [note] = source.notes()
    assert f"({MANIFEST}, 4 objects of the source)" in note
    assert "S3 Inventory of 2026-11-01" in note


def test_files_whose_names_only_end_like_a_manifest_s_are_none(s3: SmallS3) -> None:
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS)))
    put(s3, "inv", {"of/bucket/config/web_manifest.json": b"{}", "of/bucket/config/x/app-manifest.checksum": b""})
    assert len(listed_s3(s3)) == 4
    assert len(listed_s3(s3, inventory=f"{FOLDER}/{DATE}")) == 4
    assert len(listed_s3(s3, inventory="s3://inv")) == 4


def test_a_copy_of_an_inventory_in_a_folder_is_read_as_well(s3: SmallS3, tmp_path: Path) -> None:
    for key, data in s3_inventory(s3_rows(OBJECTS), prefix="config").items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(data)
    for inventory in (tmp_path / "config", tmp_path / "config" / DATE / "manifest.json"):
        assert listed_s3(s3, inventory=str(inventory)) == listed(source_at(s3))


def wrong(change: Any = None, kind: str = "CSV", **options: Any) -> dict[str, bytes]:
    """Return an inventory that something is changed of."""
    rows = s3_rows(OBJECTS)
    if change is not None:
        change(rows)
    return s3_inventory(rows, kind=kind, **options)


def _row(**changed: Any) -> Any:
    return lambda rows: rows[0].update(changed)


def cut(objects: dict[str, bytes], end: str) -> dict[str, bytes]:
    """Cut a file off, with a manifest that knows only of that."""
    key = next(key for key in objects if key.endswith(end))
    objects[key] = objects[key][:-9]
    name = next(name for name in objects if name.endswith("manifest.json"))
    manifest = json.loads(objects[name])
    for file in manifest["files"]:
        if file["key"] == key:
            file.update(size=len(objects[key]), MD5checksum=md5(objects[key]))
    objects[name] = json.dumps(manifest).encode()
    objects[name.replace(".json", ".checksum")] = md5(objects[name]).encode()
    return objects


def swapped(objects: dict[str, bytes], end: str, data: bytes | None) -> dict[str, bytes]:
    key = next(key for key in objects if key.endswith(end))
    if data is None:
        del objects[key]
    else:
        objects[key] = data or bytes(len(objects[key]))
    return objects


BAD: dict[str, tuple[Any, type[PenstockError], str]] = {
    "another bucket": (lambda: wrong(bucket="elsewhere"), SourceError, "is of the bucket 'elsewhere', not of 'bucket'"),
    "a row of another bucket": (lambda: wrong(_row(Bucket="stray")), SourceError, "of the bucket 'stray'"),
    "no ETag": (lambda: wrong(columns=("Bucket", "Key", "Size")), SourceError, "has no column etag"),
    "no size": (lambda: wrong(columns=("Bucket", "Key", "ETag"), kind="ORC"), SourceError, "has no column size"),
    "no size, Parquet": (lambda: wrong(columns=("Key", "ETag"), kind="Parquet"), SourceError, "has no column size"),
    "an empty ETag": (lambda: wrong(_row(ETag="")), SourceError, "no etag to know its version by"),
    "an empty size": (lambda: wrong(_row(Size="")), SourceError, "'data/a.bin' a size of ''"),
    "a negative size": (lambda: wrong(_row(Size="-1")), SourceError, "a size of '-1'"),
    "a size beyond all": (lambda: wrong(_row(Size=str(1 << 52))), SourceError, "a size of 4503599627370496"),
    "an empty key": (lambda: wrong(_row(Key="")), SourceError, "without a key"),
    "not whole": (lambda: wrong(is_whole=False), SourceError, "whole"),
    "no files": (lambda: wrong(num_files=0), EmptyListing, "names nothing under"),
    "empty files": (lambda: s3_inventory([]), EmptyListing, "names nothing under"),
    "another format": (lambda: wrong(fileFormat="Avro"), SourceError, "is of the format 'Avro'"),
    "no time": (lambda: wrong(creationTimestamp="soon"), SourceError, "when it was made ('soon')"),
    "no such time": (lambda: wrong(creationTimestamp="9" * 30), SourceError, "when it was made"),
    "no JSON": (lambda: swapped(wrong(), "manifest.json", b"<html>"), SourceError, "damaged: the MD5 of its manifest"),
    "a damaged seal": (lambda: swapped(wrong(), ".checksum", b"0" * 32), SourceError, "damaged: the MD5"),
    "a huge seal": (lambda: swapped(wrong(), ".checksum", b"0" * 4096), SourceError, "damaged: the MD5"),
    "a damaged file": (lambda: swapped(wrong(), "-1.csv.gz", b""), SourceError, "damaged: the MD5 of"),
    "a longer file": (lambda: swapped(wrong(), "-1.csv.gz", b"x" * 999), SourceError, "bytes, and it has 999"),
    "a missing file": (lambda: swapped(wrong(), "-1.csv.gz", None), SourceError, "names a file that is not there"),
    "a CSV cut off": (lambda: cut(wrong(), "-0.csv.gz"), SourceError, "is no csv or is damaged"),
    "a Parquet file cut off": (lambda: cut(wrong(kind="Parquet"), "-0.parquet"), SourceError, "is no parquet"),
    "an ORC file cut off": (lambda: cut(wrong(kind="ORC"), "-0.orc"), SourceError, "is no orc or is damaged"),
    "other columns": (lambda: wrong(fileSchema="Bucket, Key, Size, ETag"), SourceError, "is no csv or is damaged"),
    "a file outside": (
        lambda: wrong(files=[{"key": "../x", "size": 1, "MD5checksum": "0" * 32}]),
        SourceError,
        "'../x'",
    ),
    "no MD5": (lambda: wrong(files=[{"key": "x", "size": 1}]), SourceError, "does not tell the MD5 of x"),
    "two inventories": (
        lambda: {**wrong(), **wrong(prefix="of/bucket/config/second")},
        ConfigError,
        "several inventories lie under",
    ),
    "none": (dict, ObjectNotFound, "no inventory of the kind S3 Inventory lies under"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_inventory_that_cannot_be_trusted_is_an_error(s3: SmallS3, what: str) -> None:
    make, kind, told = BAD[what]
    put(s3, "inv", make())
    with pytest.raises(kind) as caught:
        listed_s3(s3)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manifest_by_its_name_must_be_there_and_whole(s3: SmallS3) -> None:
    with pytest.raises(ObjectNotFound, match="there is no inventory"):
        listed_s3(s3, inventory=MANIFEST)
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS), is_whole=False))
    with pytest.raises(SourceError, match="is not whole: its checksum's file is not there"):
        listed_s3(s3, inventory=MANIFEST)


@pytest.mark.parametrize("column", ["Bucket", "Key", "Size", "ETag"])
@pytest.mark.parametrize("kind", ["Parquet", "ORC"])
def test_texts_of_tables_that_are_none_are_refused(s3: SmallS3, column: str, kind: str) -> None:
    (row,) = s3_rows({"data/a.bin": b"abc"})
    texts = {name: str(value).encode() for name, value in row.items()} | {column: b"data/\xff\xfe"}
    table = pa.table({name: pa.array([text]).view(pa.string()) for name, text in texts.items()})
    file = io.BytesIO()
    pq.write_table(table, file) if kind == "Parquet" else orc.write_table(table, file)
    data = file.getvalue()
    files = [{"key": "x", "size": len(data), "MD5checksum": md5(data)}]
    put(s3, "inv", s3_inventory([], num_files=0, kind=kind, files=files) | {"x": data})
    with pytest.raises(SourceError, match=r"^the inventory s3://inv/[^\n]*$"):
        listed_s3(s3)


def test_a_line_without_end_is_refused_before_it_is_in_memory(s3: SmallS3) -> None:
    data = gzip.compress(b'"bucket","' + b"a" * (12 << 20) + b'"\n', 1)
    files = [{"key": "x.csv.gz", "size": len(data), "MD5checksum": md5(data)}]
    put(s3, "inv", s3_inventory([], num_files=0, files=files) | {"x.csv.gz": data})
    with pytest.raises(SourceError, match="is no csv or is damaged"):
        listed_s3(s3)


def test_keys_that_come_twice_are_refused(s3: SmallS3) -> None:
    put(s3, "inv", s3_inventory([*s3_rows(OBJECTS), *s3_rows({"data/a.bin": b"x"})]))
    with pytest.raises(SourceError, match=r"names 'a\.bin' twice"):
        listed_s3(s3)


def test_objects_drawn_by_chance_are_looked_up(s3: SmallS3) -> None:
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS)))
    source = source_at(s3, inventory=FOLDER, inventory_sample="100")
    assert len(listed(source)) == 4
    assert "4 objects of it, drawn by chance, are as it says" in source.notes()[0]
    put(s3, "bucket", {"data/a.bin": b"changed"})
    del s3.objects["bucket/data/deep/er/d.bin"]
    with pytest.raises(SourceChanged) as caught:
        listed_s3(s3, inventory_sample="100")
    assert "2 of 4 objects" in str(caught.value)
    assert "a.bin (changed)" in str(caught.value)
    assert "d.bin (gone)" in str(caught.value)


def test_what_changed_since_is_an_error_when_it_is_read(s3: SmallS3) -> None:
    put(s3, "inv", s3_inventory(s3_rows(OBJECTS)))
    put(s3, "bucket", {"data/a.bin": b"z" * 10})
    source = source_at(s3, inventory=FOLDER)

    async def read() -> None:
        infos = {info.key: info for info in await source.list_all()}
        assert await source.get(infos["b c+d%e.bin"]) == b"b" * 20
        with pytest.raises(SourceChanged):
            await source.get(infos["a.bin"])
        source.close()

    asyncio.run(read())


@pytest.mark.parametrize("options", [{"inventory_sample": "7"}, {"inventory": FOLDER, "inventory_sample": "-1"}])
def test_options_that_mean_nothing_are_refused(s3: SmallS3, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="inventory_sample"):
        source_at(s3, **options)


def test_an_inventory_of_a_signed_link_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        SourceSpec(uri="s3://b", options={"inventory": "s3://KEY:hunter2@inv/x"})
    assert "hunter2" not in str(caught.value)


def test_folders_of_this_machine_have_no_inventories(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inventory means nothing for a local folder"):
        open_source(SourceSpec(uri=str(tmp_path), options={"inventory": FOLDER}))


def test_storage_options_name_the_inventory_too() -> None:
    found = read_storage_options("s3://b", {"anon": True, "inventory": FOLDER, "inventory_sample": 5})
    assert found.options == {"anonymous": True, "inventory": FOLDER, "inventory_sample": "5"}
    for given in ({"inventory": 3}, {"inventory": FOLDER, "inventory_sample": 1.5}):
        with pytest.raises(ConfigError, match="storage_options"):
            read_storage_options("gs://b", given)
    with pytest.raises(ConfigError, match="means nothing"):
        read_storage_options("/folder", {"inventory": FOLDER})


@pytest.mark.parametrize(
    "kind", [pa.dictionary(pa.int32(), pa.string()), pa.large_string(), pa.binary(), pa.large_binary()]
)
def test_texts_of_any_kind_are_read(s3: SmallS3, kind: pa.DataType) -> None:
    rows = s3_rows(OBJECTS)
    table = pa.table(
        {
            "bucket": pa.array([row["Bucket"] for row in rows]).cast(kind),
            "key": pa.array([row["Key"] for row in rows]).cast(kind),
            "size": pa.array([row["Size"] for row in rows], pa.uint32()),
            "e_tag": pa.array([row["ETag"] for row in rows]).cast(kind),
            "storage_class": pa.array([row["StorageClass"] for row in rows]).cast(kind),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    data = out.getvalue()
    files = [{"key": "x.parquet", "size": len(data), "MD5checksum": md5(data)}]
    put(s3, "inv", s3_inventory([], num_files=0, kind="Parquet", files=files) | {"x.parquet": data})
    assert listed_s3(s3) == listed(source_at(s3))


# Google Cloud Storage


def gcs_rows(gcs: Gcs) -> list[dict[str, Any]]:
    return [
        {
            "project": 1,
            "bucket": BUCKET,
            "name": name,
            "size": len(data),
            "generation": gcs.generations[name],
            "storageClass": "STANDARD",
        }
        for name, data in OBJECTS.items()
    ]


@pytest.fixture
def reports(gcs: Gcs, tmp_path: Path) -> Any:
    """Write a report to a folder, and list the bucket by it."""
    for name, data in OBJECTS.items():
        gcs.put(name, data)

    def by(objects: Mapping[str, bytes]) -> list[ObjectInfo]:
        return listed_by(GcsPlace(server=gcs).spec("data"), write(tmp_path / "of", objects))

    return by


def write(folder: Path, objects: Mapping[str, bytes]) -> Path:
    for key, data in objects.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    return folder


def listed_by(spec: SourceSpec, inventory: Path | str) -> list[ObjectInfo]:
    given = SourceSpec(uri=spec.uri, options={**spec.options, "inventory": str(inventory)})
    return listed(open_source(given, limits=QUICK))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_report_of_google_lists_what_the_bucket_lists(gcs: Gcs, reports: Any, kind: str) -> None:
    found = reports(gcs_inventory(gcs_rows(gcs), bucket=BUCKET, kind=kind))
    assert found == listed(open_source(GcsPlace(server=gcs).spec("data"), limits=QUICK))
    assert len(found) == 4


def test_a_report_of_google_in_the_bucket_itself(gcs: Gcs, reports: Any) -> None:
    for name, data in gcs_inventory(gcs_rows(gcs), bucket=BUCKET).items():
        gcs.put(name, data)
    assert len(listed_by(GcsPlace(server=gcs).spec("data"), f"{gcs.uri}/reports")) == 4


BAD_GCS: dict[str, tuple[dict[str, Any], str]] = {
    "another bucket": ({"bucket": "elsewhere"}, "is of the bucket 'elsewhere'"),
    "no generation": ({"columns": ("bucket", "name", "size")}, "has no column generation"),
    "fewer rows": ({"num_rows": 7}, "says that it has 7 rows, and has 6"),
    "fewer shards": ({"shard_count": 3}, "says that it has 3 shards, and names 2"),
    "no time": ({"snapshot_time": "now"}, "when it was made ('now')"),
    "another format": ({"report_shards_file_names": ["x.avro"], "shard_count": 1}, "files of the kinds avro"),
    "a shard that is gone": ({"report_shards_file_names": ["a.csv"], "shard_count": 1}, "is not there: a.csv"),
}


@pytest.mark.parametrize("what", BAD_GCS)
def test_a_report_of_google_that_cannot_be_trusted(gcs: Gcs, reports: Any, what: str) -> None:
    changed, told = BAD_GCS[what]
    with pytest.raises(SourceError) as caught:
        reports(gcs_inventory(gcs_rows(gcs), **{"bucket": BUCKET, **changed}))
    assert told in str(caught.value)


# Azure


def azure_rows(azure: Azure) -> list[dict[str, Any]]:
    rows = [
        {"Name": f"{CONTAINER}/{name}", "Content-Length": len(data), "Etag": azure.etags[name], "AccessTier": "Hot"}
        for name, data in OBJECTS.items()
    ]
    return [*rows, {"Name": "another/data/x.bin", "Content-Length": 1, "Etag": "0x2", "AccessTier": "Hot"}]


@pytest.fixture
def inventories(azure: Azure, tmp_path: Path) -> Any:
    for name, data in OBJECTS.items():
        azure.put(name, data)

    def by(objects: Mapping[str, bytes], prefix: str = "data") -> list[ObjectInfo]:
        return listed_by(AzurePlace(server=azure).spec(prefix), write(tmp_path / "of", objects))

    return by


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_inventory_of_azure_lists_what_the_container_lists(azure: Azure, inventories: Any, kind: str) -> None:
    found = inventories(azure_inventory(azure_rows(azure), kind=kind))
    assert found == listed(open_source(AzurePlace(server=azure).spec("data"), limits=QUICK))
    assert len(found) == 4


def test_an_inventory_of_azure_in_the_container_itself(azure: Azure, inventories: Any) -> None:
    for name, data in azure_inventory(azure_rows(azure)).items():
        azure.put(f"inv/{name}", data)
    assert len(listed_by(AzurePlace(server=azure).spec("data"), f"{azure.uri}/inv")) == 4


def test_other_names_of_the_scheme_are_the_same_store(azure: Azure, inventories: Any) -> None:
    for name, data in azure_inventory(azure_rows(azure)).items():
        azure.put(f"inv/{name}", data)
    assert len(listed_by(AzurePlace(server=azure).spec("data"), f"abfs://{CONTAINER}/inv")) == 4


def test_versions_snapshots_deleted_blobs_and_folders_of_azure_are_no_objects(azure: Azure, inventories: Any) -> None:
    rows = [
        {**row, "IsCurrentVersion": "true", "Snapshot": "", "Deleted": "", "hdi_isfolder": ""}
        for row in azure_rows(azure)
    ]
    others = [{"IsCurrentVersion": "false"}, {"Snapshot": "2026-01-01T00:00:00Z"}, {"Deleted": "true"}]
    rows += [{**rows[0], **other} for other in [*others, {"hdi_isfolder": "true"}]]
    columns = ("Name", "Content-Length", "Etag", "IsCurrentVersion", "Snapshot", "Deleted", "hdi_isfolder")
    for kind in ("csv", "parquet"):
        assert len(inventories(azure_inventory(rows, columns=columns, kind=kind))) == 4


BAD_AZURE: dict[str, tuple[dict[str, Any], str]] = {
    "failed": ({"status": "Failed"}, "is not whole: its status is 'Failed'"),
    "no ETag": ({"columns": ("Name", "Content-Length")}, "has no column etag"),
    "fewer rows": ({"num_rows": 9}, "says that it has 9 rows, and has 7"),
    "a part": ({"filters": {"prefixMatch": [f"{CONTAINER}/data/deep"]}}, "alone, and"),
    "a hole": ({"filters": {"excludePrefix": [f"{CONTAINER}/data/deep"]}}, "leaves out"),
    "not whole": ({"is_whole": False}, "none has its checksum's file yet"),
}


@pytest.mark.parametrize("what", BAD_AZURE)
def test_an_inventory_of_azure_that_cannot_be_trusted(azure: Azure, inventories: Any, what: str) -> None:
    changed, told = BAD_AZURE[what]
    with pytest.raises(SourceError) as caught:
        inventories(azure_inventory(azure_rows(azure), **changed))
    assert told in str(caught.value)


def test_a_rule_of_a_part_lists_that_part(azure: Azure, inventories: Any) -> None:
    filters = {"prefixMatch": [f"{CONTAINER}/data/deep"]}
    assert len(inventories(azure_inventory(azure_rows(azure), filters=filters), "data/deep")) == 1


# Size


def test_many_rows_come_in_blocks(s3: SmallS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many rows is never in memory as a whole: no table has more than a block."""
    largest = 0
    open_csv = pa_csv.open_csv

    def watched(*given: Any, **options: Any) -> Iterator[Any]:
        nonlocal largest
        for batch in open_csv(*given, **options):
            largest = max(largest, batch.nbytes)
            yield batch

    monkeypatch.setattr(pa_csv, "open_csv", watched)
    lines = "".join(
        f'"bucket","data/{number:07}.bin","5","2026","{number:032x}","STANDARD"\n' for number in range(150_000)
    )
    objects = s3_inventory([], num_files=1)
    name = next(key for key in objects if key.endswith(".gz"))
    data = gzip.compress(lines.encode(), 1)
    files = [{"key": name, "size": len(data), "MD5checksum": md5(data)}]
    put(s3, "inv", s3_inventory([], num_files=1, files=files) | {name: data})
    listing = SortedListing(None, run_objects=50_000)

    async def fill() -> None:
        source = source_at(s3, inventory=FOLDER)
        async for page in source.list_objects():
            assert len(page) <= 1000
            listing.add(page)

    asyncio.run(fill())
    assert len(listing) == 150_000
    assert 0 < largest < 6 << 20
    assert len(lines) > 2 * largest
    listing.close()

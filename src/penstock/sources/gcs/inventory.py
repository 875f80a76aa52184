"""Storage Insights inventory reports of Google Cloud Storage: how manifests are written and what columns mean.

cloud.google.com/storage/docs/insights/inventory-reports. A report's shards lie beside its manifest,
``CONFIG_2026-11-01T00:00_manifest.json``, which is written last.
"""

from __future__ import annotations

import re

import msgspec

from penstock.sources.inventory.report import (
    BadInventory,
    InventoryKind,
    ManifestPlace,
    Report,
    file_beside,
    read_manifest,
    read_time,
)

__all__ = ["INVENTORY"]


class _Csv(msgspec.Struct):
    delimiter: str = ","
    record_separator: str = "\n"


class _Filters(msgspec.Struct):
    bucket: str = ""


class _Fields(msgspec.Struct):
    metadata_fields: list[str] = []
    storage_filters: _Filters | None = None


class _Config(msgspec.Struct):
    csv_options: _Csv | None = None
    object_metadata_report_options: _Fields | None = None


class _Manifest(msgspec.Struct):
    report_shards_file_names: list[str]
    snapshot_time: str
    report_config: _Config | None = None
    records_processed: int | str | None = None
    shard_count: int | None = None


def _read(data: bytes, place: ManifestPlace) -> Report:
    told = read_manifest(_in_snakes(data), _Manifest)
    names = told.report_shards_file_names
    if told.shard_count is not None and told.shard_count != len(names):
        raise BadInventory(f"says that it has {told.shard_count} shards, and names {len(names)}")
    config = told.report_config or _Config()
    fields = config.object_metadata_report_options or _Fields()
    bucket = fields.storage_filters.bucket if fields.storage_filters is not None else ""
    if bucket and bucket.removeprefix("projects/_/buckets/") != place.bucket:
        raise BadInventory(f"is of the bucket {bucket!r}, not of {place.bucket!r}")
    formats = {name.rpartition(".")[2].lower() for name in names}
    if formats - {"csv", "parquet"} or len(formats) > 1:
        raise BadInventory(f"has files of the kinds {', '.join(sorted(formats))}", fix="have it made as CSV or Parquet")
    options = config.csv_options or _Csv()
    try:
        num_rows = None if told.records_processed is None else int(told.records_processed)
    except ValueError as error:
        raise BadInventory(f"says that it has {told.records_processed!r} rows") from error
    return Report(
        made=read_time(told.snapshot_time),
        files_in=place.folder,
        files=[file_beside(name) for name in names],
        file_format="parquet" if formats == {"parquet"} else "csv",
        columns=fields.metadata_fields,
        delimiter=_delimiter(options.delimiter),
        num_rows=num_rows,
    )


def _in_snakes(data: bytes) -> bytes:
    """Return a manifest with the names of its fields in one way: some are written ``storageFilters``."""
    return re.sub(rb'"([a-z]+(?:[A-Z][a-z]+)+)"(?=\s*:)', lambda found: re.sub(b"[A-Z]", _snake, found[0]), data)


def _snake(letter: re.Match[bytes]) -> bytes:
    return b"_" + letter[0].lower()


def _delimiter(told: str) -> str:
    text = {"\\t": "\t", "tab": "\t", "": ","}.get(told, told)
    if len(text) != 1 or not text.isascii():
        raise BadInventory(f"has the delimiter {told!r}")
    return text


INVENTORY = InventoryKind(
    title="Storage Insights inventory report",
    manifest=re.compile(
        r"(?:.*/)?(?P<config>[^/]*?)_?(?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z?)?)_manifest\.json"
    ),
    read=_read,
    ask="have the report made with the fields name, size and generation",
    key="name",
    size="size",
    version="generation",
    storage_class="storageclass",
    bucket="bucket",
    drops={"timedeleted": None},
)

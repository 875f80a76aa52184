"""S3 Inventory: how its manifests are written and what its columns mean.

docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html and …/storage-inventory-location.html. Manifests
lie in ``…/BUCKET/CONFIG/2026-11-01T01-00Z/``, files in ``…/BUCKET/CONFIG/data/``; ``manifest.checksum`` is
written last.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Literal, cast

import msgspec

from penstock.sources.inventory.report import (
    BadInventory,
    InventoryKind,
    ManifestPlace,
    Report,
    ReportFile,
    read_manifest,
)

__all__ = ["INVENTORY"]

_ARN = re.compile(r"arn:[a-z0-9-]+:s3:::")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")


class _File(msgspec.Struct):
    key: str
    size: int
    checksum: str = msgspec.field(name="MD5checksum", default="")


class _Manifest(msgspec.Struct, rename="camel"):
    source_bucket: str
    destination_bucket: str
    creation_timestamp: str | int
    file_format: str
    file_schema: str
    files: list[_File]


def _read(data: bytes, place: ManifestPlace) -> Report:
    told = read_manifest(data, _Manifest)
    if _ARN.sub("", told.source_bucket) != place.bucket:
        raise BadInventory(f"is of the bucket {told.source_bucket!r}, not of {place.bucket!r}")
    file_format = told.file_format.lower()
    if file_format not in ("csv", "parquet", "orc"):
        raise BadInventory(f"is of the format {told.file_format!r}", fix="have it made as CSV, Parquet or ORC")
    home = f"s3://{_ARN.sub('', told.destination_bucket)}"
    is_home = place.uri.startswith(f"{home}/")
    files = [_file(each, is_home=is_home) for each in told.files]
    return Report(
        made=_time(told.creation_timestamp),
        files_in=home if is_home else place.folder.rpartition("/")[0],
        files=files,
        file_format=cast("Literal['csv', 'parquet', 'orc']", file_format),
        columns=[name.strip() for name in told.file_schema.split(",")] if file_format == "csv" else (),
    )


def _file(told: _File, *, is_home: bool) -> ReportFile:
    """Return a file of a manifest; beside a manifest that was copied elsewhere it lies in its folder ``data``."""
    parts = told.key.split("/")
    if not told.key or ".." in parts or "." in parts:
        raise BadInventory(f"names a file {told.key!r}")
    if not _MD5.fullmatch(told.checksum):
        raise BadInventory(f"does not tell the MD5 of {told.key} ({told.checksum!r})")
    return ReportFile(key=told.key if is_home else "/".join(parts[-2:]), size_bytes=told.size, md5=told.checksum)


def _time(told: str | int) -> datetime:
    try:
        return datetime.fromtimestamp(int(told) / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadInventory(f"does not tell when it was made ({told!r})") from error


INVENTORY = InventoryKind(
    title="S3 Inventory",
    manifest=re.compile(r"(?P<config>(?:.*?/)??)(?P<date>(?:\d{4}-\d\d-\d\dT\d\d-\d\dZ/)?)manifest\.json"),
    checksum=lambda key: f"{key.removesuffix('.json')}.checksum",
    read=_read,
    ask="have the inventory made with Size and ETag among its optional fields",
    key="key",
    size="size",
    version="etag",
    storage_class="storageclass",
    quotes=True,
    bucket="bucket",
    url_encoded=True,
    drops={"islatest": frozenset({"false"}), "isdeletemarker": frozenset({"true"})},
    archived={
        "storageclass": frozenset({"GLACIER", "DEEP_ARCHIVE"}),
        "intelligenttieringaccesstier": frozenset({"ARCHIVE", "ARCHIVE_ACCESS", "DEEP_ARCHIVE", "DEEP_ARCHIVE_ACCESS"}),
    },
)

"""Blob inventories of Azure Storage: how their manifests are written and what their columns mean.

learn.microsoft.com/azure/storage/blobs/blob-inventory. A rule's report lies in ``YYYY/MM/DD/HH-MM-SS/RULE/`` of its
container: files, ``RULE-manifest.json``, and ``RULE-manifest.checksum`` with the manifest's MD5. A report is of an
account: names of blobs begin with their container.
"""

from __future__ import annotations

import re
from typing import Literal, cast

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


class _File(msgspec.Struct):
    blob: str
    size: int | None = None


class _Filters(msgspec.Struct, rename="camel"):
    prefix_match: list[str] = []
    exclude_prefix: list[str] = []


class _Rule(msgspec.Struct, rename="camel"):
    format: str
    schema_fields: list[str]
    object_type: str = "blob"
    filters: _Filters | None = None


class _Summary(msgspec.Struct, rename="camel"):
    object_count: int | None = None


class _Manifest(msgspec.Struct, rename="camel"):
    files: list[_File]
    inventory_start_time: str
    rule_definition: _Rule
    status: str
    summary: _Summary | None = None


def _read(data: bytes, place: ManifestPlace) -> Report:
    told = read_manifest(data, _Manifest)
    rule = told.rule_definition
    if told.status.lower() != "succeeded":
        raise BadInventory(f"is not whole: its status is {told.status!r}")
    if rule.object_type.lower() != "blob":
        raise BadInventory(f"is of {rule.object_type}s, not of blobs", fix="take one of a rule for blobs")
    file_format = rule.format.lower()
    if file_format not in ("csv", "parquet"):
        raise BadInventory(f"is of the format {rule.format!r}", fix="have it made as CSV or Parquet")
    if rule.filters is not None:
        _check_filters(rule.filters, place)
    return Report(
        made=read_time(told.inventory_start_time),
        files_in=place.folder,
        files=[file_beside(each.blob, each.size) for each in told.files],
        file_format=cast("Literal['csv', 'parquet']", file_format),
        columns=rule.schema_fields,
        num_rows=None if told.summary is None else told.summary.object_count,
    )


def _check_filters(filters: _Filters, place: ManifestPlace) -> None:
    """Refuse a report of a part of what is to be listed."""
    asked = f"{place.bucket}/{place.prefix}/" if place.prefix else f"{place.bucket}/"
    wide = filters.prefix_match
    if wide and not any(asked.startswith(prefix) or asked == f"{prefix}/" for prefix in wide):
        raise BadInventory(
            f"is of {', '.join(wide)} alone, and {asked} is to be listed", fix="list a part that it is of"
        )
    if cut := [prefix for prefix in filters.exclude_prefix if prefix.startswith(asked) or asked.startswith(prefix)]:
        raise BadInventory(f"leaves out {', '.join(cut)}, which lies in what is to be listed", fix="list a part of it")


INVENTORY = InventoryKind(
    title="Azure Blob inventory",
    manifest=re.compile(r"(?P<date>(?:[0-9-]+/)*)(?:[^/]+/)?(?P<config>[^/]+)-manifest\.json"),
    checksum=lambda key: f"{key.removesuffix('.json')}.checksum",
    read=_read,
    ask="have the rule's report made with Name, Content-Length and Etag",
    key="name",
    size="contentlength",
    version="etag",
    storage_class="accesstier",
    quotes=True,
    bucket_in_key=True,
    drops={
        "iscurrentversion": frozenset({"false"}),
        "snapshot": None,
        "deleted": frozenset({"true"}),
        "hdiisfolder": frozenset({"true"}),
    },
    archived={"accesstier": frozenset({"Archive"})},
)

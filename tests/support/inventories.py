"""Inventories as stores write them, of objects that are given."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.orc as orc
import pyarrow.parquet as pq

__all__ = ["DATE", "azure_inventory", "gcs_inventory", "md5", "s3_inventory", "s3_rows"]

DATE = "2026-11-01T01-00Z"
S3_COLUMNS = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass")
_PLAIN = {
    "Bucket": "bucket",
    "Key": "key",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
    "StorageClass": "storage_class",
    "VersionId": "version_id",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def s3_rows(objects: Mapping[str, bytes], bucket: str = "bucket") -> list[dict[str, Any]]:
    """Return rows as S3 has them, of objects by key."""
    return [
        {
            "Bucket": bucket,
            "Key": key,
            "Size": len(data),
            "ETag": md5(data),
            "StorageClass": "STANDARD",
            "LastModifiedDate": "2026-10-31T10:00:00.000Z",
        }
        for key, data in objects.items()
    ]


def s3_inventory(
    rows: Sequence[dict[str, Any]],
    *,
    bucket: str = "bucket",
    kind: str = "CSV",
    prefix: str = "of/bucket/config",
    date: str = DATE,
    num_files: int = 2,
    columns: Sequence[str] = S3_COLUMNS,
    is_whole: bool = True,
    destination: str = "inv",
    **changed: Any,
) -> dict[str, bytes]:
    """Return the objects of an inventory by key below its bucket ``inv``."""
    found: dict[str, bytes] = {}
    files = []
    for number in range(num_files):
        data = _s3_file(rows[number::num_files], kind, columns)
        end = {"CSV": "csv.gz", "Parquet": "parquet", "ORC": "orc"}[kind]
        key = f"{prefix}/data/{md5(data)[:8]}-{number}.{end}"
        found[key] = data
        files.append({"key": key, "size": len(data), "MD5checksum": md5(data)})
    schema = ", ".join(columns) if kind == "CSV" else "message s3.inventory { ... }"
    manifest = {
        "sourceBucket": bucket,
        "destinationBucket": f"arn:aws:s3:::{destination}",
        "version": "2016-11-30",
        "creationTimestamp": "1793494800000",
        "fileFormat": kind,
        "fileSchema": schema,
        "files": files,
        **changed,
    }
    text = json.dumps(manifest).encode()
    found[f"{prefix}/{date}/manifest.json"] = text
    if is_whole:
        found[f"{prefix}/{date}/manifest.checksum"] = md5(text).encode()
    return found


def _s3_file(rows: Sequence[dict[str, Any]], kind: str, columns: Sequence[str]) -> bytes:
    if kind == "CSV":
        lines = (",".join(f'"{_s3_cell(name, row.get(name, ""))}"' for name in columns) for row in rows)
        return gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
    table = pa.table({_PLAIN[name]: [row.get(name) for row in rows] for name in columns})
    out = io.BytesIO()
    if kind == "ORC":
        orc.write_table(table, out)
    else:
        pq.write_table(table, out, row_group_size=7)
    return out.getvalue()


def _s3_cell(name: str, value: object) -> str:
    if name == "Key":
        return quote_plus(str(value), safe="/")
    return str(value).lower() if isinstance(value, bool) else str(value)


def azure_inventory(
    rows: Sequence[dict[str, Any]],
    *,
    kind: str = "csv",
    rule: str = "all",
    date: str = "2026/11/01/01-00-00",
    columns: Sequence[str] = ("Name", "Content-Length", "Etag", "AccessTier"),
    num_rows: int | None = None,
    filters: Mapping[str, Any] | None = None,
    is_whole: bool = True,
    **changed: Any,
) -> dict[str, bytes]:
    """Return the blobs of a report by name below its container."""
    folder = f"{date}/{rule}"
    data = _table(rows, columns, kind)
    name = f"{folder}/{rule}_{len(rows)}_0.{kind}"
    manifest = {
        "destinationContainer": "inv",
        "endpoint": "https://a.blob.core.windows.net",
        "version": "1.0",
        "files": [{"blob": name, "size": len(data)}],
        "inventoryCompletionTime": "2026-11-01T01:10:00Z",
        "inventoryStartTime": "2026-11-01T01:00:00Z",
        "ruleDefinition": {
            "filters": {"blobTypes": ["blockBlob"], **(filters or {})},
            "format": kind,
            "objectType": "blob",
            "schedule": "daily",
            "schemaFields": list(columns),
        },
        "ruleName": rule,
        "status": "Succeeded",
        "summary": {"objectCount": len(rows) if num_rows is None else num_rows, "totalObjectSize": 1},
        **changed,
    }
    text = json.dumps(manifest).encode()
    found = {name: data, f"{folder}/{rule}-manifest.json": text}
    return found | ({f"{folder}/{rule}-manifest.checksum": md5(text).encode()} if is_whole else {})


def gcs_inventory(
    rows: Sequence[dict[str, Any]],
    *,
    bucket: str,
    kind: str = "csv",
    folder: str = "reports/",
    config: str = "fc95c52f-157a-494f-af4a-d4a53a69ba66",
    date: str = "2026-11-01T00:00",
    columns: Sequence[str] = ("project", "bucket", "name", "size", "generation", "storageClass"),
    num_rows: int | None = None,
    num_files: int = 2,
    **changed: Any,
) -> dict[str, bytes]:
    """Return the objects of a report by name below its bucket."""
    names = [f"{config}_{date}_{number}.{kind}" for number in range(num_files)]
    manifest = {
        "report_config": {
            "csv_options": {"delimiter": ",", "header_required": True, "record_separator": "\n"},
            "object_metadata_report_options": {
                "metadata_fields": list(columns),
                "storage_filters": {"bucket": bucket},
            },
        },
        "records_processed": len(rows) if num_rows is None else num_rows,
        "snapshot_time": "2026-11-01T00:00:00Z",
        "shard_count": num_files,
        "report_shards_file_names": names,
        **changed,
    }
    files = {f"{folder}{name}": _table(rows[at::num_files], columns, kind) for at, name in enumerate(names)}
    return files | {f"{folder}{config}_{date}_manifest.json": json.dumps(manifest).encode()}


def _table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], kind: str) -> bytes:
    given = list(rows)
    table = pa.table({name: [row.get(name) for row in given] for name in columns})
    out = io.BytesIO()
    if kind == "csv":
        pa_csv.write_csv(table, out)
    else:
        pq.write_table(table, out)
    return out.getvalue()

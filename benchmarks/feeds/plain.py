"""The dataset itself: random bytes, a sample an object."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import numpy as np

from benchmarks.common.server import LISTINGS
from benchmarks.feeds.cellspec import BUCKET, DataSpec

MODULO = 1 << 64
PAGE_KEYS = 1000
_XML = "http://s3.amazonaws.com/doc/2006-03-01/"


def make_plain(root: Path, *, name: str, dataset_bytes: int, sample_bytes: int, shard_bytes: int) -> DataSpec:
    """Write samples as objects of their own, and give the dataset with its checksum."""
    num_samples = max(1, dataset_bytes // sample_bytes)
    folder = root / BUCKET / name / "plain"
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    rng = np.random.Generator(np.random.SFC64(num_samples))
    for number in range(num_samples):
        words = rng.integers(0, 1 << 63, sample_bytes // 8, dtype=np.int64)
        total += int(words.sum(dtype=np.int64))
        (folder / f"{number:08}.bin").write_bytes(words.tobytes())
    return DataSpec(
        name=name,
        root=str(root),
        num_samples=num_samples,
        sample_bytes=sample_bytes,
        shard_bytes=shard_bytes,
        total=total % MODULO,
    )


def write_listings(data: DataSpec) -> None:
    """Write the pages that S3 would list each layout's objects in: ListObjectsV2, 1,000 keys a page."""
    for folder in sorted(path for path in data.folder.iterdir() if path.is_dir()):
        _write_listing(data, folder.name)


def _write_listing(data: DataSpec, layout: str) -> None:
    root = Path(data.root)
    prefix, keys = f"{data.name}/{layout}/", data.keys(layout, "*")
    folder = root / LISTINGS / BUCKET / quote(prefix, safe="")
    folder.mkdir(parents=True, exist_ok=True)
    pages = range(0, len(keys), PAGE_KEYS)
    for page, first in enumerate(pages):
        listed = keys[first : first + PAGE_KEYS]
        found = "".join(_entry(key, (root / BUCKET / key).stat()) for key in listed)
        more = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if page + 1 < len(pages) else ""
        (folder / f"{page}.xml").write_text(
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="{_XML}"><Name>{BUCKET}</Name>'
            f"<Prefix>{prefix}</Prefix><KeyCount>{len(listed)}</KeyCount><MaxKeys>{PAGE_KEYS}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}"
            f"{found}</ListBucketResult>"
        )


def _entry(key: str, status: os.stat_result) -> str:
    etag = f"&quot;{int(status.st_mtime):x}-{status.st_size:x}&quot;"  # as nginx gives it
    when = datetime.fromtimestamp(int(status.st_mtime), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>{when}</LastModified><ETag>{etag}</ETag>"
        f"<Size>{status.st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def link_copy(data: DataSpec, number: int) -> DataSpec:
    """Return the samples once more as other objects, which take no room: hard links."""
    copy = dataclasses.replace(data, name=f"{data.name}-copy{number}")
    (copy.folder / "plain").mkdir(parents=True)
    for path in (data.folder / "plain").iterdir():
        os.link(path, copy.folder / "plain" / path.name)
    return copy

"""Where samples lie in the objects of a layout."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.feeds.cellspec import BUCKET, DataSpec


@dataclass(frozen=True, kw_only=True)
class SampleSpan:
    """A sample's place."""

    name: str
    key: str
    offset: int
    length_bytes: int
    object_bytes: int
    etag: str


def sample_spans(data: DataSpec, layout: str) -> list[SampleSpan]:
    """Return all samples' places, in the layout's order, with the ETags that nginx gives."""
    if layout == "plain":
        return [
            _span(data, name=f"{number:08}", key=data.plain_key(number), offset=0, length_bytes=data.sample_bytes)
            for number in range(data.num_samples)
        ]
    found = []
    for key in data.keys("tar", "*.tar"):
        with tarfile.open(f"{data.root}/{BUCKET}/{key}") as tar:
            for member in tar:
                found.append(
                    _span(data, name=member.name, key=key, offset=member.offset_data, length_bytes=member.size)
                )
    return found


def _span(data: DataSpec, *, name: str, key: str, offset: int, length_bytes: int) -> SampleSpan:
    status = (Path(data.root) / BUCKET / key).stat()
    etag = f'"{int(status.st_mtime):x}-{status.st_size:x}"'
    return SampleSpan(
        name=name, key=key, offset=offset, length_bytes=length_bytes, object_bytes=status.st_size, etag=etag
    )

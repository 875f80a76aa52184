"""The dataset itself: random bytes, a sample an object."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from benchmarks.feeds.cellspec import BUCKET, DataSpec

MODULO = 1 << 64


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


def link_copy(data: DataSpec, number: int) -> DataSpec:
    """Give the samples once more as other objects, which take no room: hard links."""
    copy = dataclasses.replace(data, name=f"{data.name}-copy{number}")
    (copy.folder / "plain").mkdir(parents=True)
    for path in (data.folder / "plain").iterdir():
        os.link(path, copy.folder / "plain" / path.name)
    return copy

"""Penstock's datasets of shards by their public face: the files that WebDataset and `datasets` read, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import penstock
from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec
from benchmarks.feeds.contenders.penstock_manifest import manifest_folder

CONFIG = (
    "penstock.tar(source) or penstock.parquet(source).loader(batch, transform=..., window=limit) with its default "
    "options, shuffled; listed and indexed within the clock, but for -again, where manifest_folder= has it from a run "
    "before; -early with stream_listing=True; -block with shuffle='block'"
)


def from_tar(sample: dict[str, Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the bytes of a sample's member as an array."""
    return np.frombuffer(sample["bin"], dtype=np.uint8)


def from_parquet(row: dict[str, Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the bytes of a row's column as an array."""
    return np.frombuffer(row["data"], dtype=np.uint8)


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    layout, _, how = cell.contender.removeprefix("penstock-face-").partition("-")
    source = f"s3://{BUCKET}/{cell.data.name}/{layout}"
    where = {"endpoint_url": cell.endpoint, "region": REGION, "anonymous": True}
    is_tar = layout == "tar"
    dataset = penstock.tar(source, **where) if is_tar else penstock.parquet(source, columns=["data"], **where)
    with dataset.loader(
        cell.batch_size,
        transform=from_tar if is_tar else from_parquet,
        window=cell.limit_bytes,
        window_folder=cell.cache_folder,
        epochs=1,
        shuffle="block" if "block" in how else "full",
        stream_listing="early" in how,
        manifest_folder=manifest_folder(cell) if "again" in how else None,
    ) as loader:
        yield iter(loader)

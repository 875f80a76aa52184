"""Penstock by its public face, as a training loop of one's own would use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

import penstock
from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec
from benchmarks.feeds.contenders.penstock_manifest import manifest_folder

CONFIG = (
    "penstock.Stream(source, decode=...) with its default options, shuffled; the source is listed within the clock, "
    "but for -again, where manifest_folder= has it from a run before; -early with stream_listing=True; decode gives a "
    "numpy view of the bytes, the default collate"
)


def to_array(data: memoryview, key: str) -> NDArray[np.uint8]:
    """Return an object's bytes as an array."""
    return np.frombuffer(data, dtype=np.uint8)


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    with penstock.Stream(
        f"s3://{BUCKET}/{cell.data.name}/plain",
        decode=to_array,
        batch_size=cell.batch_size,
        window=cell.limit_bytes,
        window_folder=cell.cache_folder,
        epochs=1,
        stream_listing=cell.contender.endswith("-early"),
        manifest_folder=manifest_folder(cell) if cell.contender.endswith("-again") else None,
        endpoint_url=cell.endpoint,
        region=REGION,
        anonymous=True,
    ) as stream:
        yield iter(stream)

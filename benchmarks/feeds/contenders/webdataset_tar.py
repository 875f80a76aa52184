"""WebDataset: tar shards through curl, as it does by itself for http addresses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import webdataset as wds

from benchmarks.feeds.cellspec import CellSpec

SHUFFLE_BUFFER_BYTES = 64 << 20
CONFIG = (
    "WebDataset(urls, shardshuffle=100).shuffle(64 MiB, at most 1000 samples).batched(), WebLoader(num_workers=2); "
    "http addresses through its curl pipe; the cached variant with cache_dir and cache_size=limit"
)


def _collate(samples: list[dict[str, Any]]) -> torch.Tensor:
    return torch.stack([torch.frombuffer(bytearray(sample["bin"]), dtype=torch.uint8) for sample in samples])


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    urls = [f"{cell.url}/{key}" for key in cell.data.keys("tar", "*.tar")]
    cached: dict[str, Any] = {}
    if cell.contender.endswith("-cached"):
        cell.cache_folder.mkdir(parents=True)
        cached = {"cache_dir": str(cell.cache_folder), "cache_size": cell.limit_bytes}
    buffer = max(2, min(1000, SHUFFLE_BUFFER_BYTES // cell.data.sample_bytes))
    dataset = (
        wds.WebDataset(urls, shardshuffle=100, empty_check=False, **cached)
        .shuffle(buffer)
        .batched(cell.batch_size, collation_fn=_collate, partial=True)
    )
    yield iter(wds.WebLoader(dataset, batch_size=None, num_workers=cell.num_workers))

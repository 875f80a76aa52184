"""Hugging Face datasets: Parquet files by streaming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow
import torch
from datasets import load_dataset
from pyarrow.dataset import ParquetFragmentScanOptions
from torch.utils.data import DataLoader

from benchmarks.feeds.cellspec import CellSpec

SHUFFLE_BUFFER_BYTES = 64 << 20
RANGE_SIZE_LIMIT = 128 << 20
CONFIG = (
    "load_dataset('parquet', data_files=http addresses, streaming=True, fragment_scan_options=) with prefetching and "
    "requests of 128 MiB, as its documentation has it for streaming, .shuffle(buffer of 64 MiB, at most 1000), "
    "DataLoader(num_workers=2); uncompressed, row groups of 4 MiB"
)


def _collate(samples: list[dict[str, Any]]) -> torch.Tensor:
    return torch.stack([torch.frombuffer(bytearray(sample["data"]), dtype=torch.uint8) for sample in samples])


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    urls = [f"{cell.url}/{key}" for key in cell.data.keys("parquet", "*.parquet")]
    ahead = ParquetFragmentScanOptions(
        cache_options=pyarrow.CacheOptions(prefetch_limit=1, range_size_limit=RANGE_SIZE_LIMIT)
    )
    dataset = load_dataset(
        "parquet", data_files={"train": urls}, split="train", streaming=True, fragment_scan_options=ahead
    )
    buffer = max(2, min(1000, SHUFFLE_BUFFER_BYTES // cell.data.sample_bytes))
    shuffled = dataset.shuffle(seed=0, buffer_size=buffer)
    yield iter(DataLoader(shuffled, batch_size=cell.batch_size, num_workers=cell.num_workers, collate_fn=_collate))

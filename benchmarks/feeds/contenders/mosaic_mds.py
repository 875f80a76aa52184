"""MosaicML Streaming: MDS shards, read by StreamingDataset and torch's DataLoader."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec
from benchmarks.feeds.contenders import torchvision_stub

torchvision_stub.install()
from streaming import StreamingDataset  # noqa: E402 - after its stand-in
from streaming.base.util import clean_stale_shared_memory  # noqa: E402

clean_stale_shared_memory()  # of cells that were stopped; it may wait for their ends without

CONFIG = (
    "StreamingDataset(remote=s3, local=cache, shuffle=True, batch_size, cache_limit=limit, other options as they are), "
    "DataLoader(num_workers=2); torchvision, which it imports, replaced by an empty module"
)


def _collate(samples: list[dict[str, Any]]) -> torch.Tensor:
    return torch.stack([torch.frombuffer(bytearray(sample["data"]), dtype=torch.uint8) for sample in samples])


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    os.environ |= {
        "S3_ENDPOINT_URL": cell.endpoint,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": REGION,
    }
    dataset = StreamingDataset(
        remote=f"s3://{BUCKET}/{cell.data.name}/mds",
        local=str(cell.cache_folder),
        shuffle=True,
        batch_size=cell.batch_size,
        cache_limit=cell.limit_bytes,
    )
    yield iter(DataLoader(dataset, batch_size=cell.batch_size, num_workers=cell.num_workers, collate_fn=_collate))

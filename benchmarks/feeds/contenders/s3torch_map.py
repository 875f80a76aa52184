"""s3torchconnector: its map-style dataset over objects of a sample each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from s3torchconnector import S3ClientConfig, S3MapDataset
from torch.utils.data import DataLoader

from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec

CONFIG = (
    "S3MapDataset.from_objects(transform=read to uint8), sequential reader, S3ClientConfig(unsigned, path style), "
    "DataLoader(num_workers=2, shuffle=True)"
)


def _read(reader: Any) -> torch.Tensor:
    return torch.frombuffer(bytearray(reader.read()), dtype=torch.uint8)


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    dataset = S3MapDataset.from_objects(
        [f"s3://{BUCKET}/{cell.data.plain_key(number)}" for number in range(cell.data.num_samples)],
        region=REGION,
        endpoint=cell.endpoint,
        transform=_read,
        s3client_config=S3ClientConfig(unsigned=True, force_path_style=True),
    )
    yield iter(DataLoader(dataset, batch_size=cell.batch_size, num_workers=cell.num_workers, shuffle=True))

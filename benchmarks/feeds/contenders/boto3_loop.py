"""boto3, one object after another: what a dataset class written in five minutes does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import torch
from botocore import UNSIGNED
from botocore.config import Config

from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec

CONFIG = "client.get_object(...)['Body'].read() in the trainer's process, shuffled, unsigned, path-style"


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[torch.Tensor]]:
    """Return the batches of one epoch."""
    client = boto3.client(
        "s3",
        endpoint_url=cell.endpoint,
        region_name=REGION,
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
    )
    numbers = list(range(cell.data.num_samples))
    random.Random(0).shuffle(numbers)

    def sample(number: int) -> torch.Tensor:
        body = client.get_object(Bucket=BUCKET, Key=cell.data.plain_key(number))["Body"].read()
        return torch.frombuffer(bytearray(body), dtype=torch.uint8)

    yield (
        torch.stack([sample(number) for number in numbers[first : first + cell.batch_size]])
        for first in range(0, len(numbers), cell.batch_size)
    )

"""The shuffles that are compared, and the order of rows that each gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.plan import rows_between
from penstock.records import BlockShuffle, Order, Segment, Shuffle

__all__ = ["SHUFFLES", "epoch_rows", "name_of"]

_BLOCKS = [(4, 8), (4, 32), (16, 8), (16, 32), (16, 128), (64, 8), (64, 32), (256, 8), (1024, 2)]

SHUFFLES: list[Shuffle] = [
    "full",
    *(BlockShuffle(block_samples=block, blocks_mixed=mixed) for block, mixed in _BLOCKS),
    "none",
]


def name_of(shuffle: Shuffle) -> str:
    """Return a shuffle's name: blocks as samples of a block times blocks mixed."""
    return f"{shuffle.block_samples} x {shuffle.blocks_mixed}" if isinstance(shuffle, BlockShuffle) else shuffle


def epoch_rows(shuffle: Shuffle, num_samples: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows of an epoch in their order, shape (num_samples,)."""
    segment = Segment(
        split="train", first_row=0, num_extents=num_samples, num_samples=num_samples, shuffle=shuffle, mix=1
    )
    order = Order(segments=(segment,), seed=seed)
    return rows_between(order, epoch * num_samples, (epoch + 1) * num_samples)

"""Lanes: how ranks share one order, so that it survives another world size.

Position ``p`` of a segment belongs to lane ``p % num_lanes``, and a lane to rank ``lane % world_size``. For any
world size that divides the lanes, step ``s`` of all ranks together covers the same positions, but for the last
samples of a segment: where fewer are left than there are ranks, nobody is given them, since ranks step together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.plan.order import locate
from penstock.records import Order

__all__ = ["RankBatch", "check_lanes", "check_rank", "check_segments", "fewest_samples"]
__all__ += ["num_rank_batches", "rank_batches", "rank_samples"]


MOST_LANES = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class RankBatch:
    """One batch of one rank.

    Attributes:
        indices: stream indices, ascending, shape (batch,).
        next_index: every stream index below it has been given, to this rank or another, or is left out.
    """

    epoch: int
    segment: int
    indices: NDArray[np.int64]
    next_index: int


def check_lanes(num_lanes: int, world_size: int) -> None:
    """Refuse a world size that lanes cannot be shared out to.

    Raises:
        ConfigError: ``world_size`` does not divide ``num_lanes``, or they are more than ``MOST_LANES``.
    """
    if num_lanes > MOST_LANES:
        raise ConfigError(f"{num_lanes} lanes are too many", fix=f"make the plan with --lanes of at most {MOST_LANES}")
    if num_lanes < 1 or num_lanes % world_size:
        raise ConfigError(
            f"{world_size} ranks cannot share {num_lanes} lanes evenly",
            fix="choose a number of ranks that divides the plan's lanes, or make the plan with other --lanes",
        )


def check_rank(rank: int, num_ranks: int) -> None:
    """Refuse a rank that is none of ``num_ranks``.

    Raises:
        ConfigError: it is below 0, or not below their number.
    """
    if not 0 <= rank < num_ranks:
        raise ConfigError(
            f"rank {rank} of {num_ranks}", fix="ranks go from 0 on: check RANK, LOCAL_RANK and their WORLD_SIZE"
        )


def check_segments(order: Order, world_size: int, *, least: int = 1) -> None:
    """Refuse a segment that cannot give each rank a sample, or where none of its batches is full and all must be.

    Args:
        least: samples that a batch of all ranks together must have.

    Raises:
        ConfigError: there are more ranks than samples in it, or fewer samples than that.
    """
    for segment in order.segments:
        if segment.num_samples < world_size:
            raise ConfigError(
                f"split {segment.split!r} has {segment.num_samples} sample(s) for {world_size} ranks",
                fix="use fewer ranks, or a split with more samples",
            )
        if segment.num_samples < least:
            raise ConfigError(
                f"split {segment.split!r} has {segment.num_samples} sample(s), and no batch without all of {least}",
                fix="leave drop_last out, or use smaller batches or fewer ranks",
            )


def fewest_samples(*, batch_size: int, world_size: int, drop_last: bool) -> int:
    """Return how many samples must be left in a segment for a batch to be made of them."""
    return batch_size * world_size if drop_last else world_size


def rank_samples(
    num_samples: int, *, batch_size: int, rank: int = 0, world_size: int = 1, drop_last: bool = False
) -> int:
    """Return how many of a segment's samples a rank is given."""
    batches, left = divmod(num_samples, batch_size * world_size)
    last = len(range(rank, left, world_size)) if left >= world_size and not drop_last else 0
    return batches * batch_size + last


def num_rank_batches(num_samples: int, *, batch_size: int, world_size: int = 1, drop_last: bool = False) -> int:
    """Return how many batches of a segment every rank is given: as many as any other."""
    batches, left = divmod(num_samples, batch_size * world_size)
    return batches + (left >= world_size and not drop_last)


def rank_batches(
    order: Order,
    *,
    first_index: int,
    end_index: int,
    batch_size: int,
    num_lanes: int,
    rank: int = 0,
    world_size: int = 1,
    drop_last: bool = False,
) -> Iterator[RankBatch]:
    """Return one rank's batches from ``first_index`` on; none crosses a segment.

    All ranks together take ``batch_size * world_size`` positions a batch. At a segment's end ranks may get
    fewer samples; a last batch that has none for some rank is left out for all, since ranks step together. With
    ``drop_last`` one that is not full is left out too.
    """
    check_lanes(num_lanes, world_size)
    global_batch = batch_size * world_size
    fewest = fewest_samples(batch_size=batch_size, world_size=world_size, drop_last=drop_last)
    index = first_index
    while index < end_index:
        place = locate(order, index)
        left = min(order.segments[place.segment].num_samples - place.position, end_index - index)
        size = min(global_batch, left)
        # Fewer than make a batch at the end: this batch passes them too, or the next one would be waited for.
        passed = size if left - size >= fewest else left
        if size >= fewest:
            positions = np.arange(place.position, place.position + size, dtype=np.int64)
            mine = (positions % num_lanes) % world_size == rank
            yield RankBatch(
                epoch=place.epoch,
                segment=place.segment,
                indices=index + np.flatnonzero(mine),
                next_index=index + passed,
            )
        index += passed

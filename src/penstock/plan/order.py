"""The order of a stream: which manifest row each stream index is, in O(1) memory.

Rows of a segment are shuffled wholly, by blocks, or not at all. Any range of any epoch is computed on its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.manifest import ManifestInfo, Split
from penstock.plan.nodes import share_extents, share_positions, window_extents
from penstock.plan.permutation import BlockPermutation, Permutation
from penstock.plan.repeating import check_repeat, parts_of
from penstock.records import BlockShuffle, Order, Plan, Repeat, Segment, Shuffle

__all__ = [
    "Location",
    "check_shuffle",
    "choose_blocks",
    "choose_mix",
    "locate",
    "make_order",
    "rows_between",
    "rows_in_order",
    "stream_rows",
]

CHUNK_POSITIONS = 4096
CACHED_PERMUTATIONS = 64
MAX_GROUP_SAMPLES = 1 << 31
FIRST_MIX_BYTES, MIX_BYTES = 64 << 20, 256 << 20
DECODED_BYTES = 1 << 30
"""Of a group, decoded."""
FEW_MIXED = 8
FEWEST_MIXED, MOST_MIXED = 2, 64
BLOCK_SAMPLES = 16
BLOCK_BYTES = (64 << 10, 256 << 10)
MIXED_BYTES = 2 << 20
"""What blocks are made of unless asked otherwise, and a group of them: see docs/order.md for the measurements."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where a stream index lies: position ``position`` of segment ``segment`` of epoch ``epoch``."""

    epoch: int
    segment: int
    position: int


def locate(order: Order, index: int) -> Location:
    """Tell the epoch, segment and position of a stream index."""
    epoch, position = divmod(index, order.num_samples)
    for number, segment in enumerate(order.segments):
        if position < segment.num_samples:
            return Location(epoch=epoch, segment=number, position=position)
        position -= segment.num_samples
    raise AssertionError(index)


def check_shuffle(shuffle: Shuffle) -> None:
    """Refuse blocks of no samples, and groups of no blocks.

    Raises:
        ConfigError: a number is below 1, or a group has more than 2**31 samples.
    """
    if not isinstance(shuffle, BlockShuffle):
        return
    block, mixed = shuffle.block_samples, shuffle.blocks_mixed
    if block < 1 or mixed < 1 or block * mixed > MAX_GROUP_SAMPLES:
        raise ConfigError(
            f"blocks of {block} samples, {mixed} of them mixed, cannot be shuffled",
            fix=f"give at least 1 of each, and at most {MAX_GROUP_SAMPLES} samples together",
        )


def choose_blocks(
    *, mean_sample_bytes: float, block_samples: int | None = None, blocks_mixed: int | None = None
) -> BlockShuffle:
    """Choose what is left open (None) of a block shuffle, by the size of a sample.

    A block is 16 samples, but at least 64 KiB and at most 256 KiB of them; as many are mixed as make 2 MiB.

    Raises:
        ConfigError: what is given cannot be shuffled.
    """
    sample_bytes = max(1.0, mean_sample_bytes)
    least, most = BLOCK_BYTES
    block = block_samples or max(1, round(min(max(BLOCK_SAMPLES * sample_bytes, least), most) / sample_bytes))
    mixed = blocks_mixed or max(2, round(MIXED_BYTES / (block * sample_bytes)))
    shuffle = BlockShuffle(block_samples=block, blocks_mixed=mixed)
    check_shuffle(shuffle)
    return shuffle


def choose_mix(*, max_extent_bytes: int, max_decoded_bytes: int = 0) -> int:
    """Choose how many extents of several samples are opened together: 2 to 64.

    As many as fit 64 MiB, since all of them are there before the first sample is given; large ones are 8 all the same
    if they fit 256 MiB, since few mix badly. Fewer of those that unpack to more than 1 GiB together.

    Args:
        max_extent_bytes: the largest one's.
        max_decoded_bytes: the most that one takes unpacked, as far as that is known.
    """
    size = max(1, max_extent_bytes)
    fitting = max(FIRST_MIX_BYTES // size, min(FEW_MIXED, MIX_BYTES // size))
    decoded = DECODED_BYTES // max(1, max_decoded_bytes)
    return min(max(min(fitting, decoded), FEWEST_MIXED), MOST_MIXED)


@functools.lru_cache(maxsize=CACHED_PERMUTATIONS)
def _permutation(
    shuffle: Shuffle, size: int, seed: int, epoch: int
) -> Callable[[NDArray[np.int64]], NDArray[np.int64]] | None:
    if shuffle == "none":
        return None
    if shuffle == "full":
        return Permutation(size, seed=seed, epoch=epoch)
    return BlockPermutation(
        size, block_samples=shuffle.block_samples, blocks_mixed=shuffle.blocks_mixed, seed=seed, epoch=epoch
    )


def rows_in_order(segment: Segment, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the manifest rows of a segment in the order of an epoch, as often as they come, shape (extents,)."""
    return _segment_rows(segment, np.arange(segment.num_extents, dtype=np.int64), seed=seed, epoch=epoch)


def _segment_rows(segment: Segment, positions: NDArray[np.int64], *, seed: int, epoch: int) -> NDArray[np.int64]:
    if segment.repeat is not None:
        return _repeated_rows(segment, positions, segment.repeat, seed=seed, epoch=epoch)
    permutation = _permutation(segment.shuffle, segment.num_extents, seed, epoch)
    return segment.first_row + (positions if permutation is None else permutation(positions))


def _repeated_rows(
    segment: Segment, positions: NDArray[np.int64], repeat: Repeat, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return rows of parts that are read several times, each pass in an order of its own."""
    parts = parts_of(segment, seed, epoch)
    places, turns, insides = parts.at(positions, repeat.passes)
    rows = np.empty_like(positions)
    runs = places * repeat.passes + turns
    for run in np.unique(runs).tolist():
        place, turn = divmod(run, repeat.passes)
        mine, part = runs == run, int(parts.numbers[place])
        # Each pass of each part in each epoch has a permutation of its own.
        number = (epoch * len(parts.numbers) + part) * repeat.passes + turn
        permutation = _permutation(segment.shuffle, int(parts.sizes[place]), seed, number)
        inside = insides[mine]
        rows[mine] = part * repeat.part_extents + (inside if permutation is None else permutation(inside))
    return segment.first_row + rows


def rows_between(order: Order, first_index: int, end_index: int) -> NDArray[np.int64]:
    """Return the manifest rows of the window indices from ``first_index`` until before ``end_index``, in order.

    Window indices are stream indices, unless the order is the share of some ranks. The range may cross segments and
    epochs. Ask for many at a time: a call costs some tens of microseconds.

    Returns:
        rows, shape (end_index - first_index,); empty where the range is.
    """
    parts = [np.empty(0, dtype=np.int64)]
    share, num_held = order.share, window_extents(order)
    assert num_held or first_index >= end_index
    index = first_index
    while index < end_index:
        epoch, place = divmod(index, num_held)
        for segment in order.segments:
            held = share_extents(share, segment.num_extents)
            if place < held:
                numbers = np.arange(place, min(held, place + end_index - index), dtype=np.int64)
                positions = share_positions(share, numbers)
                parts.append(_segment_rows(segment, positions, seed=order.seed, epoch=epoch))
                index += len(numbers)
                break
            place -= held
    return np.concatenate(parts)


def stream_rows(order: Order, first_index: int, end_index: int) -> Iterator[tuple[int, int]]:
    """Return ``(window index, manifest row)`` from ``first_index`` until before ``end_index``, in order."""
    for first in range(first_index, end_index, CHUNK_POSITIONS):
        rows = rows_between(order, first, min(first + CHUNK_POSITIONS, end_index))
        yield from enumerate(rows.tolist(), first)


def make_order(info: ManifestInfo, plan: Plan, splits: Sequence[tuple[str, bool]]) -> Order:
    """Make a stream's order of ``(split, whether it is the shuffled training data)``.

    Raises:
        ConfigError: the plan's shuffle cannot be done.
    """
    check_shuffle(plan.shuffle)
    if plan.repeat is not None:
        check_repeat(plan.repeat)
    segments = tuple(_segment(info.split(name), plan, is_trained=training) for name, training in splits)
    return Order(segments=segments, seed=plan.seed)


def _segment(part: Split, plan: Plan, *, is_trained: bool) -> Segment:
    repeat = plan.repeat if is_trained else None
    passes = 1 if repeat is None else repeat.passes
    return Segment(
        split=part.name,
        first_row=part.first_row,
        num_extents=part.num_extents * passes,
        num_samples=part.num_samples * passes,
        shuffle=plan.shuffle if is_trained else "none",
        mix=plan.mix if is_trained and part.num_samples > part.num_extents else 1,
        repeat=repeat,
    )

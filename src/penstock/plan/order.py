"""Shuffled order in O(1) memory.

A pseudo-random permutation of ``range(size)`` by a Feistel network over the next even power of two, with
cycle walking for values past the end (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"). No
list of indices is held: any position of any epoch is computed on its own. It is for shuffling, not for secrecy.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.records import ManifestInfo, Order, Plan, Segment

__all__ = ["Location", "Permutation", "locate", "make_order", "rows_between", "stream_rows"]

ROUNDS = 6
BLOCK_POSITIONS = 4096
CACHED_PERMUTATIONS = 64


class Permutation:
    """A pseudo-random permutation of ``range(size)`` named by a seed and an epoch."""

    def __init__(self, size: int, *, seed: int, epoch: int) -> None:
        self.size = size
        self._half_bits = max(1, -(-max(size - 1, 1).bit_length() // 2))
        digest = hashlib.shake_256(f"penstock permutation {size} {seed} {epoch}".encode()).digest(8 * ROUNDS)
        self._keys = np.frombuffer(digest, dtype="<u8").astype(np.uint64)

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the value at each position, shape as given; positions lie in ``range(size)``."""
        values = self._encrypt(positions.astype(np.uint64))
        outside = values >= self.size
        while outside.any():
            values[outside] = self._encrypt(values[outside])
            outside = values >= self.size
        return values.astype(np.int64)

    def _encrypt(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        bits = np.uint64(self._half_bits)
        mask = np.uint64((1 << self._half_bits) - 1)
        left, right = values >> bits, values & mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right + key) & mask)
        return (left << bits) | right


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


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


@functools.lru_cache(maxsize=CACHED_PERMUTATIONS)
def _permutation(size: int, seed: int, epoch: int) -> Permutation:
    return Permutation(size, seed=seed, epoch=epoch)


def _segment_rows(segment: Segment, positions: NDArray[np.int64], *, seed: int, epoch: int) -> NDArray[np.int64]:
    if not segment.shuffle:
        return segment.first_row + positions
    return segment.first_row + _permutation(segment.num_samples, seed, epoch)(positions)


def rows_between(order: Order, first_index: int, end_index: int) -> NDArray[np.int64]:
    """Give the manifest rows of the stream indices from ``first_index`` until before ``end_index``, in order.

    The range may cross segments and epochs. Ask for many at a time: a call costs some tens of microseconds.

    Returns:
        rows, shape (end_index - first_index,); empty where the range is.
    """
    parts = [np.empty(0, dtype=np.int64)]
    index = first_index
    while index < end_index:
        place = locate(order, index)
        segment = order.segments[place.segment]
        end = min(segment.num_samples, place.position + end_index - index)
        positions = np.arange(place.position, end, dtype=np.int64)
        parts.append(_segment_rows(segment, positions, seed=order.seed, epoch=place.epoch))
        index += len(positions)
    return np.concatenate(parts)


def stream_rows(order: Order, first_index: int, end_index: int) -> Iterator[tuple[int, int]]:
    """Give ``(stream index, manifest row)`` from ``first_index`` until before ``end_index``, in order."""
    for first in range(first_index, end_index, BLOCK_POSITIONS):
        rows = rows_between(order, first, min(first + BLOCK_POSITIONS, end_index))
        yield from enumerate(rows.tolist(), first)


def make_order(info: ManifestInfo, plan: Plan, splits: Sequence[tuple[str, bool]]) -> Order:
    """Make a stream's order of ``(split, whether it is the shuffled training data)``."""
    parts = [(info.split(name), training) for name, training in splits]
    segments = tuple(
        Segment(
            split=part.name,
            first_row=part.first_row,
            num_samples=part.num_samples,
            shuffle=training and plan.shuffle,
        )
        for part, training in parts
    )
    return Order(segments=segments, seed=plan.seed)

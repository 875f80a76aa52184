"""Parts of a split that are read several times each before the next: what a window holds is used before it is freed.

The rows of a split are cut into parts of so many extents, of which the last may be smaller. An epoch has the parts in
a pseudo-random order, and each part ``passes`` times in a row, shuffled anew each time: every extent comes ``passes``
times an epoch. Whoever holds a part while it is read fetches each extent once an epoch.

Arithmetic on permutations: any position is computed on its own; memory is 24 bytes a part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.plan.nodes import share_extents, share_positions, window_extents
from penstock.plan.passes import MOST_PASSES
from penstock.plan.permutation import Permutation
from penstock.records import Order, RankShare, Repeat, Segment

__all__ = ["Parts", "WindowPart", "check_repeat", "choose_repeat", "num_parts", "parts_from", "parts_of"]
__all__ += ["turn_at", "turn_end", "turn_of"]

CACHED_EPOCHS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowPart:
    """A part as a window comes to it.

    Attributes:
        number: how many parts came before it, in all epochs.
        first_row, end_row: of the manifest.
        first_index, end_index: window indices of all its passes.
    """

    number: int
    first_row: int
    end_row: int
    first_index: int
    end_index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of a segment in the order of an epoch.

    Attributes:
        numbers: which of the split's parts each is, shape (parts,).
        sizes: extents of each, shape (parts,).
        ends: positions at which each ends, all passes together, shape (parts,).
    """

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]
    ends: NDArray[np.int64]

    def at(self, positions: NDArray[np.int64], passes: int) -> tuple[NDArray[np.int64], ...]:
        """Return each position's place among the parts, its pass, and its position in that, shape as given."""
        place = np.searchsorted(self.ends, positions, side="right")
        size = self.sizes[place]
        turn, inside = np.divmod(positions - (self.ends[place] - passes * size), size)
        return place, turn, inside


def check_repeat(repeat: Repeat) -> None:
    """Refuse parts of no extents, and passes that are none or too many.

    Raises:
        ConfigError: it is such.
    """
    if repeat.part_extents < 1 or not 1 <= repeat.passes <= MOST_PASSES:
        raise ConfigError(
            f"parts of {repeat.part_extents} extents, read {repeat.passes} times each, cannot be made",
            fix=f"give parts of at least one, and 1 to {MOST_PASSES} times",
        )


def choose_repeat(*, passes: int, part_bytes: int, mean_extent_bytes: float) -> Repeat | None:
    """Return parts of about so many bytes; None where each is read once."""
    if passes == 1:
        return None
    repeat = Repeat(part_extents=max(1, int(part_bytes / max(1.0, mean_extent_bytes))), passes=passes)
    check_repeat(repeat)
    return repeat


def num_parts(segment: Segment) -> int:
    """Return how many parts a segment has that are read several times; none where nothing repeats."""
    return 0 if segment.repeat is None else -(-segment.num_rows // segment.repeat.part_extents)


@functools.lru_cache(maxsize=CACHED_EPOCHS)
def parts_of(segment: Segment, seed: int, epoch: int) -> Parts:
    """Return the parts of a segment that repeats, in the order of an epoch."""
    repeat = segment.repeat
    assert repeat is not None
    numbers = np.arange(num_parts(segment), dtype=np.int64)
    if segment.shuffle != "none":
        numbers = Permutation(len(numbers), seed=seed, epoch=epoch, purpose="parts")(numbers)
    sizes = np.minimum(repeat.part_extents, segment.num_rows - numbers * repeat.part_extents)
    return Parts(numbers=numbers, sizes=sizes, ends=np.cumsum(sizes) * repeat.passes)


def turn_of(order: Order, *, epoch: int, segment: int, place: int) -> int:
    """Tell how many times a split was read before an extent's place in an epoch: the epoch, where nothing repeats."""
    part = order.segments[segment]
    if part.repeat is None:
        return epoch
    at = np.array([place], np.int64)
    _, turn, _ = parts_of(part, order.seed, epoch).at(at, part.repeat.passes)
    return epoch * part.repeat.passes + int(turn[0])


def turn_at(order: Order, index: int) -> int:
    """Tell how many times a split was read before the extent of a window index."""
    epoch, place = divmod(index, window_extents(order))
    for number, segment in enumerate(order.segments):
        held = share_extents(order.share, segment.num_extents)
        if place < held:
            position = int(share_positions(order.share, np.array([place], np.int64))[0])
            return turn_of(order, epoch=epoch, segment=number, place=position)
        place -= held
    raise AssertionError(index)


def turn_end(order: Order, index: int) -> int:
    """Return the window index before which no extent comes twice, from one on: the end of its pass, or its epoch."""
    num_held = window_extents(order)
    epoch, place = divmod(index, num_held)
    if all(segment.repeat is None for segment in order.segments):
        return index + num_held - place
    start = index - place
    for segment in order.segments:
        held = share_extents(order.share, segment.num_extents)
        if place < held:
            return start + (held if segment.repeat is None else _pass_end(order, segment, epoch, place))
        place, start = place - held, start + held
    raise AssertionError(index)


def _pass_end(order: Order, segment: Segment, epoch: int, place: int) -> int:
    """Return how many of a segment's extents a window has before the end of the pass that one of them is of."""
    assert segment.repeat is not None
    parts, passes = parts_of(segment, order.seed, epoch), segment.repeat.passes
    number = int(np.searchsorted(_held(order.share, parts.ends), place, side="right"))
    size = int(parts.sizes[number])
    ends = int(parts.ends[number]) - size * np.arange(passes - 1, -1, -1)
    held = _held(order.share, ends)
    return int(held[np.searchsorted(held, place, side="right")])


def _held(share: RankShare, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many of a segment's first positions are of a share, shape as given."""
    rounds, rest = np.divmod(positions, share.world_size)
    found: NDArray[np.int64] = rounds * share.num_ranks + np.clip(rest - share.first_rank, 0, share.num_ranks)
    return found


def parts_from(order: Order, index: int) -> Iterator[WindowPart]:
    """Return the parts that repeat and are not behind a window index, in order and without end; none of no share."""
    num_held = window_extents(order)
    epoch = index // num_held
    each_epoch = sum(num_parts(segment) for segment in order.segments)
    held = sum(share_extents(order.share, each.num_extents) for each in order.segments if each.repeat is not None)
    while held:
        number, start = epoch * each_epoch, epoch * num_held
        for segment in order.segments:
            yield from _parts_in(order, segment, index, epoch=epoch, number=number, start=start)
            number += num_parts(segment)
            start += share_extents(order.share, segment.num_extents)
        epoch += 1


def _parts_in(
    order: Order, segment: Segment, index: int, *, epoch: int, number: int, start: int
) -> Iterator[WindowPart]:
    """Return the parts of a segment that a window has anything of; ``start`` is its window index."""
    if segment.repeat is None:
        return
    parts = parts_of(segment, order.seed, epoch)
    ends = np.concatenate(([start], start + _held(order.share, parts.ends)))
    for place in range(int(np.searchsorted(ends[1:], index, side="right")), len(parts.ends)):
        row = segment.first_row + int(parts.numbers[place]) * segment.repeat.part_extents
        if ends[place + 1] > ends[place]:
            yield WindowPart(
                number=number + place,
                first_row=row,
                end_row=row + int(parts.sizes[place]),
                first_index=int(ends[place]),
                end_index=int(ends[place + 1]),
            )

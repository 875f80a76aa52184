"""Samples of extents that hold many: which extent, and which of its samples, each position of an epoch is.

Extents come in an order of their own (``penstock.plan.order``). Each ``mix`` of them in a row are a group: they are
opened together, and their samples take the group's positions. Within a group every lane has a run of the group's
samples, one beside the other in the extents, and spreads them over its positions by a permutation of its own; which run
it has is drawn for each group. A rank's lanes have runs that lie side by side, so ranks open extents of their own, but
for those that the end of a rank's share cuts.

Memory is that of the extents' sizes, 8 bytes each; any position is computed on its own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.plan.permutation import GOLDEN, Permutation, draw, scramble

__all__ = ["MOST_MIXED_LANES", "Group", "Mix", "Part", "check_mixed_lanes", "most_mixed"]

MOST_MIXED_LANES = 1 << 16
CACHED_GROUPS = 4
PURPOSE = "mixed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some samples of an extent: its place in the epoch's order of extents, and which, ascending, shape (samples,)."""

    extent: int
    numbers: NDArray[np.int64]


def check_mixed_lanes(num_lanes: int) -> None:
    """Refuse more lanes than a group is cut into.

    Raises:
        ConfigError: they are more than ``MOST_MIXED_LANES``.
    """
    if num_lanes > MOST_MIXED_LANES:
        raise ConfigError(
            f"{num_lanes} lanes are too many for extents of several samples",
            fix=f"make the plan with --lanes of at most {MOST_MIXED_LANES}",
        )


def most_mixed(counts: NDArray[np.int64], *, mix: int, batch_samples: int) -> int:
    """Return the most extents of the groups that a batch of all ranks can lie in, with those of the group before.

    Args:
        counts: samples of each extent of a segment, shape (extents,).
        mix: extents of a group.
    """
    fewest = int(np.partition(counts, min(mix, len(counts)) - 1)[:mix].sum())
    return min(len(counts), mix * (2 + batch_samples // fewest))


@functools.lru_cache(maxsize=8)
def _classes_of_lanes(num_lanes: int) -> tuple[NDArray[np.uint64], ...]:
    """Return lanes modulo each product of their number's first prime factors, which are ranks that they may be of."""
    found, product = [], 1
    while product < num_lanes:
        left = num_lanes // product
        product *= next(number for number in range(2, left + 1) if left % number == 0)
        found.append((np.arange(num_lanes) % product).astype(np.uint64))
    return tuple(found)


def _lane_order(num_lanes: int, *, seed: int, epoch: int, group: int) -> NDArray[np.int64]:
    """Draw an order of the lanes in which a rank's, ``lane % world_size``, are in a row, whichever product that is."""
    classes = _classes_of_lanes(num_lanes)
    if not classes:
        return np.zeros(1, np.int64)
    base = np.uint64(draw(1 << 63, seed=seed, epoch=epoch, purpose=f"lanes of group {group}"))
    keys = [scramble((each + np.uint64(level << 32)) * GOLDEN ^ base) for level, each in enumerate(classes)]
    return np.lexsort(keys[::-1])  # the last key that it is given sorts first


class Mix:
    """The samples of a segment in the order of one epoch.

    Args:
        counts: samples of each extent, in the epoch's order of extents, shape (extents,).
        mix: extents of a group.
        is_shuffled: whether a group's samples are permuted; if not, each position is that of its sample.
    """

    def __init__(
        self, counts: NDArray[np.int64], *, mix: int, num_lanes: int, seed: int, epoch: int, is_shuffled: bool
    ) -> None:
        self._ends = np.cumsum(counts, dtype=np.int64)
        self._mix, self._num_lanes = mix, num_lanes
        self._seed, self._epoch, self._is_shuffled = seed, epoch, is_shuffled
        last = np.append(np.arange(mix, len(counts), mix), len(counts)) - 1
        self._group_ends = self._ends[last]
        self._group = functools.lru_cache(maxsize=CACHED_GROUPS)(self._make)

    @property
    def num_samples(self) -> int:
        """Samples of all extents."""
        return int(self._ends[-1])

    def group_at(self, position: int) -> Group:
        """Return the group that a position lies in."""
        return self._group(int(np.searchsorted(self._group_ends, position, side="right")))

    def groups_of(self, positions: NDArray[np.int64]) -> list[tuple[Group, NDArray[np.int64]]]:
        """Return the groups that ascending positions lie in, in order, each with those of it."""
        numbers = np.searchsorted(self._group_ends, positions, side="right")
        touched, firsts = np.unique(numbers, return_index=True)
        parts = np.split(positions, firsts[1:]) if len(touched) else []
        return [(self._group(int(number)), part) for number, part in zip(touched, parts, strict=True)]

    def _make(self, number: int) -> Group:
        first, end = number * self._mix, min((number + 1) * self._mix, len(self._ends))
        start = int(self._ends[first - 1]) if first else 0
        return Group(
            number,
            first_extent=first,
            first_position=start,
            ends=self._ends[first:end] - start,
            num_lanes=self._num_lanes if self._is_shuffled else 0,
            seed=self._seed,
            epoch=self._epoch,
        )


class Group:
    """Extents that are opened together.

    Args:
        number: of the group in the epoch.
        ends: how many samples its first extents have together, shape (extents,).
        num_lanes: 0 leaves samples where they are.

    Attributes:
        first_extent: place of its first extent in the epoch's order of extents.
        first_position: of its samples in the segment.
    """

    def __init__(
        self,
        number: int,
        *,
        first_extent: int,
        first_position: int,
        ends: NDArray[np.int64],
        num_lanes: int,
        seed: int,
        epoch: int,
    ) -> None:
        self.first_extent, self.first_position = first_extent, first_position
        self._ends, self._num_lanes = ends, num_lanes
        self._tweak = number * max(1, num_lanes)
        if num_lanes:
            order, size = _lane_order(num_lanes, seed=seed, epoch=epoch, group=number), self.num_samples
            self._lane_first = (np.arange(num_lanes, dtype=np.int64) - first_position) % num_lanes
            self._lane_sizes = np.maximum(0, -(-(size - self._lane_first) // num_lanes))
            self._lane_starts = np.empty(num_lanes, np.int64)
            self._lane_starts[order] = np.cumsum(self._lane_sizes[order]) - self._lane_sizes[order]
            self._inside = {
                int(each): Permutation(int(each), seed=seed, epoch=epoch, purpose=PURPOSE)
                for each in np.unique(self._lane_sizes)
            }

    @property
    def num_samples(self) -> int:
        """Samples of its extents."""
        return int(self._ends[-1])

    @property
    def end_extent(self) -> int:
        """Place after its last extent."""
        return self.first_extent + len(self._ends)

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the place of the extent of each of its positions, and which of its samples it is, shape as given."""
        return self._in_extents(self._samples(positions))

    def wanted(self, rank: int, world_size: int) -> Sequence[Part]:
        """Return what a rank is given of each extent; extents that it is given nothing of are left out."""
        starts = np.concatenate(([0], self._ends[:-1]))
        if not self._num_lanes:
            firsts = (rank - self.first_position - starts) % world_size
            found = [np.arange(first, end, world_size) for first, end in zip(firsts, self._ends - starts, strict=True)]
            return [Part(extent=self.first_extent + at, numbers=part) for at, part in enumerate(found) if len(part)]
        parts: dict[int, list[NDArray[np.int64]]] = {}
        for start, end in self._runs(rank, world_size):
            begin = start
            while begin < end:
                at = int(np.searchsorted(self._ends, begin, side="right"))
                stop = min(end, int(self._ends[at]))
                parts.setdefault(at, []).append(np.arange(begin - starts[at], stop - starts[at], dtype=np.int64))
                begin = stop
        return [Part(extent=self.first_extent + at, numbers=np.concatenate(parts[at])) for at in sorted(parts)]

    def _runs(self, rank: int, world_size: int) -> list[tuple[int, int]]:
        """Return where a rank's runs begin and end among the group's samples, ascending, neighbours as one."""
        lanes = np.arange(rank, self._num_lanes, world_size)
        lanes = lanes[self._lane_sizes[lanes] > 0]
        firsts = np.sort(self._lane_starts[lanes])
        ends = np.sort(self._lane_starts[lanes] + self._lane_sizes[lanes])
        apart = firsts[1:] != ends[:-1]
        return list(
            zip(
                firsts[np.concatenate(([True], apart))].tolist() if len(firsts) else [],
                ends[np.concatenate((apart, [True]))].tolist() if len(firsts) else [],
                strict=True,
            )
        )

    def _samples(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which of the group's samples, extent by extent, each position is."""
        inside = positions - self.first_position
        if not self._num_lanes:
            return inside
        lanes = positions % self._num_lanes
        places = (inside - self._lane_first[lanes]) // self._num_lanes
        found = np.empty_like(places)
        for size, permutation in self._inside.items():
            mine = np.flatnonzero(self._lane_sizes[lanes] == size)
            found[mine] = permutation(places[mine], tweak=self._tweak + lanes[mine])
        return found + self._lane_starts[lanes]

    def _in_extents(self, samples: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        places = np.searchsorted(self._ends, samples, side="right")
        starts = np.concatenate(([0], self._ends[:-1]))
        return self.first_extent + places, samples - starts[places]

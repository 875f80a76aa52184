"""Where samples lie in a window, whose indices number extents: stream indices as they are, or by the extents' sizes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import ManifestInfo, ManifestReader
from penstock.plan import check_mixed_lanes, locate, most_mixed, node_order, rows_in_order, turn_of, window_indices
from penstock.plan.mixing import Group, Mix
from penstock.records import Order

__all__ = ["ManySamples", "OneSample", "Touched", "in_window"]

CACHED_MIXES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class OneSample:
    """Each extent is one sample; the window holds those of its ranks."""

    held: Order

    def start(self, index: int) -> int:
        """Return the window index that a stream index is, or that comes next."""
        return int(window_indices(self.held, index))

    def most_extents(self, batch_size: int, num_local: int, world_size: int) -> int:
        """Return as many as they have samples."""
        return batch_size * num_local


@dataclass(frozen=True, kw_only=True, slots=True)
class Touched:
    """A group that a batch has samples of.

    Attributes:
        first_index: window index of the epoch's segment's first extent, to which a group's places are added.
        slots: which of the batch's samples they are, shape (samples,).
        positions: of them in the segment, shape (samples,).
        order: of the stream.
    """

    epoch: int
    segment: int
    first_index: int
    group: Group
    slots: NDArray[np.int64]
    positions: NDArray[np.int64]
    order: Order

    def turn(self, place: int) -> int:
        """Tell how often the extent of a place in the epoch's order was read before."""
        return turn_of(self.order, epoch=self.epoch, segment=self.segment, place=place)


class ManySamples:
    """Extents hold several samples; the window holds all of them, whichever ranks it serves.

    Args:
        order: of the stream.
        counts: samples of each extent of each segment, in the manifest's order.
    """

    def __init__(self, order: Order, counts: Sequence[NDArray[np.int64]], *, num_lanes: int) -> None:
        check_mixed_lanes(num_lanes)
        self.held = order
        self._counts, self._num_lanes = counts, num_lanes
        self._mix = functools.lru_cache(maxsize=CACHED_MIXES)(self._make)

    def __reduce__(self) -> tuple[object, ...]:
        return functools.partial(ManySamples, num_lanes=self._num_lanes), (self.held, self._counts)

    def start(self, index: int) -> int:
        """Return the window index of the first extent of the group that a stream index lies in."""
        place = locate(self.held, index)
        group = self._mix(place.epoch, place.segment).group_at(place.position)
        return self._first_index(place.epoch, place.segment) + group.first_extent

    def most_extents(self, batch_size: int, num_local: int, world_size: int) -> int:
        """Return most extents of the groups that a batch of all ranks can lie in, with those of the group before."""
        return max(
            most_mixed(np.repeat(counts, segment.num_passes), mix=segment.mix, batch_samples=batch_size * world_size)
            for segment, counts in zip(self.held.segments, self._counts, strict=True)
        )

    def touched(self, indices: Sequence[int]) -> list[Touched]:
        """Return the groups of a batch's stream indices, ascending and of one segment, in order."""
        place = locate(self.held, indices[0])
        positions = np.asarray(indices, np.int64) - (indices[0] - place.position)
        first_index, done, found = self._first_index(place.epoch, place.segment), 0, []
        for group, part in self._mix(place.epoch, place.segment).groups_of(positions):
            slots = np.arange(done, done + len(part), dtype=np.int64)
            found.append(
                Touched(
                    epoch=place.epoch,
                    segment=place.segment,
                    first_index=first_index,
                    group=group,
                    slots=slots,
                    positions=part,
                    order=self.held,
                )
            )
            done += len(part)
        return found

    def _first_index(self, epoch: int, segment: int) -> int:
        before = sum(part.num_extents for part in self.held.segments[:segment])
        return epoch * self.held.num_extents + before

    def _make(self, epoch: int, segment: int) -> Mix:
        part = self.held.segments[segment]
        rows = rows_in_order(part, seed=self.held.seed, epoch=epoch) - part.first_row
        return Mix(
            self._counts[segment][rows],
            mix=part.mix,
            num_lanes=self._num_lanes,
            seed=self.held.seed,
            epoch=epoch,
            is_shuffled=part.shuffle != "none",
        )


def in_window(
    order: Order,
    info: ManifestInfo,
    manifest: Path,
    *,
    num_lanes: int,
    first_rank: int,
    num_ranks: int,
    world_size: int,
) -> OneSample | ManySamples:
    """Return how a stream's samples lie in the window that serves ``num_ranks`` ranks from ``first_rank`` on.

    Raises:
        ConfigError: there are no such ranks, or more lanes than groups can be cut into.
        RecordError: the manifest cannot be read, whose counts are needed where extents have several samples.
    """
    held = node_order(order, first_rank=first_rank, num_ranks=num_ranks, world_size=world_size)
    if order.num_extents == order.num_samples:
        return OneSample(held=held)
    with ManifestReader(manifest) as reader:
        counts = [reader.counts(info.split(segment.split)) for segment in order.segments]
    return ManySamples(order, counts, num_lanes=num_lanes)

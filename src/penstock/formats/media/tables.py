"""Packets of a track, as a container's index tells of them, and which of them some points in time take.

Times are of presentation, in seconds; ``dts`` and ``pts`` are counts of a track's own unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAME_TIME", "Packets", "Runs", "pack_packets", "unpack_packets"]

Ints = NDArray[np.int64]

SAME_TIME = 1e-6
"""Seconds by which times that are the same may differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packets:
    """Packets in the order of decoding; all arrays have the shape (packets,).

    Attributes:
        offsets: of their bytes, in the object or in an extent.
        sizes: in bytes.
        dts: when they are decoded.
        pts: when they are seen or heard.
        durations: of each.
        keys: whether decoding can begin with it.
    """

    offsets: Ints
    sizes: Ints
    dts: Ints
    pts: Ints
    durations: Ints
    keys: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.offsets)

    def chosen(self, numbers: Any) -> Packets:
        """Return some of them."""
        arrays = (self.offsets, self.sizes, self.dts, self.pts, self.durations, self.keys)
        offsets, sizes, dts, pts, durations, keys = (array[numbers] for array in arrays)
        return Packets(offsets=offsets, sizes=sizes, dts=dts, pts=pts, durations=durations, keys=keys)


class Runs:
    """Runs of packets, each from a key on, that packets take to be decoded.

    Args:
        packets: of pictures, in the order of decoding.
    """

    def __init__(self, packets: Packets) -> None:
        self._keys = np.flatnonzero(packets.keys)
        self._pts = packets.pts

    def of(self, numbers: Ints) -> Ints:
        """Return the numbers of the packets that some packets take to be decoded, ascending."""
        runs: list[list[int]] = []
        for begin, end in sorted((self._begin(number), number + 1) for number in numbers.tolist()):
            if runs and begin <= runs[-1][1]:
                runs[-1][1] = max(runs[-1][1], end)
            else:
                runs.append([begin, end])
        return np.concatenate([np.arange(*run) for run in runs]) if runs else np.zeros(0, np.int64)

    def _begin(self, number: int) -> int:
        place = int(np.searchsorted(self._keys, number, "right")) - 1
        # What is decoded behind a key and seen before it belongs to what lies before the key.
        while place >= 0 and self._pts[self._keys[place]] > self._pts[number]:
            place -= 1
        return int(self._keys[place]) if place >= 0 else 0


def pack_packets(packets: Packets) -> list[int]:
    """Return packets as whole numbers, runs of equal ones as one: a frame takes about two."""
    ends = packets.offsets[:-1] + packets.sizes[:-1]
    jumps = [0, *(np.flatnonzero(packets.offsets[1:] != ends) + 1).tolist()] if len(packets) else []
    made = [len(packets), int(packets.dts[0]) if len(packets) else 0, len(jumps)]
    for place in jumps:
        made += [place, int(packets.offsets[place])]
    made += packets.sizes.tolist()
    for values in (np.diff(packets.dts), packets.pts - packets.dts, packets.durations, packets.keys.astype(np.int64)):
        made += _runs(values)
    return made


def unpack_packets(numbers: Sequence[int]) -> Packets:
    """Return what ``pack_packets`` made whole numbers of.

    Raises:
        ValueError: they are no such numbers.
    """
    left = iter(numbers)
    try:
        return _unpacked(left)
    except StopIteration as error:
        raise ValueError("the packets of the manifest are cut off") from error


def _unpacked(left: Iterator[int]) -> Packets:
    count, first, num_jumps = (next(left) for _ in range(3))
    jumps = {next(left): next(left) for _ in range(num_jumps)}
    sizes = np.array([next(left) for _ in range(count)], np.int64)
    offsets, at = [], 0
    for place, size in enumerate(sizes.tolist()):
        at = jumps.get(place, at)
        offsets.append(at)
        at += size
    steps = _expanded(left, max(0, count - 1))
    shifts, durations, keys = (_expanded(left, count) for _ in range(3))
    dts = first + np.concatenate([np.zeros(min(1, count), np.int64), np.cumsum(steps)])
    return Packets(
        offsets=np.array(offsets, np.int64),
        sizes=sizes,
        dts=dts,
        pts=dts + shifts,
        durations=durations,
        keys=keys.astype(np.bool_),
    )


def _runs(values: Ints) -> list[int]:
    if not len(values):
        return [0]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
    counts = np.diff(np.concatenate([starts, [len(values)]]))
    pairs = np.stack([counts, values[starts]], axis=1)
    return [len(pairs), *pairs.reshape(-1).tolist()]


def _expanded(left: Iterator[int], count: int) -> Ints:
    pairs = [(next(left), next(left)) for _ in range(next(left))]
    if any(number < 0 for number, _ in pairs) or sum(number for number, _ in pairs) != count:
        raise ValueError("the packets of the manifest contradict each other")
    counts, values = ([pair[place] for pair in pairs] for place in (0, 1))
    return np.repeat(np.array(values, np.int64), np.array(counts, np.int64))

"""Quantities of a run's timeline drawn over its time; what was in no attempt is nobody's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from penstock.records import Timeline, TimelineInterval
from penstock.report.svg import THEME
from penstock.units import GIB, KIB, MIB

__all__ = [
    "Reading",
    "Scale",
    "draw_bound",
    "draw_over_time",
    "edges_of",
    "idle_between",
    "mark_attempts",
    "time_scale",
]

_INK, _, _MUTED = tuple(THEME)[:3]
_LOOSE = 0.5
"""Seconds between two intervals, from which on there was nothing between them."""

Reading = Callable[[TimelineInterval], float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The unit that a quantity is drawn in.

    Attributes:
        size: of one unit.
    """

    size: float
    unit: str

    @classmethod
    def of_time(cls, seconds: float) -> Scale:
        """Return the unit for so long a run."""
        if seconds < 180:
            return cls(size=1, unit="seconds")
        return cls(size=60, unit="minutes") if seconds < 3 * 3600 else cls(size=3600, unit="hours")

    @classmethod
    def of_bytes(cls, most: float) -> Scale:
        """Return the unit for so many bytes."""
        sizes = ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
        return next((cls(size=size, unit=unit) for size, unit in sizes if most >= size), cls(size=1, unit="B"))


def draw_bound(axes: Axes, value: float, label: str) -> None:
    """Draw a bound as a dotted line."""
    axes.axhline(value, color=_MUTED, linewidth=1.2, linestyle=(0, (1, 2)), label=label)


def time_scale(timeline: Timeline) -> Scale:
    """Return the unit for a run's time."""
    return Scale.of_time(timeline.intervals[-1].end_seconds if timeline.intervals else 0.0)


def edges_of(intervals: Sequence[TimelineInterval], scale: Scale) -> tuple[NDArray[np.float64], list[int]]:
    """Return the borders of stairs over all intervals and what lies between them, and each interval's place in it."""
    edges, places = [intervals[0].start_seconds], []
    for each in intervals:
        if each.start_seconds > edges[-1]:
            edges.append(each.start_seconds)
        places.append(len(edges) - 1)
        edges.append(max(each.end_seconds, edges[-1]))
    return np.array(edges) / scale.size, places


def draw_over_time(
    axes: Axes,
    intervals: Sequence[TimelineInterval],
    time: Scale,
    take: Reading,
    *,
    color: str,
    label: str,
) -> None:
    """Draw a quantity at the middles of its intervals; a gap, or what is not known, breaks the line."""
    xs: list[float] = []
    ys: list[float] = []
    for number, each in enumerate(intervals):
        if number and each.start_seconds - intervals[number - 1].end_seconds > _LOOSE:
            xs.append(each.start_seconds / time.size)
            ys.append(math.nan)
        value = take(each)
        xs.append((each.start_seconds + each.end_seconds) / 2 / time.size)
        ys.append(math.nan if value is None else value)
    axes.plot(xs, ys, color=color, linewidth=1.3, marker="o" if len(xs) <= 3 else "", markersize=4, label=label)


def mark_attempts(axes: Axes, intervals: Sequence[TimelineInterval], scale: Scale) -> None:
    """Draw a line where each further attempt begins, and the idle time before it."""
    ends = [(one, two) for one, two in itertools.pairwise(intervals) if one.attempt != two.attempt]
    for number, (one, two) in enumerate(ends):
        first, last = one.end_seconds / scale.size, two.start_seconds / scale.size
        # a legend leaves out what begins with an underscore
        axes.axvspan(first, last, color=_MUTED, alpha=0.12, linewidth=0, label="_" if number else "idle, unrecorded")
        axes.axvline(last, color=_INK, linewidth=1.2, linestyle=(0, (3, 2)), label="_" if number else "another attempt")


def idle_between(intervals: Sequence[TimelineInterval]) -> list[float]:
    """Return the seconds between attempts."""
    pairs = itertools.pairwise(intervals)
    return [max(0.0, two.start_seconds - one.end_seconds) for one, two in pairs if one.attempt != two.attempt]

"""How a window is divided between reading ahead and keeping: what reading ahead can use comes first.

A stream goes no faster than what is in flight by the time that takes (Little's law): of a link of B bytes a second and
a source that answers after L seconds, B x L bytes must be in flight, and as many again lie ready or are being read. A
window that keeps so much that less is left makes every epoch slower, whatever it saves.

So all of the window is read ahead into at first. A source that answers at once, each time, needs next to nothing in
flight, and as much as can be is kept from the first extents on. Of one that is further away, or busy now and then, what
it takes is seen once the window has been full: the ranges in flight that paid (``penstock.window.concurrency``) by
their size, and the rate, which the window, the link or the trainer limits, by the time of an answer. What is left then
is kept.

A window that is no smaller than an epoch need not wait for that. Of D bytes of an epoch and a window of W that keeps K,
a share of 1 - K/D goes on streaming, through 1 - K/W of the window. With W >= D that is no smaller a share, so that no
epoch takes longer than one that streams through all of the window, whatever the link does.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from penstock.units import MIB

__all__ = [
    "Answers",
    "Division",
    "Gauge",
    "divide_at_first",
    "divide_by_rate",
    "divide_when_known",
    "keeps_at_once",
]

HIGHEST_RATE = 1000 * MIB
"""Bytes a second that a link is taken to be able to do before anything is known of it."""
NEAR_SECONDS = 0.003
"""Time of an answer below which the CPU is what limits, however little is in flight."""
WARM_READS, TOLD_READS = 32, 128
"""Ranges that may have had to connect, and how many requests after them tell whether a source is near."""
LONGEST_PAUSE = 0.01
"""Seconds in which nothing came, on average over their time, above which a source is not near: what was requested
together came together, after a while, and more in flight would have come in the same time."""
LONGEST_MEDIAN = 0.03
"""Time of an answer that no near source takes for as little as is in flight at first."""
LATE_SECONDS, LATE_TIMES, MOST_LATE = 0.02, 10, 0.02
"""A range is late if it takes so long, and so many times the median; share of late ones above which none is near:
order waits for them, however soon the others came."""
MARGIN, MEAN_MARGIN = 4, 2
"""Of the shortest and of the mean time of an answer, which holds what was waited for in a queue. A rate that was seen
may be a trainer's or a link's that had a slow moment, and giving back is not possible."""
LEAST_SHARE = 1 / 16
"""Of the window, below which keeping is not worth its index."""
INTERVAL_SECONDS = 0.5
FEWEST_INTERVALS = 10
"""Moments in which a source or a trainer is slow pass; what is kept stays so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Division:
    """A window's division, and why it is so.

    Attributes:
        kept_bytes: size of the kept part; 0 keeps nothing.
        ahead_bytes: what reading ahead was found to need.
    """

    kept_bytes: int
    ahead_bytes: int


class Answers:
    """How long ranges took, from a request to its last byte, since a stream began.

    Attributes:
        num_reads: of all that ended well.
        least_seconds: the shortest time.
        is_near: whether ranges came so steadily that having more in flight would not have hastened them; False before
            that is known.
    """

    def __init__(self) -> None:
        self.num_reads = 0
        self.least_seconds = math.inf
        self.is_near = False
        self._num_begun = 0
        self._sum_seconds = 0.0
        self._told: list[float] = []
        self._came = self._began = self._squared_pauses = 0.0

    def begin(self) -> int:
        """Return the number of a request that is made now."""
        self._num_begun += 1
        return self._num_begun

    def end(self, number: int, seconds: float, now: float) -> None:
        """Take a range into account that was had just now, so many seconds after its request."""
        self.num_reads += 1
        self._sum_seconds += seconds
        self.least_seconds = min(self.least_seconds, seconds)
        if len(self._told) == TOLD_READS:
            return
        if self.num_reads <= WARM_READS:
            self._began = now
        else:
            self._squared_pauses += (now - self._came) ** 2
        self._came = now
        # By the order of requests: by that of answers the late ones would be missed.
        if WARM_READS < number <= WARM_READS + TOLD_READS:
            self._told.append(seconds)
            if len(self._told) == TOLD_READS:
                self.is_near = self._judge(now)

    @property
    def mean_seconds(self) -> float:
        """Mean time, what was waited for in a queue included; 0 where there was none."""
        return self._sum_seconds / max(1, self.num_reads)

    def _judge(self, now: float) -> bool:
        median = statistics.median(self._told)
        late = max(LATE_SECONDS, LATE_TIMES * median)
        num_late = sum(seconds > late for seconds in self._told)
        pause_seconds = self._squared_pauses / max(now - self._began, 1e-9)
        is_steady = pause_seconds <= LONGEST_PAUSE and num_late <= MOST_LATE * TOLD_READS
        return is_steady and median <= LONGEST_MEDIAN


def keeps_at_once(window_bytes: float, *, epoch_bytes: float) -> bool:
    """Tell whether a window keeps from the first extents on, however far its source is."""
    return window_bytes >= epoch_bytes


def divide_at_first(room_bytes: int, *, keepable_bytes: int, answers: Answers | None) -> Division | None:
    """Divide a window's room by nothing but how soon the first answers came; None where they do not tell.

    Args:
        room_bytes: slots and kept part together.
        keepable_bytes: the most that may be kept, so that a batch and some more can always be had.
        answers: of the source; None where it is a folder of this machine.
    """
    if answers is not None and not answers.is_near:
        return None
    away_seconds = max(0.0, answers.least_seconds - NEAR_SECONDS) if answers is not None else 0.0
    found = _divide(room_bytes, keepable_bytes, MARGIN * HIGHEST_RATE * away_seconds)
    return found if found.kept_bytes else None


def divide_by_rate(
    room_bytes: int, *, keepable_bytes: int, answers: Answers, bytes_per_second: float, in_flight_bytes: float
) -> Division:
    """Divide a window's room by what the stream was seen to do.

    Args:
        room_bytes: slots and kept part together.
        keepable_bytes: the most that may be kept.
        answers: of the source.
        bytes_per_second: the highest rate that was seen once the window had been full.
        in_flight_bytes: of the ranges that are requested at a time.
    """
    seconds = max(MARGIN * answers.least_seconds, MEAN_MARGIN * answers.mean_seconds)
    return _divide(room_bytes, keepable_bytes, max(bytes_per_second * seconds, in_flight_bytes))


def divide_when_known(
    gauge: Gauge,
    answers: Answers,
    *,
    now: float,
    room_bytes: int,
    keepable_bytes: int,
    received_bytes: int,
    in_flight_bytes: float,
    is_local: bool = False,
) -> Division | None:
    """Divide a window's room as soon as what is needed for that is known; None where it is not by now.

    Args:
        now: seconds of the gauge's clock.
        received_bytes: since the stream began.
        in_flight_bytes: of the ranges that are requested at a time.
        is_local: whether the source is a folder of this machine.
    """
    first = divide_at_first(room_bytes, keepable_bytes=keepable_bytes, answers=None if is_local else answers)
    if first is not None:
        return first
    rate = gauge.measure(now, received_bytes)
    if rate is None:
        return None
    return divide_by_rate(
        room_bytes,
        keepable_bytes=keepable_bytes,
        answers=answers,
        bytes_per_second=rate,
        in_flight_bytes=in_flight_bytes,
    )


def _divide(room_bytes: int, keepable_bytes: int, ahead_bytes: float) -> Division:
    kept_bytes = max(0, int(min(keepable_bytes, room_bytes - ahead_bytes)))
    worth = kept_bytes >= LEAST_SHARE * room_bytes
    return Division(kept_bytes=kept_bytes if worth else 0, ahead_bytes=int(ahead_bytes))


class Gauge:
    """The highest rate of a stream, interval by interval, from when a window has been full on."""

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes = room_bytes
        self._began: tuple[float, int] | None = None
        self._num_intervals = 0
        self._highest = 0.0

    def measure(self, now: float, received_bytes: int) -> float | None:
        """Take what was received by now into account; give the rate once it is known.

        Args:
            now: seconds of any clock.
            received_bytes: since the stream began.
        """
        if received_bytes < self._room_bytes:
            return None
        if self._began is None:
            self._began = (now, received_bytes)
        began, before = self._began
        if now >= began + INTERVAL_SECONDS:
            self._began = (now, received_bytes)
            self._highest = max(self._highest, (received_bytes - before) / (now - began))
            self._num_intervals += 1
        return self._highest if self._num_intervals >= FEWEST_INTERVALS and self._highest else None

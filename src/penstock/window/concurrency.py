"""How many ranges are in flight: as many as still make the stream faster, and fewer when the source asks for it.

Hill climbing on the measured rate. While requests wait for their turn, the limit doubles each interval for as long as
the rate rises with it (the slow start of TCP, RFC 5681); once it twice did not, the limit falls back to the last one
that paid, and half as much again is tried after a while. Requests that failed in an interval halve it.

An interval lasts until as many requests have ended as are in flight. Requests that were begun together end together,
so that a shorter one sees a whole burst of answers or none, by chance.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Climber", "Throttle"]

START = 32
LOWEST = 4
FIRST_INTERVAL_SECONDS, INTERVAL_SECONDS = 0.05, 0.1
SETTLING_SECONDS = 0.5
"""Longest time after a fall of the limit in which nothing is measured."""
FIRST_GROWTH, GROWTH = 2.0, 1.5
PAYS = 0.2
"""Part of the growth by which the rate must rise for a higher limit to be kept."""
HOLD_INTERVALS = 20


@dataclass(slots=True)
class Climber:
    """The limit, from what was measured in each interval."""

    highest: int
    limit: int = START
    _kept: int = 0
    _kept_rate: float = 0.0
    _hold: int = 0
    _growth: float = FIRST_GROWTH
    _is_doubted: bool = False

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.highest)
        self._kept = self.limit

    @property
    def interval_seconds(self) -> float:
        """How long to measure for at least."""
        return FIRST_INTERVAL_SECONDS if self._growth == FIRST_GROWTH else INTERVAL_SECONDS

    def measure(self, rate: float, *, was_binding: bool, had_failures: bool) -> int:
        """Take one interval into account; give the limit of the next.

        Args:
            rate: bytes per second.
            was_binding: whether requests waited because of the limit.
            had_failures: whether requests failed, as they do when the source wants less.
        """
        if had_failures:
            self.limit = self._kept = max(min(LOWEST, self.highest), self.limit // 2)
            self._kept_rate, self._hold, self._growth, self._is_doubted = 0.0, HOLD_INTERVALS, GROWTH, False
        elif was_binding:
            self._climb(rate)
        return self.limit

    def _climb(self, rate: float) -> None:
        if self._hold:
            self._hold -= 1
            self._kept_rate = max(rate, self._kept_rate * 0.9)
            return
        if self.limit > self._kept and rate < self._kept_rate * (1 + PAYS * (self.limit / self._kept - 1)):
            if self._is_doubted:
                self.limit, self._hold, self._growth = self._kept, HOLD_INTERVALS, GROWTH
            # What ended first was begun under the limit before, or had to connect.
            self._is_doubted = not self._is_doubted
            return
        self._kept, self._kept_rate, self._is_doubted = self.limit, rate, False
        self.limit = min(self.highest, math.ceil(self.limit * self._growth))


class Throttle:
    """The limit, measured as requests end.

    Args:
        highest: the most that are ever in flight.
        read_meter: gives bytes received and requests failed so far.
        clock: gives seconds.
    """

    def __init__(
        self, highest: int, read_meter: Callable[[], tuple[int, int]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._climber = Climber(highest=highest)
        self._read_meter = read_meter
        self._clock = clock
        self._begin(clock(), is_settling=False)

    @property
    def limit(self) -> int:
        """The limit now."""
        return self._climber.limit

    def measure(self, *, was_binding: bool) -> bool:
        """Note the end of a request, and whether others waited for it; give whether the limit may have changed."""
        now = self._clock()
        self._num_ended += 1
        self._was_binding &= was_binding
        if self._is_settling:
            # What ends now was begun when more were in flight, and its failures have been told.
            if self._num_ended >= self.limit or now >= self._began + SETTLING_SECONDS:
                self._begin(now, is_settling=False)
            return False
        if now < self._began + self._climber.interval_seconds or self._num_ended < self.limit:
            return False
        seen, passed, before = self._seen, now - self._began, self.limit
        received, failed = self._read_meter()
        rate, had_failures = (received - seen[0]) / passed, failed > seen[1]
        self._climber.measure(rate, was_binding=self._was_binding, had_failures=had_failures)
        self._begin(now, is_settling=self.limit < before)
        return True

    def _begin(self, now: float, *, is_settling: bool) -> None:
        self._began, self._is_settling = now, is_settling
        self._num_ended, self._was_binding = 0, True
        self._seen = self._read_meter()

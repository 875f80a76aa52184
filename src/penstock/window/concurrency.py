"""How many ranges are in flight: as many as still make the stream faster, and fewer when the source asks for it.

Hill climbing on the measured rate. While requests wait for their turn, the limit doubles each interval for as long as
the rate rises with it (the slow start of TCP, RFC 5681); once it twice did not, the limit falls back to the last one
that paid, and half as much again is tried after a while.

Every large store refuses a small share of requests by chance (503, 500, 429), however few are in flight; those are
tried again, and the limit is left alone. A larger share has it fall to what the source took, at most to half, once for
all that were in flight together. Falls that follow one another begin a slow start to the first of them, since a
source that refuses everything says nothing of how much it takes. And where a higher limit brings more refusals instead
of a higher rate, the source has a limit of its own: what was refused below it is taken off as well.

An interval lasts until as many answers have come as are in flight. Requests that were begun together end together,
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
"""Fewer are held up by the pauses between tries: of 20 requests a second that a source takes, 4 get half, 1 a third."""
FIRST_INTERVAL_SECONDS, INTERVAL_SECONDS = 0.05, 0.1
SETTLING_SECONDS = 0.5
"""Longest time after a fall of the limit in which nothing is measured."""
FIRST_GROWTH, GROWTH = 2.0, 1.5
PAYS = 0.2
"""Part of the growth by which the rate must rise for a higher limit to be kept."""
HOLD_INTERVALS = 20
TOLERATED_SHARE = 1 / 6
"""Of answers that refuse, what the AWS SDKs bear for ever: a retry costs 5 tokens of their quota, a success earns 1."""
SURE = 2.0
"""Standard deviations that a share must lie above another: 1 in 44 by chance at the tolerated share itself."""
LEAST_LEFT = 0.5
"""Part of the limit that a fall leaves, as after a loss in TCP: a whole burst refused may have been chance."""


@dataclass(slots=True)
class Climber:
    """The limit, from what was measured in each interval."""

    highest: int
    limit: int = START
    _kept: int = 0
    _kept_rate: float = 0.0
    _kept_answers: int = 0
    _kept_refused: int = 0
    _hold: int = 0
    _growth: float = FIRST_GROWTH
    _fast_until: int = 0
    _is_falling: bool = False
    _is_doubted: bool = False

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.highest)
        self._kept, self._fast_until = self.limit, self.highest

    @property
    def interval_seconds(self) -> float:
        """How long to measure for at least."""
        return FIRST_INTERVAL_SECONDS if self._growth == FIRST_GROWTH else INTERVAL_SECONDS

    def measure(self, rate: float, *, was_binding: bool, num_answers: int, num_refused: int) -> int:
        """Take one interval into account; give the limit of the next.

        Args:
            rate: bytes per second.
            was_binding: whether requests waited because of the limit.
            num_answers: tries that were answered, those that were refused too.
            num_refused: tries that the source would not, or could not, serve now.
        """
        if _is_more(num_refused, num_answers, TOLERATED_SHARE):
            self._fall(1 - num_refused / num_answers)
            return self.limit
        self._is_falling = False
        if was_binding and self._hold:
            self._hold -= 1
            self._kept_rate = max(rate, self._kept_rate * 0.9)
            self._kept_answers += num_answers
            self._kept_refused += num_refused
        elif was_binding:
            self._climb(rate, num_answers, num_refused)
        return self.limit

    @property
    def _kept_refused_share(self) -> float:
        return self._kept_refused / max(1, self._kept_answers)

    def _fall(self, taken_share: float) -> None:
        """Go to what the source took."""
        fallen = int(self.limit * max(LEAST_LEFT, taken_share))
        if self.limit > self._kept:
            fallen = min(fallen, int(self._kept * (1 - self._kept_refused_share)))
        self._keep(fallen, 0.0)
        if not self._is_falling:
            self._fast_until = self.limit
        self._is_falling = True
        if self.limit < self._fast_until:
            self._growth, self._hold = FIRST_GROWTH, 0
        else:
            self._rest()

    def _climb(self, rate: float, num_answers: int, num_refused: int) -> None:
        if self.limit > self._kept and rate < self._kept_rate * (1 + PAYS * (self.limit / self._kept - 1)):
            if not self._is_doubted:
                # What ended first was begun under the limit before, or had to connect.
                self._is_doubted = True
                return
            refused_share = self._kept_refused_share
            is_worse = _is_more(num_refused, num_answers, refused_share)
            self._keep(int(self._kept * (1 - refused_share)) if is_worse else self._kept, self._kept_rate)
            self._rest()
            return
        self._keep(self.limit, rate)
        is_fast = self._growth == FIRST_GROWTH
        if is_fast and self.limit >= self._fast_until:
            self._rest()
            return
        self.limit = min(self._fast_until if is_fast else self.highest, math.ceil(self.limit * self._growth))

    def _keep(self, limit: int, rate: float) -> None:
        self.limit = self._kept = max(min(LOWEST, self.highest), limit)
        self._kept_rate, self._is_doubted = rate, False

    def _rest(self) -> None:
        self._hold, self._growth = HOLD_INTERVALS, GROWTH
        self._kept_answers = self._kept_refused = 0


class Throttle:
    """The limit, measured as requests end.

    Args:
        highest: the most that are ever in flight.
        read_meter: gives bytes received and tries refused so far.
        clock: gives seconds.
    """

    def __init__(
        self, highest: int, read_meter: Callable[[], tuple[int, int]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._climber = Climber(highest=highest)
        self._read_meter = read_meter
        self._clock = clock
        self._begin(clock(), num_settling=0)

    @property
    def limit(self) -> int:
        """The limit now."""
        return self._climber.limit

    def measure(self, *, was_binding: bool) -> bool:
        """Note the end of a request, and whether others waited for it; give whether the limit may have changed."""
        now = self._clock()
        self._num_ended += 1
        self._was_binding &= was_binding
        if self._num_settling:
            # What ends now was begun when more were in flight, and its refusals have been told.
            if self._num_ended >= self._num_settling or now >= self._began + SETTLING_SECONDS:
                self._begin(now, num_settling=0)
            return False
        passed, before = now - self._began, self.limit
        if passed < self._climber.interval_seconds:
            return False
        received, refused = self._read_meter()
        num_refused = refused - self._seen[1]
        num_answers = self._num_ended + num_refused
        if num_answers < before:
            return False
        rate = (received - self._seen[0]) / passed
        self._climber.measure(rate, was_binding=self._was_binding, num_answers=num_answers, num_refused=num_refused)
        self._begin(now, num_settling=before if self.limit < before else 0)
        return True

    def _begin(self, now: float, *, num_settling: int) -> None:
        self._began, self._num_settling = now, num_settling
        self._num_ended, self._was_binding = 0, True
        self._seen = self._read_meter()


def _is_more(num_refused: int, num_answers: int, share: float) -> bool:
    """Tell whether more were refused than ``share`` of all answers, beyond chance (a binomial's deviation)."""
    expected = share * num_answers
    return num_refused > expected + SURE * math.sqrt(expected * (1 - share))

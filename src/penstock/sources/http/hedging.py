"""When a request is so late that it is made once more: the slowest percent, and no more than two of a hundred.

After Dean and Barroso, "The Tail at Scale" (2013): a request that has taken longer than nearly all of its kind is sent
again, and whichever answer is whole first is taken. Requests are of one kind where their sizes have as many bits.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Hedging"]

REMEMBERED = 256
LEAST_SEEN = 64
"""Requests of a kind, before which nothing is known of what is late."""
SLOWEST_SHARE = 0.02
FACTOR = 1.5
"""Times the time that nearly all take, after which a request is late."""
LEAST_SECONDS = 0.05
MOST_BYTES = 1 << 20
"""Of a larger range the whole body once more costs more than the wait."""
BUDGET_SHARE = 0.02
BUDGET_START = 2


class Hedging:
    """Knows how long requests took, and how many were made twice."""

    def __init__(self) -> None:
        self._seconds: dict[int, deque[float]] = {}
        self._num_ended = 0
        self._num_hedged = 0

    def note(self, size_bytes: int, seconds: float) -> None:
        """Take a request into account that has ended well."""
        self._num_ended += 1
        if size_bytes <= MOST_BYTES:
            kind = size_bytes.bit_length()
            if kind not in self._seconds:
                self._seconds[kind] = deque(maxlen=REMEMBERED)
            self._seconds[kind].append(seconds)

    def late_after_seconds(self, size_bytes: int) -> float | None:
        """Return time after which a request of that size is late; None where that is not known or does not matter."""
        seen = self._seconds.get(size_bytes.bit_length(), ())
        if size_bytes > MOST_BYTES or len(seen) < LEAST_SEEN:
            return None
        usual = sorted(seen)[int(len(seen) * (1 - SLOWEST_SHARE))]
        return max(LEAST_SECONDS, FACTOR * usual)

    def take_one(self) -> bool:
        """Tell whether one more may be made twice, and count it."""
        if self._num_hedged >= BUDGET_START + BUDGET_SHARE * self._num_ended:
            return False
        self._num_hedged += 1
        return True

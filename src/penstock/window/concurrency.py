"""How many ranges are in flight: as many as still make the stream faster, and fewer when the source asks for it.

Hill climbing on the measured rate. While requests wait for their turn, the limit rises by half each interval for as
long as the rate rises with it; once it does not, the limit falls back to the last one that paid, and is tried again
after a while. Requests that failed in an interval halve it (additive increase would take minutes to fill a long link).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

__all__ = ["Climber", "Gate"]

START = 32
LOWEST = 4
INTERVAL_SECONDS = 0.25
GROWTH = 1.5
PAYS = 1.05
"""Part by which the rate must rise for a higher limit to be kept."""
HOLD_INTERVALS = 12


@dataclass(slots=True)
class Climber:
    """The limit, from what was measured in each interval."""

    highest: int
    limit: int = START
    _kept: int = 0
    _kept_rate: float = 0.0
    _hold: int = 0

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.highest)
        self._kept = self.limit

    def measure(self, rate: float, *, was_binding: bool, had_failures: bool) -> int:
        """Take one interval into account; give the limit of the next.

        Args:
            rate: bytes per second.
            was_binding: whether requests waited because of the limit.
            had_failures: whether requests failed, as they do when the source wants less.
        """
        if had_failures:
            self.limit = self._kept = max(min(LOWEST, self.highest), self.limit // 2)
            self._kept_rate, self._hold = 0.0, HOLD_INTERVALS
        elif was_binding:
            self._climb(rate)
        return self.limit

    def _climb(self, rate: float) -> None:
        if self._hold:
            self._hold -= 1
            self._kept_rate = max(rate, self._kept_rate * 0.9)
            return
        if self.limit > self._kept and rate < self._kept_rate * PAYS:
            self.limit, self._hold = self._kept, HOLD_INTERVALS
            return
        self._kept, self._kept_rate = self.limit, rate
        self.limit = min(self.highest, math.ceil(self.limit * GROWTH))


class Gate:
    """Lets as many in as the limit says; ``async with gate`` waits for a place, first come, first served.

    Args:
        highest: the most that are ever let in.
        read_meter: gives bytes received and requests failed so far.
    """

    def __init__(self, highest: int, read_meter: Callable[[], tuple[int, int]]) -> None:
        self._climber = Climber(highest=highest)
        self._read_meter = read_meter
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._binding = False
        self._began: float | None = None
        self._seen = read_meter()

    @property
    def limit(self) -> int:
        """The limit now."""
        return self._climber.limit

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        if self._inside < self.limit and not self._waiting:
            self._inside += 1
            return
        self._binding = True
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            else:
                self._waiting.remove(turn)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._measure()
        self._leave()

    def _leave(self) -> None:
        self._inside -= 1
        while self._waiting and self._inside < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._inside += 1
                turn.set_result(None)

    def _measure(self) -> None:
        now = asyncio.get_running_loop().time()
        assert self._began is not None
        passed = now - self._began
        if passed < INTERVAL_SECONDS:
            return
        received, failed = self._read_meter()
        self._climber.measure(
            (received - self._seen[0]) / passed, was_binding=self._binding, had_failures=failed > self._seen[1]
        )
        self._began, self._seen, self._binding = now, (received, failed), bool(self._waiting)

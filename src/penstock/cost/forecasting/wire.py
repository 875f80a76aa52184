"""A link and the requests on it, in time that is reckoned: as many in flight as the engine's own climbing finds to pay.

Answers begin after a latency, and those that are there pass by turns. Connections are taken to be there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from penstock.units import KIB
from penstock.window.concurrency import Throttle
from penstock.window.dividing import Answers

__all__ = ["Wire"]

TURN_BYTES = 64 * KIB
"""Of a body, that pass in one go: what TCP has on the way at once where nothing larger was agreed on (RFC 7323)."""
MOST_TURNS = 8
"""Of an answer: in more, answers that were asked for together would end together, as they do on no link for long."""


class Wire:
    """The requests of a session.

    Args:
        bytes_per_second: of all answers together.
        latency_seconds: from a request to the first byte of its answer.
        head_bytes: that pass before each body.
        most_in_flight: requests at a time.

    Attributes:
        now: seconds since the session began.
        answers: how long requests took.
        read_bytes: of bodies that came whole.
        num_requests: that were made.
    """

    def __init__(
        self, *, bytes_per_second: float, latency_seconds: float, head_bytes: float, most_in_flight: int
    ) -> None:
        self._rate, self._latency_seconds, self._head_bytes = bytes_per_second, latency_seconds, head_bytes
        self.now = 0.0
        self.answers = Answers()
        self.read_bytes = self.num_requests = 0
        self._passed, self._turn_ends = 0.0, math.inf
        self._coming: deque[_Answer] = deque()
        self._turns: deque[_Answer] = deque()
        self._queue: deque[tuple[int, Callable[[], None]]] = deque()
        self._throttle = Throttle(most_in_flight, lambda: (int(self._passed), 0), clock=lambda: self.now)

    @property
    def in_flight_bytes(self) -> float:
        """Of as many requests as are in flight at a time."""
        return self._throttle.limit * self.read_bytes / max(1, self.answers.num_reads)

    def ask(self, size_bytes: int, done: Callable[[], None]) -> None:
        """Make a request when its turn has come, and call ``done`` when its answer is there."""
        self._queue.append((size_bytes, done))

    def employ(self) -> None:
        """Make as many requests as there may be."""
        while self._queue and len(self._coming) + len(self._turns) < self._throttle.limit:
            size_bytes, done = self._queue.popleft()
            whole = size_bytes + self._head_bytes
            self.num_requests += 1
            self._coming.append(
                _Answer(
                    number=self.answers.begin(),
                    asked=self.now,
                    begins=self.now + self._latency_seconds,
                    size_bytes=size_bytes,
                    left=whole,
                    turn_bytes=max(TURN_BYTES + self._head_bytes, whole / MOST_TURNS),
                    done=done,
                )
            )

    @property
    def next_seconds(self) -> float:
        """When something happens next; infinite where nothing is in flight."""
        begins = self._coming[0].begins if self._coming else math.inf
        return min(begins, self._turn_ends)

    def move(self, now: float) -> None:
        """Let time pass until ``now``, before which nothing happens."""
        self.now = now
        while self._coming and self._coming[0].begins <= now:
            self._turns.append(self._coming.popleft())
        if self._turn_ends <= now:
            self._end_turn()
        if math.isinf(self._turn_ends) and self._turns:
            self._turn_ends = now + min(self._turns[0].left, self._turns[0].turn_bytes) / self._rate

    def _end_turn(self) -> None:
        answer, self._turn_ends = self._turns.popleft(), math.inf
        passed = min(answer.left, answer.turn_bytes)
        answer.left -= passed
        self._passed += passed
        if answer.left > 0:
            self._turns.append(answer)
            return
        self.read_bytes += answer.size_bytes
        self.answers.end(answer.number, self.now - answer.asked, self.now)
        answer.done()
        self._throttle.measure(was_binding=bool(self._queue))
        self.employ()


@dataclass(kw_only=True, slots=True)
class _Answer:
    """An answer on its way.

    Attributes:
        begins: when its first byte is there.
        left: of its bytes, that have not passed.
        turn_bytes: that pass in a turn.
    """

    number: int
    asked: float
    begins: float
    size_bytes: int
    left: float
    turn_bytes: float
    done: Callable[[], None]

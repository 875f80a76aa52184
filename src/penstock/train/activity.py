"""What a trainer is doing right now, and for how long it did each of its activities."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

__all__ = ["Activity", "Doing"]

Doing = Literal["other", "busy", "stall", "valid", "save"]


class Activity:
    """A clock that one thread switches and any thread reads: what it reads is of one moment.

    Args:
        clock: gives seconds that only go up.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state: tuple[Doing, float, dict[Doing, float]] = ("other", clock(), {})

    def now(self, doing: Doing) -> None:
        """Switch to another activity."""
        before, since, spent = self._state
        at = self._clock()
        self._state = (doing, at, {**spent, before: spent.get(before, 0.0) + at - since})

    @contextlib.contextmanager
    def during(self, doing: Doing) -> Iterator[None]:
        """Be at an activity within the block, and at the one before behind it."""
        before = self._state[0]
        self.now(doing)
        try:
            yield
        finally:
            self.now(before)

    def spent(self) -> Mapping[Doing, float]:
        """Return seconds by activity, up to now."""
        doing, since, spent = self._state
        return {**spent, doing: spent.get(doing, 0.0) + self._clock() - since}

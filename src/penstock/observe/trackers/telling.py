"""Trackers as a run tells them: it never waits for one, and none that fails or hangs ends it.

Each has a thread and a bounded queue. What does not fit is left out and counted; what one raises is logged once,
without secrets, and it is told nothing more.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from penstock.observe.trackers.kinds import KINDS, Ending, Facts, Point, tracker_list
from penstock.secrets import redact

__all__ = ["CLOSE_SECONDS", "Trackers"]

MOST_WAITING: Final = 10_000
"""Points that wait to be told to a tracker."""
MOST_AT_ONCE: Final = 200
CLOSE_SECONDS: Final = 20.0
"""That all trackers together have at the end to write what is left."""
_MOST_TOLD: Final = 300

_log = logging.getLogger(__name__)


class Trackers:
    """The trackers of a run; a context manager that ends them.

    Args:
        text: of the option; None or empty for none.
        facts: of the run.
        close_seconds: that they have at the end.
    """

    def __init__(self, text: str | None, facts: Facts, *, close_seconds: float = CLOSE_SECONDS) -> None:
        self._close_seconds = close_seconds
        asked = tracker_list(text)
        self._threads = [_Telling(kind, place, facts, number) for number, (kind, place) in enumerate(asked)]

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Tell all trackers of numbers after a step; returns at once."""
        if self._threads:
            point = Point(step=step, values=dict(values), at=time.time())
            for each in self._threads:
                each.tell(point)

    def close(self, ending: Ending) -> None:
        """Let them write what is left, for so long; what is not done by then is left."""
        until = time.monotonic() + self._close_seconds
        for each in self._threads:
            each.end(ending)
        for each in self._threads:
            each.wait(max(until - time.monotonic(), 0.0))
        self._threads = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("succeeded" if error is None else "failed")


class _Telling:
    """A tracker with its thread."""

    def __init__(self, kind: str, place: str, facts: Facts, number: int) -> None:
        self._kind, self._place, self._facts = kind, place, facts
        self._waiting: queue.Queue[Point | Ending] = queue.Queue(MOST_WAITING)
        self._ending: Ending | None = None
        self._num_left_out = 0
        # A daemon: what hangs in a library does not keep the process from its end.
        self._thread = threading.Thread(target=self._run, name=f"penstock-tracker-{number}", daemon=True)
        self._thread.start()

    def tell(self, point: Point) -> None:
        try:
            self._waiting.put_nowait(point)
        except queue.Full:
            self._num_left_out += 1

    def end(self, ending: Ending) -> None:
        self._ending = ending
        try:
            self._waiting.put_nowait(ending)
        except queue.Full:
            self._num_left_out += 1

    def wait(self, seconds: float) -> None:
        self._thread.join(seconds)
        if self._thread.is_alive():
            _log.warning("tracker.left tracker=%s waiting=%d", self._kind, self._waiting.qsize())
        elif self._num_left_out:
            _log.warning("tracker.left_out tracker=%s points=%d", self._kind, self._num_left_out)

    def _run(self) -> None:
        try:
            self._tell_all()
        except Exception as error:
            # Of whatever class: it is another's library, and a run must not end by it.
            told = redact(" ".join(f"{type(error).__name__}: {error}".split()))[:_MOST_TOLD]
            _log.warning("tracker.failed tracker=%s error=%s", self._kind, told)

    def _tell_all(self) -> None:
        tracker = KINDS[self._kind][0](self._place, self._facts)
        while True:
            points, ending = self._next()
            if points:
                tracker.log(points)
            if ending is not None:
                tracker.close(ending)
                return

    def _next(self) -> tuple[list[Point], Ending | None]:
        """Wait for points; return those that are there, and how the run ended where that was told."""
        item = self._waiting.get()
        points: list[Point] = []
        while True:
            if isinstance(item, str):
                return points, item
            points.append(item)
            if len(points) >= MOST_AT_ONCE:
                return points, self._ending if self._waiting.empty() else None
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                # The word of the end did not fit where the queue was full.
                return points, self._ending

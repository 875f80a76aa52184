"""What a run may spend: hours, dollars and requests, of all its attempts together.

A run is stopped between two steps as soon as another one, with the save after it, might go over a limit: the longest
step so far, the mean save, and the most that was asked for between two looks are what is held back. While it waits for
data, or is validated, nothing is between it and its end but the save, and a thread of its own looks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from penstock.errors import BudgetSpent, Interrupted, TimeSpent
from penstock.records import Meters, RequestCount, Saves
from penstock.train.signals import StopRequest
from penstock.units import format_usd

__all__ = ["Books", "Ended", "Limits", "NoBooks", "Spending", "Watch"]

LOOK_SECONDS = 0.5
WARN_SHARE = 0.8
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """What a run spent, with its other steps.

    Attributes:
        usd: None where its node has no price.
        usd_per_hour: what the run costs on average.
    """

    hours: float
    requests: int
    usd: float | None = None

    @property
    def usd_per_hour(self) -> float | None:
        """What an hour cost so far."""
        return None if self.usd is None or not self.hours else self.usd / self.hours


class Books(Protocol):
    """What a run may spend, and what time and requests come to."""

    max_usd: float | None
    max_requests: int | None
    save_requests: int
    """That a save takes, at most."""

    def spending(self, wall_seconds: float, meters: Meters) -> Spending:
        """Return what the whole run spent, where its training took so long and moved so much."""
        ...

    def counted(self) -> Meters:
        """Return what the training moved so far, as far as another thread may know."""
        ...


class NoBooks:
    """Prices nothing."""

    max_usd: float | None = None
    max_requests: int | None = None
    save_requests = 0

    def spending(self, wall_seconds: float, meters: Meters) -> Spending:
        """Return hours and requests of the training alone."""
        return Spending(hours=wall_seconds / _SECONDS_PER_HOUR, requests=meters.count().sent)

    def counted(self) -> Meters:
        """Return nothing."""
        return Meters()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A limit that is reached.

    Attributes:
        what: the limit, and that it is reached.
        error: class of what is raised.
    """

    what: str
    error: type[Interrupted]

    def raised(self, step: int, saved: str) -> Interrupted:
        """Return the error."""
        return self.error(
            f"{self.what} after step {step}, saved as {saved}",
            fix="run the same command with a larger limit to go on",
        )


class Limits:
    """Looks whether a run may go on.

    Args:
        max_hours: None for no limit.
        books: limits of dollars and requests, and prices.
        wall_seconds: gives the time of all attempts so far.
        measured: gives what was moved and saved so far.
        warn: is told once that most of a limit is spent.
    """

    def __init__(
        self,
        *,
        max_hours: float | None,
        books: Books,
        wall_seconds: Callable[[], float],
        measured: Callable[[], tuple[Meters, Saves]],
        warn: Callable[[str], None],
    ) -> None:
        self._max_hours, self.books = max_hours, books
        self._wall_seconds, self._measured, self._warn = wall_seconds, measured, warn
        self.longest_seconds = 0.0
        self._busy_since: float | None = None
        self._looked_at: float | None = None
        self._meters, self._saves = Meters(), Saves()
        self._burst = Meters()
        self._told: set[str] = set()
        self.spending: Spending | None = None

    def note_busy(self) -> None:
        """Take note that there is a batch to learn from: from here to the next look nothing can stop the run."""
        self._busy_since = self._wall_seconds()

    def ended(self) -> Ended | None:
        """Return the limit that the next step might go over, None where there is none; quick."""
        wall = self._wall_seconds()
        if self._busy_since is not None:
            self.longest_seconds = max(self.longest_seconds, wall - self._busy_since)
            self._busy_since = None
        if self._looked_at is not None and wall - self._looked_at < LOOK_SECONDS:
            return None
        self._look()
        self._looked_at = wall
        save_seconds = self._saves.seconds / max(self._saves.count, 1)
        return self._over(
            wall, self._meters, self._burst, ahead_seconds=self.longest_seconds + save_seconds + LOOK_SECONDS
        )

    def over_while_waiting(self) -> Ended | None:
        """Return the limit that a save would go over; for another thread."""
        save_seconds = self._saves.seconds / max(self._saves.count, 1)
        meters = self.books.counted() if self.books.max_usd is not None else self._meters
        if meters.count().sent < self._meters.count().sent:
            meters = self._meters
        return self._over(self._wall_seconds(), meters, Meters(), ahead_seconds=save_seconds + 2 * LOOK_SECONDS)

    def _look(self) -> None:
        meters, self._saves = self._measured()
        if self._looked_at is not None:
            more = meters.count().sent - self._meters.count().sent
            came = meters.bytes_downloaded - self._meters.bytes_downloaded
            self._burst = Meters(
                bytes_downloaded=max(came, self._burst.bytes_downloaded),
                requests=(RequestCount(kind="GET", purpose="data", sent=max(more, self._burst.count().sent)),),
            )
        self._meters = meters

    def _over(self, wall: float, meters: Meters, burst: Meters, *, ahead_seconds: float) -> Ended | None:
        books = self.books
        now = books.spending(wall, meters)
        self.spending = now
        then = books.spending(wall + ahead_seconds, meters.plus(burst))
        if self._max_hours is not None:
            self._tell("--max-hours", now.hours / self._max_hours, f"{now.hours:.3g} h of {self._max_hours:g}")
            if max(then.hours, now.hours) > self._max_hours or now.hours >= self._max_hours:
                return Ended(what=f"--max-hours {self._max_hours:g} are over", error=TimeSpent)
        if books.max_requests is not None:
            self._tell(
                "--max-requests", now.requests / books.max_requests, f"{now.requests:,} of {books.max_requests:,}"
            )
            if now.requests + books.save_requests > books.max_requests:
                return self._requests_made()
        if books.max_usd is not None and now.usd is not None and then.usd is not None:
            told = f"{format_usd(now.usd)} of {format_usd(books.max_usd)}"
            self._tell("--max-usd", now.usd / books.max_usd, told)
            if then.usd > books.max_usd:
                what = f"--max-usd {books.max_usd:g} would be passed by another step: {told} are spent"
                return Ended(what=what, error=BudgetSpent)
        return None

    def refused(self) -> Ended:
        """Return the limit that a request was refused for."""
        books, now = self.books, self.books.spending(self._wall_seconds(), self._measured()[0])
        if books.max_usd is not None and (books.max_requests is None or now.requests < 0.9 * books.max_requests):
            return Ended(what=f"--max-usd {books.max_usd:g} has no more requests in it", error=BudgetSpent)
        return self._requests_made()

    def _requests_made(self) -> Ended:
        return Ended(what=f"--max-requests {self.books.max_requests} are made", error=BudgetSpent)

    def _tell(self, limit: str, share: float, told: str) -> None:
        if share >= WARN_SHARE and limit not in self._told:
            self._told.add(limit)
            self._warn(f"{100 * share:.0f} % of {limit} is spent: {told}; the run will be saved and stopped there")

    @contextlib.contextmanager
    def watching(self, stop: StopRequest) -> Iterator[Watch]:
        """Stop a run that waits when a limit is reached, where its signals are handled."""
        has_any = self._max_hours is not None or self.books.max_usd is not None
        with Watch(self.over_while_waiting if has_any else None, is_due=lambda: stop.is_waiting) as watch:
            yield watch


class Watch:
    """A thread that asks this process to stop, as SIGTERM does, when a limit is reached.

    Args:
        over: tells the limit; None watches nothing.
        is_due: whether to look.
    """

    def __init__(self, over: Callable[[], Ended | None] | None, *, is_due: Callable[[], bool]) -> None:
        self._over, self._is_due = over, is_due
        self.ended: Ended | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, name="penstock-limits-0", daemon=True)

    def __enter__(self) -> Watch:
        if self._over is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look(self) -> None:
        assert self._over is not None
        while not self._done.wait(LOOK_SECONDS):
            if self._is_due() and (ended := self._over()) is not None:
                self.ended = ended
                os.kill(os.getpid(), signal.SIGTERM)
                return

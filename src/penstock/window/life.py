"""Whether the prefetcher lives, and gets anything done, as far as the window's control file shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from penstock.errors import PenstockError, PrefetcherLost, WindowError
from penstock.window.control import Control, ControlCut

__all__ = ["LifeSigns", "check_passed", "patience_of"]

IDLE_TIMEOUTS = 5
"""Of the time that a prefetcher may show no sign of life, until one that lives must have got something done."""


def patience_of(timeout_seconds: float) -> float:
    """Return how long a prefetcher that lives may get nothing done, of how long there may be no sign of its life."""
    return IDLE_TIMEOUTS * timeout_seconds


class LifeSigns:
    """Looks for signs of life while something is waited for.

    Args:
        folder: of the window.
        timeout_seconds: how long there may be none.
        clock: gives seconds.
    """

    def __init__(self, folder: Path, timeout_seconds: float, clock: Callable[[], float]) -> None:
        self._folder, self._timeout_seconds, self._clock = folder, timeout_seconds, clock
        self._beat: int | None = None
        self._progress = b""
        self._alive_until = clock() + timeout_seconds
        self._busy_until = clock() + patience_of(timeout_seconds)

    def check(self, control: Control | None, unusable: PenstockError | None) -> None:
        """Look once.

        Args:
            control: of the prefetcher, None where there is none.
            unusable: why the window cannot be used right now, if that is known.

        Raises:
            PrefetcherLost: there was no sign for too long, or nothing but signs of life for several times as long.
            PenstockError: ``unusable``, after the same time.
        """
        now = self._clock()
        try:
            beat, progress = (None, b"") if control is None else (control.heartbeat, control.progress)
        except ControlCut:
            beat, progress = None, b""
        if beat is not None and beat != self._beat:
            self._alive_until = now + self._timeout_seconds
        if progress != self._progress:
            self._busy_until = now + patience_of(self._timeout_seconds)
        self._beat, self._progress = beat, progress
        if now > self._alive_until:
            raise unusable or self._lost("no prefetcher served the window", self._timeout_seconds)
        if now > self._busy_until:
            what = "the prefetcher lives, but got nothing done for the window"
            raise unusable or self._lost(what, patience_of(self._timeout_seconds))

    def _lost(self, what: str, seconds: float) -> PrefetcherLost:
        return PrefetcherLost(
            f"{what} {self._folder} for {seconds:.0f} s",
            fix="see the prefetcher's log; run it again, or raise --prefetch-timeout",
            about=str(self._folder),
        )


def check_passed(control: Control, index: int, folder: Path) -> None:
    """Refuse to wait for a sample that the prefetcher takes for used: it will never come again.

    Raises:
        WindowError: it does.
    """
    if control.cursor > index:
        raise WindowError(
            f"sample {index} was taken for used before it was read: another process wrote to a cursor in {folder}",
            fix="run it again; use a window folder that only Penstock writes to",
            about=str(folder),
        )

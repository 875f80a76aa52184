"""Where progress is shown: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TextIO

from penstock.observe.progress import NoProgress, PlainProgress, ProgressReporter

__all__ = ["no_progress", "open_progress"]

_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)


@contextlib.contextmanager
def no_progress() -> Iterator[None]:
    """Show none of what is done in here, in this thread or task."""
    token = _is_silent.set(True)
    try:
        yield
    finally:
        _is_silent.reset(token)


def open_progress(stream: TextIO | None = None) -> ProgressReporter:
    """Return bars where ``stream`` (None: stderr) is a terminal, and plain lines where it is not."""
    if _is_silent.get():
        return NoProgress()
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        return PlainProgress(target)
    from penstock.observe.bars import open_bars  # a prefetcher, which shows none, starts sooner without rich

    return open_bars(stream)

"""Where progress is shown: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

from penstock.observe.progress import PlainProgress, ProgressReporter

__all__ = ["open_progress"]


def open_progress(stream: TextIO | None = None) -> ProgressReporter:
    """Return bars where ``stream`` (None: stderr) is a terminal, and plain lines where it is not."""
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        return PlainProgress(target)
    from penstock.observe.bars import open_bars  # a prefetcher, which shows none, starts sooner without rich

    return open_bars(stream)

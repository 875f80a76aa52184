"""Ranges of objects, read one after the other by a process of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.ranges.reading import Asked, RangeReader, ReadingProcess
else:
    __getattr__, __dir__ = lazily(__name__, {"reading": "Asked RangeReader ReadingProcess"})

__all__ = ["Asked", "RangeReader", "ReadingProcess"]

"""Ranges of objects, read one after the other by a process of their own."""

from __future__ import annotations

from penstock.ranges.reading import Asked, RangeReader, ReadingProcess

__all__ = ["Asked", "RangeReader", "ReadingProcess"]

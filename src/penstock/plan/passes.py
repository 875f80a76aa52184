"""Bounds of a part that is read several times."""

from __future__ import annotations

__all__ = ["MOST_PASSES", "usual_part_bytes"]

MOST_PASSES = 1 << 16
WINDOW_SHARE = 0.35
"""Of a window that a part takes: two parts beside what streams."""


def usual_part_bytes(window_bytes: int) -> int:
    """Return the size of parts for a window: it holds two of them beside what streams."""
    return int(window_bytes * WINDOW_SHARE)

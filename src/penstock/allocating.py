"""Memory that a process frees and soon asks for again."""

from __future__ import annotations

import contextlib
import functools

__all__ = ["keep_freed_memory", "share_memory"]

_LARGE_BYTES = 31 << 20
_M_ARENA_MAX = -8
"""Of mallopt(3)."""


@functools.cache
def keep_freed_memory() -> None:
    """Have this process keep what it frees of pieces up to 31 MiB, up to 62 MiB, for the next samples of its like.

    Until a program has freed something large, glibc gives memory back at once (mallopt(3), M_MMAP_THRESHOLD, of which
    the dynamic threshold goes up to 32 MiB), and fresh memory is a page fault every 4 KiB.
    """
    import numpy as np

    np.empty(_LARGE_BYTES, np.uint8)  # freed at once, and never touched


def share_memory() -> None:
    """Have all threads of this process take their memory from one place; to be called before it has others.

    glibc gives each thread a place of its own, and what one of them has freed no other takes: threads that each held
    some MiB once keep these for good.
    """
    import ctypes  # here: few processes need it

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)

"""Memory that a process frees and soon asks for again, or never does."""

from __future__ import annotations

import contextlib
import functools

__all__ = ["LEAN", "keep_freed_memory", "share_memory"]

LEAN = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Variables of the environment for what computes nothing with numpy and Arrow, to be set before they are imported.
Numpy's linear algebra starts a thread a core then: 60 ms of CPU on two. Arrow's own allocator keeps what was freed: 25
MiB behind the writing of a manifest of 8,000 samples."""

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

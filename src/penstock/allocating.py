"""Memory that a process frees and soon asks for again."""

from __future__ import annotations

import functools

__all__ = ["keep_freed_memory"]

_LARGE_BYTES = 31 << 20


@functools.cache
def keep_freed_memory() -> None:
    """Have this process keep what it frees of pieces up to 31 MiB, up to 62 MiB, for the next samples of its like.

    Until a program has freed something large, glibc gives memory back at once (mallopt(3), M_MMAP_THRESHOLD, of which
    the dynamic threshold goes up to 32 MiB), and fresh memory is a page fault every 4 KiB.
    """
    import numpy as np

    np.empty(_LARGE_BYTES, np.uint8)  # freed at once, and never touched

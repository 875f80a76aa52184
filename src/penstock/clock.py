"""Seconds that this process was running: time in which it was stopped, as by SIGSTOP or a debugger, is none.

A deadline that ran out while everything stood still must not end what goes on a moment later. No clock of the kernel
knows of it, so it is seen by looking often: whoever waits looks a few times a second, and more than ``LONGEST_SECONDS``
between two looks count as none.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

__all__ = ["looking", "running_seconds"]

LONGEST_SECONDS = 5.0
LOOK_SECONDS = 1.0


class _Clock:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._stopped_seconds = 0.0

    def __call__(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now - self._last > LONGEST_SECONDS:
                self._stopped_seconds += now - self._last
            self._last = now
            return now - self._stopped_seconds


running_seconds = _Clock()
"""Return the seconds since some moment; called from any thread of the process."""


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """Look at the clock each second while the block awaits something, or a long wait counts as none.

    Raises:
        RuntimeError: no event loop is running.
    """
    loop = asyncio.get_running_loop()
    next_look: asyncio.TimerHandle

    def look() -> None:
        nonlocal next_look
        running_seconds()
        next_look = loop.call_later(LOOK_SECONDS, look)

    look()
    try:
        yield
    finally:
        next_look.cancel()

"""Locks that live and die with a process, and can be looked at without being taken.

They are open file description locks (``fcntl(2)``): the kernel lets go of one when the last process that holds
the description ends, however it ends, and ``is_held`` asks for it without taking it, so that a trainer that looks
whether the window is served never stands in the way of the prefetcher that is about to serve it.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

__all__ = ["is_held", "let_go", "take"]

_FLOCK = struct.Struct("@hhqqi4x")


def _request(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


def take(handle: int) -> bool:
    """Take the lock of a file that is open for writing; False where another holds it."""
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK))
    except BlockingIOError:
        return False
    return True


def let_go(handle: int) -> None:
    """Let go of a lock, for all that share the description: forked processes and maps hold it open too."""
    fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK))


def is_held(path: Path) -> bool:
    """Tell whether a process holds a file's lock right now; False where there is no such file."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK))
    finally:
        os.close(handle)
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK

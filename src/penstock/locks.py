"""Locks that live and die with a process, and can be looked at without being taken.

They are open file description locks (``fcntl(2)``): the kernel lets go of one when the last process that holds
the description ends, however it ends, and ``is_held`` asks for it without taking it, so that a trainer that looks
whether the window is served never stands in the way of the prefetcher that is about to serve it. Each is of a range
of a file's bytes, which need not be there; 0 bytes from 0 on are the whole file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

__all__ = ["is_held", "is_taken", "let_go", "take", "wait_and_take"]

_FLOCK = struct.Struct("@hhqqi4x")


def _request(kind: int, first: int = 0, length: int = 0) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, first, length, 0)


def _kind(shared: bool) -> int:
    return fcntl.F_RDLCK if shared else fcntl.F_WRLCK


def take(handle: int, first: int = 0, length: int = 0) -> bool:
    """Take the lock of a file that is open for writing; False where another holds it."""
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK, first, length))
    except BlockingIOError:
        return False
    return True


def wait_and_take(handle: int, first: int, length: int, *, shared: bool = False) -> None:
    """Sleep in the kernel until the lock is free, and take it; others may share a shared one.

    A signal's handler runs at once, and may end the wait by raising.
    """
    fcntl.fcntl(handle, fcntl.F_OFD_SETLKW, _request(_kind(shared), first, length))


def let_go(handle: int, first: int = 0, length: int = 0) -> None:
    """Let go of a lock, for all that share the description: forked processes and maps hold it open too."""
    fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK, first, length))


def is_taken(handle: int, first: int = 0, length: int = 0, *, shared: bool = False) -> bool:
    """Tell whether a lock that another description holds stands in the way of this one."""
    answer = fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _request(_kind(shared), first, length))
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK


def is_held(path: Path, first: int = 0, length: int = 0) -> bool:
    """Tell whether a process holds a file's lock right now; False where there is no such file, or a link instead."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            return False
        raise
    try:
        return is_taken(handle, first, length)
    finally:
        os.close(handle)

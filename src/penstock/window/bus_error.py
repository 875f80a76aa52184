"""A last word before SIGBUS: the prefetcher maps its files, and another process can cut them short under it."""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["tell_of_bus_errors"]

_TOLD = (
    b"penstock prefetch: error: a file of the window was cut short while it was written to, or its disk fails: "
    b"use a window folder that only Penstock writes to\n"
)


def _tell(number: int) -> None:
    """Say it, and let the signal end the process, which is started again and makes the window anew.

    A handler of Python's own would only run behind the instruction that failed, which fails again before that.
    """
    os.write(2, _TOLD)
    ctypes.CDLL(None).signal(number, 0)
    os.kill(os.getpid(), number)


_handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_tell)
"""Kept: the kernel calls it."""


def tell_of_bus_errors() -> None:
    """Have this process say why, before SIGBUS ends it."""
    ctypes.CDLL(None).signal(int(signal.SIGBUS), _handler)

"""Reserving a file's blocks while its first ones are in use already.

A hole in a mapped file is a SIGBUS once the disk is full, so nothing may touch a block before it is reserved. On a disk
that takes no time; on tmpfs each page is cleared, a third of a second per GiB, which the first batch need not wait for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from penstock.errors import PenstockError, map_os_error
from penstock.files import open_regular
from penstock.units import MIB

__all__ = ["Reservation"]

STEP_BYTES = 16 * MIB


class Reservation:
    """Reserves a file from its beginning on, in a thread.

    Args:
        path: of a file, which gets ``size_bytes`` if it is smaller.
        at_once: ``(first byte, end)`` of what is reserved before this returns.
        on_more: called from the thread when more is reserved, or none can be.

    Attributes:
        reserved_bytes: everything below it may be touched.

    Raises:
        DiskFull, OutputUnwritable: what is wanted at once cannot be reserved; ``check`` raises the same of the rest.
    """

    def __init__(
        self, path: Path, size_bytes: int, *, at_once: tuple[tuple[int, int], ...], on_more: Callable[[], None]
    ) -> None:
        self.reserved_bytes = 0
        self._path = path
        self._size_bytes = size_bytes
        self._on_more = on_more
        self._failed: PenstockError | None = None
        self._stopping = threading.Event()
        handle = -1
        try:
            handle = self._handle = open_regular(path, os.O_RDWR)
            if os.fstat(self._handle).st_size < size_bytes:
                os.truncate(self._handle, size_bytes)
            for first, end in at_once:
                if end > first:
                    os.posix_fallocate(self._handle, first, end - first)
        except OSError as error:
            if handle >= 0:
                os.close(handle)
            raise map_os_error(error, str(path)) from error
        self.reserved_bytes = at_once[0][1] if at_once and at_once[0][0] == 0 else 0
        self._thread = threading.Thread(target=self._reserve, name="penstock-reserve-0", daemon=True)
        self._thread.start()

    def take(self, first: int, end: int) -> None:
        """Reserve a part right now.

        Raises:
            DiskFull, OutputUnwritable: it cannot be reserved.
        """
        if end <= self.reserved_bytes or end <= first:
            return
        try:
            handle = open_regular(self._path, os.O_RDWR)
            try:
                os.posix_fallocate(handle, first, end - first)
            finally:
                os.close(handle)
        except OSError as error:
            raise map_os_error(error, str(self._path)) from error

    def check(self) -> None:
        """Raise what ended the reservation before its end."""
        if self._failed is not None:
            raise self._failed

    def close(self) -> None:
        """Stop, and wait for that."""
        self._stopping.set()
        self._thread.join()

    def _reserve(self) -> None:
        try:
            while self.reserved_bytes < self._size_bytes and not self._stopping.is_set():
                size = min(STEP_BYTES, self._size_bytes - self.reserved_bytes)
                os.posix_fallocate(self._handle, self.reserved_bytes, size)
                self.reserved_bytes += size
                self._on_more()
        except OSError as error:
            self._failed = map_os_error(error, str(self._path))
            self._on_more()
        finally:
            os.close(self._handle)

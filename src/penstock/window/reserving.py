"""Reserving a file's blocks while its first ones are in use already.

A hole in a mapped file is a SIGBUS once the disk is full, so nothing may touch a block before it is reserved. On a disk
that takes no time; on tmpfs each page is cleared, a third of a second per GiB, which the first batch need not wait for.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from penstock.errors import DiskFull, PenstockError, map_os_error
from penstock.files import open_regular
from penstock.units import MIB, format_bytes
from penstock.window.room import free_bytes

__all__ = ["Reservation"]

STEP_BYTES = 16 * MIB


class Reservation:
    """Reserves the parts of a file, each from its beginning on and in turns, in a thread.

    Args:
        path: of a file, which gets the size of its parts if it is smaller.
        parts: ``(first byte, end)`` of each; what is written to first in each is wanted first.
        at_once: ``(first byte, end)`` of what is reserved before this returns.
        on_more: called from the thread when more is reserved, or none can be.

    Raises:
        DiskFull, OutputUnwritable: what is wanted at once cannot be reserved; ``check`` raises the same of the rest.
    """

    def __init__(
        self,
        path: Path,
        *,
        parts: tuple[tuple[int, int], ...],
        at_once: tuple[tuple[int, int], ...],
        on_more: Callable[[], None],
    ) -> None:
        self._path = path
        self._parts = parts
        self._reserved = [first for first, _ in parts]  # end of what is reserved of each
        self._on_more = on_more
        self._failed: PenstockError | None = None
        self._stopping = threading.Event()
        handle = -1
        try:
            handle = self._handle = open_regular(path, os.O_RDWR)
            size_bytes = max(end for _, end in parts)
            _check_room(self._handle, size_bytes, path)
            if os.fstat(self._handle).st_size < size_bytes:
                os.truncate(self._handle, size_bytes)
            for first, end in at_once:
                if end > first:
                    os.posix_fallocate(self._handle, first, end - first)
                    self._note(first, end)
        except BaseException as error:
            if handle >= 0:
                os.close(handle)
            if not isinstance(error, OSError):
                raise
            raise map_os_error(error, str(path)) from error
        self._thread = threading.Thread(target=self._reserve, name="penstock-reserve-0", daemon=True)
        self._thread.start()

    def holds(self, first: int, end: int) -> bool:
        """Tell whether bytes may be touched."""
        return all(
            reserved >= min(end, part_end) or end <= part_first or first >= part_end
            for (part_first, part_end), reserved in zip(self._parts, self._reserved, strict=True)
        )

    def take(self, first: int, end: int) -> None:
        """Reserve a part right now.

        Raises:
            DiskFull, OutputUnwritable: it cannot be reserved.
        """
        if end <= first or self.holds(first, end):
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
            while (left := self._left()) and not self._stopping.is_set():
                for first, end in left:
                    os.posix_fallocate(self._handle, first, end - first)
                    self._note(first, end)
                    self._on_more()
        except OSError as error:
            self._failed = map_os_error(error, str(self._path))
            self._on_more()
        finally:
            os.close(self._handle)

    def _left(self) -> list[tuple[int, int]]:
        """Return the next step of each part that is not reserved whole."""
        return [
            (reserved, min(end, reserved + STEP_BYTES))
            for (_, end), reserved in zip(self._parts, self._reserved, strict=True)
            if reserved < end
        ]

    def _note(self, first: int, end: int) -> None:
        self._reserved = [
            end if part_first <= first <= reserved < end <= part_end else reserved
            for (part_first, part_end), reserved in zip(self._parts, self._reserved, strict=True)
        ]


def _check_room(handle: int, size_bytes: int, path: Path) -> None:
    """Refuse what cannot be reserved before any of it is: to fill the disk first would be felt by all who write to it.

    Raises:
        DiskFull: the file system has less free than the file lacks.
    """
    volume = os.fstatvfs(handle)
    free = free_bytes(volume)
    missing_bytes = size_bytes - os.fstat(handle).st_blocks * 512
    if volume.f_blocks and missing_bytes > free:
        wanted = f"{format_bytes(missing_bytes)} are wanted, {format_bytes(free)} are free"
        raise DiskFull(
            f"no space is left for {path}: {wanted}",
            fix="choose a smaller --window-size or another folder, or free some space",
            about=str(path),
        )

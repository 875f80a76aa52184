"""The control file: a header, whose fields are this object's attributes, and an entry a slot."""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from enum import IntEnum
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import WindowError
from penstock.files import open_regular
from penstock.window.folder import CONTROL, allocate, release
from penstock.window.geometry import CONTROL_HEADER_BYTES, ENTRY_BYTES
from penstock.window.layout import SLOT_ENTRY, SlotState, checksum

__all__ = ["Control", "ControlCut", "ErrorText", "FillerState"]

MAGIC = b"PENSTOCK"
LAYOUT_VERSION = 9
ERROR_BYTES = 2048


class FillerState(IntEnum):
    """What the prefetcher is at."""

    WAITING = 0
    RUNNING = 1
    FAILED = 2


_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("layout_version", "<u4"),
        ("state", "<u4"),
        ("incarnation", "<u8"),
        ("heartbeat", "<u8"),
        ("capacity", "<u8"),
        ("num_slots", "<u8"),
        ("slot_bytes", "<u8"),
        ("kept_area_bytes", "<u8"),
        ("stream", "S64"),
        ("session", "S64"),
        ("cursor", "<u8"),
        ("ahead_bytes", "<u8"),
        ("fetched_through", "<u8"),
        ("window_bytes", "<u8"),
        ("high_water_bytes", "<u8"),
        ("kept_bytes", "<u8"),
        ("cache_bytes", "<u8"),
        ("in_flight_limit", "<u8"),
        ("num_filled", "<u8"),
        ("failed_end", "<u8"),
        ("error_session", "S64"),
        ("error_checksum", "<u8"),
        ("error_bytes", "<u8"),
        ("error_text", f"V{ERROR_BYTES}"),
    ]
)
_INCARNATION_WORD, _HEARTBEAT_WORD = 2, 3
assert _HEADER.itemsize <= CONTROL_HEADER_BYTES


class ErrorText(msgspec.Struct, frozen=True, array_like=True):
    """An error on its way to the other process."""

    name: str
    what: str
    fix: str
    about: str | None


class ControlCut(WindowError):
    """The control file was cut short under whoever reads it: the prefetcher makes another, if it lives."""


class _Field:
    """A field of the control file's header, by the name that it has there."""

    def __set_name__(self, owner: type[Control], name: str) -> None:
        assert _HEADER.fields is not None
        found = _HEADER.fields[name]
        self._name, self._size, self._offset = name, found[0].itemsize, found[1]

    def read(self, control: Control) -> bytes:
        return control.read_at(self._offset, self._size)

    def write(self, control: Control, value: object) -> None:
        control.header[self._name] = value


class _Number(_Field):
    def __get__(self, control: Control, _: type[Control]) -> int:
        return int.from_bytes(self.read(control), "little")

    def __set__(self, control: Control, value: int) -> None:
        self.write(control, value)


class _Text(_Field):
    def __get__(self, control: Control, _: type[Control]) -> str:
        return self.read(control).rstrip(b"\0").decode(errors="replace")

    def __set__(self, control: Control, value: str) -> None:
        self.write(control, value.encode())


class _Bytes(_Field):
    def __get__(self, control: Control, _: type[Control]) -> bytes:
        return self.read(control)

    def __set__(self, control: Control, value: bytes) -> None:
        self.write(control, value)


class Control:
    """The control file, which stays the same file for as long as the window's bound does.

    The prefetcher maps it. Whoever else looks at it reads it anew each time: a file that is cut short while it is
    mapped is a SIGBUS, which ends the process of a trainer; a read that comes short is an error like any other.

    Raises:
        FileNotFoundError: there is none.
        NotOurs: it is a link or the like.
        WindowError: it is damaged, or of another release. ``ControlCut`` from any method of one that is not writable.
    """

    layout_version = _Number()
    state = _Number()
    capacity = _Number()
    num_slots = _Number()
    slot_bytes = _Number()
    kept_area_bytes = _Number()
    stream = _Text()
    session = _Text()
    cursor = _Number()
    ahead_bytes = _Number()
    fetched_through = _Number()
    window_bytes = _Number()
    high_water_bytes = _Number()
    kept_bytes = _Number()
    cache_bytes = _Number()
    in_flight_limit = _Number()
    num_filled = _Number()
    failed_end = _Number()
    error_session = _Text()
    error_checksum = _Number()
    error_bytes = _Number()
    error_text = _Bytes()

    def __init__(self, folder: Path, *, writable: bool) -> None:
        path = folder / CONTROL
        self._path = path
        self._handle = open_regular(path, os.O_RDWR if writable else os.O_RDONLY)
        self._mapped: mmap.mmap | None = None
        self._inode = (found := os.fstat(self._handle)).st_ino
        known = False
        with contextlib.suppress(ValueError, TypeError, OverflowError, MemoryError, ControlCut):
            if writable:
                self._mapped = mmap.mmap(self._handle, found.st_size, access=mmap.ACCESS_WRITE)
            known = self.read_at(0, len(MAGIC)) == MAGIC and self.layout_version == LAYOUT_VERSION
            self._capacity = self.capacity
            self._size = CONTROL_HEADER_BYTES + self._capacity * ENTRY_BYTES
            known &= self._size <= found.st_size
        if not known:
            raise WindowError(
                f"{path} is not a window that this Penstock knows",
                fix="use the same release on both sides, or remove the window's folder",
                about=str(folder),
            )
        if self._mapped is not None:
            self.header = np.ndarray((), dtype=_HEADER, buffer=self._mapped)
            self._words = memoryview(self._mapped)[:64].cast("Q")

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    @classmethod
    def create(cls, folder: Path, *, capacity: int, window_bytes: int) -> Control:
        """Make the control file anew, without slots but with room for the entries of ``capacity`` of them.

        Raises:
            DiskFull, OutputUnwritable: it cannot be made.
        """
        release(folder / CONTROL)
        header = np.zeros((), dtype=_HEADER)
        header["magic"], header["layout_version"], header["capacity"] = MAGIC, LAYOUT_VERSION, capacity
        header["window_bytes"] = window_bytes
        # Not from 0: the numbers of the file that this one takes the place of must not come again.
        header["incarnation"] = time.time_ns()
        allocate(folder / CONTROL, CONTROL_HEADER_BYTES + capacity * ENTRY_BYTES, head=header.tobytes())
        return cls(folder, writable=True)

    @property
    def entries(self) -> NDArray[np.void]:
        """The slots' entries, shape (capacity,): those of the file where it is writable, otherwise as they are now."""
        return self._entries(self._capacity)

    def entry(self, slot: int) -> np.void:
        """Return a slot's entry as it is now."""
        data = self.read_at(CONTROL_HEADER_BYTES + slot * ENTRY_BYTES, ENTRY_BYTES)
        entry: np.void = np.frombuffer(data, dtype=SLOT_ENTRY)[0]
        return entry

    def _entries(self, count: int) -> NDArray[np.void]:
        if self._mapped is not None:
            return np.ndarray((count,), dtype=SLOT_ENTRY, buffer=self._mapped, offset=CONTROL_HEADER_BYTES)
        return np.frombuffer(self.read_at(CONTROL_HEADER_BYTES, count * ENTRY_BYTES), dtype=SLOT_ENTRY)

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        """Read bytes of the file as they are now."""
        if self._mapped is not None:
            data = self._mapped[offset : offset + size_bytes]
        else:
            data = os.pread(self._handle, size_bytes, offset) if size_bytes <= self._limit() else b""
        if len(data) < size_bytes:
            what = f"{self._path} was cut short by another process"
            raise ControlCut(what, fix="use a window folder that only Penstock writes to", about=str(self._path))
        return data

    def _limit(self) -> int:
        """Return a bound on what is read at once, so that absurd numbers in the file ask for no absurd memory."""
        return os.fstat(self._handle).st_size

    def _word(self, number: int) -> int:
        return (
            self._words[number] if self._mapped is not None else int.from_bytes(self.read_at(8 * number, 8), "little")
        )

    @property
    def incarnation(self) -> int:
        """How often the slots were given up."""
        return self._word(_INCARNATION_WORD)

    @property
    def heartbeat(self) -> int:
        """Goes up for as long as a prefetcher lives."""
        return self._word(_HEARTBEAT_WORD)

    @property
    def progress(self) -> bytes:
        """What changes whenever the prefetcher gets anything done, which its heart's beating does not tell."""
        head = self.read_at(0, _HEADER.itemsize)
        return head[: 8 * _HEARTBEAT_WORD] + head[8 * (_HEARTBEAT_WORD + 1) :]

    def beat(self) -> None:
        """Show that the prefetcher lives."""
        self._words[_HEARTBEAT_WORD] = (self._words[_HEARTBEAT_WORD] + 1) % (1 << 64)

    def is_current(self, folder: Path) -> bool:
        """Tell whether the folder's control file is still this one, and whole."""
        try:
            found = (folder / CONTROL).lstat()
        except FileNotFoundError:
            return False
        if found.st_ino != self._inode or found.st_size < self._size:
            return False
        return self._mapped is None or (self._mapped[:8], self.capacity) == (MAGIC, self._capacity)

    def gauge(self, used_bytes: int) -> None:
        """Take a measurement of the folder into the high-water mark."""
        self.high_water_bytes = max(self.high_water_bytes, used_bytes)

    def give_up(self) -> None:
        """End the session that is served, before any byte of its slots is changed.

        The order matters: a reader that sees its session after it read an incarnation will see that one change.
        """
        self.session = ""
        self._words[_INCARNATION_WORD] += 1

    def put_error(self, session: str, error: ErrorText | None) -> None:
        """Leave an error that belongs to no extent for a session to find; None takes it away.

        It is kept in the header, since on a full disk there may be no room for a file.
        """
        self.error_session = ""
        if error is None:
            return
        data = msgspec.msgpack.encode(error)
        if len(data) > ERROR_BYTES:
            data = msgspec.msgpack.encode(ErrorText(error.name, error.what[:200], error.fix[:200], None))
        self.error_text = data.ljust(ERROR_BYTES, b"\0")
        self.error_bytes = len(data)
        self.error_checksum = checksum(data)
        self.error_session = session

    def error(self, session: str) -> ErrorText | None:
        """Return the error of a session that belongs to no extent, if there is one."""
        if not session or self.error_session != session:
            return None
        data = self.error_text[: self.error_bytes]
        if checksum(data) != self.error_checksum:
            return None
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            return msgspec.msgpack.decode(data, type=ErrorText)
        return None

    @property
    def slots_file_bytes(self) -> int:
        """Size of the file of slots: the slots, then the kept part."""
        return self.num_slots * self.slot_bytes + self.kept_area_bytes

    def find_ready(self, index: int) -> int | None:
        """Return the slot whose extents, complete and verified by the writer, include a stream index."""
        entries = self._entries(min(self.num_slots, self._capacity))
        first = entries["first_index"]
        match = (entries["state"] == SlotState.READY) & (first <= index) & (index < first + entries["count"])
        return int(match.argmax()) if match.any() else None

"""The window's files, as both sides map them.

``control`` is a page of header followed by an entry a slot; ``slots`` holds the slots; ``cursor-<rank>`` says
below which stream index a reader needs nothing any more; ``session.json`` is what the trainer asks for;
``socket`` wakes the other side. The prefetcher alone writes ``control`` and ``slots``, each reader its cursor.

An entry's state is written last, after everything it vouches for. Its checksum covers the stream, the stream
indices and the slot's table, and each extent in the table carries a checksum of its own. So whatever a killed
process left half-done, and whatever a weakly ordered CPU shows too early, cannot be taken for whole (guarantee W2).

``incarnation`` counts how often the slots were given up under whoever reads them: by another session, or because
the window was made anew. It goes up before the first byte changes, so bytes that were read while it stayed the
same are the ones that were asked for.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import time
from enum import IntEnum
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from penstock.errors import WindowError
from penstock.files import open_regular
from penstock.window.folder import CONTROL, SLOTS, allocate, release
from penstock.window.geometry import CONTROL_HEADER_BYTES, ENTRY_BYTES

__all__ = [
    "EXTENT_ENTRY",
    "Control",
    "ControlCut",
    "ErrorText",
    "ExtentMeta",
    "ExtentStatus",
    "FillerState",
    "SlotState",
]
__all__ += ["checksum", "entry_checksum", "map_file", "map_slots"]

MAGIC = b"PENSTOCK"
LAYOUT_VERSION = 8
ERROR_BYTES = 2048


class SlotState(IntEnum):
    """What a slot holds: FREE -> FILLING -> READY -> FREE."""

    FREE = 0
    FILLING = 1
    READY = 2


class FillerState(IntEnum):
    """What the prefetcher is at."""

    WAITING = 0
    RUNNING = 1
    FAILED = 2


class ExtentStatus(IntEnum):
    """What an extent's bytes are.

    DATA is its data; KEPT too, in the kept part of the file. ERROR is the text of an error that ends the stream,
    SKIPPED of one that it goes on behind; no bytes at all where there was no room for the text.
    """

    DATA = 0
    ERROR = 1
    KEPT = 2
    SKIPPED = 3


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
        ("in_flight_limit", "<u8"),
        ("num_filled", "<u8"),
        ("failed_end", "<u8"),
        ("error_session", "S64"),
        ("error_checksum", "<u8"),
        ("error_bytes", "<u8"),
        ("error", f"V{ERROR_BYTES}"),
    ]
)
_INCARNATION_WORD, _HEARTBEAT_WORD = 2, 3
_ENTRY = np.dtype(
    [
        ("state", "<u8"),
        ("checksum", "<u8"),
        ("first_index", "<u8"),
        ("count", "<u4"),
        ("table_bytes", "<u4"),
        ("length_bytes", "<u8"),
        ("generation", "<u8"),
        ("reserved", "V16"),
    ]
)
_FIELDS = {name: (kind.itemsize, offset) for name, (kind, offset, *_) in (_HEADER.fields or {}).items()}
assert _HEADER.itemsize <= CONTROL_HEADER_BYTES
assert _ENTRY.itemsize == ENTRY_BYTES
EXTENT_ENTRY = np.dtype(
    [
        ("data_offset", "<u8"),
        ("data_bytes", "<u8"),
        ("meta_offset", "<u4"),
        ("meta_bytes", "<u4"),
        ("codec_offset", "<u4"),
        ("codec_bytes", "<u4"),
        ("checksum", "<u8"),
        ("status", "<u8"),
    ]
)
_VOUCHED = struct.Struct("<QII")


class ExtentMeta(msgspec.Struct, frozen=True, array_like=True):
    """What goes with an extent's bytes through the window, but for its codec; as a manifest's ``Extent`` tells it."""

    key: str
    group: str
    num_samples: int
    keys: tuple[str, ...]
    groups: tuple[str, ...]
    targets: tuple[float | None, ...]
    args: tuple[tuple[int, ...], ...]


class ErrorText(msgspec.Struct, frozen=True, array_like=True):
    """An error on its way to the other process."""

    name: str
    what: str
    fix: str
    about: str | None


def checksum(data: bytes | memoryview, seed: int = 0) -> int:
    """Give the 64-bit XXH3 of a buffer (github.com/Cyan4973/xxHash): against accidents, not against forgers."""
    return xxhash.xxh3_64_intdigest(data, seed)


def entry_checksum(stream: str, *, first_index: int, count: int, table: bytes | memoryview) -> int:
    """Give the checksum of a slot's entry: of the stream, the indices and the table with the descriptions."""
    return checksum(table, checksum(stream.encode() + _VOUCHED.pack(first_index, count, len(table))))


def map_file(path: Path, size_bytes: int, *, writable: bool) -> mmap.mmap:
    """Map a file that has at least that size.

    Raises:
        NotOurs: it is a link or the like.
        OSError, ValueError: there is no such file, or it is smaller.
    """
    handle = open_regular(path, os.O_RDWR if writable else os.O_RDONLY)
    try:
        return mmap.mmap(handle, size_bytes, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    finally:
        os.close(handle)


def map_slots(folder: Path, size_bytes: int, *, writable: bool) -> mmap.mmap:
    """Map the slots.

    Raises:
        OSError, ValueError: they are not there, or not of that size.
    """
    path = folder / SLOTS
    if path.stat().st_size != size_bytes:
        raise ValueError(f"{path} is not of {size_bytes} bytes")
    return map_file(path, size_bytes, writable=writable)


class ControlCut(WindowError):
    """The control file was cut short under whoever reads it: the prefetcher makes another, if it lives."""


class Control:
    """The control file, which stays the same file for as long as the window's bound does.

    The prefetcher maps it. Whoever else looks at it reads it anew each time: a file that is cut short while it is
    mapped is a SIGBUS, which ends the process of a trainer; a read that comes short is an error like any other.

    Raises:
        FileNotFoundError: there is none.
        NotOurs: it is a link or the like.
        WindowError: it is damaged, or of another release. ``ControlCut`` from any method of one that is not writable.
    """

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
            known = self._read(0, len(MAGIC)) == MAGIC and self.number("layout_version") == LAYOUT_VERSION
            self._capacity = self.number("capacity")
            self._size = CONTROL_HEADER_BYTES + self._capacity * ENTRY_BYTES
            known &= self._size <= found.st_size
        if not known:
            raise WindowError(
                f"{path} is not a window that this Penstock knows",
                fix="use the same release on both sides, or remove the window's folder",
                about=str(folder),
            )
        if self._mapped is not None:
            self._header = np.ndarray((), dtype=_HEADER, buffer=self._mapped)
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
        """Give a slot's entry as it is now."""
        data = self._read(CONTROL_HEADER_BYTES + slot * ENTRY_BYTES, ENTRY_BYTES)
        entry: np.void = np.frombuffer(data, dtype=_ENTRY)[0]
        return entry

    def _entries(self, count: int) -> NDArray[np.void]:
        if self._mapped is not None:
            return np.ndarray((count,), dtype=_ENTRY, buffer=self._mapped, offset=CONTROL_HEADER_BYTES)
        return np.frombuffer(self._read(CONTROL_HEADER_BYTES, count * ENTRY_BYTES), dtype=_ENTRY)

    def _read(self, offset: int, size_bytes: int) -> bytes:
        if self._mapped is not None:
            data = self._mapped[offset : offset + size_bytes]
        else:
            data = os.pread(self._handle, size_bytes, offset) if size_bytes <= self._limit() else b""
        if len(data) < size_bytes:
            what = f"{self._path} was cut short by another process"
            raise ControlCut(what, fix="use a window folder that only Penstock writes to", about=str(self._path))
        return data

    def _limit(self) -> int:
        """Give a bound on what is read at once, so that absurd numbers in the file ask for no absurd memory."""
        return os.fstat(self._handle).st_size

    def _word(self, number: int) -> int:
        return self._words[number] if self._mapped is not None else int.from_bytes(self._read(8 * number, 8), "little")

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
        head = self._read(0, _HEADER.itemsize)
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
        return self._mapped is None or (self._mapped[:8], self.number("capacity")) == (MAGIC, self._capacity)

    def text(self, field: str) -> str:
        """Give a text field of the header."""
        return self._field(field).rstrip(b"\0").decode(errors="replace")

    def put(self, field: str, value: int | str) -> None:
        """Set a field of the header."""
        self._header[field] = value.encode() if isinstance(value, str) else value

    def number(self, field: str) -> int:
        """Give a number field of the header."""
        return int.from_bytes(self._field(field), "little")

    def _field(self, field: str) -> bytes:
        kind, offset = _FIELDS[field]
        return self._read(offset, kind)

    def gauge(self, used_bytes: int) -> None:
        """Take a measurement of the folder into the high-water mark."""
        self.put("high_water_bytes", max(self.number("high_water_bytes"), used_bytes))

    def give_up(self) -> None:
        """End the session that is served, before any byte of its slots is changed.

        The order matters: a reader that sees its session after it read an incarnation will see that one change.
        """
        self.put("session", "")
        self._words[_INCARNATION_WORD] += 1

    def put_error(self, session: str, error: ErrorText | None) -> None:
        """Leave an error that belongs to no extent for a session to find; None takes it away.

        It is kept in the header, since on a full disk there may be no room for a file.
        """
        self.put("error_session", "")
        if error is None:
            return
        data = msgspec.msgpack.encode(error)
        if len(data) > ERROR_BYTES:
            data = msgspec.msgpack.encode(ErrorText(error.name, error.what[:200], error.fix[:200], None))
        self._header["error"] = data.ljust(ERROR_BYTES, b"\0")
        self.put("error_bytes", len(data))
        self.put("error_checksum", checksum(data))
        self.put("error_session", session)

    def error(self, session: str) -> ErrorText | None:
        """Give the error of a session that belongs to no extent, if there is one."""
        if not session or self.text("error_session") != session:
            return None
        data = self._field("error")[: self.number("error_bytes")]
        if checksum(data) != self.number("error_checksum"):
            return None
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            return msgspec.msgpack.decode(data, type=ErrorText)
        return None

    @property
    def slots_file_bytes(self) -> int:
        """Size of the file of slots: the slots, then the kept part."""
        return self.number("num_slots") * self.number("slot_bytes") + self.number("kept_area_bytes")

    def find_ready(self, index: int) -> int | None:
        """Give the slot whose extents, complete and verified by the writer, include a stream index."""
        entries = self._entries(min(self.number("num_slots"), self._capacity))
        first = entries["first_index"]
        match = (entries["state"] == SlotState.READY) & (first <= index) & (index < first + entries["count"])
        return int(match.argmax()) if match.any() else None

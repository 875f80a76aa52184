"""The window's files, as both sides map them.

``control`` is a page of header followed by an entry a slot; ``slots`` holds the slots; ``cursor-<rank>`` says
below which stream index a reader needs nothing any more; ``session.json`` is what the trainer asks for;
``socket`` wakes the other side. The prefetcher alone writes ``control`` and ``slots``, each reader its cursor.

An entry's state is written last, after everything it vouches for, and its checksum covers the slot's table;
each sample in the table carries a checksum of its own. So whatever a killed process left half-done cannot be
taken for whole (guarantee W2).
"""

from __future__ import annotations

import mmap
import os
import zlib
from enum import IntEnum
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import WindowError, map_os_error
from penstock.window.geometry import CONTROL_HEADER_BYTES, CURSOR_BYTES, ENTRY_BYTES, Geometry

__all__ = [
    "CONTROL",
    "ERROR",
    "LOCK",
    "MANIFEST",
    "SAMPLE_ENTRY",
    "SESSION",
    "SLOTS",
    "SOCKET",
    "Control",
    "Cursor",
    "FillerState",
    "SampleMeta",
    "SampleStatus",
    "SlotState",
    "checksum",
    "cursor_name",
    "map_slots",
]

CONTROL, SLOTS, SESSION, SOCKET, LOCK, ERROR, MANIFEST = (
    "control",
    "slots",
    "session.json",
    "socket",
    "lock",
    "error.json",
    "manifest.parquet",
)
MAGIC = b"PENSTOCK"
LAYOUT_VERSION = 1


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


class SampleStatus(IntEnum):
    """Whether a sample's bytes are its data or the text of the error that it met."""

    DATA = 0
    ERROR = 1


_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("layout_version", "<u4"),
        ("state", "<u4"),
        ("num_slots", "<u8"),
        ("slot_bytes", "<u8"),
        ("heartbeat", "<u8"),
        ("stream", "S64"),
        ("session", "S64"),
        ("fetched_through", "<u8"),
        ("window_bytes", "<u8"),
        ("high_water_bytes", "<u8"),
        ("bytes_downloaded", "<u8"),
        ("sample_bytes", "<u8"),
        ("get_requests", "<u8"),
        ("failed_requests", "<u8"),
        ("refetched_bytes", "<u8"),
    ]
)
_ENTRY = np.dtype(
    [
        ("state", "<u4"),
        ("checksum", "<u4"),
        ("first_index", "<u8"),
        ("count", "<u4"),
        ("table_bytes", "<u4"),
        ("length_bytes", "<u8"),
        ("generation", "<u8"),
        ("reserved", "V24"),
    ]
)
assert _ENTRY.itemsize == ENTRY_BYTES
SAMPLE_ENTRY = np.dtype(
    [
        ("data_offset", "<u8"),
        ("data_bytes", "<u8"),
        ("meta_offset", "<u4"),
        ("meta_bytes", "<u4"),
        ("checksum", "<u4"),
        ("status", "<u4"),
    ]
)


class SampleMeta(msgspec.Struct, frozen=True, array_like=True):
    """What goes with a sample's bytes through the window."""

    key: str
    group: str
    target: float | None
    decode: str
    args: tuple[int, ...]


def checksum(data: bytes | memoryview) -> int:
    """Give the CRC-32 of a buffer."""
    return zlib.crc32(data)


def cursor_name(rank: int) -> str:
    """Give the file name of a rank's cursor."""
    return f"cursor-{rank}"


def _map(path: Path, size: int, *, writable: bool) -> mmap.mmap:
    with path.open("r+b" if writable else "rb") as file:
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)


def _allocate(path: Path, size: int) -> None:
    """Make ``path`` exactly ``size`` bytes, every block reserved: a sparse file would be SIGBUS on a full disk."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o660)
        try:
            os.ftruncate(handle, size)
            os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise map_os_error(error, str(path)) from error


class Control:
    """The mapped control file."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        path = folder / CONTROL
        self._mapped = _map(path, path.stat().st_size, writable=writable)
        self.header = np.ndarray((), dtype=_HEADER, buffer=self._mapped)
        if self.header["magic"] != MAGIC or self.header["layout_version"] != LAYOUT_VERSION:
            raise WindowError(
                f"{path} is not a window that this Penstock knows",
                fix="use the same release on both sides, or remove the window's folder",
                about=str(folder),
            )
        self.geometry_slots = int(self.header["num_slots"])
        self.slot_bytes = int(self.header["slot_bytes"])
        self.entries: NDArray[np.void] = np.ndarray(
            (self.geometry_slots,), dtype=_ENTRY, buffer=self._mapped, offset=CONTROL_HEADER_BYTES
        )

    @classmethod
    def create(cls, folder: Path, geometry: Geometry | None) -> Control:
        """Make the control file anew, slots all FREE; no geometry makes a header alone."""
        path = folder / CONTROL
        path.unlink(missing_ok=True)
        num_slots = geometry.num_slots if geometry else 0
        _allocate(path, CONTROL_HEADER_BYTES + num_slots * ENTRY_BYTES)
        header = np.zeros((), dtype=_HEADER)
        header["magic"], header["layout_version"] = MAGIC, LAYOUT_VERSION
        if geometry:
            header["num_slots"], header["slot_bytes"] = geometry.num_slots, geometry.slot_bytes
        with path.open("r+b") as file:
            file.write(header.tobytes())
        return cls(folder, writable=True)

    def text(self, field: str) -> str:
        """Give a text field of the header."""
        return bytes(self.header[field][()]).decode()

    def put(self, field: str, value: int | str) -> None:
        """Set a field of the header."""
        self.header[field] = value.encode() if isinstance(value, str) else value

    def number(self, field: str) -> int:
        """Give a number field of the header."""
        return int(self.header[field])

    def find_ready(self, index: int) -> int | None:
        """Give the slot whose samples, complete and verified by the writer, include a stream index."""
        entries = self.entries
        first = entries["first_index"]
        match = (entries["state"] == SlotState.READY) & (first <= index) & (index < first + entries["count"])
        return int(match.argmax()) if match.any() else None


class Cursor:
    """A rank's mapped cursor: its session and the stream index below which it needs nothing any more."""

    _DTYPE = np.dtype([("session", "S64"), ("index", "<u8")])

    def __init__(self, folder: Path, rank: int, *, writable: bool) -> None:
        path = folder / cursor_name(rank)
        if writable and not path.exists():
            _allocate(path, CURSOR_BYTES)
        self._view = np.ndarray((), dtype=self._DTYPE, buffer=_map(path, CURSOR_BYTES, writable=writable))

    def begin(self, session: str, index: int) -> None:
        """Put the cursor of a new session."""
        self._view["session"] = b""
        self._view["index"] = index
        self._view["session"] = session.encode()

    def move(self, index: int) -> None:
        """Say that everything below ``index`` is not needed any more."""
        self._view["index"] = index

    def read(self, session: str) -> int | None:
        """Give the cursor, or None while it is another session's."""
        return int(self._view["index"]) if self._view["session"][()] == session.encode() else None


def map_slots(folder: Path, geometry_bytes: int, *, writable: bool, create: bool = False) -> mmap.mmap:
    """Map the slots, first making the file exactly that size if asked to.

    Raises:
        DiskFull, OutputUnwritable: it could not be made.
    """
    path = folder / SLOTS
    if create:
        _allocate(path, geometry_bytes)
    return _map(path, geometry_bytes, writable=writable)

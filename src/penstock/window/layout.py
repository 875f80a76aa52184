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

import mmap
import os
import struct
from enum import IntEnum
from pathlib import Path

import msgspec
import numpy as np
import xxhash

from penstock.files import open_regular
from penstock.window.folder import SLOTS
from penstock.window.geometry import ENTRY_BYTES

__all__ = [
    "EXTENT_ENTRY",
    "SLOT_ENTRY",
    "ExtentMeta",
    "ExtentStatus",
    "SlotState",
    "checksum",
    "entry_checksum",
    "map_file",
    "map_slots",
]


class SlotState(IntEnum):
    """What a slot holds: FREE -> FILLING -> READY -> FREE."""

    FREE = 0
    FILLING = 1
    READY = 2


class ExtentStatus(IntEnum):
    """What an extent's bytes are.

    DATA is its data; KEPT too, in the kept part of the file. ERROR is the text of an error that ends the stream,
    SKIPPED of one that it goes on behind; no bytes at all where there was no room for the text.
    """

    DATA = 0
    ERROR = 1
    KEPT = 2
    SKIPPED = 3


SLOT_ENTRY = np.dtype(
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
assert SLOT_ENTRY.itemsize == ENTRY_BYTES
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


def checksum(data: bytes | memoryview, seed: int = 0) -> int:
    """Return the 64-bit XXH3 of a buffer (github.com/Cyan4973/xxHash): against accidents, not against forgers."""
    return xxhash.xxh3_64_intdigest(data, seed)


def entry_checksum(stream: str, *, first_index: int, count: int, table: bytes | memoryview) -> int:
    """Return the checksum of a slot's entry: of the stream, the indices and the table with the descriptions."""
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

"""The files of a cache on disk: parts, each a log of batches of extents that only grows.

A part begins with 32 bytes that name its kind and the source that its extents are of. A batch is a head of 32 bytes, a
table of 40 bytes an extent, and the extents' bytes; the head is written last and holds a checksum of the table, so what
a killed process left half-written ends the log and is written over by whoever goes on with the part. Each extent has a
checksum of its own, which is compared whenever it is read.

Blocks are reserved before they are written to, and counted for the bound of all parts together. Byte 0 of a part is
locked by the one process that appends to it; byte 1 by all that read it, so that none is removed under a reader.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock import locks
from penstock.files import open_regular
from penstock.window.layout import checksum

__all__ = ["BATCH_BYTES", "CACHED_ENTRY", "PART_HEAD_BYTES", "CachePart", "part_paths", "remove_unused"]

CACHED_ENTRY = np.dtype(
    [("high", "<u8"), ("low", "<u8"), ("offset", "<u8"), ("data_bytes", "<u8"), ("checksum", "<u8")]
)
"""Two halves of an extent's name, where its bytes lie in the file, and their checksum."""
_HEAD = struct.Struct("<16sQ8x")
_BATCH = struct.Struct("<8sQQQ")
PART_HEAD_BYTES, BATCH_BYTES = _HEAD.size, _BATCH.size
_MAGIC, _BATCH_MAGIC = b"penstock-cache-1", b"extents1"
_PREFIX, _SUFFIX = "part-", ".cache"
_WRITER, _READER = 0, 1
_MOST_VECTORS = 512
"""Buffers of one write; the kernel takes 1024."""


def _is_part(name: str) -> bool:
    """Tell whether a file of that name is a part."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def part_paths(folder: Path) -> list[Path]:
    """Return the parts of a cache, in the order of their names."""
    return sorted(path for path in folder.iterdir() if _is_part(path.name))


class CachePart:
    """A part that is open, and not removed by others until it is closed; ``open`` and ``create`` make one.

    To be made and removed under the lock of the cache's folder only.

    Attributes:
        source: number of the source that its extents are of.
        table: its extents, as they were when it was opened, shape (extents,).
        end: of its last whole batch.
        reserved: end of the blocks that are reserved for it.
    """

    def __init__(self, path: Path, handle: int, source: int) -> None:
        self.path = path
        self.source = source
        self._handle = handle
        self.table: NDArray[np.void] = np.zeros(0, CACHED_ENTRY)
        self.end = PART_HEAD_BYTES
        self.reserved = os.fstat(handle).st_size

    @classmethod
    def create(cls, folder: Path, source: int) -> CachePart:
        """Begin a part, as the one that appends to it.

        Raises:
            OSError: it cannot be made.
        """
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        handle = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o660)
        try:
            os.fchmod(handle, 0o660)
            os.pwrite(handle, _HEAD.pack(_MAGIC, source), 0)
            locks.wait_and_take(handle, _READER, 1, shared=True)
            locks.take(handle, _WRITER, 1)
        except BaseException:
            os.close(handle)
            path.unlink(missing_ok=True)
            raise
        return cls(path, handle, source)

    @classmethod
    def open(cls, path: Path, source: int) -> CachePart | None:
        """Open a part of a source; None where it is another's, or none at all.

        Raises:
            OSError, NotOurs: it cannot be opened.
        """
        handle = open_regular(path, os.O_RDWR)
        magic, found = _HEAD.unpack(os.pread(handle, _HEAD.size, 0).ljust(_HEAD.size, b"\0"))
        if magic != _MAGIC or found != source:
            os.close(handle)
            return None
        locks.wait_and_take(handle, _READER, 1, shared=True)
        part = cls(path, handle, source)
        part._walk()
        return part

    def _walk(self) -> None:
        """Find the batches that are whole."""
        tables: list[NDArray[np.void]] = []
        while True:
            magic, count, size, found = _BATCH.unpack(
                os.pread(self._handle, _BATCH.size, self.end).ljust(_BATCH.size, b"\0")
            )
            table_bytes, end = count * CACHED_ENTRY.itemsize, self.end + size
            if magic != _BATCH_MAGIC or end > self.reserved or _BATCH.size + table_bytes > size:
                break
            data = os.pread(self._handle, table_bytes, self.end + _BATCH.size)
            if len(data) < table_bytes or checksum(data, size) != found:
                break
            tables.append(np.frombuffer(data, CACHED_ENTRY))
            self.end = end
        if tables:
            self.table = np.concatenate(tables)

    @property
    def is_closed(self) -> bool:
        """Whether it was let go of."""
        return self._handle < 0

    def forget_table(self) -> None:
        """Let go of the table, which somebody else has by now."""
        self.table = np.zeros(0, CACHED_ENTRY)

    def take_on(self) -> bool:
        """Become the one that appends to it, behind what others appended meanwhile; False where another process is."""
        if not locks.take(self._handle, _WRITER, 1):
            return False
        self.reserved = os.fstat(self._handle).st_size
        self._walk()
        self.forget_table()
        return True

    def read_into(self, offset: int, place: memoryview) -> bool:
        """Read bytes; False where they are not there."""
        passed = 0
        while passed < len(place):
            count = os.preadv(self._handle, [place[passed:]], offset + passed)
            if not count:
                return False
            passed += count
        return True

    def write(self, offset: int, data: memoryview) -> None:
        """Write an extent's bytes anew, in their place.

        Raises:
            OSError: they cannot be written.
        """
        _write(self._handle, [data], offset)

    def reserve(self, more_bytes: int) -> None:
        """Reserve so many bytes more.

        Raises:
            OSError: there is no room on the disk.
        """
        os.posix_fallocate(self._handle, self.reserved, more_bytes)
        self.reserved += more_bytes

    def append(
        self, names: Sequence[tuple[int, int]], data: Sequence[memoryview], checksums: Sequence[int]
    ) -> list[int]:
        """Append a batch, for which room was reserved; return where each extent's bytes lie.

        Raises:
            OSError: it cannot be written; nothing of it counts then.
        """
        table = np.zeros(len(names), CACHED_ENTRY)
        sizes = np.fromiter(map(len, data), np.int64, len(data))
        data_at = self.end + _BATCH.size + table.nbytes
        table["high"], table["low"] = [high for high, _ in names], [low for _, low in names]
        table["offset"], table["data_bytes"] = data_at + np.cumsum(sizes) - sizes, sizes
        table["checksum"] = checksums
        encoded, size = table.tobytes(), data_at + int(sizes.sum()) - self.end
        _write(self._handle, data, data_at)
        _write(self._handle, [memoryview(encoded)], self.end + _BATCH.size)
        head = _BATCH.pack(_BATCH_MAGIC, len(names), size, checksum(encoded, size))
        _write(self._handle, [memoryview(head)], self.end)
        self.end += size
        offsets: list[int] = table["offset"].tolist()
        return offsets

    def remove(self) -> bool:
        """Remove it, unless another process reads it; it is closed then."""
        if not locks.take(self._handle, _READER, 1):
            locks.wait_and_take(self._handle, _READER, 1, shared=True)
            return False
        self.path.unlink(missing_ok=True)
        self.close()
        return True

    def close(self) -> None:
        """Let go of it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def _write(handle: int, data: Sequence[memoryview], offset: int) -> None:
    for first in range(0, len(data), _MOST_VECTORS):
        parts = [part for part in data[first : first + _MOST_VECTORS] if len(part)]
        while parts:
            count = os.pwritev(handle, parts, offset)
            offset += count
            while parts and count >= len(parts[0]):
                count -= len(parts.pop(0))
            if count:
                parts[0] = parts[0][count:]


def remove_unused(path: Path) -> bool:
    """Remove a part of whatever source, unless a process reads it; also what a killed process left of one.

    Raises:
        NotOurs: it is a link or the like.
    """
    handle = open_regular(path, os.O_RDWR)
    try:
        if not locks.take(handle, _READER, 1):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(handle)

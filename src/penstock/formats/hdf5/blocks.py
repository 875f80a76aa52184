"""An object as a file that libhdf5 reads: in blocks, several at a time where one follows the other, and all kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

from penstock.errors import DataError, HeaderMismatch
from penstock.extras import import_extra
from penstock.units import KIB, MIB, format_bytes

__all__ = ["Blocks", "h5py_of", "lies"]

_BLOCK_BYTES: Final = 64 * KIB
_MOST_BLOCKS_AT_ONCE: Final = 16
_MOST_HELD_BYTES: Final = 128 * MIB


def h5py_of() -> Any:
    """Return h5py.

    Raises:
        ConfigError: it is not there.
    """
    return import_extra("h5py", "hdf5", what="HDF5 is read by h5py")


def lies(key: str, what: str) -> HeaderMismatch:
    """Make the error of a file that is none, or contradicts itself."""
    return HeaderMismatch(
        f"{key} cannot be read as HDF5: {' '.join(what.split())[:300]}",
        fix="write it again, or choose other files with match",
        about=key,
    )


class Blocks(io.RawIOBase):
    """Blocks of an object, as a file.

    Args:
        fetch: returns bytes of it, of a begin and a length.

    Attributes:
        refusal: why it was read no further; None where it was not refused.
    """

    def __init__(self, key: str, size_bytes: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._key, self._size, self._fetch_range = key, size_bytes, fetch
        self._held: dict[int, memoryview] = {}
        self._at = 0
        self._last = -1
        self._at_once = 1
        self.refusal: DataError | None = None

    def _fetch(self, first: int, stop: int) -> None:
        """Fetch blocks by one request; more of them where one follows the other."""
        self._at_once = min(2 * self._at_once, _MOST_BLOCKS_AT_ONCE) if first == self._last else 1
        stop = min(max(stop, first + self._at_once), -(-self._size // _BLOCK_BYTES))
        begin, end = first * _BLOCK_BYTES, min(stop * _BLOCK_BYTES, self._size)
        if len(self._held) * _BLOCK_BYTES + end - begin > _MOST_HELD_BYTES:
            self.refusal = DataError(
                f"what tells where the numbers of {self._key} lie is scattered over more than "
                f"{format_bytes(_MOST_HELD_BYTES)} of it",
                fix="write it again with larger chunks, or repack it (h5repack)",
                about=self._key,
            )
            raise self.refusal
        data = memoryview(self._fetch_range(begin, end - begin))
        for block in range(first, stop):
            place = block * _BLOCK_BYTES - begin
            self._held.setdefault(block, data[place : place + _BLOCK_BYTES])
        self._last = stop

    def readable(self) -> bool:
        """Say that it is."""
        return True

    def seekable(self) -> bool:
        """Say that it is."""
        return True

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, place: Any) -> int:
        """Fill a place with bytes, those behind the end with zeros."""
        into = memoryview(place).cast("B")
        end = min(self._at + len(into), self._size)
        into[max(0, end - self._at) :] = bytes(len(into) - max(0, end - self._at))
        if end <= self._at:
            return len(into)
        blocks = range(self._at // _BLOCK_BYTES, -(-end // _BLOCK_BYTES))
        lacking = [block for block in blocks if block not in self._held]
        if lacking:
            self._fetch(lacking[0], lacking[-1] + 1)
        at = self._at
        for block in blocks:
            stop = min((block + 1) * _BLOCK_BYTES, end)
            first = block * _BLOCK_BYTES
            into[at - self._at : stop - self._at] = self._held[block][at - first : stop - first]
            at = stop
        self._at = end
        return len(into)

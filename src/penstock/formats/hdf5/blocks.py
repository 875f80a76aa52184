"""A file that libhdf5 reads of which parts are there: what it wants and is not there is told, fetched, and tried again.

So nothing waits for a store while h5py's lock is held, and no more is read than what tells where the numbers lie.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any, Final, TypeVar

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["Blocks", "h5py_of", "lies"]

T = TypeVar("T")
_BLOCK_BYTES: Final = 64 * KIB
_MOST_BLOCKS_AT_ONCE: Final = 16
_MOST_HELD_BYTES: Final = 128 * MIB


def h5py_of() -> Any:
    """Return h5py.

    Raises:
        ConfigError: it is not there.
    """
    try:
        import h5py  # here: an extra
    except ImportError as error:
        raise ConfigError("HDF5 is read by h5py, which is not there", fix="pip install 'penstock[hdf5]'") from error
    return h5py


def lies(info: ObjectInfo, what: str) -> HeaderMismatch:
    """Make the error of a file that is none, or contradicts itself."""
    return HeaderMismatch(
        f"{info.key} cannot be read as HDF5: {' '.join(what.split())[:300]}",
        fix="write it again, or choose other files with match",
        about=info.key,
    )


class _Missing(Exception):
    """Bytes are wanted that are not there."""


class Blocks(io.RawIOBase):
    """Blocks of an object, as a file.

    Attributes:
        num_requests: that were sent.
    """

    def __init__(self, source: GetRange, info: ObjectInfo) -> None:
        super().__init__()
        self._source, self._info = source, info
        self._held: dict[int, memoryview] = {}
        self._at = 0
        self._wanted: list[range] = []
        self._last = -1
        self._at_once = 1
        self.num_requests = 0

    async def attempt(self, work: Callable[[], T]) -> T:
        """Return what work on the file returns, with all that it reads fetched; it is begun again for each.

        Raises:
            HeaderMismatch: libhdf5 cannot read the file.
            DataError: what it reads lies scattered over more than may be held.
            SourceError: the file could not be had.
        """
        while True:
            self._wanted.clear()
            try:
                return await asyncio.to_thread(work)
            except (DataError, ConfigError):
                raise
            except Exception as error:  # of whatever kind h5py makes of it
                if not self._wanted:
                    raise lies(self._info, f"{type(error).__name__}: {error}") from error
            await self._fetch(self._wanted[0])

    async def _fetch(self, wanted: range) -> None:
        """Fetch blocks, by one request; more of them where one follows the other."""
        self._at_once = min(2 * self._at_once, _MOST_BLOCKS_AT_ONCE) if wanted.start == self._last else 1
        last = max(wanted.stop, wanted.start + self._at_once)
        last = min(last, -(-self._info.size_bytes // _BLOCK_BYTES))
        begin, end = wanted.start * _BLOCK_BYTES, min(last * _BLOCK_BYTES, self._info.size_bytes)
        if len(self._held) * _BLOCK_BYTES + end - begin > _MOST_HELD_BYTES:
            raise DataError(
                f"what tells where the numbers of {self._info.key} lie is scattered over more than "
                f"{format_bytes(_MOST_HELD_BYTES)} of it",
                fix="write it again with larger chunks, or repack it (h5repack)",
                about=self._info.key,
            )
        self.num_requests += 1
        data = await self._source.get_range(self._info, begin, end - begin)
        for block in range(wanted.start, last):
            place = block * _BLOCK_BYTES - begin
            self._held.setdefault(block, data[place : place + _BLOCK_BYTES])
        self._last = last

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
        self._at = offset + (0, self._at, self._info.size_bytes)[whence]
        return self._at

    def readinto(self, place: Any) -> int:
        """Fill a place with bytes, those behind the end with zeros."""
        into = memoryview(place).cast("B")
        end = min(self._at + len(into), self._info.size_bytes)
        into[max(0, end - self._at) :] = bytes(len(into) - max(0, end - self._at))
        if end <= self._at:
            return len(into)
        blocks = range(self._at // _BLOCK_BYTES, -(-end // _BLOCK_BYTES))
        lacking = [block for block in blocks if block not in self._held]
        if lacking:
            self._wanted.append(range(lacking[0], lacking[-1] + 1))
            raise _Missing
        at = self._at
        for block in blocks:
            stop = min((block + 1) * _BLOCK_BYTES, end)
            first = block * _BLOCK_BYTES
            into[at - self._at : stop - self._at] = self._held[block][at - first : stop - first]
            at = stop
        self._at = end
        return len(into)

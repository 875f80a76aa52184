"""Where the chunks of an array lie: objects of a listing, or parts of them that a shard's index tells."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.zarr.metadata import Array, lies
from penstock.manifest import Span
from penstock.sources import GetRange, ObjectInfo

__all__ = ["Grid", "open_grid"]

_MISSING: Final = (1 << 64) - 1
_MOST_CHUNKS: Final = 1 << 22
_SHARDS_AT_ONCE: Final = 16


class Grid:
    """An array's chunks.

    Args:
        objects: chunks or shards that are there, by their keys.
        indexes: of shards, by their keys: offset and length of each chunk, shape (chunks, 2).
    """

    def __init__(
        self,
        array: Array,
        folder: str,
        objects: Mapping[str, ObjectInfo],
        indexes: Mapping[str, NDArray[np.uint64]],
    ) -> None:
        self.array, self._folder, self._objects, self._indexes = array, folder, objects, indexes
        self._in_shard = _counts(array.shard, array.chunks) if array.shard else ()

    def span(self, place: tuple[int, ...]) -> Span | None:
        """Return where a chunk lies, None where there is none."""
        if not self.array.shard:
            info = self._objects.get(f"{self._folder}{self.array.key_of(place)}")
            return None if info is None else info.span(0, info.size_bytes)
        outer = tuple(index // count for index, count in zip(place, self._in_shard, strict=True))
        info = self._objects.get(f"{self._folder}{self.array.key_of(outer)}")
        if info is None:
            return None
        number = 0
        for index, count in zip(place, self._in_shard, strict=True):
            number = number * count + index % count
        offset, length = self._indexes[info.key][number].tolist()
        return None if offset == length == _MISSING else info.span(offset, length)

    def places(self, first: int, last: int) -> Iterator[tuple[int, ...]]:
        """Return where chunks lie that have some of the rows from ``first`` to before ``last``."""
        length, *_ = self.array.chunks
        own = range(first // length, -(-last // length))
        others = _counts(self.array.shape[1:], self.array.chunks[1:])
        return product(own, *map(range, others))


def _counts(lengths: Sequence[int], parts: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-length // part) for length, part in zip(lengths, parts, strict=True))


async def open_grid(source: GetRange, array: Array, folder: str, objects: Mapping[str, ObjectInfo]) -> Grid:
    """Return an array's chunks; of shards the indexes are read.

    Args:
        folder: of the array, with a slash at its end; empty for that of the source.
        objects: of the array's group, by their keys.

    Raises:
        HeaderMismatch: the index of a shard contradicts itself.
        DataError: there are too many chunks, or one is empty.
    """
    told = math.prod(_counts(array.shape, array.chunks))
    if told > _MOST_CHUNKS:
        raise DataError(
            f"the array {folder or '.'} has {told} chunks, more than the {_MOST_CHUNKS} that are read",
            fix="write it again in larger chunks",
            about=folder,
        )
    outer = array.shard or array.chunks
    keys = (f"{folder}{array.key_of(place)}" for place in product(*map(range, _counts(array.shape, outer))))
    there = {key: objects[key] for key in keys if key in objects}
    empty = next((key for key, info in there.items() if not info.size_bytes), None)
    if empty is not None:
        raise lies(empty, "a chunk of no bytes")
    indexes: dict[str, NDArray[np.uint64]] = {}
    shards = list(there.values()) if array.shard else []
    for first in range(0, len(shards), _SHARDS_AT_ONCE):
        some = shards[first : first + _SHARDS_AT_ONCE]
        found = await asyncio.gather(*(_read_index(source, array, info) for info in some))
        indexes.update(zip((info.key for info in some), found, strict=True))
    return Grid(array, folder, there, indexes)


async def _read_index(source: GetRange, array: Array, info: ObjectInfo) -> NDArray[np.uint64]:
    """Return a shard's index."""
    count = math.prod(_counts(array.shard, array.chunks))
    length = 16 * count + (4 if array.index_has_checksum else 0)
    if count > _MOST_CHUNKS or length > info.size_bytes:
        raise lies(info.key, f"{info.size_bytes} bytes of a shard whose index of {count} chunks takes {length}")
    begin = info.size_bytes - length if array.index_at_end else 0
    data = bytes(await source.get_range(info, begin, length))
    if array.index_has_checksum and google_crc32c.value(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise lies(info.key, "the checksum of the shard's index is another")
    found = np.frombuffer(data, "<u8", 2 * count).reshape(count, 2).astype(np.uint64)
    is_there = ~np.all(found == _MISSING, axis=1)
    offsets, lengths = found[is_there, 0], found[is_there, 1]
    size = np.uint64(info.size_bytes)
    if np.any((lengths == 0) | (lengths > size) | (offsets > size - np.minimum(lengths, size))):
        raise lies(info.key, "the shard's index tells of chunks that do not lie in it")
    return found

"""What stands before the samples of an MDS shard: their number, the offsets of each and of the end, and the columns.

All whole numbers are unsigned, of 32 bits, little-endian; the columns are JSON. A shard tells all of itself, so that
the ``index.json`` beside it is not needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import HeaderMismatch, TruncatedObject
from penstock.formats.streams import ByteStream
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["Column", "Shard", "lies", "read_packed", "read_plain"]

BEGIN_BYTES: Final = 64 * KIB
"""Read first."""
_MOST_BEFORE_BYTES: Final = 64 * MIB
"""Of what stands before the samples: 16 million of them."""
_MOST_COLUMNS_BYTES: Final = 4 * MIB
_VERSION: Final = 2


class Column(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A column; ``size`` is that of all its values, 0 where each has its own, told before them."""

    name: str
    encoding: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """A shard.

    Attributes:
        offsets: of samples, and of the end of the last, shape (samples + 1,).
    """

    columns: tuple[Column, ...]
    offsets: NDArray[np.int64]


async def read_plain(source: GetRange, info: ObjectInfo, begin: bytes) -> Shard:
    """Read what stands before the samples of a shard that is not packed.

    Args:
        begin: its first bytes.

    Raises:
        HeaderMismatch: it is no shard, or contradicts itself.
        TruncatedObject: it ends before its last sample does.
    """
    end = _end_of_columns(info, begin, info.size_bytes)
    if end > len(begin):
        begin += bytes(await source.get_range(info, len(begin), end - len(begin)))
    return _shard(info, begin[:end], info.size_bytes)


async def read_packed(stream: ByteStream, info: ObjectInfo) -> Shard:
    """Read a shard that is packed to its end.

    Raises:
        HeaderMismatch: it is no shard, or contradicts itself.
        TruncatedObject: it ends before its last sample does.
        DataError: it cannot be unpacked.
    """
    chunks = aiter(stream.chunks())
    held = bytearray(await _more(chunks, 8))
    end = _end_of_columns(info, bytes(held[:8]), None)
    if len(held) < end:
        held += await _more(chunks, end - len(held))
    size = len(held)
    del held[end:]
    async for chunk in chunks:
        size += len(chunk)
    if len(held) < end:
        raise _cut_off(info, size, f"before its samples, at byte {end}")
    return _shard(info, bytes(held), size)


async def _more(chunks: AsyncIterator[bytes], count: int) -> bytes:
    """Return at least as many bytes, or fewer at the end."""
    found = bytearray()
    while len(found) < count:
        chunk = await anext(chunks, None)
        if chunk is None:
            break
        found += chunk
    return bytes(found)


def _end_of_columns(info: ObjectInfo, begin: bytes, size: int | None) -> int:
    """Return where the first sample begins."""
    if len(begin) < 8:
        raise _cut_off(info, len(begin), "before its offsets")
    count, end = (int(each) for each in np.frombuffer(begin, "<u4", 2))
    table = 4 + 4 * (count + 1)
    if not table < end <= min(table + _MOST_COLUMNS_BYTES, _MOST_BEFORE_BYTES):
        raise lies(info, f"byte 0 tells of {count} samples, and byte 4 that the first begins at byte {end}")
    if size is not None and end > size:
        raise _cut_off(info, size, f"before its samples, at byte {end}")
    return end


def _shard(info: ObjectInfo, before: bytes, size: int) -> Shard:
    count = int.from_bytes(before[:4], "little")
    offsets = np.frombuffer(before, "<u4", count + 1, 4).astype(np.int64)
    columns = _columns(info, before, 4 + 4 * (count + 1))
    least = sum(column.size or 4 for column in columns)
    wrong = np.flatnonzero(np.diff(offsets) < least)
    if len(wrong):
        at = int(wrong[0])
        raise lies(
            info,
            f"byte {4 + 4 * at} tells that sample {at} lies from byte {offsets[at]} to {offsets[at + 1]}, which takes "
            f"{least} at least",
        )
    last = int(offsets[-1])
    if last > size:
        raise _cut_off(info, size, f"before its last sample, at byte {last}")
    if last < size:
        raise lies(info, f"byte {4 + 4 * count} tells that the last sample ends at byte {last}, of {size}")
    return Shard(columns=columns, offsets=offsets)


def _columns(info: ObjectInfo, before: bytes, at: int) -> tuple[Column, ...]:
    where = f"at byte {at}"
    try:
        told = msgspec.json.decode(before[at:], type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise lies(info, f"{where} are no columns in JSON ({error})") from error
    if told.get("format") != "mds" or told.get("version") != _VERSION:
        what = f"the format {told.get('format')!r:.40}, version {told.get('version')!r:.40}"
        raise lies(info, f"{where} it says that it is of {what}, not 'mds', version {_VERSION}")
    names, encodings, sizes = (told.get(f"column_{each}") for each in ("names", "encodings", "sizes"))
    if not (isinstance(names, list) and isinstance(encodings, list) and isinstance(sizes, list)):
        raise lies(info, f"{where} are no lists of columns")
    if not len(names) == len(encodings) == len(sizes) or not names:
        raise lies(info, f"{where} are {len(names)} names, {len(encodings)} encodings and {len(sizes)} sizes")
    found = []
    for name, encoding, size in zip(names, encodings, sizes, strict=True):
        is_size = size is None or (type(size) is int and 0 <= size < 1 << 32)
        if not isinstance(name, str) or not isinstance(encoding, str) or not is_size:
            raise lies(info, f"{where} is a column {name!r:.40} of the encoding {encoding!r:.40} and size {size!r:.40}")
        found.append(Column(name, encoding, size or 0))
    if len({column.name for column in found}) < len(found):
        raise lies(info, f"{where} are two columns of one name")
    return tuple(found)


def _cut_off(info: ObjectInfo, size: int, what: str) -> TruncatedObject:
    return TruncatedObject(
        f"{info.key} has {size} bytes and ends {what}",
        fix="the file was cut off: upload it again, or leave it out",
        about=info.key,
    )


def lies(info: ObjectInfo, what: str) -> HeaderMismatch:
    """Make the error of an object that is not what it should be."""
    return HeaderMismatch(
        f"{info.key} is no MDS shard that can be read: {what}",
        fix='choose shards with match, like "*.mds", or write it again',
        about=info.key,
    )

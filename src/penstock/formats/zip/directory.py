"""The central directory of a ZIP file (APPNOTE 6.3.10), read some MiB at a time, and checked before it is used."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from penstock.errors import HeaderMismatch, TruncatedObject
from penstock.formats.magic import kind_of
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["LOCAL_BYTES", "LOCAL_MAGIC", "METHODS", "Directory", "Entry", "find_directory", "lies", "read_entries"]

LOCAL_MAGIC: Final = b"PK\x03\x04"
LOCAL_BYTES: Final = 30
METHODS: Final = {
    0: "stored", 1: "shrunk", 6: "imploded", 8: "deflate", 9: "Deflate64", 10: "PKWARE DCL", 12: "bzip2", 14: "LZMA",
    20: "Zstandard", 93: "Zstandard", 94: "MP3", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES",
}  # fmt: skip
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR: Final = struct.Struct("<4sLQL")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_END_MAGIC, _END64_MAGIC, _LOCATOR_MAGIC, _ENTRY_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x01\x02"
_TAIL_BYTES: Final = 4 * KIB
_MOST_TAIL_BYTES: Final = _END.size + (1 << 16)
_CHUNK_BYTES: Final = 4 * MIB
_NONE16, _NONE32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED, _MASKED, _UTF8 = 1 | 1 << 6, 1 << 13, 1 << 11


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """Where the central directory lies.

    Attributes:
        shift: bytes that stand before the file, which its offsets do not count.
        data: what of its end was read already.
    """

    offset: int
    size_bytes: int
    num_entries: int
    shift: int
    data: bytes


class Entry(NamedTuple):
    """A member, as the directory has it.

    Attributes:
        offset: of its local header in the object.
        packed: bytes that it takes; ``size`` those that it has.
        least: bytes of its local header at least.
    """

    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    least: int
    is_encrypted: bool


async def find_directory(source: GetRange, info: ObjectInfo) -> Directory:
    """Find the central directory.

    Raises:
        HeaderMismatch: there is none, or it cannot be where it is said to be.
    """
    size = info.size_bytes
    for length in (_TAIL_BYTES, _MOST_TAIL_BYTES):
        first = max(0, size - length)
        tail = bytes(await source.get_range(info, first, size - first))
        place = _find_end(tail)
        if place >= 0:
            return await _directory(source, info, tail, first, place)
    head = bytes(await source.get_range(info, 0, min(16, size)))
    if head.startswith(LOCAL_MAGIC):
        raise TruncatedObject(
            f"{info.key} has {size} bytes and no central directory at its end",
            fix="the file was cut off: upload it again, or leave it out",
            about=info.key,
        )
    kind = kind_of(head)
    raise HeaderMismatch(
        f"{info.key} is no ZIP file: {f'it begins as {kind} does' if kind else 'it has no central directory'}",
        fix="choose ZIP files with match",
        about=info.key,
    )


def _find_end(tail: bytes) -> int:
    """Return where the end record begins, -1 where there is none: its comment ends with the file."""
    place = len(tail)
    while (place := tail.rfind(_END_MAGIC, 0, place)) >= 0:
        if place + _END.size <= len(tail):
            comment = int.from_bytes(tail[place + _END.size - 2 : place + _END.size], "little")
            if place + _END.size + comment == len(tail):
                return place
    return -1


async def _directory(source: GetRange, info: ObjectInfo, tail: bytes, first: int, place: int) -> Directory:
    _, disk, begins_on, here, entries, size, offset, _ = _END.unpack_from(tail, place)
    end = first + place
    if _NONE16 in (disk, begins_on, here, entries) or _NONE32 in (size, offset):
        at = end - _LOCATOR.size
        locator = b"" if at < 0 else await _bytes_at(source, info, at, _LOCATOR.size, tail, first)
        if locator.startswith(_LOCATOR_MAGIC):
            _, _, told, _ = _LOCATOR.unpack(locator)
            # It stands right before the locator, wherever its offset says, as where something stands before the file.
            at -= _END64.size
            record = b"" if at < 0 else await _bytes_at(source, info, at, _END64.size, tail, first)
            if not record.startswith(_END64_MAGIC) and told + _END64.size <= info.size_bytes:
                at = told
                record = await _bytes_at(source, info, at, _END64.size, tail, first)
            if not record.startswith(_END64_MAGIC):
                raise lies(info, f"no end record of ZIP64 at byte {told}")
            _, _, _, _, disk, begins_on, here, entries, size, offset = _END64.unpack(record)
            end = at
    if disk or begins_on or here != entries:
        raise lies(info, "several volumes", fix="join them to one file")
    shift = end - size - offset
    if shift < 0:
        raise lies(info, f"a central directory of {size} bytes at byte {offset}, of {info.size_bytes} that it has")
    if entries * _ENTRY.size > size:
        raise lies(info, f"{entries} members in a central directory of {size} bytes")
    data = tail[max(0, end - size - first) : max(0, end - first)]
    return Directory(offset=end - size, size_bytes=size, num_entries=entries, shift=shift, data=data)


async def _bytes_at(source: GetRange, info: ObjectInfo, at: int, length: int, tail: bytes, first: int) -> bytes:
    if at >= first:
        return tail[at - first : at - first + length]
    return bytes(await source.get_range(info, at, length))


async def read_entries(source: GetRange, info: ObjectInfo, directory: Directory) -> AsyncIterator[Entry]:
    """Return the members in the order of the directory; folders as well.

    Raises:
        HeaderMismatch: the directory is not what it should be.
    """
    held, at, count = b"", directory.offset, 0
    end = directory.offset + directory.size_bytes
    begin = 0
    while True:
        while (length := _entry_bytes(held, begin, info, at - len(held) + begin)) and begin + length <= len(held):
            yield _entry(held, begin, info, directory)
            begin, count = begin + length, count + 1
        if at == end:
            break
        unread = end - len(directory.data) - at
        more = bytes(await source.get_range(info, at, min(_CHUNK_BYTES, unread))) if unread else directory.data
        held, begin, at = held[begin:] + more, 0, at + len(more)
    # Writers that know no ZIP64 count in 16 bits.
    is_wrapped = directory.num_entries <= _NONE16 and (count - directory.num_entries) % (1 << 16) == 0
    if begin < len(held) or (count != directory.num_entries and not is_wrapped):
        raise lies(
            info, f"{count} members in its central directory, of {directory.num_entries} that it is said to have"
        )


def _entry_bytes(held: bytes, begin: int, info: ObjectInfo, offset: int) -> int:
    """Return how long an entry is; 0 where that was not read yet.

    Raises:
        HeaderMismatch: there is none.
    """
    if len(held) - begin < _ENTRY.size:
        return 0
    if not held.startswith(_ENTRY_MAGIC, begin):
        raise lies(info, f"no entry of its central directory at byte {offset}")
    name, extra, comment = struct.unpack_from("<3H", held, begin + 28)
    return _ENTRY.size + int(name) + int(extra) + int(comment)


def _entry(held: bytes, begin: int, info: ObjectInfo, directory: Directory) -> Entry:
    fields = _ENTRY.unpack_from(held, begin)
    flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
    name_bytes, extra_bytes, offset = fields[10], fields[11], fields[16]
    at = begin + _ENTRY.size
    raw = held[at : at + name_bytes]
    name = raw.decode("utf-8", "backslashreplace") if flags & _UTF8 or raw.isascii() else raw.decode("cp437")
    extra = held[at + name_bytes : at + name_bytes + extra_bytes]
    if _NONE32 in (packed, size, offset):
        size, packed, offset = _wide(extra, size, packed, offset, info, name)
    if flags & _MASKED:
        raise lies(info, "an encrypted central directory", fix="write it again without encryption")
    offset += directory.shift
    if offset + LOCAL_BYTES + name_bytes + packed > directory.offset:
        raise lies(info, f"the member {name!r} of {packed} bytes at byte {offset}, which is not before its directory")
    return Entry(name, offset, packed, size, crc, method, LOCAL_BYTES + name_bytes, bool(flags & _ENCRYPTED))


def _wide(extra: bytes, size: int, packed: int, offset: int, info: ObjectInfo, name: str) -> tuple[int, int, int]:
    """Return numbers that the extra field of ZIP64 has, those that are too large for 32 bits, in their order."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1:
            data = extra[place + 4 : place + 4 + length]
            wide = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data) - 7, 8)]
            found = [wide.pop(0) if value == _NONE32 and wide else value for value in (size, packed, offset)]
            return found[0], found[1], found[2]
        place += 4 + length
    return size, packed, offset


def lies(
    info: ObjectInfo, what: str, *, fix: str = "the file is damaged: write it again, or leave it out"
) -> HeaderMismatch:
    """Make the error of a file that is not what it should be."""
    return HeaderMismatch(f"{info.key} has {what}", fix=fix, about=info.key)

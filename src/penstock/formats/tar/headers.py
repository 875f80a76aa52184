"""The headers of a TAR file (ustar, GNU, pax), read by ranges without the bodies between them.

``tarfile`` reads what a header means, but for those of plain files, of which there are millions: they are read here,
and left to it where anything about them is not as it mostly is. It is given what was fetched; where it wants more, that
is fetched and the member is begun again. Where members are small all of the file is read in large blocks, since
requests take longer than bytes, each while the one before is gone through; where they are large, their headers alone.
"""

from __future__ import annotations

import io
import re
import tarfile
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from penstock.errors import DataError, HeaderMismatch, TruncatedObject
from penstock.formats.magic import kind_of
from penstock.formats.tar.blocks import SMALL_MEMBER_BYTES, Blocks, Pace
from penstock.sources import GetRange, ObjectInfo
from penstock.units import MIB

__all__ = ["Header", "IsPacked", "read_members"]

BLOCK = tarfile.BLOCKSIZE
MOST_NAME_BYTES = 1 * MIB
"""Of all headers of a member together, with a long name or what a pax header holds."""
_NAME, _SIZE, _CHECKSUM, _TYPE, _PREFIX = slice(0, 100), slice(124, 136), slice(148, 156), 156, 345
"""Fields of a header, by its bytes (POSIX.1-1988, ustar)."""
_PLAIN, _PAX = b"0\0", ord("x")
_RECORD = re.compile(rb"([0-9]{1,3}) (?:[amc]time|[ug]id|[ug]name)=[^\n]*\n")
"""Of a pax header, what says nothing of a file's name, size or kind (POSIX.1-2001)."""
UNPACKED = ("gzip", "Zstandard")
"""Kinds of what can be unpacked."""


class Header(NamedTuple):
    """What the headers of a member tell.

    Attributes:
        name: as text; bytes that are none are surrogates.
        kind: as ``tarfile`` has it; ``REGTYPE`` of a file.
        offset: of its first header in the file.
        offset_data: of its bytes.
        size: of its bytes.
    """

    name: str
    kind: bytes
    offset: int
    offset_data: int
    size: int


class IsPacked(Exception):
    """The file is packed by what can be unpacked."""


class _Missing(Exception):
    """Bytes that were not fetched yet are asked for."""

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(f"{length} bytes from {offset}")
        self.offset, self.length = offset, length


class _Fetched(io.RawIOBase):
    """A file of which the bytes of one range are there."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._at = self._start = 0
        self._data = memoryview(b"")

    def put(self, start: int, data: memoryview) -> None:
        self._start, self._data = start, data

    @property
    def end(self) -> int:
        """Offset behind what was fetched."""
        return self._start + len(self._data)

    def block(self, offset: int) -> bytes:
        """Return the block at a place; fewer bytes, or none, where they were not fetched."""
        first = offset - self._start
        return bytes(self._data[first : first + BLOCK]) if first >= 0 else b""

    def cut(self, offset: int) -> bytes:
        """Let go of all that was fetched, so that it does not lie in memory beside the next; give what is behind."""
        behind = bytes(self._data[max(offset - self._start, 0) :])
        self._data = memoryview(b"")
        return behind

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        length = max(0, min(size, self._size - self._at))
        first = self._at - self._start
        if length and not 0 <= first <= first + length <= len(self._data):
            raise _Missing(self._at, length)
        self._at += length
        return bytes(self._data[first : first + length])


async def read_members(source: GetRange, info: ObjectInfo, *, reads_ahead: bool = True) -> AsyncIterator[list[Header]]:
    """Return the members of a TAR file in order, those of what was fetched at a time together.

    Args:
        reads_ahead: whether the source may be asked for more while something is on its way.

    Raises:
        HeaderMismatch: a header is none, or tells of what cannot be.
        TruncatedObject: the file ends within a member.
        IsPacked: it is packed.
    """
    file = _Fetched(info.size_bytes)
    archive = _archive(file)
    pace = Pace(reads_ahead=reads_ahead)
    found: list[Header] = []
    async with Blocks(source, info) as blocks:
        while True:
            begun = archive.offset
            try:
                header = _next(archive, file)
            except _Missing as missing:
                needed = missing.offset + missing.length - begun
                if needed > MOST_NAME_BYTES:
                    raise _lies(info, begun, f"headers of {needed} bytes or more") from None
                if found:
                    yield found
                    found = []
                await _fetch(blocks, file, info, begun=begun, needed=needed, pace=pace)
                continue
            except (tarfile.TarError, ValueError, IndexError, OverflowError) as error:
                if begun == 0 and kind_of(file.block(0)) in UNPACKED:
                    raise IsPacked from error
                if isinstance(error, tarfile.TruncatedHeaderError):  # type: ignore[attr-defined]
                    raise _cut_off(info, begun, "a header") from error
                raise _no_header(info, begun, file, str(error)) from error
            if header is None:
                break
            _check(header, info, begun=begun, end=archive.offset)
            pace.num_walked += 1
            found.append(header)
    if found:
        yield found


async def _fetch(blocks: Blocks, file: _Fetched, info: ObjectInfo, *, begun: int, needed: int, pace: Pace) -> None:
    """Fetch as many bytes from a place on, and as many more as pay.

    Where all is read, the little that lies before that place is too: who keeps what was read has samples whole.
    """
    end, chosen = file.end, pace.choose(begun)
    skipped = begun - end if pace.ahead_bytes and 0 < begun - end <= SMALL_MEMBER_BYTES else 0
    held = file.cut(begun)
    start, least = begun - skipped, needed + skipped
    length = min(max(least, chosen), info.size_bytes - start)
    began = time.monotonic()
    file.put(*await blocks.read(start, length, least=least, held=held, ahead_bytes=pace.ahead_bytes))
    pace.seconds = time.monotonic() - began


def _check(header: Header, info: ObjectInfo, *, begun: int, end: int) -> None:
    """Refuse a member that cannot be."""
    if end <= begun or header.size < 0:
        raise _lies(info, begun, f"{header.name!r} of {header.size} bytes")
    if _has_body(header.kind) and header.offset_data + header.size > info.size_bytes:
        raise _cut_off(info, begun, f"{header.name!r}, which is said to have {header.size} bytes")


def _next(archive: tarfile.TarFile, file: _Fetched) -> Header | None:
    """Return the next member, None behind the last; the archive stands behind it then.

    Raises:
        _Missing: it reaches beyond what was fetched.
        tarfile.TarError, ValueError, IndexError, OverflowError: it is none.
    """
    begun = archive.offset
    header = None if archive.pax_headers else _read_plain(file, begun)
    if header is not None:
        archive.offset = header.offset_data + -(-header.size // BLOCK) * BLOCK
        return header
    file.seek(begun)
    try:
        member = tarfile.TarInfo.fromtarfile(archive)
    except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
        return None
    kind = tarfile.GNUTYPE_SPARSE if member.issparse() else tarfile.REGTYPE if member.isreg() else member.type
    return Header(member.name, kind, member.offset, member.offset_data, member.size)


def _read_plain(file: _Fetched, begun: int) -> Header | None:
    """Return the header of a plain file, as ``tarfile`` would; None where it is another, or not all there.

    It is a block that name and size stand in; before it there may be two that tell times and owners, as Python writes.
    """
    block, at = file.block(begun), begun
    if len(block) == BLOCK and block[_TYPE] == _PAX and (told := _numbers(block)) is not None and told <= BLOCK:
        if not _tells_nothing(file.block(begun + BLOCK)[:told]):
            return None
        at = begun + 2 * BLOCK
        block = file.block(at)
    if len(block) != BLOCK or block[_TYPE] not in _PLAIN or block[_PREFIX]:
        return None
    size, name = _numbers(block), block[_NAME].partition(b"\0")[0]
    if size is None or not name or name.endswith(b"/"):
        return None
    return Header(name.decode("utf-8", "surrogateescape"), tarfile.REGTYPE, begun, at + BLOCK, size)


def _numbers(block: bytes) -> int | None:
    """Return the size that a header tells, None where it is written in an uncommon way or its checksum is wrong."""
    try:
        size, told = int(block[_SIZE].rstrip(b" \0") or b"0", 8), int(block[_CHECKSUM].rstrip(b" \0"), 8)
    except ValueError:
        return None
    # The checksum is of the header with its own field as spaces.
    return size if size >= 0 and told == sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ") else None


def _tells_nothing(records: bytes) -> bool:
    """Say whether records of a pax header are whole and tell nothing of a file's name, size or kind."""
    at = 0
    while at < len(records):
        found = _RECORD.match(records, at)
        if found is None or found.end() - at != int(found[1]):
            return False
        at = found.end()
    return at > 0


def _archive(file: _Fetched) -> tarfile.TarFile:
    """Open an archive that nothing was read from: as if to write to it, since opening to read would begin to."""
    archive = tarfile.TarFile(fileobj=file, mode="w", encoding="utf-8", errors="surrogateescape")
    archive.offset = 0
    return archive


def _has_body(kind: bytes) -> bool:
    return kind in tarfile.REGULAR_TYPES or kind not in tarfile.SUPPORTED_TYPES


def _no_header(info: ObjectInfo, offset: int, file: _Fetched, why: str) -> DataError:
    """Return the error of what is no header; of a file that is no TAR at all, what it is where that is known."""
    if offset == 0:
        packed = kind_of(file.block(0))
        what = f"it is packed by {packed}" if packed else "it does not begin with a TAR header"
        fix = "unpack it, or pack it by gzip or in frames of Zstandard" if packed else "choose TAR files with match"
        return HeaderMismatch(f"{info.key} is no TAR file: {what}", fix=fix, about=info.key)
    return _lies(info, offset, f"no header ({why})")


def _lies(info: ObjectInfo, offset: int, what: str) -> HeaderMismatch:
    return HeaderMismatch(
        f"{info.key} has {what} at byte {offset}",
        fix="the file is damaged: write it again, or leave it out",
        about=info.key,
    )


def _cut_off(info: ObjectInfo, offset: int, what: str) -> TruncatedObject:
    return TruncatedObject(
        f"{info.key} has {info.size_bytes} bytes and ends within {what}, from byte {offset}",
        fix="the file was cut off: upload it again, or leave it out",
        about=info.key,
    )

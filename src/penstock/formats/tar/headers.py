"""The headers of a TAR file (ustar, GNU, pax), read by ranges without the bodies between them.

``tarfile`` reads what a header means. It is given what was fetched; where it wants more, that is fetched and the member
is begun again. Where members are small all of the file is read in large blocks, since requests take longer than bytes;
where they are large, their headers alone.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import AsyncIterator

from penstock.errors import DataError, HeaderMismatch, TruncatedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["read_members"]

BLOCK = tarfile.BLOCKSIZE
SMALL_MEMBER_BYTES = 64 * KIB
"""Mean of members up to which all of a file is read."""
WHOLE_READ_BYTES = 4 * MIB
HEADERS_READ_BYTES = 8 * KIB
FIRST_READ_BYTES = 64 * KIB
MOST_NAME_BYTES = 1 * MIB
"""Of all headers of a member together, with a long name or what a pax header holds."""
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "ZIP"}


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
        self._data = b""

    def put(self, start: int, data: bytes) -> None:
        self._start, self._data = start, data

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
        return self._data[first : first + length]


async def read_members(source: GetRange, info: ObjectInfo) -> AsyncIterator[tarfile.TarInfo]:
    """Return the members of a TAR file in order, with ``offset`` of their first header and ``offset_data``.

    Raises:
        HeaderMismatch: a header is none, or tells of what cannot be.
        TruncatedObject: the file ends within a member.
    """
    file = _Fetched(info.size_bytes)
    archive = _archive(file)
    walked = 0
    while True:
        begun = archive.offset
        try:
            file.seek(begun)
            member = tarfile.TarInfo.fromtarfile(archive)
        except _Missing as missing:
            needed = missing.offset + missing.length - begun
            if needed > MOST_NAME_BYTES:
                raise _lies(info, begun, f"headers of {needed} bytes or more") from None
            length = min(max(needed, _read_ahead(begun, walked)), info.size_bytes - begun)
            file.put(begun, bytes(await source.get_range(info, begun, length)))
            continue
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            return
        except tarfile.EmptyHeaderError:  # type: ignore[attr-defined]
            return
        except tarfile.TruncatedHeaderError as error:  # type: ignore[attr-defined]
            raise _cut_off(info, begun, "a header") from error
        except (tarfile.TarError, ValueError, IndexError, OverflowError) as error:
            raise _no_header(info, begun, file, str(error)) from error
        if archive.offset <= begun or member.size < 0:
            raise _lies(info, begun, f"{member.name!r} of {member.size} bytes")
        if _has_body(member) and member.offset_data + member.size > info.size_bytes:
            raise _cut_off(info, begun, f"{member.name!r}, which is said to have {member.size} bytes")
        walked += 1
        yield member


def _archive(file: _Fetched) -> tarfile.TarFile:
    """Open an archive that nothing was read from: as if to write to it, since opening to read would begin to."""
    archive = tarfile.TarFile(fileobj=file, mode="w", encoding="utf-8", errors="surrogateescape")
    archive.offset = 0
    return archive


def _read_ahead(begun: int, walked: int) -> int:
    """Choose how many bytes to fetch, from how large members were so far."""
    if not walked:
        return FIRST_READ_BYTES
    return WHOLE_READ_BYTES if begun // walked <= SMALL_MEMBER_BYTES else HEADERS_READ_BYTES


def _has_body(member: tarfile.TarInfo) -> bool:
    return member.isreg() or member.type not in tarfile.SUPPORTED_TYPES


def _no_header(info: ObjectInfo, offset: int, file: _Fetched, why: str) -> DataError:
    """Return the error of what is no header; of a file that is no TAR at all, what it is where that is known."""
    if offset == 0:
        file.seek(0)
        begin = file.read(min(BLOCK, info.size_bytes))
        packed = next((name for magic, name in _PACKED.items() if begin.startswith(magic)), "")
        what = f"it is packed by {packed}" if packed else "it does not begin with a TAR header"
        fix = "unpack it first" if packed else "choose TAR files with match"
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

"""How a part of a packed stream is unpacked alone: from a point at which unpacking can begin."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final, Literal

import msgspec

from penstock.errors import DataError

__all__ = [
    "GZIP_MAGIC",
    "MOST_PART_BYTES",
    "ZSTD_MAGIC",
    "Packing",
    "unpacked",
    "unpacked_whole",
    "window_bytes",
    "window_text",
]

MOST_PART_BYTES: Final = 1 << 30
"""Of a part with what must be unpacked before it."""
GZIP_MAGIC: Final = b"\x1f\x8b\x08"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_RAW: Final = -zlib.MAX_WBITS
_MEMBER: Final = zlib.MAX_WBITS + 16
_TRAILER_BYTES: Final = 8
"""Behind a member of gzip: its checksum and length."""
_STEP_BYTES: Final = 1 << 20
_FIXED: Final = "010" + "0000000"
"""Bits of a block of deflate's own codes that holds its end alone, in the order in which they are read."""
_LENGTHS: Final = "".join("100" if code in (18, 1) else "000" for code in (
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15
))  # fmt: skip
_DYNAMIC: Final = "001" + "00000" + "00000" + "1111" + _LENGTHS + "1" + "1111111" + "1" + "1101011" + "0" + "0" + "0"
"""Those of one with codes of its own, of an odd number: 138 and 118 codes of no length, that of the end, one more."""


class Packing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a part of a packed stream is unpacked.

    Attributes:
        skip: bytes that come before it, unpacked.
        length: bytes that it has, unpacked.
        bits: of gzip, that are read of the first byte, its highest ones; 0 is all.
        window: of gzip, what was unpacked before, as ``window_text`` writes it; empty where a member begins there.
    """

    how: Literal["gzip", "zstd"]
    skip: int
    length: int
    bits: int = 0
    window: str = ""


def window_text(window: bytes) -> str:
    """Return up to 32 KiB that were unpacked before a point, as a text."""
    return base64.b64encode(zlib.compress(window)).decode()


def window_bytes(text: str) -> bytes:
    """Return what ``window_text`` was given.

    Raises:
        ValueError: it is no such text.
    """
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error) as error:
        raise ValueError(str(error)) from error


def unpacked(data: bytes, packing: Packing | None, *, key: str) -> bytes:
    """Return a part's bytes.

    Args:
        data: from its point on.
        key: of the extent, for messages.

    Raises:
        DataError: they cannot be unpacked, or are fewer.
    """
    if packing is None:
        return data
    end = packing.skip + packing.length
    try:
        if not 0 <= packing.skip <= end <= MOST_PART_BYTES:
            raise ValueError(f"{packing.length} bytes behind {packing.skip}")  # noqa: TRY301
        found = _gunzip(data, packing, end) if packing.how == "gzip" else _unzstd(data, end)
    except (ValueError, zlib.error, OSError) as error:
        raise DataError(
            f"{key} cannot be unpacked: {' '.join(str(error).split())[:200]}", fix="list the dataset again", about=key
        ) from error
    if len(found) != end:
        raise DataError(f"{key} unpacks to {len(found)} bytes, not {end}", fix="list the dataset again", about=key)
    return found[packing.skip :]


def unpacked_whole(data: bytes, *, key: str) -> bytes:
    """Return what a whole object unpacks to; itself where it is not packed.

    Raises:
        DataError: it cannot be unpacked, or is far too large.
    """
    if not data.startswith((GZIP_MAGIC, ZSTD_MAGIC)):
        return data
    try:
        found = _gunzip_whole(data) if data.startswith(GZIP_MAGIC) else _unzstd(data, MOST_PART_BYTES + 1)
    except (ValueError, zlib.error, OSError) as error:
        raise DataError(
            f"{key} cannot be unpacked: {' '.join(str(error).split())[:200]}",
            fix="the file is damaged or cut off: upload it again, or leave it out",
            about=key,
        ) from error
    if len(found) > MOST_PART_BYTES:
        raise DataError(
            f"{key} unpacks to more than {MOST_PART_BYTES >> 30} GiB", fix="unpack it, or leave it out", about=key
        )
    return found


def _gunzip_whole(data: bytes) -> bytes:
    found = bytearray()
    while data and any(data) and len(found) <= MOST_PART_BYTES:
        member = zlib.decompressobj(_MEMBER)
        found += member.decompress(data, MOST_PART_BYTES + 1 - len(found))
        if not member.eof and len(found) <= MOST_PART_BYTES:
            raise ValueError("it ends within what is packed in it")
        data = member.unused_data
    return bytes(found)


def _gunzip(data: bytes, packing: Packing, end: int) -> bytes:
    found = bytearray()
    if packing.window:
        member = zlib.decompressobj(_RAW, zdict=window_bytes(packing.window))
        found += member.decompress(_begun_at(data, packing.bits), end)
        # Behind a member's last bits its trailer begins with the next byte.
        data = member.unused_data[_TRAILER_BYTES:] if member.eof else b""
    while data and len(found) < end:
        member = zlib.decompressobj(_MEMBER)
        found += member.decompress(data, end - len(found))
        data = member.unused_data
    return bytes(found)


def _begun_at(data: bytes, bits: int) -> bytes:
    """Return bytes of deflate that begin with the highest bits of the first one, all where there are 0, as whole bytes.

    Blocks that hold nothing come in the place of the bits that are left out, and no bit moves within its byte: blocks
    that are stored begin with the next byte (RFC 1951, 3.2.4).
    """
    if not bits:
        return data
    left_out = 8 - bits
    blocks = _DYNAMIC * (left_out % 2)
    while len(blocks) % 8 != left_out:
        blocks += _FIXED
    begin = int(blocks[::-1], 2) | data[0] >> left_out << len(blocks)
    return begin.to_bytes((len(blocks) + bits) // 8, "little") + data[1:]


def _unzstd(data: bytes, end: int) -> bytes:
    import pyarrow as pa  # here: it takes 20 MiB, and little is packed so

    found = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            while len(found) < end and (more := stream.read(min(_STEP_BYTES, end - len(found)))):
                found += more
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    return bytes(found)

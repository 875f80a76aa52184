"""The beginning of an object as an object of its own, cut behind what is whole in it."""

from __future__ import annotations

import io
import tarfile
import zlib
from dataclasses import dataclass

import msgspec

from penstock.inspection.budget import Budgeted, InMemory
from penstock.sources import ObjectInfo
from penstock.units import KIB, MIB

__all__ = ["HEAD_SIZES", "Head", "read_head"]

HEAD_SIZES = 256 * KIB, 4 * MIB
"""That are read, one after another, until something whole is in them."""
_MOST_UNPACKED = 16 * MIB
_BLOCK = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What an object begins with.

    Attributes:
        share: of the object that it is, by the bytes that were fetched.
    """

    source: InMemory
    info: ObjectInfo
    share: float

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the object."""
        return self.share >= 1


async def read_head(source: Budgeted, info: ObjectInfo, num_bytes: int, *, format_name: str) -> Head | None:
    """Return the whole samples that an object begins with; None where none is whole in so many bytes.

    Raises:
        BudgetSpent: they are more than may be read.
        SourceError: it could not be read.
    """
    length = min(num_bytes, info.size_bytes)
    fetched = bytes(await source.get_range(info, 0, length))
    data = _unpacked(fetched)
    is_whole = length == info.size_bytes and len(data) < _MOST_UNPACKED
    share = 1.0
    if not is_whole:
        kept = _whole_members(data) if format_name == "tar" else data[: data.rfind(b"\n") + 1]
        if not kept:
            return None
        share = min(length / info.size_bytes * len(kept) / len(data), 1 - 1e-9)
        data = kept + bytes(2 * _BLOCK) if format_name == "tar" else kept
    told = msgspec.structs.replace(info, size_bytes=len(data))
    return Head(source=InMemory(data), info=told, share=share)


def _unpacked(data: bytes) -> bytes:
    """Return the bytes unpacked as far as they go; those that are not packed as they are."""
    if data[:2] == b"\x1f\x8b":
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, _MOST_UNPACKED)
        except zlib.error:
            return data
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return _unpacked_zstd(data)
    return data


def _unpacked_zstd(data: bytes) -> bytes:
    import pyarrow as pa  # here: few heads are packed

    parts, total = [], 0
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            while total < _MOST_UNPACKED and (part := stream.read(64 * KIB)):
                parts.append(part)
                total += len(part)
    except (OSError, pa.ArrowException):  # it ends where the head does
        pass
    return b"".join(parts) or data


def _whole_members(data: bytes) -> bytes:
    """Return the members of a TAR file that are whole in its first bytes."""
    end = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as file:
            for member in file:
                behind = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
                if behind > len(data):
                    break
                end = behind
    except (tarfile.TarError, EOFError, ValueError, OverflowError):  # what follows was cut
        pass
    return data[:end]

"""Boxes of MP4 and MOV (ISO/IEC 14496-12): read from bytes, and written."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Box", "box", "boxes", "child", "full_box", "head_of", "path", "room"]

HEAD_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A box: its kind, and what lies in it."""

    kind: bytes
    body: memoryview

    def full(self) -> tuple[int, int, memoryview]:
        """Return version, flags and the rest of a box that has them.

        Raises:
            ValueError: it is too short.
        """
        if len(self.body) < 4:
            raise ValueError(f"a box {_named(self.kind)} of {len(self.body)} bytes")
        return self.body[0], int.from_bytes(self.body[1:4], "big"), self.body[4:]


def head_of(head: bytes | memoryview, room: int) -> tuple[bytes, int, int]:
    """Return the kind of a box, the bytes of its head and all its bytes.

    Args:
        head: its first bytes, 16 where there are as many.
        room: bytes that there are for it.

    Raises:
        ValueError: it cannot be that long.
    """
    if len(head) < 8:
        raise ValueError("a box that is cut off")
    size, kind = int.from_bytes(head[:4], "big"), bytes(head[4:8])
    taken = 8
    if size == 1:
        if len(head) < HEAD_BYTES:
            raise ValueError(f"a box {_named(kind)} that is cut off")
        size, taken = int.from_bytes(head[8:16], "big"), HEAD_BYTES
    elif size == 0:
        size = room
    if size < taken:
        raise ValueError(f"a box {_named(kind)} of {size} bytes")
    return kind, taken, size


def boxes(data: memoryview) -> Iterator[Box]:
    """Return the boxes that lie one behind the other.

    Raises:
        ValueError: one goes on behind what there is.
    """
    at = 0
    while at + 8 <= len(data):
        kind, taken, size = head_of(data[at : at + HEAD_BYTES], len(data) - at)
        if at + size > len(data):
            raise ValueError(f"a box {_named(kind)} of {size} bytes in {len(data) - at}")
        yield Box(kind=kind, body=data[at + taken : at + size])
        at += size


def child(data: memoryview, kind: bytes) -> memoryview | None:
    """Return the body of the first box of a kind; None where there is none."""
    return next((each.body for each in boxes(data) if each.kind == kind), None)


def path(data: memoryview, *kinds: bytes) -> memoryview | None:
    """Return the body of a box in boxes; None where there is none."""
    found: memoryview | None = data
    for kind in kinds:
        found = None if found is None else child(found, kind)
    return found


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of what lies in it."""
    body = b"".join(parts)
    if len(body) + 8 >= 1 << 32:
        return struct.pack(">I4sQ", 1, kind, len(body) + HEAD_BYTES) + body
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Return a box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def room(data: memoryview, wanted: int, kind: bytes) -> memoryview:
    """Return what lies in a box of a kind.

    Raises:
        ValueError: it is shorter than what it tells of.
    """
    if len(data) < wanted:
        raise ValueError(f"a box {_named(kind)} that has {len(data)} bytes where {wanted} are told")
    return data


def _named(kind: bytes) -> str:
    return repr(kind.decode("latin-1"))

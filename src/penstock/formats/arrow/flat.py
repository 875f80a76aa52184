"""The few tables of FlatBuffers that Arrow's messages and footers are written in, read with every bound checked."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

__all__ = ["Batch", "Message", "Place", "read_footer", "read_message"]

SCHEMA, DICTIONARY, BATCH = 1, 2, 3
"""Kinds of messages (Arrow's Message.fbs)."""
_KINDS: Final = (SCHEMA, DICTIONARY, BATCH)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message lies: its offset, and the bytes of its head (with prefix and padding) and body."""

    offset: int
    head_bytes: int
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A record batch: its rows, the (offset, length) of its buffers in its body, and whether they are packed."""

    num_rows: int
    buffers: tuple[tuple[int, int], ...]
    is_packed: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A message; ``batch`` is that of a record batch."""

    kind: int
    body_bytes: int
    batch: Batch | None


@dataclass(frozen=True, slots=True)
class _Table:
    data: bytes
    at: int

    def _field(self, number: int) -> int:
        """Return where a field lies; 0 where it is not there."""
        vtable = self.at - _int(self.data, self.at, "<i")
        size = _int(self.data, vtable, "<H")
        place = 4 + 2 * number
        offset = _int(self.data, vtable + place, "<H") if place + 2 <= size else 0
        return self.at + offset if offset else 0

    def number(self, number: int, kind: str) -> int:
        at = self._field(number)
        return _int(self.data, at, kind) if at else 0

    def table(self, number: int) -> _Table | None:
        at = self._field(number)
        return _Table(self.data, at + _int(self.data, at, "<I")) if at else None

    def vector(self, number: int, item: struct.Struct) -> list[tuple[int, ...]]:
        """Return the items of a vector of structs."""
        at = self._field(number)
        if not at:
            return []
        at += _int(self.data, at, "<I")
        count = _int(self.data, at, "<I")
        if at + 4 + count * item.size > len(self.data):
            raise ValueError(f"a vector of {count} items at byte {at}")
        return list(item.iter_unpack(self.data[at + 4 : at + 4 + count * item.size]))


_BUFFER: Final = struct.Struct("<qq")
_BLOCK: Final = struct.Struct("<qi4xq")


def read_message(data: bytes) -> Message:
    """Read a message's head, without its prefix.

    Raises:
        ValueError: it is none.
    """
    table = _root(data)
    kind, body = table.number(1, "<B"), table.number(3, "<q")
    if kind not in _KINDS or body < 0:
        raise ValueError(f"a message of the kind {kind} with {body} bytes")
    if kind != BATCH:
        return Message(kind, body, None)
    header = table.table(2)
    if header is None:
        raise ValueError("a record batch without a header")
    rows = header.number(0, "<q")
    buffers = tuple((int(offset), int(length)) for offset, length in header.vector(2, _BUFFER))
    if rows < 0 or any(offset < 0 or length < 0 or offset + length > body for offset, length in buffers):
        raise ValueError(f"a record batch of {rows} rows whose buffers lie outside of its {body} bytes")
    return Message(kind, body, Batch(rows, buffers, header.table(3) is not None))


def read_footer(data: bytes) -> tuple[list[Place], list[Place]]:
    """Return where a file's dictionaries and record batches lie.

    Raises:
        ValueError: it is no footer.
    """
    table = _root(data)
    return _places(table.vector(2, _BLOCK)), _places(table.vector(3, _BLOCK))


def _places(blocks: list[tuple[int, ...]]) -> list[Place]:
    found = [Place(offset, head, body) for offset, head, body in blocks]
    wrong = next((place for place in found if min(place.offset, place.head_bytes, place.body_bytes) < 0), None)
    if wrong is not None:
        raise ValueError(f"a message at byte {wrong.offset} of {wrong.head_bytes} and {wrong.body_bytes} bytes")
    return found


def _root(data: bytes) -> _Table:
    return _Table(data, _int(data, 0, "<I"))


def _int(data: bytes, at: int, kind: str) -> int:
    if at < 0:
        raise ValueError(f"an offset of {at}")
    try:
        return int(struct.unpack_from(kind, data, at)[0])
    except struct.error as error:
        raise ValueError(f"an offset of {at}, of {len(data)} bytes") from error

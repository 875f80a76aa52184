"""Structures of Thrift's compact protocol, which Parquet's footers are written in, read and written by field number.

Source: "Thrift compact protocol encoding", doc/specs/thrift-compact-protocol.md of Apache Thrift. Nothing is known of
what fields mean, so what is read can be written again whatever it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["BINARY", "I32", "I64", "LIST", "STRUCT", "Field", "Struct", "decode_struct", "encode_struct"]

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_DOUBLE_BYTES = 8
_MOST_DEPTH = 32
_LONG_LIST = 15

Field = tuple[int, Any]
"""Type and value: an int, bool, bytes (of a double too), a ``Struct``, or of a list its items' type and the items."""
Struct = dict[int, Field]


def decode_struct(data: bytes) -> Struct:
    """Read a structure from the beginning of ``data``.

    Raises:
        ValueError: it is none.
    """
    try:
        return _Reader(data).struct()
    except IndexError as error:
        raise ValueError("it ends too early") from error


def encode_struct(struct: Struct) -> bytes:
    """Write a structure."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, *, depth: int = 0) -> Struct:
        if depth > _MOST_DEPTH:
            raise ValueError("it is too deep")
        found: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            kind = head & 0xF
            found[number] = (kind, self._value(kind, depth, is_field=True))
        return found

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        found = shift = 0
        while shift < 70:
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:
                return found
            shift += 7
        raise ValueError("a number is too long")

    def _number(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)

    def _bytes(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise ValueError("it ends too early")
        self._at += length
        return self._data[self._at - length : self._at]

    def _value(self, kind: int, depth: int, *, is_field: bool) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE if is_field else self._byte() == TRUE
        if kind == BYTE:
            return self._byte()
        if kind in (I16, I32, I64):
            return self._number()
        if kind == DOUBLE:
            return self._bytes(_DOUBLE_BYTES)
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list(depth)
        if kind == STRUCT:
            return self.struct(depth=depth + 1)
        raise ValueError(f"there is no type {kind}")

    def _list(self, depth: int) -> tuple[int, list[Any]]:
        head = self._byte()
        kind, count = head & 0xF, head >> 4
        count = self._varint() if count == _LONG_LIST else count
        if count > len(self._data) - self._at:  # each item takes a byte or more
            raise ValueError("a list is too long")
        if depth > _MOST_DEPTH:
            raise ValueError("it is too deep")
        return kind, [self._value(kind, depth + 1, is_field=False) for _ in range(count)]


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, (kind, value) in sorted(struct.items()):
        if kind in (TRUE, FALSE):
            kind = TRUE if value else FALSE
        if 0 < number - last < 16:
            out.append((number - last) << 4 | kind)
        else:
            out.append(kind)
            _write_number(out, number)
        last = number
        if kind not in (TRUE, FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (TRUE, FALSE):
        out.append(TRUE if value else FALSE)
    elif kind == BYTE:
        out.append(value)
    elif kind in (I16, I32, I64):
        _write_number(out, value)
    elif kind == DOUBLE:
        out += value
    elif kind == BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind == STRUCT:
        _write_struct(out, value)
    else:
        _write_list(out, *value)


def _write_list(out: bytearray, kind: int, items: Sequence[Any]) -> None:
    if len(items) < _LONG_LIST:
        out.append(len(items) << 4 | kind)
    else:
        out.append(_LONG_LIST << 4 | kind)
        _write_varint(out, len(items))
    for item in items:
        _write_value(out, kind, item)


def _write_number(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)

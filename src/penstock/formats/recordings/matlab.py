"""MATLAB files of version 5 to 7: where their variables lie, and small values of them.

Written after MathWorks' "MAT-File Format". Nothing is ever run or unpickled: objects, functions and what is opaque are
passed over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.recordings.asking import Run, ask

__all__ = ["HEADER_BYTES", "Lies", "Variable", "byte_order", "fields_of", "value_of", "variables"]

HEADER_BYTES: Final = 128
MOST_DEPTH: Final = 16
MOST_VALUE_BYTES: Final = 256 << 20
"""Of a value that is read to list a file: labels, events."""
_COMPRESSED, _MATRIX = 15, 14
_CELL, _STRUCT, _CHAR, _SPARSE = 1, 2, 4, 5
_NUMERIC: Final = range(6, 16)
_TYPES: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT: Final = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MOST_NAMES: Final = 4096

Steps = Generator[Sequence[Run], Sequence[bytes], Any]


class Damaged(Exception):
    """What is read is no MATLAB file, or contradicts itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """A part of a file: a packed one, or a matrix.

    Attributes:
        offset: of what it holds, behind its tag.
    """

    is_packed: bool
    offset: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Lies:
    """A matrix of numbers that was passed over.

    Attributes:
        number: numpy's type of the numbers as they are stored; empty where they are no plain ones.
        offset: of the first one.
    """

    shape: tuple[int, ...]
    number: str
    offset: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    """Of a matrix; ``body`` is where what follows its name begins, ``end`` where it ends."""

    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    name: str
    body: int
    end: int


def byte_order(header: bytes, *, name: str) -> str:
    """Return the order of bytes by a file's first 128.

    Raises:
        HeaderMismatch: they are of no such file.
    """
    order = {b"IM": "<", b"MI": ">"}.get(header[126:128], "")
    version = int.from_bytes(header[124:126], "little" if order == "<" else "big")
    if len(header) < HEADER_BYTES or not order or version != 0x0100:
        raise HeaderMismatch(
            f"{name} is no MATLAB file of version 5 to 7.3 (it begins with {header[:16]!r})",
            fix="save it again from EEGLAB, or leave it out",
            about=name,
        )
    return order


def variables(size: int, order: str) -> Steps:
    """Return the parts of a file (a list of ``Variable``)."""
    found, at = [], HEADER_BYTES
    while at + 8 <= size:
        kind, offset, length, after = yield from _tag(at, order)
        if offset + length > size or kind not in (_COMPRESSED, _MATRIX):
            raise Damaged(f"at byte {at} it has a part of type {kind} and {length} bytes")
        if length:
            found.append(Variable(is_packed=kind == _COMPRESSED, offset=offset, num_bytes=length))
        at = offset + length if kind == _COMPRESSED else after
        if len(found) > _MOST_NAMES:
            raise Damaged(f"it has more than {_MOST_NAMES} variables")
    return found


def fields_of(
    at: int, end: int, order: str, *, struct: str, wanted: Sequence[str], passed_over: str, most_bytes: int = 0
) -> Steps:
    """Return a matrix's name and what is wanted of it.

    Of the struct that is looked for its wanted fields; of another one whose name is wanted its value, under that name.

    Args:
        at: of what the matrix holds, behind its tag.
        struct: name of the struct that is looked for.
        passed_over: name of the field of numbers that is not read: it is told where it lies.
        most_bytes: that the numbers may have; where it is given they are read, as bytes, and nothing behind them.

    Returns:
        (name, dictionary).
    """
    head = yield from _head(at, end, order)
    if head.kind != _STRUCT or head.name != struct:
        if head.name == passed_over and head.kind in _NUMERIC:
            return head.name, {head.name: (yield from _lies(head, order, most_bytes))}
        if head.name not in (*wanted, passed_over):
            return head.name, {}
        data = yield from _ask_value(head.name, at, end - at)
        return head.name, {head.name: value_of(data, order)}
    if math.prod(head.shape) != 1:
        raise Damaged(f"{struct} has the shape {head.shape}, not 1")
    names, place = yield from _names(head, order)
    found: dict[str, Any] = {}
    for name in names:
        kind, offset, length, after = yield from _tag(place, order)
        if kind != _MATRIX or offset + length > end:
            raise Damaged(f"the field {name[:40]!r} of {head.name[:40]!r} is of type {kind} and has {length} bytes")
        if name == passed_over and length:
            inner = yield from _head(offset, offset + length, order)
            if inner.kind in _NUMERIC:
                found[name] = yield from _lies(inner, order, most_bytes)
                if most_bytes:
                    return head.name, found
            else:
                found[name] = value_of((yield from _ask_value(name, offset, length)), order)
        elif name in wanted:
            found[name] = value_of((yield from _ask_value(name, offset, length)), order) if length else None
        place = after
    return head.name, found


def _ask_value(name: str, offset: int, length: int) -> Generator[Sequence[Run], Sequence[bytes], bytes]:
    if length > MOST_VALUE_BYTES:
        raise Damaged(f"its {name[:40]} has {length} bytes, more than {MOST_VALUE_BYTES}")
    return (yield from ask(offset, length))


def value_of(data: bytes, order: str, depth: int = 0) -> Any:
    """Return a matrix as a value: text, a list of a cell's, a list of a struct's dictionaries, or an array, flat.

    What is none of them is ``None``.

    Args:
        data: what the matrix holds, behind its tag.
    """
    if depth > MOST_DEPTH:
        raise Damaged(f"it is nested deeper than {MOST_DEPTH}")
    if not data:
        return None
    head = _run(_head(0, len(data), order), data)
    if head.kind in _NUMERIC or head.kind == _CHAR:
        kind, offset, length, _ = _run(_tag(head.body, order), data)
        held = _cut(data, offset, length)
        if head.kind == _CHAR:
            return _text(held, kind, order)
        return np.frombuffer(held[: length - length % _width(kind)], order + _TYPES[kind])
    if head.kind == _CELL:
        return _values(data, head.body, order, math.prod(head.shape), depth)
    if head.kind != _STRUCT:
        return None
    names, at = _run(_names(head, order), data)
    count = math.prod(head.shape)
    values = _values(data, at, order, count * len(names), depth)
    starts = range(0, count * len(names), len(names)) if names else ()
    return [dict(zip(names, values[at : at + len(names)], strict=True)) for at in starts]


def _values(data: bytes, at: int, order: str, count: int, depth: int) -> list[Any]:
    if count > (len(data) - at) // 8:
        raise Damaged(f"{count} values are said to lie in {len(data) - at} bytes")
    found = []
    for _ in range(count):
        kind, offset, length, after = _run(_tag(at, order), data)
        if kind != _MATRIX:
            raise Damaged(f"a value is of type {kind}")
        found.append(value_of(_cut(data, offset, length), order, depth + 1))
        at = after
    return found


def _tag(at: int, order: str) -> Generator[Sequence[Run], Sequence[bytes], tuple[int, int, int, int]]:
    """Return a part's type, where what it holds begins, its length, and where the next one begins."""
    data = yield from ask(at, 8)
    first, length = struct.unpack(f"{order}II", data)
    if first >> 16:  # a small one, within its tag
        if first >> 16 > 4:
            raise Damaged(f"a small part is said to have {first >> 16} bytes")
        return first & 0xFFFF, at + 4, first >> 16, at + 8
    return first, at + 8, length, at + 8 + length + -length % 8


def _head(at: int, end: int, order: str) -> Generator[Sequence[Run], Sequence[bytes], _Head]:
    kind, offset, length, after = yield from _tag(at, order)
    if kind != 6 or length != 8:
        raise Damaged(f"a matrix begins with type {kind}")
    (flags,) = struct.unpack(f"{order}I", (yield from ask(offset, 4)))
    kind, offset, length, after = yield from _tag(after, order)
    if flags & 0xFF == 17:  # opaque: it has no shape
        return _Head(kind=17, is_complex=False, shape=(), name="", body=end, end=end)
    if kind != 5 or length % 4 or not 8 <= length <= 256:
        raise Damaged(f"a matrix has a shape of type {kind} and {length} bytes")
    shape = struct.unpack(f"{order}{length // 4}i", (yield from ask(offset, length)))
    if min(shape) < 0 or math.prod(shape) > 1 << 48:
        raise Damaged(f"a matrix has the shape {shape}")
    kind, offset, length, after = yield from _tag(after, order)
    if kind not in _TEXT or length > 1024 or after > end:
        raise Damaged(f"a matrix has a name of type {kind} and {length} bytes")
    name = (yield from ask(offset, length)).decode("latin-1") if length else ""
    return _Head(kind=flags & 0xFF, is_complex=bool(flags & 0x800), shape=shape, name=name, body=after, end=end)


def _names(head: _Head, order: str) -> Generator[Sequence[Run], Sequence[bytes], tuple[list[str], int]]:
    """Return the fields' names of a struct, and where their values begin."""
    _, offset, length, after = yield from _tag(head.body, order)
    if length != 4:
        raise Damaged("a struct does not say how long its names are")
    each = int(np.frombuffer((yield from ask(offset, 4)), f"{order}i4")[0])
    _, offset, length, after = yield from _tag(after, order)
    if not 0 < each <= 4096 or length % each or length // each > _MOST_NAMES or offset + length > head.end:
        raise Damaged(f"a struct has names of {each} bytes in {length}")
    data = (yield from ask(offset, length)) if length else b""
    names = [data[i : i + each].split(b"\0")[0].decode("latin-1") for i in range(0, length, each)]
    return names, after


def _lies(head: _Head, order: str, most_bytes: int) -> Steps:
    if head.is_complex or head.kind == _SPARSE:
        raise Damaged("its data are complex or sparse")
    kind, offset, length, _ = yield from _tag(head.body, order)
    if most_bytes:
        if length > most_bytes:
            raise Damaged(f"its data have {length} bytes, not {most_bytes}")
        return (yield from ask(offset, length))
    number = order + _TYPES[kind] if kind in _TYPES else ""
    return Lies(shape=head.shape, number=number, offset=offset, num_bytes=length)


def _run(steps: Generator[Sequence[Run], Sequence[bytes], Any], data: bytes) -> Any:
    found: Sequence[bytes] | None = None
    while True:
        try:
            runs = next(steps) if found is None else steps.send(found)
        except StopIteration as stop:
            return stop.value
        found = [_cut(data, *run) for run in runs]


def _cut(data: bytes, offset: int, length: int) -> bytes:
    if offset + length > len(data):
        raise Damaged(f"{length} bytes at {offset} lie outside the {len(data)} of a matrix")
    return data[offset : offset + length]


def _width(kind: int) -> int:
    if kind not in _TYPES:
        raise Damaged(f"numbers are of type {kind}")
    return np.dtype(_TYPES[kind]).itemsize


def _text(held: bytes, kind: int, order: str) -> str:
    codec = _TEXT.get(kind)
    if codec is None:
        raise Damaged(f"text is of type {kind}")
    if codec in ("utf-16", "utf-32"):
        codec += "-le" if order == "<" else "-be"
    return held.decode(codec, "replace")


def refuse(error: Damaged, name: str) -> DataError:
    """Return the error of a file that cannot be read."""
    return HeaderMismatch(
        f"{name} cannot be read as a MATLAB file: {error}", fix="save it again from EEGLAB, or leave it out", about=name
    )

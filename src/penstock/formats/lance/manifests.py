"""Manifests of Lance's datasets: which fragments a version has, and in which files their columns lie.

A manifest is a message of Protocol Buffers (``lance.table.Manifest``), whose place the file's last 16 bytes tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["DataFile", "Fragment", "Manifest", "message_of", "numbers_of", "read_manifest", "version_of"]

_END_BYTES: Final = 16
_MAGIC: Final = b"LANC"
_MOST_VERSION: Final = (1 << 64) - 1
_DROPPED: Final = -2
"""What stands for the field of a column that was dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """A file of a fragment.

    Attributes:
        columns: of rows that it has.
        places: numbers that it has them under; a column of several parts has several.
        is_elsewhere: whether it is another dataset's.
    """

    path: str
    columns: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]
    major: int
    is_elsewhere: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Fragment:
    """Some rows."""

    number: int
    files: tuple[DataFile, ...]
    has_deleted: bool
    num_rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A version."""

    version: int
    columns: tuple[str, ...]
    fragments: tuple[Fragment, ...]


def version_of(name: str) -> int | None:
    """Return the version that a manifest's name tells, None of what is none: counted up, or down from 2**64 - 1."""
    stem, dot, ending = name.partition(".")
    if ending != "manifest" or not dot or not (stem.isascii() and stem.isdigit()) or len(stem) > 20:
        return None
    return _MOST_VERSION - int(stem) if len(stem) == 20 else int(stem)


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ValueError: it is none.
    """
    if len(data) < _END_BYTES or data[-4:] != _MAGIC:
        raise ValueError("it does not end as manifests do")
    begin = int.from_bytes(data[-16:-8], "little")
    length = int.from_bytes(data[begin : begin + 4], "little")
    if begin + 4 + length > len(data) - _END_BYTES:
        raise ValueError(f"its message of {length} bytes at byte {begin} does not lie in it")
    fields: dict[int, tuple[str, int]] = {}
    fragments, version = [], 0
    for number, value in message_of(data[begin + 4 : begin + 4 + length]):
        if number == 1:
            identity, name, parent = _field(_bytes(value))
            fields[identity] = name, parent
        elif number == 2:
            fragments.append(_bytes(value))
        elif number == 3:
            version = _number(value)
    top = {identity: _column(identity, fields) for identity in fields}
    return Manifest(
        version=version,
        columns=tuple(name for name, parent in fields.values() if parent == -1),
        fragments=tuple(_fragment(each, top) for each in fragments),
    )


def _column(identity: int, fields: dict[int, tuple[str, int]]) -> str:
    """Return the name of the column that a field is of; files name the innermost alone."""
    for _ in range(len(fields)):
        name, parent = fields.get(identity, ("", -1))
        if parent == -1:
            return name
        identity = parent
    raise ValueError("fields that lie in each other")


def _fragment(data: bytes, top: dict[int, str]) -> Fragment:
    number = num_rows = 0
    files, has_deleted = [], False
    for field, value in message_of(data):
        if field == 1:
            number = _number(value)
        elif field == 2:
            files.append(_file(_bytes(value), top))
        elif field == 3:
            has_deleted = True
        elif field == 4:
            num_rows = _number(value)
    return Fragment(number=number, files=tuple(files), has_deleted=has_deleted, num_rows=num_rows)


def _file(data: bytes, top: dict[int, str]) -> DataFile:
    path, major, is_elsewhere = "", 0, False
    own: list[int] = []
    at: list[int] = []
    for field, value in message_of(data):
        if field == 1:
            path = _bytes(value).decode()
        elif field in (2, 3):
            (own if field == 2 else at).extend(map(_signed, numbers_of(value)))
        elif field == 4:
            major = _number(value)
        elif field == 7:
            is_elsewhere = True
    columns: dict[str, list[int]] = {top[each]: [] for each in own if each in top and each != _DROPPED}
    for identity, place in zip(own, at, strict=False):
        if identity in top and place >= 0:
            columns[top[identity]].append(place)
    return DataFile(
        path=path,
        columns=tuple(columns),
        places=tuple(map(tuple, columns.values())),
        major=major,
        is_elsewhere=is_elsewhere,
    )


def _field(data: bytes) -> tuple[int, str, int]:
    name, identity, parent = "", 0, 0
    for field, value in message_of(data):
        if field == 2:
            name = _bytes(value).decode()
        elif field == 3:
            identity = _signed(_number(value))
        elif field == 4:
            parent = _signed(_number(value))
    return identity, name, parent


def message_of(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Return the fields of a message: their numbers and values.

    Raises:
        ValueError: it is none.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind, -1)
        if kind == 2:
            length, at = _varint(data, at)
        if length < 0 or at + length > len(data):
            raise ValueError(f"a message with a field of the kind {kind} that does not lie in it")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a message that is cut off")
        found |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 128:
            return found & _MOST_VERSION, at


def numbers_of(value: int | bytes) -> Iterator[int]:
    """Return the numbers of a field that may have several, which are packed or stand alone."""
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        found, at = _varint(value, at)
        yield found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a message with bytes for a number")  # noqa: TRY004
    return value


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a message with a number for bytes")  # noqa: TRY004
    return value

"""What the footer of a Parquet file tells of its column chunks.

It is read here, and not by pyarrow: its ``RowGroupMetaData.column`` ends the process (``std::terminate``) where what a
chunk tells contradicts itself. Source: parquet.thrift of Apache Parquet format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from penstock.thrift import BINARY, I32, I64, LIST, STRUCT, Struct, decode_struct

__all__ = ["Chunk", "column_chunks"]

_ROW_GROUPS: Final = 4
_COLUMNS: Final = 1
_META: Final = 3
_PATH, _UNPACKED, _PACKED = 3, 6, 7


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A column in a row group: its path, and its bytes as they lie and unpacked, 0 where that is not told."""

    path: tuple[str, ...]
    packed_bytes: int
    unpacked_bytes: int


def column_chunks(footer: bytes) -> list[list[Chunk]]:
    """Return the column chunks of each row group.

    Raises:
        ValueError: it is no footer.
    """
    return [
        [_chunk(each) for each in _structs(group, _COLUMNS)] for group in _structs(decode_struct(footer), _ROW_GROUPS)
    ]


def _chunk(column: Struct) -> Chunk:
    meta: Struct = _value(column, _META, STRUCT, {})
    kind, parts = _value(meta, _PATH, LIST, (BINARY, []))
    if parts and kind != BINARY:
        raise ValueError("a column's path is no text")
    return Chunk(
        path=tuple(bytes(part).decode() for part in parts),
        packed_bytes=_number(meta, _PACKED),
        unpacked_bytes=_number(meta, _UNPACKED),
    )


def _structs(fields: Struct, number: int) -> list[Struct]:
    kind, found = _value(fields, number, LIST, (STRUCT, []))
    if found and kind != STRUCT:
        raise ValueError(f"its field {number} lists no structures")
    structs: list[Struct] = found
    return structs


def _number(fields: Struct, number: int) -> int:
    kind, found = fields.get(number, (I64, 0))
    if kind not in (I32, I64):
        raise ValueError(f"its field {number} is no number")
    return max(0, int(found))


def _value(fields: Struct, number: int, kind: int, default: Any) -> Any:
    """Return a field's value, the default where it is not there."""
    found, value = fields.get(number, (kind, default))
    if found != kind:
        raise ValueError(f"its field {number} is of the type {found}")
    return value

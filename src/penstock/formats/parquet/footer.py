"""The footer of a Parquet file: which bytes of it each row group's chosen columns take, and a footer for them alone.

A row group is an extent: the chunks of its chosen columns, joined where they touch. Its codec is the footer of the file
that those bytes are with ``PAR1`` before them and the footer behind them, so that they are decoded with nothing else.
Source: parquet.thrift of Apache Parquet format. The chunks are found as parquet-cpp does: from the dictionary page, or
the first data page where there is none, and ``total_compressed_size`` long.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.formats.parquet.schema import Node, chosen_elements, read_tree
from penstock.thrift import BINARY, I32, I64, LIST, STRUCT, Struct, decode_struct, encode_struct

__all__ = ["MAGIC", "TAIL_BYTES", "Footer", "RowGroup", "as_file", "decode_codec", "read_footer", "row_groups"]

MAGIC = b"PAR1"
TAIL_BYTES = 8
"""A footer's length and the magic, behind it."""

_COMPRESSIONS = frozenset({0, 1, 2, 4, 5, 6, 7})
"""None, Snappy, gzip, Brotli, the LZ4 of Hadoop, Zstandard, LZ4; what is missing is LZO."""
_ARROW = b"ARROW:schema"
_VERSION, _SCHEMA, _NUM_ROWS, _ROW_GROUPS, _KEY_VALUES = range(1, 6)
"""Numbers of a footer's fields."""
_COLUMNS, _GROUP_BYTES, _GROUP_ROWS = 1, 2, 3
_FILE_PATH, _FILE_OFFSET, _META, _CRYPTO, _ENCRYPTED_META = 1, 2, 3, 8, 9
_TYPE, _ENCODINGS, _PATH, _COMPRESSION, _NUM_VALUES, _UNPACKED, _PACKED = range(1, 8)
_DATA_PAGE, _DICTIONARY_PAGE, _SIZES = 9, 11, 16
_TYPE_LENGTH, _TEXT_BYTES = 2, 1
"""Of a schema's element, and of what a chunk tells of sizes."""
_BITS = {0: 1, 1: 32, 2: 64, 3: 64, 4: 32, 5: 64, 6: 32}
"""That a value takes, by type; of text and bytes those of its place alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footer:
    """What a footer tells.

    Attributes:
        root: of the schema.
        fields: of the whole.
        data_end: where the chunks must have ended.
    """

    root: Node
    fields: Struct
    data_end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RowGroup:
    """The chosen columns of a row group.

    Attributes:
        spans: offset and length of its bytes in the file.
        decoded_bytes: what they take unpacked, as far as the footer tells.
        codec: what they are decoded by.
    """

    number: int
    num_rows: int
    spans: tuple[tuple[int, int], ...]
    decoded_bytes: int
    codec: str


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A column's bytes in a row group; offsets are those of the file, ``dictionary_page`` 0 where there is none."""

    start: int
    length: int
    unpacked: int
    num_values: int
    data_page: int
    dictionary_page: int
    meta: Struct


def read_footer(data: bytes, *, file_bytes: int) -> Footer:
    """Read a footer.

    Args:
        data: the footer, without its length and the magic.
        file_bytes: of the file.

    Raises:
        ValueError: it is none.
    """
    try:
        fields = decode_struct(data)
    except ValueError as error:
        raise ValueError(f"its footer cannot be read: {error}") from error
    root = read_tree(_structs(fields, _SCHEMA, "schema"))
    return Footer(root=root, fields=fields, data_end=file_bytes - TAIL_BYTES - len(data))


def row_groups(footer: Footer, leaves: Sequence[int]) -> Iterator[RowGroup]:
    """Return the chosen columns of each row group that has rows.

    Raises:
        ValueError: it tells of bytes that the file doesn't have, or in a way that cannot be read.
    """
    schema = chosen_elements(footer.root, leaves)
    from penstock.formats.parquet.arrow_schema import chosen_arrow_schema  # here: Arrow is imported meanwhile

    arrow = chosen_arrow_schema(_arrow_schema(footer.fields), footer.root, leaves)
    columns = [node for node in footer.root.walk() if not node.children]
    for number, group in enumerate(_structs(footer.fields, _ROW_GROUPS, "row groups")):
        num_rows = _number(group, _GROUP_ROWS, f"the number of rows of row group {number}")
        if not num_rows:
            continue
        described = _structs(group, _COLUMNS, f"columns of row group {number}")
        if len(described) != len(columns):
            raise ValueError(f"row group {number} has {len(described)} columns, the schema {len(columns)}")
        chunks = []
        for leaf in leaves:
            name = f"column {columns[leaf].path!r} of row group {number}"
            chunk = _read_chunk(described[leaf], name, footer.data_end)
            if not columns[leaf].may_repeat and chunk.num_values != num_rows:
                raise ValueError(f"{name} has {chunk.num_values} values for {num_rows} rows")
            chunks.append(chunk)
        spans = _joined(chunks)
        packed = _codec(footer, schema, arrow, num_rows, _placed(chunks, spans))
        yield RowGroup(
            number=number,
            num_rows=num_rows,
            spans=spans,
            decoded_bytes=sum(map(_decoded_bytes, chunks, (columns[leaf].element for leaf in leaves))),
            codec=base64.b85encode(zlib.compress(packed)).decode(),
        )


def _decoded_bytes(chunk: _Chunk, element: Struct) -> int:
    """Return what a column's values take, which may be far more than their unpacked pages, where values repeat."""
    bits = _BITS.get(chunk.meta.get(_TYPE, (I32, None))[1], 0)
    if not bits:
        bits = 8 * max(0, _plain(element, _TYPE_LENGTH))
    kind, sizes = chunk.meta.get(_SIZES, (0, {}))
    text_bytes = max(0, _plain(sizes, _TEXT_BYTES)) if kind == STRUCT else 0
    return max(chunk.unpacked, chunk.num_values * bits // 8 + text_bytes)


def _plain(fields: Struct, number: int) -> int:
    """Return a number that a field may have, 0 where it has none."""
    kind, found = fields.get(number, (0, 0))
    return int(found) if kind in (I32, I64) else 0


def as_file(parts: Sequence[Any], footer: bytes) -> NDArray[np.uint8]:
    """Return a Parquet file of chunks, as they are joined, and a footer, shape (bytes,)."""
    pieces = [MAGIC, *parts, footer, len(footer).to_bytes(4, "little"), MAGIC]
    return np.concatenate([np.frombuffer(piece, np.uint8) for piece in pieces])


def decode_codec(codec: str) -> bytes:
    """Return the footer that a codec is.

    Raises:
        ValueError: it is none.
    """
    try:
        return zlib.decompress(base64.b85decode(codec))
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _structs(fields: Struct, number: int, name: str) -> list[Struct]:
    """Return the structures that a field lists."""
    kind, found = fields.get(number, (0, None))
    if kind != LIST or (found[1] and found[0] != STRUCT):
        raise ValueError(f"its footer has no {name}")
    structs: list[Struct] = found[1]
    return structs


def _number(fields: Struct, number: int, name: str, *, least: int = 0, default: int | None = None) -> int:
    """Return a field's number, one from ``least`` to what 64 bits hold."""
    kind, found = fields.get(number, (I64, default))
    if kind not in (I32, I64) or found is None or not least <= found < 1 << 63:
        raise ValueError(f"{name} is {found if kind in (I32, I64) else 'no number'}")
    return int(found)


def _arrow_schema(fields: Struct) -> bytes:
    pairs = _structs(fields, _KEY_VALUES, "") if _KEY_VALUES in fields else []
    found = [pair.get(2, (0, b"")) for pair in pairs if pair.get(1) == (BINARY, _ARROW)]
    return found[0][1] if found and found[0][0] == BINARY else b""


def _read_chunk(column: Struct, name: str, data_end: int) -> _Chunk:
    """Return a column chunk, if it lies in the file, in clear, and packed in a way that is known."""
    if _CRYPTO in column or _ENCRYPTED_META in column:
        raise ValueError(f"{name} is encrypted")
    if column.get(_FILE_PATH, (BINARY, b""))[1]:
        raise ValueError(f"{name} lies in another file, {column[_FILE_PATH][1]!r}")
    kind, meta = column.get(_META, (0, {}))
    if kind != STRUCT:
        raise ValueError(f"{name} is not described")
    data_page = _number(meta, _DATA_PAGE, f"the offset of {name}")
    dictionary = _number(meta, _DICTIONARY_PAGE, f"the offset of the dictionary of {name}", default=0)
    length = _number(meta, _PACKED, f"the length of {name}")
    start = dictionary if 0 < dictionary < data_page else data_page
    if start < len(MAGIC) or not length or not data_page < start + length <= data_end:
        raise ValueError(f"{name} is said to have {length} bytes from {start} on, where {data_end} end")
    compression = _number(meta, _COMPRESSION, f"the compression of {name}")
    if compression not in _COMPRESSIONS:
        raise ValueError(
            f"{name} is packed by {'LZO' if compression == 3 else f'compression {compression}'}, unknown here"
        )
    return _Chunk(
        start=start,
        length=length,
        unpacked=_number(meta, _UNPACKED, f"the unpacked length of {name}"),
        num_values=_number(meta, _NUM_VALUES, f"the number of values of {name}"),
        data_page=data_page,
        dictionary_page=dictionary if 0 < dictionary < data_page else 0,
        meta=meta,
    )


def _joined(chunks: Sequence[_Chunk]) -> tuple[tuple[int, int], ...]:
    """Return the spans of chunks, by offset, one for those that touch."""
    spans: list[tuple[int, int]] = []
    for start, length in sorted((chunk.start, chunk.length) for chunk in chunks):
        if spans and start <= sum(spans[-1]):
            first, before = spans[-1]
            spans[-1] = (first, max(before, start + length - first))
        else:
            spans.append((start, length))
    return tuple(spans)


def _placed(chunks: Sequence[_Chunk], spans: Sequence[tuple[int, int]]) -> list[tuple[_Chunk, int]]:
    """Return chunks, each with how far it is moved where the spans are joined behind the magic."""
    moves, place = [], len(MAGIC)
    for start, length in spans:
        moves.append((start, length, place - start))
        place += length
    return [
        (chunk, next(move for start, length, move in moves if start <= chunk.start < start + length))
        for chunk in chunks
    ]


def _codec(
    footer: Footer, schema: Sequence[Struct], arrow: bytes, num_rows: int, placed: Sequence[tuple[_Chunk, int]]
) -> bytes:
    """Write the footer of a row group alone."""
    group: Struct = {
        _COLUMNS: (LIST, (STRUCT, [_write_chunk(chunk, move) for chunk, move in placed])),
        _GROUP_BYTES: (I64, sum(chunk.unpacked for chunk, _ in placed)),
        _GROUP_ROWS: (I64, num_rows),
    }
    whole: Struct = {
        _VERSION: (I32, _number(footer.fields, _VERSION, "its version", default=1)),
        _SCHEMA: (LIST, (STRUCT, list(schema))),
        _NUM_ROWS: (I64, num_rows),
        _ROW_GROUPS: (LIST, (STRUCT, [group])),
    }
    if arrow:
        whole[_KEY_VALUES] = (LIST, (STRUCT, [{1: (BINARY, _ARROW), 2: (BINARY, arrow)}]))
    return encode_struct(whole)


def _write_chunk(chunk: _Chunk, move: int) -> Struct:
    """Describe a chunk that was moved, without what only searching needs."""
    kept = (_TYPE, _PATH, _COMPRESSION, _NUM_VALUES, _UNPACKED, _PACKED)
    described: Struct = {number: chunk.meta[number] for number in kept if number in chunk.meta}
    described[_ENCODINGS] = (LIST, (I32, []))
    described[_DATA_PAGE] = (I64, chunk.data_page + move)
    if chunk.dictionary_page:
        described[_DICTIONARY_PAGE] = (I64, chunk.dictionary_page + move)
    return {_FILE_OFFSET: (I64, 0), _META: (STRUCT, described)}

"""Which buffers of a record batch are of which column (Arrow's columnar format, IPC), and where wanted ones lie."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from penstock.formats.arrow.flat import Batch

__all__ = ["column_buffers", "count_of", "least_bytes", "wanted_ranges"]

_GAP_BYTES = 4096
"""Between wanted buffers, up to which what lies there is read too."""


def column_buffers(schema: pa.Schema) -> list[range] | None:
    """Return the numbers of each column's buffers; None where they are not known before a batch is read."""
    found, first = [], 0
    for field in schema:
        count = count_of(field.type)
        if count is None:
            return None
        found.append(range(first, first + count))
        first += count
    return found


def count_of(kind: pa.DataType) -> int | None:
    """Return how many buffers a column of a type has with those of its children; None of types of no fixed number."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return count_of(kind.storage_type)
    if types.is_null(kind):
        return 0
    if types.is_dictionary(kind):
        return 2
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return 3
    if types.is_primitive(kind) or types.is_boolean(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind):
        return 2
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        own = 2
    elif types.is_fixed_size_list(kind) or types.is_struct(kind):
        own = 1
    else:  # views of strings have as many as they like; unions and runs are rare
        return None
    children = [count_of(kind.field(number).type) for number in range(kind.num_fields)]
    return None if None in children else own + sum(each for each in children if each is not None)


def least_bytes(schema: pa.Schema, wanted: Sequence[int], num_rows: int) -> int:
    """Return what the values of columns take at least unpacked, where those of a type take as much each."""
    bits = 0
    for number in wanted:
        try:
            bits += schema.field(number).type.bit_width
        except ValueError:  # of no fixed width
            continue
    return num_rows * bits // 8


def wanted_ranges(batch: Batch, columns: Sequence[range] | None, wanted: Sequence[int], body_bytes: int) -> list[range]:
    """Return where a batch's wanted columns lie in its body, in order, apart from each other.

    Args:
        columns: numbers of each column's buffers; None where they are not known, so that all are wanted.
        wanted: numbers of the columns.

    Raises:
        ValueError: the batch has not as many buffers as its schema's columns.
    """
    if columns is None or len(wanted) == len(columns):
        return [range(body_bytes)] if body_bytes else []
    if columns[-1].stop != len(batch.buffers):
        raise ValueError(f"{len(batch.buffers)} buffers, of {columns[-1].stop} that its columns have")
    buffers = sorted(batch.buffers[number] for column in wanted for number in columns[column])
    found: list[range] = []
    for offset, length in buffers:
        if not length:
            continue
        if found and offset <= found[-1].stop + _GAP_BYTES:
            found[-1] = range(found[-1].start, max(found[-1].stop, offset + length))
        else:
            found.append(range(offset, offset + length))
    return found

"""Rows of Arrow arrays as values of Python and numpy, exact in every type.

Numbers, truth values, points in time and lengths of it are numpy scalars; lists of them that lack none are numpy
arrays, of a tensor's shape where the file has tensors; other lists are lists, structs are dictionaries, maps lists of
pairs; text is ``str``, binary ``bytes``, what is missing ``None``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Rows", "some_rows"]

Reader = Callable[[int], Any]
_LARGE_BYTES = 4096
"""Mean of binary values from which on each is made when it is asked for."""
_SMALL_PART = 4
"""Of a table: fewer rows are copied, so that they do not keep all of it in memory."""


def some_rows(table: pa.Table, numbers: NDArray[np.int64]) -> pa.Table:
    """Return some rows of a table; views of it where they follow each other and are no small part of it.

    ``pyarrow.compute`` is asked for others alone: its import takes longer than several requests.

    Args:
        numbers: of them, ascending, shape (rows,).
    """
    if len(numbers) == table.num_rows:
        return table
    if len(numbers) * _SMALL_PART >= table.num_rows and numbers[-1] - numbers[0] + 1 == len(numbers):
        return table.slice(int(numbers[0]), len(numbers))
    try:
        return table.take(pa.array(numbers))
    except pa.ArrowNotImplementedError:  # views of text and runs are cut to pieces, but not taken from by number
        cuts = np.flatnonzero(np.diff(numbers) != 1) + 1
        runs = np.split(numbers, cuts) if len(numbers) else []
        return pa.concat_tables(
            [table.slice(int(run[0]), len(run)) for run in runs] or [table.slice(0, 0)]
        ).combine_chunks()


class Rows(Sequence[dict[str, Any]]):
    """Rows of a table, each made when it is asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._size: int = table.num_rows
        self._starts: list[int] = []
        self._parts: list[list[tuple[str, Reader]]] = []
        start = 0
        for batch in table.to_batches():
            self._starts.append(start)
            columns = zip(batch.schema.names, batch.columns, strict=True)
            self._parts.append([(name, _reader(column)) for name, column in columns])
            start += batch.num_rows

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(self._size))]
        if not -self._size <= row < self._size:
            raise IndexError(row)
        row %= self._size
        part = bisect_right(self._starts, row) - 1
        at = row - self._starts[part]
        return {name: read(at) for name, read in self._parts[part]}


def _reader(array: Any) -> Reader:
    """Return what makes the n-th value of an array."""
    kind = array.type
    if isinstance(array, pa.FixedShapeTensorArray):
        return _tensor_reader(array)
    if isinstance(kind, pa.BaseExtensionType):
        return _reader(array.storage)
    if pa.types.is_dictionary(kind):
        return _reader(array.dictionary_decode())
    values = _numbers(array)
    if values is not None:
        numbers = values
        return _where_known(array, lambda at: numbers[at])
    if pa.types.is_struct(kind):
        fields = [(kind.field(number).name, _reader(array.field(number))) for number in range(kind.num_fields)]
        return _where_known(array, lambda at: {name: read(at) for name, read in fields})
    if pa.types.is_fixed_size_list(kind):
        size, first = kind.list_size, array.offset
        return _where_known(
            array, _list_reader(array.values, lambda at: ((first + at) * size, (first + at + 1) * size))
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        bounds = _bounds_of(array.offsets.to_numpy())
        read = _map_reader(array, bounds) if pa.types.is_map(kind) else _list_reader(array.values, bounds)
        return _where_known(array, read)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _where_known(array, _binary_reader(array))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = array.to_pylist()
        return lambda at: found[at]
    return lambda at: array[at].as_py()


def _binary_reader(array: Any) -> Reader:
    """Return what makes bytes: small ones at once, which is faster each, others when they are asked for."""
    if array.nbytes <= _LARGE_BYTES * len(array):
        found = array.to_pylist()
        return lambda at: found[at]
    _, ends, values = array.buffers()
    dtype = np.dtype(np.int32 if pa.types.is_binary(array.type) else np.int64)
    bounds = np.frombuffer(ends, dtype)[array.offset : array.offset + len(array) + 1].tolist()
    data = memoryview(values)
    return lambda at: bytes(data[bounds[at] : bounds[at + 1]])


def _tensor_reader(array: Any) -> Reader:
    known = _known(array)
    whole = array if not array.null_count else pa.ExtensionArray.from_storage(array.type, array.storage.drop_null())
    if whole.storage.flatten().null_count:  # a tensor of which a part is missing is none that numpy has
        return _reader(array.storage)
    values: NDArray[Any] = whole.to_numpy_ndarray()
    places = np.cumsum(known) - 1
    return lambda at: values[places[at]].copy() if known[at] else None


def _bounds_of(ends: NDArray[Any]) -> Callable[[int], tuple[int, int]]:
    return lambda at: (int(ends[at]), int(ends[at + 1]))


def _map_reader(array: Any, bounds: Callable[[int], tuple[int, int]]) -> Reader:
    key, item = _reader(array.keys), _reader(array.items)
    return lambda at: [(key(each), item(each)) for each in range(*bounds(at))]


def _list_reader(values: pa.Array, bounds: Callable[[int], tuple[int, int]]) -> Reader:
    """Return what makes lists of an array's values."""
    numbers = None if values.null_count else _numbers(values)
    if numbers is not None:
        found = numbers
        # Its own, so that it can be written to and keeps no more than itself in memory.
        return lambda at: found[slice(*bounds(at))].copy()
    read = _reader(values)
    return lambda at: [read(each) for each in range(*bounds(at))]


def _where_known(array: pa.Array, read: Reader) -> Reader:
    if not array.null_count:
        return read
    known = _known(array)
    return lambda at: read(at) if known[at] else None


def _known(array: pa.Array) -> NDArray[np.bool_]:
    """Tell of each value whether it is there."""
    return _bits(array, 0) if array.null_count else np.ones(len(array), np.bool_)


def _bits(array: pa.Array, number: int) -> NDArray[np.bool_]:
    """Return one of an array's buffers of bits, shape (len(array),); of none zeros."""
    buffer = array.buffers()[number]
    if buffer is None:
        return np.zeros(len(array), np.bool_)
    first, skipped = divmod(array.offset, 8)
    octets = np.frombuffer(buffer, np.uint8)[first : -(-(array.offset + len(array)) // 8)]
    return np.unpackbits(octets, bitorder="little")[skipped : skipped + len(array)].view(np.bool_)


def _numbers(array: pa.Array) -> NDArray[Any] | None:
    """Return an array's values, whatever those that are missing are; None where its type is none of numbers."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return _bits(array, 1)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        dtype = np.dtype(kind.to_pandas_dtype())
    elif pa.types.is_timestamp(kind):
        dtype = np.dtype(f"datetime64[{kind.unit}]")
    elif pa.types.is_duration(kind):
        dtype = np.dtype(f"timedelta64[{kind.unit}]")
    elif pa.types.is_date64(kind):
        dtype = np.dtype("datetime64[ms]")
    elif pa.types.is_date32(kind):
        days = _buffer(array, np.dtype(np.int32))
        return days.astype(np.int64).view("datetime64[D]")
    else:
        return None
    return _buffer(array, dtype)


def _buffer(array: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), dtype)
    return np.frombuffer(buffer, dtype, count=array.offset + len(array))[array.offset :]

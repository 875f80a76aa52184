"""The Arrow type that values are held by, found of the values themselves, and arrays of that type.

A number keeps its width, and wider ones make it wider; a list of numbers is a list, an array of two or more dimensions
a tensor of its shape, a dictionary a struct of the names of all, pairs in tuples a map. What is missing is of any type.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["array_of", "joined", "type_of"]

_MOST_DIGITS = 38
_SIMPLE = {bool: pa.bool_(), float: pa.float64(), str: pa.string(), bytes: pa.binary(), type(None): pa.null()}
_UNITS = ("s", "ms", "us", "ns")


def type_of(value: Any) -> pa.DataType:
    """Return the type of a value.

    Raises:
        ValueError: there is none, in words that go on from the name of its field.
    """
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return simple
    match value:
        case np.ndarray():
            return _type_of_array(value)
        case np.generic():
            return _type_of_scalar(value)
        case int():
            return _type_of_int(value)
        case str() | bytearray() | memoryview():
            return pa.string() if isinstance(value, str) else pa.binary()
        case Mapping():
            return pa.struct([pa.field(str(name), type_of(each)) for name, each in value.items()])
        case list() | tuple():
            return _type_of_list(value)
        case Decimal() if value.is_finite():
            exponent = value.as_tuple().exponent
            return pa.decimal128(_MOST_DIGITS, max(0, -exponent if isinstance(exponent, int) else 0))
        case datetime.time():
            return pa.time64("us")
    raise ValueError(f"is {type(value).__name__}")


def _type_of_int(value: int) -> pa.DataType:
    if not -(2**63) <= value < 2**64:
        raise ValueError(f"is {str(value)[:30]}, which 64 bits do not hold")
    return pa.int64() if value < 2**63 else pa.uint64()


def _type_of_scalar(value: np.generic) -> pa.DataType:
    kind = value.dtype.kind
    if kind in "mM" and np.isnat(value):
        return pa.null()
    return _type_of_numbers(value.dtype)


def _type_of_numbers(dtype: np.dtype[Any]) -> pa.DataType:
    if dtype.kind in "mM":
        unit, count = np.datetime_data(dtype)
        if unit == "D" and dtype.kind == "M":
            return pa.date32()
        if unit not in _UNITS or count != 1:
            raise ValueError(f"is {dtype}")
        return pa.timestamp(unit) if dtype.kind == "M" else pa.duration(unit)
    if dtype.kind == "U":
        return pa.string()
    if dtype.kind == "S":
        return pa.binary()
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise ValueError(f"is {dtype}")
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def _type_of_array(value: Any) -> pa.DataType:
    if not value.ndim:
        return type_of(value[()])
    if value.dtype.kind == "O":
        return _type_of_list(value.tolist())
    if value.dtype.kind in "mM" and np.isnat(value).any():
        raise ValueError("is an array with points in time that are missing")
    kind = _type_of_numbers(value.dtype)
    if value.ndim == 1:
        return pa.list_(kind)
    if value.dtype.kind not in "iuf" or not value.size:
        raise ValueError(f"is an array of {value.dtype} of the shape {list(value.shape)}")
    return pa.fixed_shape_tensor(kind, value.shape)


def _type_of_list(value: Sequence[Any]) -> pa.DataType:
    if value and all(isinstance(each, tuple) and len(each) == 2 for each in value):
        return pa.map_(*(reduce(joined, map(type_of, part)) for part in zip(*value, strict=True)))
    kinds = set(map(type, value))
    if kinds == {int}:
        return pa.list_(joined(type_of(min(value)), type_of(max(value))))
    if len(kinds) == 1 and kinds <= _SIMPLE.keys():
        return pa.list_(type_of(value[0]))
    return pa.list_(reduce(joined, map(type_of, value), pa.null()))


def joined(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds values of both.

    Raises:
        ValueError: there is none, in words that go on from the name of their field.
    """
    if one.equals(other):
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    if _is_number(one) and _is_number(other):
        return _wider(one, other)
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        return one if one.scale >= other.scale else other
    if pa.types.is_map(one) and pa.types.is_map(other):
        return pa.map_(joined(one.key_type, other.key_type), joined(one.item_type, other.item_type))
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _both(one, other)
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(joined(one.value_type, other.value_type))
    for lists, maps in ((one, other), (other, one)):  # an empty map is an empty list
        if pa.types.is_list(lists) and pa.types.is_null(lists.value_type) and pa.types.is_map(maps):
            return maps
    raise ValueError(f"is {_told(one)} and {_told(other)}")


def _told(kind: pa.DataType) -> str:
    if isinstance(kind, pa.FixedShapeTensorType):
        return f"an array of {kind.value_type} of the shape {list(kind.shape)}"
    return str(kind)[:200]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    dtypes = [np.dtype(each.to_pandas_dtype()) for each in (one, other)]
    wide = np.promote_types(*dtypes)
    if wide.kind == "f" and all(dtype.kind in "iu" for dtype in dtypes):
        raise ValueError(f"is {one} and {other}, which no whole numbers of 64 bits hold")
    return pa.from_numpy_dtype(wide)


def _both(one: pa.StructType, other: pa.StructType) -> pa.DataType:
    found = {field.name: field.type for field in one}
    for field in other:
        found[field.name] = joined(found.get(field.name, pa.null()), field.type)
    return pa.struct(list(found.items()))


def array_of(values: Sequence[Any], kind: pa.DataType) -> Any:
    """Return values as an array of a type that holds them.

    Raises:
        ValueError, OverflowError, TypeError, pa.ArrowException: one of them is not of it, or not exactly.
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        return _tensors(values, kind)
    if pa.types.is_struct(kind):
        missing = pa.array([value is None for value in values], pa.bool_())
        parts = [
            array_of([None if value is None else value.get(field.name) for value in values], field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=missing)
    if pa.types.is_list(kind) and _holds_more(kind.value_type):
        return _lists(values, kind)
    if pa.types.is_date32(kind):
        return pa.array([None if value is None else value.astype("M8[D]").astype(object) for value in values], kind)
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else _scaled(value, kind.scale) for value in values], kind)
    return pa.array([_scalar(value) for value in values], kind)


def _holds_more(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind)) or isinstance(kind, pa.BaseExtensionType) or bool(pa.types.is_date32(kind))


def _scalar(value: Any) -> Any:
    return value[()] if isinstance(value, np.ndarray) and not value.ndim else value


def _scaled(value: Decimal, scale: int) -> Decimal:
    sign, digits, exponent = value.as_tuple()
    more = exponent + scale if isinstance(exponent, int) else 0
    return Decimal((sign, digits + (0,) * more, -scale))


def _tensors(values: Sequence[Any], kind: pa.FixedShapeTensorType) -> Any:
    dtype, size = np.dtype(kind.value_type.to_pandas_dtype()), int(np.prod(kind.shape))
    missing = np.array([value is None for value in values], bool)
    flat = np.zeros((len(values), size), dtype)
    for row, value in enumerate(values):
        if value is not None:
            flat[row] = value.ravel()
    storage = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), size, mask=pa.array(missing))
    return pa.ExtensionArray.from_storage(kind, storage)


def _lists(values: Sequence[Any], kind: pa.ListType) -> Any:
    flat = [each for value in values if value is not None for each in value]
    lengths = np.array([0 if value is None else len(value) for value in values], np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    missing = pa.array([value is None for value in values], pa.bool_())
    offsets = pa.array(ends, pa.int32())
    return pa.ListArray.from_arrays(offsets, array_of(flat, kind.value_type), type=kind, mask=missing)

"""Whole numbers of a column, exactly: 64-bit floats tell whole numbers apart up to 2**53 alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.tasks.table.columns import counted_in, kind_of, plain

__all__ = ["name_of", "whole_numbers"]

_LONGEST: Final = 10**20
"""Above 2**64; what is more is told as the float that it is."""


def whole_numbers(
    column: pa.ChunkedArray, values: NDArray[np.float64], *, most: int
) -> tuple[list[int], NDArray[np.int64]] | None:
    """Return a column's different numbers, where all are whole, and which of them each row has that has one.

    Args:
        values: the column as floats, NaN where there is none.
        most: of different numbers.

    Returns:
        The numbers, and places among them, shape (rows with a number,); None where one is not whole or there are more.
    """
    known = ~np.isnan(values)
    rounded = np.unique(values[known])
    if len(rounded) > most or not (rounded == np.round(rounded)).all():
        return None
    array = plain(column).filter(pa.array(known))
    unit = 1
    if pa.types.is_temporal(array.type):
        array, unit = counted_in(array)
    elif pa.types.is_floating(array.type):
        array = array.cast(pa.float64())
    elif kind_of(array.type) == "text":
        array = array.cast(pa.string())
    encoded = array.dictionary_encode()
    found: dict[int, int] = {}
    places: list[int] = []
    for cell in encoded.dictionary.to_pylist():
        number = _whole(cell)
        if number is None or number % unit:
            return None
        places.append(found.setdefault(number // unit, len(found)))
        if len(found) > most:
            return None
    return list(found), np.array(places, np.int64)[encoded.indices.to_numpy()]


def name_of(number: int | float) -> str:
    """Return a number's name: whole ones by all their digits, others by as few as tell them from all other floats."""
    if isinstance(number, float):
        return name_of(int(number)) if number.is_integer() else repr(number)
    return str(number) if abs(number) < _LONGEST or int(float(number)) != number else repr(float(number))


def _whole(cell: Any) -> int | None:
    """Return a cell's number, a finite one, if it is whole."""
    if isinstance(cell, int):
        return int(cell)
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() else None
    try:
        number = cell if isinstance(cell, Decimal) else Decimal(cell.strip())
        if not number:  # its exponent may be anything
            return 0
        return int(number) if number == number.to_integral_value() else None
    except ArithmeticError:
        return None

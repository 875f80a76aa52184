"""Columns of either format as numbers or text."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.formats.csv.cells import to_numbers
from penstock.formats.group_text import WITH_FRACTION
from penstock.formats.tables import is_missing, number

__all__ = ["MOST", "as_numbers", "as_text", "counted_in", "kind_of", "plain", "told_kind"]

LEAST_NUMBERS: Final = 0.9
"""Share of cells that are numbers, from which on those that are not are mistakes."""

MOST: Final = 1e150
"""Of a number, so that its square fits into 64 bits; what is more is taken for missing, as what is not finite."""


def kind_of(kind: pa.DataType) -> str:
    """Tell what a type is of: ``number``, ``text``, ``none`` where all is missing, or nothing that is learnt from."""
    if isinstance(kind, pa.BaseExtensionType):
        return ""
    if pa.types.is_dictionary(kind):
        return kind_of(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "text"
    if pa.types.is_null(kind):
        return "none"
    is_number = (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_temporal(kind)
    ) and not pa.types.is_interval(kind)
    return "number" if is_number else ""


def as_numbers(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], int | None]:
    """Return a column as numbers, NaN where there is none: of times seconds, of dates days, of text what it says.

    Returns:
        Numbers, shape (rows,), and the place of the first text that is none; None where there is no such text.
    """
    array = plain(column)
    wrong: int | None = None
    if kind_of(array.type) == "text":
        values, wrong = to_numbers(pa.chunked_array([array.cast(pa.string())]).fill_null(""), infinite=True)
    else:
        values = _numbers(array)
    values[~(np.abs(values) <= MOST)] = np.nan
    return values, wrong


def as_text(column: pa.ChunkedArray, *, by_value: bool = False) -> pa.Array:
    """Return a column as text without spaces around it, empty where there is none.

    Args:
        by_value: what is text and a whole number is written as one, without a fraction.

    Whole numbers have all their digits and no fraction, of whichever type they are; other floats as few digits as tell
    them from all others of their type; not a number is none.
    """
    array = plain(column)
    if pa.types.is_floating(array.type):
        array = _float_text(array)
    text = pc.utf8_trim_whitespace(array.cast(pa.string()).fill_null(""))
    if not by_value:
        return text
    whole = pc.replace_substring_regex(text, pattern=f"^{WITH_FRACTION}$", replacement=r"\1")
    return pc.if_else(pc.equal(whole, "-0"), "0", whole)


def told_kind(column: pa.ChunkedArray, *, is_typed: bool) -> str:
    """Tell whether a column is of ``number`` or ``text`` by some of its rows; the empty text where all are missing.

    Args:
        is_typed: its type says so; else it is text, and of numbers where nine of ten cells are.
    """
    if is_typed:
        kind = kind_of(column.type)
        return kind if kind != "none" and column.null_count < len(column) else ""
    known = [cell for cell in column.to_pylist() if not is_missing(cell.strip())]
    if not known:
        return ""
    share = sum(number(cell.strip(), infinite=True) is not None for cell in known) / len(known)
    return "number" if share >= LEAST_NUMBERS else "text"


def plain(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, dictionaries taken out."""
    whole = column.combine_chunks()
    array: Any = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def counted_in(array: pa.Array) -> tuple[pa.Array, int]:
    """Return dates and times as integers, and how many of them are the unit: a day of dates, a second of times."""
    kind = array.type
    if pa.types.is_date32(kind):
        return array.cast(pa.int32()), 1
    if pa.types.is_date64(kind):
        return array.cast(pa.int64()), 86_400_000
    of_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    return array.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64()), of_second


def _float_text(array: pa.Array) -> pa.Array:
    wide = array.cast(pa.float64())
    values = wide.to_numpy(zero_copy_only=False)
    known = np.isfinite(values)
    whole = known & (np.abs(np.where(known, values, 0)) < 2.0**63) & (np.trunc(values) == values)
    digits = pa.array(np.where(whole, values, 0).astype(np.int64)).cast(pa.string())
    shortest = (wide if pa.types.is_float16(array.type) else array).cast(pa.string())
    text = pc.if_else(pa.array(whole), digits, shortest)
    return pc.if_else(pa.array(np.isnan(values)), pa.scalar(None, pa.string()), text)


def _numbers(array: pa.Array) -> NDArray[np.float64]:
    unit = 1
    if pa.types.is_temporal(array.type):
        array, unit = counted_in(array)
    elif pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    values: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).copy()
    return values / unit

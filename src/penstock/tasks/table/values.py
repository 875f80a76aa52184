"""Rows that are dictionaries by column, as Arrow columns of numbers or of text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa

from penstock.errors import DataError
from penstock.tasks.table.columns import kind_of
from penstock.tasks.table.whole import name_of

__all__ = ["as_column", "columns_of", "kinds_in", "rows_table"]

_TYPED: Final = (np.generic, bool, float, Decimal, dt.date, dt.time, dt.timedelta)
"""Values that Arrow has a type of; whole numbers of Python may be larger than any."""
_ERRORS: Final = (pa.ArrowException, OverflowError, TypeError, ValueError)


def columns_of(rows: Iterable[Any], key: str) -> dict[str, None]:
    """Return the names of the columns that rows have, in the order in which they are found.

    Args:
        key: of the rows, for messages.

    Raises:
        DataError: one is no dictionary by column.
    """
    found: dict[str, None] = {}
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{key}, row {number} has no columns, but is {repr(row)[:40]}",
                fix="write a value with columns a row, like a JSON object, or leave the file out",
                about=key,
            )
        found |= dict.fromkeys(name for name in row if isinstance(name, str) and name)
    return found


def kinds_in(rows: Sequence[Any], key: str) -> dict[str, str]:
    """Tell what columns are of by some rows: ``number``, ``text``, a type that is neither, or nothing where none tells.

    Raises:
        DataError: a row is no dictionary by column.
    """
    kinds = {}
    for name in columns_of(rows, key):
        values = [row.get(name) for row in rows]
        column = as_column(values)
        kind = "" if column is None else kind_of(column.type)
        odd = next((type(value).__name__ for value in values if value is not None and as_column([value]) is None), "")
        kinds[name] = "" if kind == "none" else kind or odd
    return kinds


def rows_table(rows: Sequence[Any], names: Sequence[str], key: str) -> pa.Table:
    """Return columns of rows; what a row lacks is missing.

    Raises:
        DataError: a value is neither a number nor text.
    """
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        column = as_column(values)
        if column is None:
            place = next(at for at, value in enumerate(values) if value is not None and as_column([value]) is None)
            raise DataError(
                f"{key}, row {place}: {name} is {repr(values[place])[:40]}, neither a number nor text",
                fix="correct it, or leave the column out: name the others with --option columns=",
                about=key,
            )
        columns[name] = column
    return pa.table(columns)


def as_column(values: Sequence[Any]) -> pa.Array | None:
    """Return values as a column: of their own type where they share one, of text where one is; None where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return pa.nulls(len(values))
    if len({type(value) for value in known}) == 1 and isinstance(known[0], _TYPED):
        try:
            column = pa.array(values)
        except _ERRORS:
            column = pa.nulls(0)
        if kind_of(column.type) == "number":
            return column
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not all(isinstance(value, str | bool | int | float | Decimal | None) for value in plain):
        return None
    if any(isinstance(value, str) for value in plain):
        return pa.array([None if value is None else _text(value) for value in plain], pa.string())
    return _numbers(plain)


def _numbers(values: Sequence[Any]) -> pa.Array:
    """Return numbers as a column: exactly where all are whole, else as floats."""
    if all(value is None or isinstance(value, int) for value in values):
        whole = [None if value is None else int(value) for value in values]
        try:
            return pa.array(whole, pa.int64())
        except _ERRORS:
            pass
        try:
            return pa.array([None if value is None else Decimal(value) for value in whole])
        except _ERRORS:
            pass  # of more digits than Arrow has
    return pa.array([None if value is None else _float(value) for value in values], pa.float64())


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, Decimal) else name_of(value)

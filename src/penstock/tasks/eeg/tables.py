"""BIDS tables: tab-separated text with a header row, ``n/a`` where there is no value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from penstock.errors import DataError

__all__ = ["Row", "number", "parse_table"]

Row = Mapping[str, str]

_MISSING: Final = frozenset({"", "n/a", "na", "nan", "none", "null"})


def parse_table(data: bytes, *, name: str, required: Sequence[str]) -> list[Row]:
    """Read a table as one mapping from column to text a row; cells that a short row lacks are ``n/a``.

    Args:
        name: key of the object, for messages.
        required: columns that must be there.

    Raises:
        DataError: it is not UTF-8 text, or lacks a required column.
    """
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 text (byte {error.start})", fix="save it again as UTF-8", about=name
        ) from error
    rows = [[cell.strip().strip('"') for cell in line.split("\t")] for line in lines if line.strip()]
    columns = rows[0] if rows else []
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(
            f"{name} has no column {', '.join(missing)} (it has {', '.join(columns) or 'no columns'})",
            fix="check that it is a tab-separated BIDS table, or choose another column",
            about=name,
        )
    return [dict(zip(columns, row + ["n/a"] * (len(columns) - len(row)), strict=False)) for row in rows[1:]]


def number(cell: str) -> float | None:
    """Give a cell's number, None where it holds none (``n/a``, empty, text, infinite)."""
    if cell.lower() in _MISSING:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

"""The one text that a value is known by where samples are grouped by it, whatever type a file stores it in.

Whole numbers are written without a fraction, by numbers of any type and by texts alike; points in time in ISO 8601
without zeros at their end, a midnight as its day; truth values as ``true`` and ``false``; bytes that are UTF-8 as text.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import numpy as np

from penstock.errors import ConfigError

__all__ = ["WITH_FRACTION", "column_groups", "group_text", "group_texts", "merged", "whole_text"]

WITH_FRACTION: Final = r"(-?(?:0|[1-9][0-9]*))\.0*"
"""A whole number that is written with a fraction of nothing, in the words of Python and of RE2."""
_WHOLE: Final = re.compile(WITH_FRACTION)
_TIME: Final = re.compile(
    r"([0-9]{4,}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:Z|\+00:?00)?)?", re.ASCII
)
_TRUTHS: Final = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
_NANOSECONDS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def group_text(value: Any) -> str:
    """Return the text of a value; the empty text of what is missing or no number.

    Args:
        value: text, bytes, a number, a truth value, a point in time or a length of it, of Python or numpy; or None.

    Raises:
        TypeError: it has parts, so it is the name of no group.
    """
    if isinstance(value, list | dict | tuple | np.ndarray):
        raise TypeError(f"a value of the type {type(value).__name__}")
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return str(value)
    if isinstance(value, str):
        return _of_text(value.strip())
    if value is None or value != value:
        return ""
    if isinstance(value, np.timedelta64):
        unit = np.datetime_data(value.dtype)[0]
        return f"{_plain(Decimal(int(value.astype(np.int64)) * _NANOSECONDS[unit]).scaleb(-9))} seconds"
    if isinstance(value, np.datetime64 | datetime.time):
        return _of_text(str(value))
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return (
            _plain(Decimal(int(value) if value == np.trunc(value) else str(value)))
            if np.isfinite(value)
            else str(value)
        )
    return _plain(value) if isinstance(value, Decimal) else str(value)


def group_texts(values: Iterable[Any]) -> list[str]:
    """Return the texts of values of one type, of which many are the same.

    Raises:
        TypeError: one has parts.
    """
    known: dict[Any, str] = {}
    found = []
    for value in values:
        try:
            text = known.get(value)
        except TypeError:  # what has parts cannot be looked up
            text = None
        if text is None:
            text = group_text(value)
            known[value] = text
        found.append(text)
    return found


def column_groups(values: Iterable[Any], *, object_key: str, column: str) -> tuple[str, ...]:
    """Return the groups of rows by the values of a column.

    Raises:
        ConfigError: one is no name of a group.
    """
    try:
        return tuple(group_texts(values))
    except TypeError as error:
        raise ConfigError(
            f"{object_key} has in the column {column!r} {error}, which is no name of a group",
            fix="split by a column of text, numbers, dates or truth values",
        ) from error


def whole_text(text: str) -> str:
    """Return a text, one that is a whole number without its fraction: ``3`` of ``3.0``."""
    whole = _WHOLE.fullmatch(text)
    found = text if whole is None else whole[1]
    return "0" if found == "-0" else found


def merged(names: Iterable[str]) -> dict[str, str]:
    """Return the class of each name: a whole number that is written in two ways, ``1`` and ``1.0``, is one, ``1``."""
    ways: dict[str, list[str]] = {}
    for name in names:
        ways.setdefault(whole_text(name), []).append(name)
    return {name: whole if len(found) > 1 else name for whole, found in ways.items() for name in found}


def _of_text(text: str) -> str:
    text = whole_text(text)
    if time := _TIME.fullmatch(text):
        day, clock, fraction = time.groups()
        fraction = (fraction or "").rstrip("0")
        at = f"{clock}.{fraction}" if fraction else clock
        return day if at in (None, "00:00:00") else f"{day}T{at}"
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]+", text):
        return text.rstrip("0").rstrip(".")
    return _TRUTHS.get(text, text)


def _plain(number: Decimal) -> str:
    """Write a number without an exponent, and without zeros behind its point."""
    if not number.is_finite():
        return str(number)
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text

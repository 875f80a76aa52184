"""Values of JSON: checked without being made, made when they are asked for; what is none is told by its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.texts import did_you_mean

__all__ = ["Lines", "Values", "check_json", "json_value", "no_json", "rows_in"]

SHOWN: Final = 60
"""Characters that messages show of what is no JSON."""
_DECODER: Final = msgspec.json.Decoder()
_CHECKER: Final = msgspec.json.Decoder(msgspec.Raw)
_LINE_END, _SPACE = b"\n "
_STEP_BYTES: Final = 1 << 18
"""That are looked through at a time for where lines end."""
_TOGETHER: Final = 1024
"""Lines whose places are made Python's numbers at a time."""
_NO_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def json_value(text: bytes) -> Any:
    """Return a value as Python's ``json`` gives it, which knows NaN and Infinity too.

    Raises:
        ValueError: it is none.
        RecursionError: too much of it lies in each other.
    """
    try:
        return _DECODER.decode(text)
    except _NO_JSON:
        return json.loads(text.decode())  # slower, and with a better word on what is wrong


def check_json(text: bytes) -> None:
    """Check that UTF-8 text is one value; none is made.

    Raises:
        ValueError, RecursionError: as ``json_value``.
    """
    try:
        _CHECKER.decode(text)
    except _NO_JSON:
        json.loads(text)


def no_json(error: Exception, text: bytes, *, where: str, about: str, fix: str = "") -> DataError:
    """Make the error of what is no JSON.

    Args:
        where: it stands, like "a.jsonl, line 7".
        about: name of the object.
    """
    shown = text[: 4 * SHOWN].decode(errors="replace")
    if isinstance(error, json.JSONDecodeError):
        begin = max(0, error.pos - SHOWN // 2)
        told, place = f"{error.msg}", f", column {error.pos + 1}"
        shown = error.doc[begin : begin + SHOWN]
    elif isinstance(error, UnicodeDecodeError):
        told, place = f"not UTF-8 text (a byte is 0x{error.object[error.start]:02x})", f", byte {error.start + 1}"
    else:
        told = "lists or objects that lie too deep in each other" if isinstance(error, RecursionError) else str(error)
        place = ""
    return DataError(
        f"{where}{place}: no JSON: {told}, at {shown[:SHOWN]!r}",
        fix=fix or "write the file again with one JSON value a line, or leave it out",
        about=about,
    )


class Lines(Sequence[bytes]):
    """Lines of a text, each cut out of it when it is asked for.

    Args:
        begins: offsets, shape (lines,); likewise ``ends``.
    """

    def __init__(self, data: bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._data, self._begins, self._ends = data, begins, ends

    def __len__(self) -> int:
        return len(self._begins)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return self.some(np.arange(*number.indices(len(self))))
        return self._data[self._begins[number] : self._ends[number]]

    def __iter__(self) -> Iterator[bytes]:
        data = self._data
        for at in range(0, len(self), _TOGETHER):
            begins, ends = self._begins[at : at + _TOGETHER].tolist(), self._ends[at : at + _TOGETHER].tolist()
            for begin, end in zip(begins, ends, strict=True):
                yield data[begin:end]

    def some(self, numbers: NDArray[np.int64]) -> Lines:
        """Return those of some numbers."""
        return Lines(self._data, self._begins[numbers], self._ends[numbers])


def rows_in(data: bytes) -> Lines:
    """Return the lines that hold something."""
    letters = np.frombuffer(data, np.uint8)
    found = [
        np.flatnonzero(letters[at : at + _STEP_BYTES] == _LINE_END) + at for at in range(0, len(data), _STEP_BYTES)
    ]
    ends = np.concatenate([*found, np.array([len(data)])])
    begins = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    begins, ends = begins[begins < ends], ends[begins < ends]
    holds = letters[begins] > _SPACE
    for number in np.flatnonzero(~holds).tolist():
        holds[number] = not data[begins[number] : ends[number]].isspace()
    return Lines(data, begins[holds], ends[holds])


class Values(Sequence[Any]):
    """Values of JSON, each made when it is asked for.

    Args:
        texts: one a value.
        columns: of objects, that are given; None is what there is.
        key: of the extent, for messages.
    """

    def __init__(self, texts: Sequence[bytes], columns: Sequence[str] | None, *, key: str) -> None:
        self._texts, self._columns, self._key = texts, columns, key

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        return self._value(self._texts[number])

    def __iter__(self) -> Iterator[Any]:
        return map(self._value, self._texts)

    def _value(self, text: bytes) -> Any:
        try:
            value = json_value(text)
        except (ValueError, RecursionError) as error:
            raise no_json(error, text, where=f"a row of {self._key}", about=self._key) from error
        if self._columns is None:
            return value
        if not isinstance(value, dict):
            raise no_object(value, where=f"a row of {self._key}", about=self._key)
        return {name: value.get(name) for name in self._columns}


def no_object(value: Any, *, where: str, about: str) -> DataError:
    """Make the error of a value without columns."""
    return DataError(
        f"{where} is no JSON object, which columns were asked of, but {repr(value)[:SHOWN]}",
        fix="leave columns and group_by out, or write objects",
        about=about,
    )


def column_hint(wrong: str, there: Sequence[str]) -> str:
    """Return what to do about a column that no row has."""
    return f"{did_you_mean(wrong, list(there))}columns of its rows are: {', '.join(there[:20])}"

"""Lists and dictionaries as LitData packs them in one leaf: tags of a byte, lengths of 32 bits; or JSON, as it was."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np

__all__ = ["nested_value"]

_MOST_DEPTH: Final = 100
_LAST_TAG: Final = 0x20
_JSON, _TEXTS, _INTS, _FLOATS, _TRUTHS, _DICT, _ROWS = range(7)
_ONE: Final = {7: "text", 8: "int", 9: "float", 10: "truth", 11: "none"}
_IN_ROW: Final = {0x10: "none", 0x11: "text", 0x12: "int", 0x13: "float", 0x14: "truth"}


def nested_value(data: bytes) -> Any:
    """Return the value of a leaf.

    Raises:
        ValueError: it is damaged.
    """
    if not data or data[0] > _LAST_TAG:
        return _json(data)
    reader = _Reader(data)
    try:
        found = reader.value(0)
    except struct.error as error:
        raise ValueError("it ends within a value") from error
    if reader.at != len(data):
        raise ValueError(f"its values end at byte {reader.at} of {len(data)}")
    return found


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error


class _Reader:
    """Reads values one behind the other."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0
        self._one: dict[str, Callable[[], Any]] = {
            "text": lambda: self._bytes(self._number("<I")).decode(),
            "int": lambda: self._number("<q"),
            "float": lambda: self._number("<d"),
            "truth": lambda: bool(self._number("<B")),
            "none": lambda: None,
        }

    def value(self, depth: int) -> Any:
        """Return the next value."""
        if depth > _MOST_DEPTH:
            raise ValueError("it is nested too deep")
        tag = self._number("<B")
        if tag in _ONE:
            return self._one[_ONE[tag]]()
        if tag > _ROWS:
            raise ValueError(f"a value of the kind {tag}")
        count = self._number("<I")
        if tag == _JSON:
            return _json(self._bytes(count))
        if tag == _TEXTS:
            return [self._one["text"]() for _ in self._counted(count, 4)]
        if tag in (_INTS, _FLOATS):
            return np.frombuffer(self._bytes(8 * count), "<i8" if tag == _INTS else "<f8").tolist()
        if tag == _TRUTHS:
            return [bool(each) for each in self._bytes(count)]
        if tag == _DICT:
            return {self._one["text"](): self.value(depth + 1) for _ in self._counted(count, 5)}
        return self._rows(count)

    def _rows(self, count: int) -> list[dict[str, Any]]:
        names = [self._one["text"]() for _ in self._counted(self._number("<I"), 4)]
        if not names:
            raise ValueError("rows without names")
        return [{name: self._in_row() for name in names} for _ in self._counted(count, len(names))]

    def _in_row(self) -> Any:
        tag = self._number("<B")
        if tag not in _IN_ROW:
            raise ValueError(f"a value of the kind {tag} in a row")
        return self._one[_IN_ROW[tag]]()

    def _counted(self, count: int, least_bytes: int) -> range:
        """Return what goes over as many values, which take some bytes each."""
        if count * least_bytes > len(self._data) - self.at:
            raise ValueError(f"{count} values in {len(self._data) - self.at} bytes")
        return range(count)

    def _number(self, kind: str) -> Any:
        (found,) = struct.unpack_from(kind, self._data, self.at)
        self.at += struct.calcsize(kind)
        return found

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise ValueError(f"{count} bytes of {len(self._data) - self.at}")
        self.at += count
        return self._data[self.at - count : self.at]

"""What names a sample's content exactly: equal values of any width have equal digests, whatever holds them.

So that what was read back can be compared with what was written: ``1`` may come back as ``np.int64(1)``, a list of
numbers as an array, and a field that is missing as ``None`` or not at all.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["digest_of"]

_EXACT = 2**53
"""Whole numbers up to it are exact in 64 bits of floating point."""
_NUMBERS = (int, float, np.integer, np.floating)
_TRUTHS = (bool, np.bool_)

Put = Callable[[bytes | bytearray | memoryview], Any]


def digest_of(fields: Mapping[str, Any]) -> bytes:
    """Return what names a sample's content.

    Raises:
        TypeError: a value is of a type that no shard can hold.
    """
    digest = hashlib.sha256()
    _feed(digest.update, fields)
    return digest.digest()


def _feed(put: Put, value: Any) -> None:
    match value:
        case None:
            put(b"-")
        case bytes() | bytearray() | memoryview():
            put(b"b%d:" % len(value))
            put(value)
        case str():
            data = value.encode("utf-8", "surrogatepass")
            put(b"s%d:" % len(data))
            put(data)
        case Mapping():
            known = sorted((str(name), each) for name, each in value.items() if each is not None)
            put(b"{%d:" % len(known))
            for name, each in known:
                _feed(put, name)
                _feed(put, each)
        case np.ndarray() if not value.ndim:
            _feed(put, value[()])
        case np.ndarray() if value.dtype.kind not in "OSU":
            put(b"a%s:" % ",".join(map(str, value.shape)).encode())
            put(_plain(value))
        case np.ndarray() | list() | tuple():
            _feed_list(put, list(value))
        case Decimal():
            put(b"d%d/%d:" % value.as_integer_ratio() if value.is_finite() else b"d%s:" % str(value).encode())
        case datetime.time():
            put(b"t%s:" % value.isoformat().encode())
        case int() if not isinstance(value, bool) and not -(2**63) <= value < 2**64:
            put(b"i%d:" % value)
        case bool() | int() | float() | np.generic():
            put(b"n")
            put(_plain(np.asarray(value)))
        case _:
            raise TypeError(f"a value of {type(value).__name__}")


def _feed_list(put: Put, values: Sequence[Any]) -> None:
    kinds = set(map(type, values))
    same = all(issubclass(kind, _NUMBERS) and not issubclass(kind, _TRUTHS) for kind in kinds)
    if same or all(issubclass(kind, _TRUTHS) for kind in kinds):
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            _feed(put, array)
            return
    put(b"[%d:" % len(values))
    for each in values:
        _feed(put, each)


def _plain(array: NDArray[Any]) -> bytes:
    """Return an array's values in one form: those of numbers as floating point where that is exact."""
    kind = array.dtype.kind
    if kind in "mM":
        unit = "ns" if np.datetime_data(array.dtype)[0] == "ns" else "us"
        return kind.encode() + array.astype(f"{kind}8[{unit}]").astype("<i8").tobytes() + unit.encode()
    if kind == "b":
        return b"?" + array.tobytes()
    if kind in "iu":
        small = array.dtype.itemsize < 8 or not array.size or (array.min() >= -_EXACT and array.max() <= _EXACT)
        return array.astype("<f8").tobytes() if small else array.astype(f"<{kind}8").tobytes()
    if kind != "f":
        raise TypeError(f"numbers of {array.dtype}")
    wide = array.astype("<f8")
    unknown = np.isnan(wide)
    return (np.where(unknown, np.nan, wide) if unknown.any() else wide).tobytes()

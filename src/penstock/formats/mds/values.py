"""Values of MDS by the encodings of their columns, with every length checked; nothing is unpickled.

The encodings are those of MosaicML Streaming (``streaming.base.format.mds.encodings``, version 2 of its shards).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.formats.pictures import picture_of, raw_picture

__all__ = ["PICKLED", "Value", "value_of", "why_not"]

Value = Callable[[bytes], Any]
PICKLED: Final = frozenset({"pkl", "pickle"})
_DTYPES: Final = {
    8: "uint8",
    9: "int8",
    16: "uint16",
    17: "int16",
    18: "float16",
    32: "uint32",
    33: "int32",
    34: "float32",
    64: "uint64",
    65: "int64",
    66: "float64",
}
"""Of arrays whose type is written before each."""
_MOST_SHAPE: Final = 32
_COUNT: Final = struct.Struct("<I")


def why_not(encoding: str) -> str:
    """Tell why values of an encoding are not read; nothing where they are."""
    if encoding.partition(":")[0] in PICKLED:
        return "is pickled, and to unpickle it would run whatever is written in it"
    try:
        value_of(encoding, is_raw=False)
    except ValueError as error:
        return str(error)
    return ""


@lru_cache(maxsize=256)
def value_of(encoding: str, *, is_raw: bool) -> Value:
    """Return what makes values of their bytes.

    Args:
        is_raw: pictures are given as their bytes.

    Raises:
        ValueError: the encoding is not known. What is returned raises it where bytes are not of it.
    """
    name, colon, about = encoding.partition(":")
    if name == "ndarray":
        return _array_reader(about)
    if not colon and name in _DTYPES.values():
        return _scalar_reader(np.dtype(name).newbyteorder("<"))
    found = None if colon else _READERS.get(name)
    if found is None:
        found = None if colon else _picture_reader(name, is_raw=is_raw)
    if found is None:
        raise ValueError(f"is of the encoding {encoding[:40]!r}, which is not known")
    return found


def _picture_reader(name: str, *, is_raw: bool) -> Value | None:
    if name in {"jpeg_array", "jpegarray"}:
        return _list_reader(_plain if is_raw else _picture, before=0)
    is_list = name.startswith("list[") and name.endswith("]")
    one = _PICTURES.get(name[5:-1] if is_list else name)
    if one is None:
        return None
    one = _plain if is_raw else one
    return _list_reader(one, before=4) if is_list else one


def _plain(data: bytes) -> bytes:
    return data


def _int(data: bytes) -> int:
    if len(data) != 8:
        raise ValueError(f"{len(data)} bytes, not 8")
    return int.from_bytes(data, "little", signed=True)


def _decimal(data: bytes) -> Decimal:
    try:
        return Decimal(data.decode())
    except InvalidOperation as error:
        raise ValueError(f"{data[:40]!r} is no number") from error


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode())
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error


def _scalar_reader(dtype: np.dtype[Any]) -> Value:
    def read(data: bytes) -> Any:
        if len(data) != dtype.itemsize:
            raise ValueError(f"{len(data)} bytes, not {dtype.itemsize}")
        return np.frombuffer(data, dtype)[0]

    return read


def _array_reader(about: str) -> Value:
    """Return what makes arrays, of ``dtype``, ``dtype:2,3``, or neither, where both are written before each.

    Raises:
        ValueError: it is none of them.
    """
    dtype, _, lengths = about.partition(":")
    fixed = None
    if (dtype and dtype not in _DTYPES.values()) or (lengths and not dtype):
        raise ValueError(f"is of arrays of {about[:40]!r}, which is not known")
    if lengths:
        parts = lengths.split(",")
        if len(parts) > _MOST_SHAPE or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            raise ValueError(f"is of arrays of the shape {lengths[:40]!r}")
        fixed = tuple(map(int, parts))

    def read(data: bytes) -> Any:
        at, kind, shape = 0, dtype, fixed
        if not kind:
            kind, at = _DTYPES.get(data[0] if data else 0, ""), 1
            if not kind:
                raise ValueError(f"an array of the type {data[:1]!r}")
        if shape is None:
            shape, at = _shape(data, at)
        own = np.dtype(kind).newbyteorder("<")
        if math.prod(shape) * own.itemsize != len(data) - at:
            raise ValueError(f"{len(data) - at} bytes of an array of {kind} of the shape {shape}")
        return np.frombuffer(data, own, offset=at).reshape(shape).astype(np.dtype(kind))

    return read


def _shape(data: bytes, at: int) -> tuple[tuple[int, ...], int]:
    """Return the shape that is written at a place, and where what follows it begins."""
    if at >= len(data):
        raise ValueError("an array without a shape")
    count, size = data[at] >> 2, 1 << (data[at] & 3)
    end = at + 1 + count * size
    if end > len(data) or count > _MOST_SHAPE:
        raise ValueError(f"an array of {count} dimensions in {len(data)} bytes")
    places = range(at + 1, end, size)
    return tuple(int.from_bytes(data[place : place + size], "little") for place in places), end


def _picture(data: bytes) -> Any:
    return _tried(lambda: picture_of(data))


def _raw_picture(data: bytes) -> Any:
    if len(data) < 12:
        raise ValueError(f"a picture of {len(data)} bytes")
    width, height, length = struct.unpack_from("<III", data)
    if 12 + length > min(len(data), 64):
        raise ValueError(f"a picture whose mode has {length} bytes")
    mode = data[12 : 12 + length].decode()
    return _tried(lambda: raw_picture(mode, width, height, data[12 + length :]))


def _tried(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (ValueError, ConfigError):
        raise
    except Exception as error:  # Pillow raises what it likes on damaged bytes
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _list_reader(one: Value, *, before: int) -> Value:
    """Return what makes lists: their length, then those of the items, then the items."""

    def read(data: bytes) -> list[Any]:
        if len(data) < before + 4:
            raise ValueError(f"a list of {len(data)} bytes")
        (count,) = _COUNT.unpack_from(data, before)
        at = before + 4 + 4 * count
        if at > len(data):
            raise ValueError(f"a list of {count} items in {len(data)} bytes")
        lengths = np.frombuffer(data, "<u4", count, before + 4).tolist()
        if at + sum(lengths) != len(data):
            raise ValueError(f"a list of {count} items of {sum(lengths)} bytes together, of {len(data) - at}")
        found = []
        for length in lengths:
            found.append(one(data[at : at + length]))
            at += length
        return found

    return read


_READERS: Final[dict[str, Value]] = {
    "bytes": _plain,
    "str": lambda data: data.decode(),
    "int": _int,
    "str_int": lambda data: int(data.decode()),
    "str_float": lambda data: float(data.decode()),
    "str_decimal": _decimal,
    "json": _json,
}
_PICTURES: Final[dict[str, Value]] = {"jpeg": _picture, "png": _picture, "pil": _raw_picture}

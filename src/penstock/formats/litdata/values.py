"""Leaves of LitData by what they are written as, with every length checked; nothing is unpickled.

They are those of ``litdata.streaming.serializers``; tensors are numpy arrays, of the numbers of their own types.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np

from penstock.formats.arrays.headers import BF16, array_of
from penstock.formats.litdata.nested import nested_value
from penstock.formats.mds.values import value_of as mds_value

__all__ = ["Value", "leaf_of", "token_type", "why_not"]

Value = Callable[[bytes], Any]
_NUMPY: Final = (
    "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", "|b1"
)  # fmt: skip
_TORCH: Final = (
    "<f4", "<f4", "<f8", "<f8", "<c8", "<c8", "<c16", "<c16", "<f2", "<f2", BF16, "|u1", "|i1", "<i2", "<i2", "<i4",
    "<i4", "<i8", "<i8", "|b1", "<u2",
)  # fmt: skip
_PICKLED: Final = frozenset({"pickle", "graph"})
_FILES: Final = frozenset({"file", "video", "audio", "nifti", "mesh", "pdf", "tiff", "tifffile"})
"""Written as the bytes of the file that they came from, and given as such."""
_MOST_SHAPE: Final = 32


def why_not(kind: str) -> str:
    """Tell why leaves of a kind are not read; nothing where they are."""
    if kind.partition(":")[0] in _PICKLED:
        return "is pickled, and to unpickle it would run whatever is written in it"
    try:
        leaf_of(kind, is_raw=False)
    except ValueError as error:
        return str(error)
    return ""


def token_type(kind: str) -> str:
    """Return the type of tokens, as arrays have it.

    Raises:
        ValueError: what they are written as is none of tokens.
    """
    name, _, number = kind.partition(":")
    types = {"no_header_numpy": _NUMPY, "no_header_tensor": _TORCH}.get(name)
    if types is None or not number.isdecimal() or int(number) >= len(types):
        raise ValueError(f"is written as {kind[:40]!r}, which is not known")
    return types[int(number)]


@lru_cache(maxsize=256)
def leaf_of(kind: str, *, is_raw: bool) -> Value:
    """Return what makes values of their bytes.

    Args:
        is_raw: pictures are given as their bytes.

    Raises:
        ValueError: what they are written as is not known. What is returned raises it where bytes are not of it.
    """
    name = kind.partition(":")[0]
    if name.startswith("no_header_"):
        return _flat_reader(token_type(kind))
    if name in _FILES:
        return bytes
    if name in ("jpeg", "image", "pil", "jpeg_array"):
        return mds_value({"image": "jpeg"}.get(name, name), is_raw=is_raw)
    found = _READERS.get(kind)
    if found is None:
        raise ValueError(f"is written as {kind[:40]!r}, which is not known")
    return found


def _number_reader(kind: str) -> Value:
    size = struct.calcsize(kind)

    def read(data: bytes) -> Any:
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes, not {size}")
        return struct.unpack(kind, data)[0]

    return read


def _flat_reader(dtype: str) -> Value:
    item = 2 if dtype == BF16 else np.dtype(dtype).itemsize

    def read(data: bytes) -> Any:
        if len(data) % item:
            raise ValueError(f"{len(data)} bytes of numbers of {item}")
        return array_of(data, _written(dtype), (len(data) // item,))

    return read


def _array_reader(types: tuple[str, ...], order: str) -> Value:
    """Return what makes arrays: the number of their type, that of their lengths, their lengths, their numbers."""

    def read(data: bytes) -> Any:
        if len(data) < 8:
            raise ValueError(f"an array of {len(data)} bytes")
        number, rank = struct.unpack_from(f"{order}II", data)
        if number >= len(types) or rank > _MOST_SHAPE or 8 + 4 * rank > len(data):
            raise ValueError(f"an array of the type {number} and {rank} dimensions in {len(data)} bytes")
        shape = struct.unpack_from(f"{order}{rank}I", data, 8)
        dtype = types[number]
        item = 2 if dtype == BF16 else np.dtype(dtype).itemsize
        body = memoryview(data)[8 + 4 * rank :]
        if math.prod(shape) * item != len(body):
            raise ValueError(f"{len(body)} bytes of an array of {dtype} of the shape {shape}")
        return array_of(body, _written(dtype), shape)

    return read


def _written(dtype: str) -> str:
    return dtype if dtype == BF16 else repr(dtype)


_READERS: Final[dict[str, Value]] = {
    "str": lambda data: data.decode(),
    "text": lambda data: data.decode(),
    "bytes": bytes,
    "int": _number_reader("<q"),
    "float": _number_reader("<d"),
    "bool": _number_reader("<?"),
    "boolean": _number_reader("<?"),
    "json": nested_value,
    "numpy": _array_reader(_NUMPY, "<"),
    "tensor": _array_reader(_TORCH, ">"),
}

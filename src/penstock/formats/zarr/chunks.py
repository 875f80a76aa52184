"""Chunks of Zarr's arrays as numpy arrays, and rows that are put together of them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.array_texts import check_texts
from penstock.formats.zarr.metadata import Array
from penstock.formats.zarr.types import BYTES, TEXT, dtype_of, fill_of
from penstock.formats.zarr.unpacking import ARRAYS, numcodecs_of, unpack

__all__ = ["Chunk", "filled", "region"]

_SLACK: Final = 1 << 16
_FILTERED: Final = 8
"""How many times a chunk's numbers may take before a filter makes them what they are."""

Chunk = tuple[tuple[int, ...], bytes]
"""Where a chunk lies in the grid of chunks, and its bytes."""


@lru_cache(maxsize=256)
def filled(dtype: str, fill: str) -> Any:
    """Return the value of what is missing."""
    return fill_of(dtype, json.loads(fill))


def region(
    array: Array, begins: Sequence[int], ends: Sequence[int], chunks: Sequence[Chunk], most_bytes: int
) -> NDArray[Any]:
    """Return a region of an array, in the machine's order of bytes; what no chunk has is filled.

    Raises:
        ValueError: a chunk is damaged, or unpacks to more than ``most_bytes``.
        ConfigError: numcodecs is not there.
    """
    shape = tuple(end - begin for begin, end in zip(begins, ends, strict=True))
    kind = dtype_of(array.dtype)
    found = np.full(shape, filled(array.dtype, array.fill), kind.newbyteorder("="))
    for place, data in chunks:
        own = decoded(array, data, most_bytes)
        there, here = [], []
        for index, length, begin, end in zip(place, array.chunks, begins, ends, strict=True):
            first, last = max(index * length, begin), min((index + 1) * length, end)
            there.append(slice(first - begin, last - begin))
            here.append(slice(first - index * length, last - index * length))
        found[tuple(there)] = own[tuple(here)]
    return found


def decoded(array: Array, data: bytes, most_bytes: int) -> NDArray[Any]:
    """Return a chunk's numbers, of the shape of chunks.

    Raises:
        ValueError: it is damaged, or unpacks to more than ``most_bytes``.
        ConfigError: numcodecs is not there.
    """
    is_long = array.dtype in (TEXT, BYTES)
    most = most_bytes if is_long else min(most_bytes, _FILTERED * array.chunk_bytes) + _SLACK
    made: Any = data
    for step in array.steps:
        if step.name.startswith("vlen-"):
            made = _long_values(bytes(made), int(np.prod(array.chunks)), is_text=step.name == "vlen-utf8")
        elif step.name in ARRAYS:
            made = _filtered(step.name, step.settings(), made, array)
        else:
            held = made if isinstance(made, bytes) else np.ascontiguousarray(made).tobytes()
            made = unpack(step.name, step.settings(), held, most)
    kind = dtype_of(array.dtype)
    lying = tuple(array.chunks[axis] for axis in array.order)
    if not isinstance(made, np.ndarray) or made.dtype != kind:
        held = made if isinstance(made, bytes) else np.ascontiguousarray(made).tobytes()
        if len(held) != array.chunk_bytes:
            raise ValueError(f"{len(held)} bytes of a chunk of {array.chunk_bytes}")
        made = np.frombuffer(held, np.uint8) != 0 if kind == np.bool_ else np.frombuffer(held, kind)
    if made.size != int(np.prod(array.chunks)):
        raise ValueError(f"{made.size} values of a chunk of {array.chunks}")
    check_texts(made)
    return np.asarray(made.reshape(lying).transpose(np.argsort(array.order)))


def _filtered(name: str, settings: dict[str, Any], made: Any, array: Array) -> NDArray[Any]:
    kind = dtype_of(array.dtype)
    if name != "bitround":
        settings = {"dtype": kind.str} | settings
    try:
        codec = numcodecs_of(name, settings)
        stored = np.dtype(getattr(codec, "astype", None) or kind)
        if stored.hasobject or np.dtype(getattr(codec, "dtype", kind)).hasobject:
            raise ValueError(f"the codec {name} of objects")
        numbers = made if isinstance(made, np.ndarray) else np.frombuffer(made, stored)
        return np.asarray(codec.decode(numbers))
    except (TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from error


def _long_values(data: bytes, count: int, *, is_text: bool) -> NDArray[Any]:
    """Return values that each have their length before them, behind their number."""
    found = np.empty(count, object)
    try:
        (told,) = struct.unpack_from("<I", data)
        if told != count:
            raise ValueError(f"{told} values of a chunk of {count}")
        at = 4
        for number in range(count):
            (length,) = struct.unpack_from("<I", data, at)
            at += 4 + length
            if at > len(data):
                raise ValueError(f"value {number} of {length} bytes, behind the end")
            value = data[at - length : at]
            found[number] = value.decode() if is_text else value
    except struct.error as error:
        raise ValueError("values that are cut off") from error
    if at != len(data):
        raise ValueError(f"values that end at byte {at} of {len(data)}")
    return found

"""The headers of ``.npy`` files and of safetensors: which arrays lie where, checked before anything is read of them."""

from __future__ import annotations

import ast
import io
import math
import tokenize
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from penstock.formats.array_texts import check_texts

__all__ = ["BF16", "Layout", "array_of", "dtype_of", "read_npy", "read_safetensors"]

BF16: Final = "bfloat16"
"""Of safetensors: given as float32, which has all its numbers."""
_DTYPES: Final = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "F16": "<f2", "BF16": BF16, "U32": "<u4",
    "I32": "<i4", "F32": "<f4", "U64": "<u8", "I64": "<i8", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
_WRONG: Final = (
    SyntaxError, TypeError, KeyError, IndexError, MemoryError, RecursionError, OverflowError, tokenize.TokenError
)  # fmt: skip
"""What reading a header of literals of Python raises, beside ``ValueError``, where they are none."""
_MOST_SHAPE: Final = 64
_MOST_BYTES: Final = 1 << 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """An array in a file.

    Attributes:
        dtype: as ``.npy`` headers have it, written by ``repr``; or ``BF16``.
        offset: of its first byte in the file.
        is_fortran: whether its first axis runs fastest.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    is_fortran: bool = False

    @property
    def num_bytes(self) -> int:
        """Bytes that it has."""
        return math.prod(self.shape) * dtype_of(self.dtype).itemsize


def dtype_of(text: str) -> np.dtype[Any]:
    """Return a layout's type; that of ``BF16`` are its bits.

    Raises:
        ValueError: it is none, or one of Python's objects.
    """
    if text == BF16:
        return np.dtype("<u2")
    try:
        found: np.dtype[Any] = npy_format.descr_to_dtype(ast.literal_eval(text))
    except (*_WRONG, ValueError) as error:
        raise ValueError(f"the type {text[:60]}") from error
    if found.hasobject:
        raise ValueError("objects of Python, which would be unpickled")
    return found


def array_of(data: Any, dtype: str, shape: tuple[int, ...], *, is_fortran: bool = False) -> NDArray[Any]:
    """Return an array of bytes, its own and in the machine's order of bytes.

    Raises:
        ValueError: texts in it are none of Unicode.
    """
    kind = dtype_of(dtype)
    if kind.itemsize == 0:
        return np.zeros(shape, kind)
    found: NDArray[Any] = np.frombuffer(data, kind)
    if kind == np.bool_:
        found = np.frombuffer(data, np.uint8) != 0  # other bytes than 0 and 1 would be neither true nor false
    check_texts(found)
    found = found.reshape(shape[::-1]).T if is_fortran else found.reshape(shape)
    if dtype == BF16:
        return (found.astype(np.uint32) << 16).view(np.float32)
    return found.astype(kind.newbyteorder("="), order="C", copy=True)


def read_npy(begin: bytes, size: int) -> Layout:
    """Return the array of a ``.npy`` file.

    Args:
        begin: its first bytes, with all of its header.
        size: of the file.

    Raises:
        ValueError: it is none, or its size is another than its header tells.
    """
    file = io.BytesIO(begin)
    try:
        version = npy_format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"the version {version[0]}.{version[1]} of its header is not known")
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, is_fortran, dtype = read(file)
    except _WRONG as error:
        raise ValueError(str(error)) from error
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, which would be unpickled")
    found = Layout(
        name="",
        dtype=repr(npy_format.dtype_to_descr(dtype)),
        shape=tuple(shape),
        offset=file.tell(),
        is_fortran=is_fortran,
    )
    _check_shape(found)
    if found.offset + found.num_bytes != size:
        raise ValueError(f"it has {size} bytes, not the {found.offset + found.num_bytes} of its shape {found.shape}")
    return found


def read_safetensors(header: bytes, size: int) -> list[Layout]:
    """Return the arrays of a safetensors file, by where they lie.

    Args:
        header: its JSON.
        size: of the file.

    Raises:
        ValueError: it is none, or arrays do not lie in it, or in each other.
    """
    try:
        told = msgspec.json.decode(header, type=dict[str, dict[str, Any]])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"its header is no JSON of tensors ({error})") from error
    found = []
    for name, about in told.items():
        if name != "__metadata__":
            found.append(_tensor(name, about, 8 + len(header), size))
    found.sort(key=lambda layout: (layout.offset, layout.num_bytes))
    for first, second in pairwise(found):
        if first.offset + first.num_bytes > second.offset:
            raise ValueError(f"the tensor {first.name!r} ends within {second.name!r}")
    return found


def _tensor(name: str, about: dict[str, Any], first: int, size: int) -> Layout:
    kind, shape, place = about.get("dtype"), _counts(about.get("shape")), _counts(about.get("data_offsets"))
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise ValueError(f"the tensor {name!r} is of the type {kind!r}; known are: {', '.join(_DTYPES)}")
    if shape is None or place is None or len(place) != 2:
        raise ValueError(f"the tensor {name!r} has no shape and place, but {str(about)[:80]}")
    dtype = _DTYPES[kind]
    found = Layout(
        name=name, dtype=dtype if dtype == BF16 else repr(dtype), shape=tuple(shape), offset=first + place[0]
    )
    _check_shape(found)
    if found.num_bytes != place[1] - place[0] or first + place[1] > size:
        raise ValueError(f"the tensor {name!r} of {found.num_bytes} bytes is said to lie in {place}, of {size} bytes")
    return found


def _counts(value: Any) -> list[int] | None:
    """Return a list of counts, None for what is none."""
    if not isinstance(value, list):
        return None
    found = [each for each in value if isinstance(each, int) and not isinstance(each, bool) and each >= 0]
    return found if len(found) == len(value) else None


def _check_shape(layout: Layout) -> None:
    is_of_counts = all(type(length) is int and length >= 0 for length in layout.shape)
    # Of an array without numbers too: its other lengths are numpy's as well.
    most = math.prod(max(length, 1) for length in layout.shape) * max(1, dtype_of(layout.dtype).itemsize)
    if len(layout.shape) > _MOST_SHAPE or not is_of_counts or most > _MOST_BYTES:
        raise ValueError(f"the shape {str(layout.shape)[:60]}")

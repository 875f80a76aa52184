"""Types of numbers in Zarr's metadata, and what a missing chunk's numbers are."""

from __future__ import annotations

import base64
import math
import re
import struct
from typing import Any, Final

import msgspec
import numpy as np

__all__ = ["BYTES", "TEXT", "dtype_of", "fill_of", "type_of_v2", "type_of_v3"]

TEXT, BYTES = "text", "binary"
"""Of values that each have a length of their own."""
_V3: Final = {
    "bool": "|b1",
    "int8": "|i1",
    "uint8": "|u1",
    "float16": "<f2",
    "float32": "<f4",
    "float64": "<f8",
    "complex64": "<c8",
    "complex128": "<c16",
    **{f"int{bits}": f"<i{bits // 8}" for bits in (16, 32, 64)},
    **{f"uint{bits}": f"<u{bits // 8}" for bits in (16, 32, 64)},
    "string": TEXT,
    "variable_length_utf8": TEXT,
    "variable_length_bytes": BYTES,
    "bytes": BYTES,
}
_KINDS: Final = frozenset("biufcmMSUV")
_MOST_ITEM: Final = 1 << 20
_UNITS: Final = re.compile(r"Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as|generic")


def dtype_of(name: str) -> np.dtype[Any]:
    """Return the type of a name of this module's, objects for ``TEXT`` and ``BYTES``.

    Raises:
        ValueError: it is none.
    """
    if name in (TEXT, BYTES):
        return np.dtype(object)
    try:
        found = np.dtype([tuple(field) for field in _fields(name)] if name.startswith("[") else name)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(f"the type {name[:60]!r}") from error
    if found.hasobject or found.kind not in _KINDS or not 0 < found.itemsize <= _MOST_ITEM:
        raise ValueError(f"the type {name[:60]!r}, which is not read")
    return found


def _fields(name: str) -> list[tuple[str, str]]:
    try:
        return msgspec.json.decode(name, type=list[tuple[str, str]])
    except msgspec.DecodeError as error:
        raise ValueError("fields of fields") from error


def type_of_v2(told: Any, filters: list[str]) -> str:
    """Return the name of a type of version 2.

    Args:
        filters: by their names; they tell what objects are.

    Raises:
        ValueError: it is not read.
    """
    if told == "|O":
        found = {"vlen-utf8": TEXT, "vlen-bytes": BYTES}.get(filters[0] if filters else "")
        if found is None:
            raise ValueError(f"objects of Python, packed by {filters[0] if filters else 'nothing'!r}")
        return found
    name = told if isinstance(told, str) else msgspec.json.encode(told).decode()
    dtype_of(name)
    return name


def type_of_v3(told: Any) -> str:
    """Return the name of a type of version 3.

    Raises:
        ValueError: it is not read.
    """
    if isinstance(told, str):
        if told in _V3:
            return _V3[told]
        if told.startswith("r") and told[1:].isdecimal() and int(told[1:]) % 8 == 0:
            return _checked(f"|V{int(told[1:]) // 8}")
        raise ValueError(f"the type {told[:60]!r}, which is not read")
    name = told.get("name") if isinstance(told, dict) else None
    about = told.get("configuration") if isinstance(told, dict) else None
    about = about if isinstance(about, dict) else {}
    if name in ("numpy.datetime64", "numpy.timedelta64") and _UNITS.fullmatch(str(about.get("unit"))):
        count = about.get("scale_factor", 1)
        unit = about["unit"]
        kind = "M8" if name == "numpy.datetime64" else "m8"
        return _checked(f"<{kind}" if unit == "generic" else f"<{kind}[{int(count)}{unit}]")
    if name in ("structured", "struct") and isinstance(about.get("fields"), list):
        return _checked(
            msgspec.json.encode([[str(field), type_of_v3(kind)] for field, kind in about["fields"]]).decode()
        )
    length = about.get("length_bytes")
    if isinstance(length, int) and length > 0:
        if name == "fixed_length_utf32" and length % 4 == 0:
            return _checked(f"<U{length // 4}")
        if name in ("null_terminated_bytes", "raw_bytes"):
            return _checked(f"|{'S' if name == 'null_terminated_bytes' else 'V'}{length}")
    raise ValueError(f"the type {str(told)[:60]}, which is not read")


def _checked(name: str) -> str:
    dtype_of(name)
    return name


def fill_of(name: str, told: Any) -> Any:
    """Return the value that a missing chunk has, of the type of a name.

    Raises:
        ValueError: it is none of the type.
    """
    if name == TEXT:
        return _of(str, told, "")
    if name == BYTES:
        return b"" if told is None else _decoded(told)
    dtype = dtype_of(name)
    if told is None:
        return np.zeros((), dtype)[()]
    try:
        return _number(dtype, told)
    except (TypeError, OverflowError, struct.error) as error:
        raise ValueError(f"the fill_value {str(told)[:60]!r} of {name[:60]}") from error


def _of(kind: type, told: Any, missing: Any) -> Any:
    if told is None or told == 0:
        return missing
    if not isinstance(told, kind):
        raise ValueError(f"the fill_value {str(told)[:60]!r}")  # noqa: TRY004
    return told


def _decoded(told: Any) -> bytes:
    if isinstance(told, list):
        return bytes(told)
    return base64.b64decode(_of(str, told, ""), validate=True)


def _number(dtype: np.dtype[Any], told: Any) -> Any:
    if dtype.kind in "SV":
        data = _decoded(told) if isinstance(told, str | list) else bytes(dtype.itemsize)
        if len(data) > dtype.itemsize:
            raise ValueError(f"the fill_value of {len(data)} bytes of {dtype}")
        return np.frombuffer(data.ljust(dtype.itemsize, b"\0"), dtype)[0]
    if dtype.kind == "c" and isinstance(told, list | tuple):
        real, imaginary = (_float(part, dtype.itemsize // 2) for part in told)
        return dtype.type(complex(real, imaginary))
    if dtype.kind in "fc":
        return dtype.type(_float(told, dtype.itemsize if dtype.kind == "f" else dtype.itemsize // 2))
    if dtype.kind in "mM":
        return np.array(_count(told) if told != "NaT" else -(2**63), np.int64).view(np.dtype(dtype).newbyteorder("="))[
            ()
        ]
    if dtype.kind == "U":
        return np.array(_of(str, told, ""), dtype)[()]
    if dtype.kind == "b":
        return np.bool_(told)
    return np.array(_count(told), dtype)[()]


def _count(told: Any) -> int:
    if isinstance(told, float) and told.is_integer():
        return int(told)
    if not isinstance(told, int):
        raise ValueError(f"the fill_value {str(told)[:60]!r}")  # noqa: TRY004
    return told


def _float(told: Any, size: int) -> float:
    if isinstance(told, str):
        known = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        if told in known:
            return known[told]
        if told.startswith("0x"):
            return float(np.frombuffer(int(told, 16).to_bytes(size, "little"), f"<f{size}")[0])
    if not isinstance(told, int | float):
        raise ValueError(f"the fill_value {str(told)[:60]!r}")  # noqa: TRY004
    return float(told)

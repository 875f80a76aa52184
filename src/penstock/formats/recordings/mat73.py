"""MATLAB files of version 7.3, which are HDF5: read by h5py, an extra, as a whole."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from penstock.errors import DataError, HeaderMismatch
from penstock.extras import import_extra
from penstock.formats.recordings.matlab import Lies
from penstock.units import format_bytes

__all__ = ["fields_of_hdf5", "is_hdf5", "numbers_of_hdf5"]

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_MOST_ROWS: Final = 1_000_000
_MOST_TEXT: Final = 1 << 20


def is_hdf5(start: bytes) -> bool:
    """Return whether a file is HDF5 by its first 128 bytes: by itself, or as MATLAB's of version 7.3."""
    return start.startswith((_SIGNATURE, b"MATLAB 7.3 MAT-file"))


def fields_of_hdf5(data: bytes, *, wanted: Sequence[str], memory_bytes: int, name: str) -> dict[str, Any]:
    """Return the wanted fields of the dataset in a file, and where its data lie.

    Raises:
        DataError: it is none, or its data take more than ``memory_bytes``.
        ConfigError: h5py is not installed.
    """
    try:
        with _opened(data, name) as file:
            held = _dataset(file)
            found = {field: _value(file, _part(held, field)) for field in wanted if field in held}
            if "data" in held:
                found["data"] = _lies(file, _part(held, "data"), memory_bytes, name)
            return found
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, OverflowError) as error:
        raise _wrong(name, " ".join(str(error).split())[:200]) from error


def numbers_of_hdf5(data: memoryview, *, most_bytes: int, name: str) -> bytes:
    """Return the numbers of the dataset in a file, those of one time together.

    Raises:
        DataError: it does not hold them.
        ConfigError: h5py is not installed.
    """
    try:
        with _opened(data, name) as file:
            numbers = _part(_dataset(file), "data")
            if numbers.size * numbers.dtype.itemsize != most_bytes:
                raise ValueError(f"its data have {numbers.size} numbers")  # noqa: TRY301
            return bytes(np.asarray(numbers[()], numbers.dtype, order="C").tobytes())
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, OverflowError) as error:
        raise _wrong(name, " ".join(str(error).split())[:200]) from error


def _opened(data: bytes | memoryview, name: str) -> Any:
    what = f"{name} is a MATLAB file of version 7.3: it is read by h5py"
    h5py = import_extra("h5py", "hdf5", what=what, instead="save it from EEGLAB in version 6", about=name)
    return h5py.File(io.BytesIO(data), "r")


def _dataset(file: Any) -> Any:
    return _part(file, "EEG") if "EEG" in file else file


def _part(group: Any, field: str) -> Any:
    """Return a part of a group that lies in the file itself: HDF5 can link to others, which are never opened."""
    import h5py

    if not isinstance(group.get(field, getlink=True), h5py.HardLink):
        raise ValueError(f"{field} is a link to another place")  # noqa: TRY004
    return _own(group[field])


def _own(held: Any) -> Any:
    if not hasattr(held, "keys") and (held.external or held.is_virtual):
        raise ValueError(f"the numbers of {held.name} lie in other files")
    return held


def _lies(file: Any, held: Any, memory_bytes: int, name: str) -> Any:
    if _is_text(held):
        return _value(file, held)
    size = held.size * held.dtype.itemsize
    if size > memory_bytes:
        raise DataError(
            f"the data of {name} take {format_bytes(size)}, more than {format_bytes(memory_bytes)}",
            fix="save it from EEGLAB with an .fdt beside it, or leave it out",
            about=name,
        )
    number = held.dtype.str if held.dtype.kind in "iuf" else ""
    return Lies(shape=tuple(reversed(held.shape)), number=number, offset=0, num_bytes=size)


def _value(file: Any, held: Any) -> Any:
    """Return an array, text, or a struct as a list of dictionaries."""
    if hasattr(held, "keys"):
        return _rows(file, held)
    if held.attrs.get("MATLAB_empty"):
        return "" if _is_text(held) else np.zeros(0)
    if held.size > _MOST_TEXT:
        raise ValueError(f"{held.name} has {held.size} values")
    values = held[()]
    if _is_text(held):
        return np.ascontiguousarray(values).astype("<u2").tobytes().decode("utf-16-le", "replace")
    return np.asarray(values).reshape(-1) if held.dtype.kind in "iufb" else None


def _rows(file: Any, group: Any) -> list[dict[str, Any]]:
    columns: dict[str, list[Any]] = {}
    for field in ("labels", "type", "latency", "duration"):
        if field not in group:
            continue
        held = _part(group, field)
        if held.dtype.kind == "O":
            if held.size > _MOST_ROWS:
                raise ValueError(f"{held.name} has {held.size} values")
            columns[field] = [_value(file, _own(file[reference])) for reference in np.asarray(held[()]).reshape(-1)]
        else:
            columns[field] = [_value(file, held)]
    count = max((len(values) for values in columns.values()), default=0)
    return [
        {field: values[number] for field, values in columns.items() if number < len(values)} for number in range(count)
    ]


def _is_text(held: Any) -> bool:
    return held.attrs.get("MATLAB_class", b"") in (b"char", "char") and math.prod(held.shape) > 0


def _wrong(name: str, what: str) -> DataError:
    return HeaderMismatch(
        f"{name} cannot be read as a MATLAB file of version 7.3: {what}",
        fix="save it again from EEGLAB, or leave it out",
        about=name,
    )

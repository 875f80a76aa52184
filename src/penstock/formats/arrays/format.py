"""The formats of ``.npy`` files and of safetensors: each file is a sample, or each row of its arrays' first axis."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError, HeaderMismatch
from penstock.formats.arrays.headers import Layout, array_of, dtype_of, read_npy, read_safetensors
from penstock.formats.codec import Codec
from penstock.formats.options import block_of, check_by, names_of, size_of
from penstock.formats.protocols import Found
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import GetRange, ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import GIB, KIB, MIB, format_bytes

__all__ = ["Npy", "Safetensors", "no_arrays"]

_BY: Final = ("file", "row")
_BEGIN_BYTES: Final = 16 * KIB
_MOST_HEADER_BYTES: Final = 100 * MIB
"""As the library of safetensors has it."""
_SHOWN: Final = 20


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the extents of a file share: of each array its name, type and shape (of a row where those are samples)."""

    kind: ClassVar[str] = "arrays"

    arrays: tuple[tuple[str, str, tuple[int, ...]], ...]
    is_fortran: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arrays(ABC):
    by: Literal["file", "row"] = "file"
    block: str | int = 4 * MIB
    memory: str | int = 2 * GIB

    def __post_init__(self) -> None:
        check_by(self.by, _BY)
        object.__setattr__(self, "block", block_of(self.block))
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    @abstractmethod
    async def _layouts(self, source: GetRange, info: ObjectInfo) -> list[Layout]: ...

    @abstractmethod
    def _value(self, arrays: dict[str, NDArray[Any]]) -> Any: ...

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return the file as an extent, or blocks of its rows; its header alone is read."""
        layouts = await self._layouts(source, info)
        total = sum(layout.num_bytes for layout in layouts)
        num_rows = 1 if self.by == "file" else _rows_of(layouts, info)
        if not total or not num_rows:
            yield SkippedObject(object=info.key, reason="has no numbers")
            return
        at_once = 1 if self.by == "file" else max(1, block_of(self.block) * num_rows // total)
        memory, row_bytes = size_of("memory", self.memory), total // num_rows
        if min(at_once, num_rows) * row_bytes > memory:
            what = "" if self.by == "file" else "a row of "
            raise DataError(
                f"{what}{info.key} takes {format_bytes(row_bytes)}, more than memory={format_bytes(memory)}",
                fix='give more memory, or by="row" where the rows of a file are samples',
                about=info.key,
            )
        shapes = [layout.shape if self.by == "file" else layout.shape[1:] for layout in layouts]
        arrays = tuple((each.name, each.dtype, shape) for each, shape in zip(layouts, shapes, strict=True))
        codec = _Codec(arrays=arrays, is_fortran=any(each.is_fortran for each in layouts)).encode()
        for first in range(0, num_rows, at_once):
            count = min(at_once, num_rows - first)
            spans = []
            for layout in layouts:
                row = layout.num_bytes // num_rows
                if row:
                    spans.append(info.span(layout.offset + first * row, count * row))
            key = info.key if self.by == "file" else f"{info.key}/{first}"
            yield Extent(key=key, group=info.key, spans=tuple(spans), codec=codec, num_samples=count)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return arrays, or dictionaries of them by their names."""
        told, held, at = _Codec.read(codec), memoryview(bytes_of(data)), 0
        found: dict[str, NDArray[Any]] = {}
        count = about.num_samples
        try:
            for name, dtype, shape in told.arrays:
                length = count * math.prod(shape) * dtype_of(dtype).itemsize
                whole = (count, *shape) if self.by == "row" else shape
                found[name] = array_of(held[at : at + length], dtype, whole, is_fortran=told.is_fortran)
                at += length
        except ValueError as error:
            raise DataError(
                f"the arrays of {about.key} cannot be read: {str(error)[:200]}", fix="list again", about=about.key
            ) from error
        if self.by == "file":
            return [self._value(found)]
        return [
            self._value({name: array[number].copy() for name, array in found.items()}) for number in numbers.tolist()
        ]


def _rows_of(layouts: Sequence[Layout], info: ObjectInfo) -> int:
    """Return how many rows arrays have.

    Raises:
        ConfigError: they have none, or not as many, or they do not lie one behind the other.
    """
    if any(layout.is_fortran for layout in layouts):
        raise ConfigError(
            f"{info.key} is in Fortran's order, in which no row lies together",
            fix='write it again from numpy.ascontiguousarray, or give by="file"',
        )
    odd = next((each for each in layouts if not each.shape or each.shape[0] != layouts[0].shape[0]), None)
    if odd is not None:
        name = f" in {odd.name!r}" if odd.name else ""
        raise ConfigError(
            f"{info.key} has{name} the shape {odd.shape}, which are not rows"
            + (f" as {layouts[0].name!r} has {layouts[0].shape}" if odd is not layouts[0] else ""),
            fix='give by="file", or take arrays of as many rows with columns',
        )
    return layouts[0].shape[0] if layouts else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Npy(_Arrays):
    """The format of ``.npy`` files; values are arrays.

    Attributes:
        by: what a sample is: "file"; or "row", along the first axis.
        block: about how many bytes of rows are fetched and decoded as one, like ``"4Mi"``.
        memory: that a sample may take, like ``"2Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    async def _layouts(self, source: GetRange, info: ObjectInfo) -> list[Layout]:
        begin = bytes(await source.get_range(info, 0, min(_BEGIN_BYTES, info.size_bytes)))
        try:
            return [read_npy(begin, info.size_bytes)]
        except ValueError as error:
            raise no_arrays(info, "no .npy file", str(error)) from error

    def _value(self, arrays: dict[str, NDArray[Any]]) -> Any:
        return arrays[""]


@dataclass(frozen=True, kw_only=True, slots=True)
class Safetensors(_Arrays):
    """The format of safetensors; values are dictionaries of arrays by their names, bfloat16 as float32.

    Attributes:
        by: what a sample is: "file"; or "row", along the first axis of all tensors.
        block: about how many bytes of rows are fetched and decoded as one, like ``"4Mi"``.
        memory: that a sample may take, like ``"2Gi"``.
        columns: names of tensors that are read; None is all.

    Raises:
        ConfigError: an option cannot be used.
    """

    columns: Sequence[str] | None = None

    def __post_init__(self) -> None:
        _Arrays.__post_init__(self)
        object.__setattr__(self, "columns", names_of("columns", self.columns))

    async def _layouts(self, source: GetRange, info: ObjectInfo) -> list[Layout]:
        begin = bytes(await source.get_range(info, 0, min(_BEGIN_BYTES, info.size_bytes)))
        length = int.from_bytes(begin[:8], "little")
        try:
            if not 2 <= length <= min(_MOST_HEADER_BYTES, info.size_bytes - 8):
                raise ValueError(f"its header is said to have {length} bytes, of {info.size_bytes}")  # noqa: TRY301
            if not begin[8:].lstrip().startswith(b"{"):
                raise ValueError("its header is no JSON")  # noqa: TRY301
            rest = 8 + length - len(begin)
            if rest > 0:
                begin += bytes(await source.get_range(info, len(begin), rest))
            found = read_safetensors(begin[8 : 8 + length], info.size_bytes)
        except ValueError as error:
            raise no_arrays(info, "no safetensors file", str(error)) from error
        names = [layout.name for layout in found]
        wrong = next((name for name in self.columns or () if name not in names), None)
        if wrong is not None:
            raise ConfigError(
                f"{info.key} has no tensor {wrong!r}",
                fix=f"{did_you_mean(wrong, names)}its tensors are: {', '.join(names[:_SHOWN])}",
            )
        return [layout for layout in found if self.columns is None or layout.name in self.columns]

    def _value(self, arrays: dict[str, NDArray[Any]]) -> Any:
        return arrays if self.columns is None else {name: arrays[name] for name in self.columns}


def no_arrays(info: ObjectInfo, what: str, why: str) -> HeaderMismatch:
    """Make the error of a file that is none of arrays."""
    return HeaderMismatch(
        f"{info.key} is {what} that can be read: {' '.join(why.split())[:300]}",
        fix="write it again, or choose other files with match",
        about=info.key,
    )

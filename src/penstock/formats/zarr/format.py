"""The format of Zarr."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.codec import Codec
from penstock.formats.options import block_of, check_by, names_of, size_of
from penstock.formats.protocols import Found, Store
from penstock.formats.rows import block_rows
from penstock.formats.whole import bytes_of
from penstock.formats.zarr.chunks import Chunk, region
from penstock.formats.zarr.grid import Grid, open_grid
from penstock.formats.zarr.groups import ARRAY, GROUP, V3, arrays_in, is_in_group, listed, read_metadata
from penstock.formats.zarr.metadata import Array, read_array
from penstock.formats.zarr.types import dtype_of
from penstock.manifest import Described, Extent, SkippedObject, Span
from penstock.sources import ObjectInfo
from penstock.texts import did_you_mean
from penstock.units import GIB, MIB, format_bytes

__all__ = ["Zarr"]

_BY: Final = ("row", "chunk")
_SHOWN: Final = 20


class _Part(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An array's part of an extent: its region, and of each chunk that is there its place and how many bytes it has."""

    kind: ClassVar[str] = "Zarr"

    array: Array
    begins: tuple[int, ...]
    ends: tuple[int, ...]
    places: tuple[tuple[int, ...], ...] = ()
    lengths: tuple[int, ...] = ()

    @property
    def num_bytes(self) -> int:
        """Bytes that it takes decoded."""
        lengths = [end - begin for begin, end in zip(self.begins, self.ends, strict=True)]
        return math.prod(lengths) * dtype_of(self.array.dtype).itemsize


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Parts of an extent; ``is_group`` where samples are dictionaries, ``is_row`` where they are rows."""

    kind: ClassVar[str] = "Zarr"

    parts: tuple[_Part, ...]
    is_group: bool = False
    is_row: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Zarr:
    """The format of Zarr; values are arrays, or of groups dictionaries of arrays by their names.

    Attributes:
        by: what a sample is: "row", along the first axis of all arrays; or "chunk".
        columns: names of the arrays of groups that are read; None is all.
        block: about how many bytes of rows are fetched and decoded as one, like ``"4Mi"``.
        memory: that what is unpacked as one may take, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    takes_hidden: ClassVar[bool] = True

    by: Literal["row", "chunk"] = "row"
    columns: Sequence[str] | None = None
    block: str | int = 4 * MIB
    memory: str | int = 1 * GIB

    def __post_init__(self) -> None:
        check_by(self.by, _BY)
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "block", block_of(self.block))
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    async def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return rows of chunks of an array or group; metadata and shards' indexes are read, and its folder listed."""
        folder, slash, name = info.key.rpartition("/")
        if name not in (V3, ARRAY, GROUP):  # chunks are found by those
            return
        told = await read_metadata(source, info)
        is_group = name == GROUP or (name == V3 and told.get("node_type") == "group")
        if not is_group and await is_in_group(source, folder, is_v3=name == V3):
            return
        objects = await listed(source, folder)
        path = f"{folder}{slash}"
        arrays = {"": told} if not is_group else await arrays_in(source, path, told, objects, is_v3=name == V3)
        if is_group and not arrays:  # of groups alone
            return
        grids = []
        for each in self._chosen(arrays, info):
            array = read_array(each, arrays[each], info.key)
            if array.shape:
                grids.append(await open_grid(source, array, f"{path}{each}/" if each else path, objects))
            else:
                yield SkippedObject(object=f"{path}{each}", reason="is one number, without rows")
        if not grids or not all(grid.array.shape and np.prod(grid.array.shape, dtype=object) for grid in grids):
            yield SkippedObject(object=folder or info.key, reason="has no numbers")
            return
        found = self._rows(grids, info) if self.by == "row" else self._chunks(grids, info)
        for key, count, parts, spans in found:
            yield Extent(
                key=f"{folder or info.key}/{key}",
                group=folder or info.key,
                spans=spans or (info.span(0, 1),),
                codec=_Codec(parts=parts, is_group=is_group, is_row=self.by == "row").encode(),
                num_samples=count,
                decoded_bytes=sum(part.num_bytes for part in parts),
            )

    def _chosen(self, arrays: Mapping[str, Any], info: ObjectInfo) -> list[str]:
        names = sorted(arrays)
        wrong = next((name for name in self.columns or () if name not in names and names != [""]), None)
        if wrong is not None:
            raise ConfigError(
                f"{info.key} has no array {wrong!r}",
                fix=f"{did_you_mean(wrong, names)}its arrays are: {', '.join(names[:_SHOWN])}",
            )
        return names if self.columns is None or names == [""] else list(self.columns)

    def _rows(self, grids: Sequence[Grid], info: ObjectInfo) -> Iterator[_FoundPart]:
        """Return blocks of rows."""
        rows = _same([grid.array.shape[0] for grid in grids], grids, info, "rows")
        chunk_rows = min(max(grid.array.chunks[0] for grid in grids), rows)
        row_bytes = max(1, sum(grid.array.row_bytes for grid in grids))
        self._check_memory(chunk_rows * row_bytes, info)
        at_once = chunk_rows * max(1, block_of(self.block) // (chunk_rows * row_bytes))
        for first in range(0, rows, at_once):
            last = min(first + at_once, rows)
            made = []
            for grid in grids:
                shape = grid.array.shape
                made.append(_part(grid, (first, *[0] * (len(shape) - 1)), (last, *shape[1:]), grid.places(first, last)))
            spans = tuple(span for _, some in made for span in some)
            yield str(first), last - first, tuple(part for part, _ in made), spans

    def _chunks(self, grids: Sequence[Grid], info: ObjectInfo) -> Iterator[_FoundPart]:
        """Return chunks, those of one place of all arrays together."""
        counts = [tuple(-(-a // b) for a, b in zip(grid.array.shape, grid.array.chunks, strict=True)) for grid in grids]
        _same(counts, grids, info, "chunks")
        self._check_memory(sum(grid.array.chunk_bytes for grid in grids), info)
        for place in np.ndindex(*counts[0]):
            made = []
            for grid in grids:
                begins = tuple(at * length for at, length in zip(place, grid.array.chunks, strict=True))
                ends = tuple(
                    min(at + length, end)
                    for at, length, end in zip(begins, grid.array.chunks, grid.array.shape, strict=True)
                )
                made.append(_part(grid, begins, ends, iter([place])))
            spans = tuple(span for _, some in made for span in some)
            yield ".".join(map(str, place)), 1, tuple(part for part, _ in made), spans

    def _check_memory(self, size: int, info: ObjectInfo) -> None:
        memory = size_of("memory", self.memory)
        if size > memory:
            raise DataError(
                f"what is unpacked as one of {info.key} takes {format_bytes(size)}, more than "
                f"memory={format_bytes(memory)}",
                fix='choose fewer arrays with columns, give more memory, or by="chunk"',
                about=info.key,
            )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return arrays, or dictionaries of them by their names."""
        told, held, at = _Codec.read(codec), memoryview(bytes_of(data)), 0
        found: dict[str, NDArray[Any]] = {}
        memory = size_of("memory", self.memory)
        for part in told.parts:
            chunks: list[Chunk] = []
            for place, length in zip(part.places, part.lengths, strict=True):
                chunks.append((place, bytes(held[at : at + length])))
                at += length
            try:
                if at > len(held):
                    raise ValueError(f"{len(held)} bytes, where {at} were listed")  # noqa: TRY301
                found[part.array.name] = region(part.array, part.begins, part.ends, chunks, memory)
            except (ValueError, OverflowError) as error:
                name = f"{part.array.name!r} of " if part.array.name else ""
                raise DataError(
                    f"{name}{about.key} cannot be read: {' '.join(str(error).split())[:200]}",
                    fix="the chunk is damaged: write it again, or leave it out",
                    about=about.key,
                ) from error
        if not told.is_row:
            return [found if told.is_group else found[""]] * len(numbers)
        rows = block_rows(about, numbers).tolist()
        if not told.is_group:
            return [_own(found[""][row]) for row in rows]
        return [{name: _own(array[row]) for name, array in found.items()} for row in rows]


_FoundPart = tuple[str, int, tuple[_Part, ...], tuple[Span, ...]]


def _own(value: Any) -> Any:
    """Return a row that keeps no more than itself in memory."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _part(
    grid: Grid, begins: tuple[int, ...], ends: tuple[int, ...], places: Iterator[tuple[int, ...]]
) -> tuple[_Part, list[Span]]:
    there = [(place, span) for place in places if (span := grid.span(place)) is not None]
    part = _Part(
        array=grid.array,
        begins=begins,
        ends=ends,
        places=tuple(place for place, _ in there),
        lengths=tuple(span.length_bytes for _, span in there),
    )
    return part, [span for _, span in there]


def _same(figures: Sequence[Any], grids: Sequence[Grid], info: ObjectInfo, what: str) -> Any:
    """Return what all arrays have as many of.

    Raises:
        ConfigError: they have not.
    """
    odd = next((number for number, each in enumerate(figures) if each != figures[0]), None)
    if odd is not None:
        raise ConfigError(
            f"in {info.key} {grids[0].array.name!r} has {figures[0]} {what}, {grids[odd].array.name!r} {figures[odd]}",
            fix=f"choose arrays of as many {what} with columns",
        )
    return figures[0]

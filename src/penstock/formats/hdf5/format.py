"""The format of HDF5."""

from __future__ import annotations

import base64
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.formats.codec import Codec
from penstock.formats.hdf5.blocks import lies
from penstock.formats.hdf5.contents import Chunk, Dataset, Kind
from penstock.formats.hdf5.decoding import region
from penstock.formats.hdf5.heap import Heap
from penstock.formats.hdf5.readers import read_contents
from penstock.formats.options import block_of, check_by, names_of, size_of
from penstock.formats.protocols import Found, Store
from penstock.formats.rows import block_rows
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import ObjectInfo
from penstock.units import GIB, MIB, format_bytes

__all__ = ["Hdf5"]

_BY: Final = ("row", "file")
_MOST_CHUNKS_OF_WHOLE: Final = 1 << 16


class _Part(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rows of a dataset.

    Attributes:
        chunks: that they lie in: place, bytes and mask of filters of each, and where it lies in a whole file; else they
            lie one behind the other in the extent.
        inline: bytes of the only chunk, in base64.
        is_one: whether it is one value.
    """

    kind: ClassVar[str] = "HDF5"

    name: str
    of: Kind
    first: int
    shape: tuple[int, ...]
    chunks: tuple[tuple[tuple[int, ...], int, int, int], ...] = ()
    inline: str = ""
    is_one: bool = False


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an extent is read by; ``base`` is that of the addresses of a whole file."""

    kind: ClassVar[str] = "HDF5"

    parts: tuple[_Part, ...] = ()
    is_whole: bool = False
    base: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hdf5:
    """The format of HDF5 and NetCDF4; values are dictionaries of arrays by the names of their datasets.

    Attributes:
        by: what a sample is: "row", along the first axis of all datasets; or "file".
        columns: names of the datasets that are read, with those of their groups, like ``"train/x"``; None is all.
        block: about how many bytes of rows are fetched and decoded as one, like ``"4Mi"``; smaller files are wholes.
        memory: that what is unpacked as one may take, like ``"1Gi"``.

    Raises:
        ConfigError: an option cannot be used.
    """

    by: Literal["row", "file"] = "row"
    columns: Sequence[str] | None = None
    block: str | int = 4 * MIB
    memory: str | int = 1 * GIB

    def __post_init__(self) -> None:
        check_by(self.by, _BY)
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "block", block_of(self.block))
        object.__setattr__(self, "memory", size_of("memory", self.memory))

    async def index(self, source: Store, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return blocks of rows, or the file; what tells where the chunks of its datasets lie is read."""
        contents = await read_contents(source, info, self.columns)
        datasets, base = list(contents.datasets), contents.base
        if self.by == "row":
            for each in datasets:
                if not each.shape:
                    yield SkippedObject(object=f"{info.key}/{each.name}", reason="is one value, without rows")
            datasets = [each for each in datasets if each.shape]
        if not datasets or (self.by == "row" and not all(int(np.prod(each.shape, dtype=object)) for each in datasets)):
            yield SkippedObject(object=info.key, reason="has no numbers")
            return
        for extent in self._extents(info, datasets, base):
            yield extent

    def _extents(self, info: ObjectInfo, datasets: Sequence[Dataset], base: int) -> Sequence[Extent]:
        rows = 1 if self.by == "file" else _rows_of(datasets, info)
        heaped = next((each for each in datasets if each.kind.heap), None)
        total = sum(each.row_bytes * (each.shape[0] if each.shape else 1) for each in datasets)
        if heaped is not None or info.size_bytes <= block_of(self.block):
            why = f"{heaped.name!r} lies elsewhere in it, so it is read whole, and " if heaped else ""
            self._check_memory(max(info.size_bytes, total), info, why)
            if sum(len(each.chunks) for each in datasets) > _MOST_CHUNKS_OF_WHOLE:
                raise lies(info.key, f"it is read as a whole, and has more than {_MOST_CHUNKS_OF_WHOLE} chunks")
            return [self._cut(info, datasets, 0, rows, base=base, is_whole=True)]
        if self.by == "file":
            self._check_memory(total, info)
            return [self._cut(info, datasets, 0, rows)]
        row_bytes = max(1, sum(each.row_bytes for each in datasets))
        chunk_rows = min(max(each.kind.chunk[0] for each in datasets), rows)
        self._check_memory(chunk_rows * row_bytes, info)
        at_once = chunk_rows * max(1, block_of(self.block) // (chunk_rows * row_bytes))
        return [self._cut(info, datasets, first, min(first + at_once, rows)) for first in range(0, rows, at_once)]

    def _cut(
        self,
        info: ObjectInfo,
        datasets: Sequence[Dataset],
        first: int,
        last: int,
        *,
        base: int = 0,
        is_whole: bool = False,
    ) -> Extent:
        parts, spans = [], []
        for each in datasets:
            end = last if self.by == "row" else each.shape[0] if each.shape else 1
            parts.append(_part(each, first, end))
            spans += [info.span(offset, length) for _, length, _, offset in parts[-1].chunks]
        codec = _Codec(parts=tuple(parts), is_whole=is_whole, base=base)
        return Extent(
            key=info.key if self.by == "file" else f"{info.key}/{first}",
            group=info.key,
            spans=(info.span(0, info.size_bytes),) if is_whole else tuple(spans) or (info.span(0, 1),),
            codec=codec.encode(),
            num_samples=last - first,
            decoded_bytes=sum(each.row_bytes * part.shape[0] for each, part in zip(datasets, parts, strict=True)),
        )

    def _check_memory(self, size: int, info: ObjectInfo, why: str = "") -> None:
        memory = size_of("memory", self.memory)
        if size > memory:
            raise DataError(
                f"of {info.key} {why}what is unpacked as one takes {format_bytes(size)}, more than "
                f"memory={format_bytes(memory)}",
                fix="choose fewer datasets with columns, or give more memory",
                about=info.key,
            )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return dictionaries of arrays by the names of their datasets."""
        told, held = _Codec.read(codec), bytes_of(data)
        heap = Heap(held, told.base, size_of("memory", self.memory))
        try:
            found, at = {}, 0
            for part in told.parts:
                found[part.name] = _values(part, held, None if told.is_whole else at, heap)
                at += sum(length for _, length, _, _ in part.chunks)
            if self.by == "file":
                return [found] * len(numbers)
            rows = block_rows(about, numbers).tolist()
            return [{name: _own(array[row]) for name, array in found.items()} for row in rows]
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{about.key} cannot be read: {' '.join(str(error).split())[:300]}",
                fix="the file is damaged: write it again, or leave it out",
                about=about.key,
            ) from error


def _own(value: Any) -> Any:
    """Return a row that keeps no more than itself in memory."""
    return value.copy() if isinstance(value, np.ndarray) else value


def _values(part: _Part, held: bytes, at: int | None, heap: Heap) -> NDArray[Any]:
    """Return rows of a dataset.

    Args:
        at: where its chunks lie in what is held; None where each tells it.
    """
    chunks = []
    for place, length, mask, offset in part.chunks:
        begin = offset if at is None else at
        if begin + length > len(held):
            raise ValueError(f"{len(held)} bytes, where {begin + length} were listed")
        chunks.append((place, held[begin : begin + length], mask))
        at = None if at is None else at + length
    if part.inline:
        chunks = [((0,) * len(part.shape), base64.b64decode(part.inline), 0)]
    found = region(part.of, part.first, part.shape, chunks)
    if part.of.heap:
        found = heap.values(found, part.of.heap)
    return found.reshape(()) if part.is_one else found


def _part(dataset: Dataset, first: int, last: int) -> _Part:
    """Return what is read of some rows of a dataset; of one in a run, that is the only chunk of them."""
    shape, kind, inline = dataset.shape or (1,), dataset.kind, dataset.inline
    row = dataset.row_bytes
    is_run = dataset.begin >= 0 or bool(inline)
    if is_run:
        kind = msgspec.structs.replace(kind, chunk=(last - first, *shape[1:]), filters=())
        place = (0,) * len(shape)
        run = ((place, (last - first) * row, 0, dataset.begin + first * row),)
        if inline:
            inline = base64.b64encode(base64.b64decode(inline)[first * row : last * row]).decode()
    chunks = ((each.place, each.length, each.mask, each.offset) for each in _chunks_of(dataset, first, last))
    return _Part(
        name=dataset.name,
        of=kind,
        first=0 if is_run else first,
        shape=(last - first, *shape[1:]),
        chunks=() if inline else run if is_run else tuple(chunks),
        inline=inline,
        is_one=not dataset.shape,
    )


def _chunks_of(dataset: Dataset, first: int, last: int) -> Sequence[Chunk]:
    """Return the chunks that some rows lie in."""
    length = dataset.kind.chunk[0]
    begin = bisect_left(dataset.chunks, first // length * length, key=lambda each: each.place[0])
    end = bisect_left(dataset.chunks, last, key=lambda each: each.place[0])
    return dataset.chunks[begin:end]


def _rows_of(datasets: Sequence[Dataset], info: ObjectInfo) -> int:
    """Return how many rows all datasets have.

    Raises:
        ConfigError: they have not as many.
    """
    first = datasets[0]
    odd = next((each for each in datasets if each.shape[0] != first.shape[0]), None)
    if odd is not None:
        raise ConfigError(
            f"in {info.key} {first.name!r} has {first.shape[0]} rows, {odd.name!r} {odd.shape[0]}",
            fix='choose datasets of as many rows with columns, or give by="file"',
        )
    return first.shape[0]

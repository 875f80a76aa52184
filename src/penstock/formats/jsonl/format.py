"""The formats of JSON lines, and of a list of JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.formats.jsonl.items import items_in, read_items
from penstock.formats.jsonl.rows import Told, check_lines
from penstock.formats.jsonl.values import Values, rows_in
from penstock.formats.options import block_of, column_of, names_of, packed_endings
from penstock.formats.protocols import ByObject, Found
from penstock.formats.streams import ByteStream, Part, open_stream, read_line_blocks
from penstock.formats.streams.extents import (
    Block,
    Counted,
    asked_numbers,
    asked_rows,
    block_bytes,
    block_extents,
    unreadable,
)
from penstock.formats.streams.lines import check_held
from penstock.manifest import Described
from penstock.sources import GetRange, ObjectInfo
from penstock.units import MIB

__all__ = ["Json", "Jsonl"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows(ABC):
    """Objects of JSON values.

    Attributes:
        columns: names of those of an object that are given, None where it lacks one; None gives values as they are.
        block: about how many bytes are fetched and decoded as one, like ``"4Mi"``.
        group_by: name of the column whose value is each row's group, by which rows may be split, or names with dots
            between them of one that lies in others; None tells no groups.

    Raises:
        ConfigError: an option cannot be used.
    """

    by_object: ClassVar[ByObject] = "all"
    columns: Sequence[str] | None = None
    block: str | int = 4 * MIB
    group_by: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of("columns", self.columns))
        object.__setattr__(self, "block", block_of(self.block))
        column_of("group_by", self.group_by)

    @abstractmethod
    def _blocks(self, stream: ByteStream, info: ObjectInfo, told: Told) -> AsyncIterator[Block]: ...

    @abstractmethod
    def _texts(self, data: bytes, about: Described, numbers: NDArray[np.int64]) -> Sequence[bytes]:
        """Return the texts of the n-th values of an extent."""

    async def index(self, source: GetRange, info: ObjectInfo) -> AsyncIterator[Found]:
        """Return an extent a block of values; all of the object is read, some MiB at a time."""
        stream = await open_stream(source, info, block_bytes=block_of(self.block), what="text")
        told = Told(info, self.columns, self.group_by)
        async with aclosing(block_extents(stream, info, self._blocks(stream, info, told), told)) as found:  # type: ignore[type-var]
            async for extent in found:
                yield extent

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return values as Python's ``json`` gives them, each made when it is asked for."""
        plain = block_bytes(data, about, codec)
        try:
            texts = self._texts(plain, about, numbers)
        except (ValueError, RecursionError) as error:
            raise unreadable(about.key, str(error)) from error
        return Values(texts, self.columns, key=about.key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Jsonl(_Rows):
    """The format of JSON lines: one value a line; blank lines are none."""

    table_endings: ClassVar[tuple[str, ...]] = packed_endings("jsonl", "ndjson")

    async def _blocks(self, stream: ByteStream, info: ObjectInfo, told: Told) -> AsyncIterator[Block]:
        counted = Counted()
        async for piece in read_line_blocks(stream, info):
            num_rows, line = check_lines(piece.data, piece.line, info, told)
            counted.add(piece.begin, line, num_rows)
            if piece.is_last and (block := counted.take(piece.end, told.groups())) is not None:
                yield block
            del piece

    def _texts(self, data: bytes, about: Described, numbers: NDArray[np.int64]) -> Sequence[bytes]:
        lines = rows_in(data)
        return lines.some(asked_numbers(len(lines), about, numbers))


@dataclass(frozen=True, kw_only=True, slots=True)
class Json(_Rows):
    """The format of a list of JSON: each of its items is a sample."""

    table_endings: ClassVar[tuple[str, ...]] = packed_endings("json")

    async def _blocks(self, stream: ByteStream, info: ObjectInfo, told: Told) -> AsyncIterator[Block]:
        done = begin = end = count = 0
        async for item in read_items(stream, info, told):
            if not count:
                begin = item.begin
            end, count = item.end, count + 1
            cut = stream.cut_after(begin)
            if cut is not None and end >= cut:
                yield Block(name=done, part=Part(begin=begin, end=end), num_rows=count, groups=told.groups())
                done, count = done + count, 0
            else:
                check_held(stream, info, end - begin)
        if count:
            yield Block(name=done, part=Part(begin=begin, end=end), num_rows=count, groups=told.groups())

    def _texts(self, data: bytes, about: Described, numbers: NDArray[np.int64]) -> Sequence[bytes]:
        return asked_rows(items_in(data), about, numbers)

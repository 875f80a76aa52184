"""Extents of blocks of a stream, and their bytes again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.formats.codec import Codec
from penstock.formats.protocols import Found
from penstock.formats.rows import block_rows
from penstock.formats.streams.packing import Packing, unpacked
from penstock.formats.streams.protocols import ByteStream, Part
from penstock.formats.whole import bytes_of
from penstock.manifest import Described, Extent, SkippedObject
from penstock.sources import ObjectInfo

__all__ = ["Block", "Counted", "asked_numbers", "asked_rows", "block_bytes", "block_extents", "unreadable"]


class _Codec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an extent is unpacked; nothing where it is as it stands."""

    kind: ClassVar[str] = "blocks of text"

    packing: Packing | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Rows that lie together.

    Attributes:
        name: number of the first one's line, or its own.
        groups: of the rows; none where nothing is known of them.
    """

    name: int
    part: Part
    num_rows: int
    groups: tuple[str, ...] = ()


class Counted:
    """The rows of a block that comes in pieces."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._begin: int | None = None
        self._name = self._num_rows = 0

    def add(self, begin: int, line: int, num_rows: int) -> None:
        """Count the rows of a piece.

        Args:
            begin: offset in the stream of its first byte.
            line: that names the block, unless a piece before it did; 0 names none.
        """
        self._begin = begin if self._begin is None else self._begin
        self._name = self._name or line
        self._num_rows += num_rows

    def take(self, end: int, groups: tuple[str, ...] = ()) -> Block | None:
        """Return the block, which ends at an offset, None where it has no rows; another one begins."""
        begin, name, num_rows = self._begin, self._name, self._num_rows
        self._clear()
        if begin is None or not num_rows:
            return None
        return Block(name=name, part=Part(begin=begin, end=end), num_rows=num_rows, groups=groups)


async def block_extents(
    stream: ByteStream, info: ObjectInfo, blocks: AsyncIterator[Block], told: _Checks | None = None
) -> AsyncIterator[Found]:
    """Return the extents of all blocks of a stream: each when it is found, or all when a packed one is at its end.

    Args:
        told: what is known of the rows; no extent is given before all that was asked for was in some row.

    Raises:
        DataError, ConfigError: ``blocks`` or ``told`` does.
    """
    found: list[Block] = []
    has_rows = False
    async with aclosing(blocks) as each:  # type: ignore[type-var]
        async for block in each:
            has_rows = True
            found.append(block)
            if stream.is_placed_at_once and (told is None or told.has_all_columns):
                for extent in _extents(stream, info, found):
                    yield extent
                found.clear()
    if not has_rows:
        yield SkippedObject(object=info.key, reason="has no rows")
        return
    if told is not None:
        told.check_columns()
    for extent in _extents(stream, info, found):
        yield extent


class _Checks(Protocol):
    """What is told of rows as they are found."""

    @property
    def has_all_columns(self) -> bool: ...
    def check_columns(self) -> None: ...


def _extents(stream: ByteStream, info: ObjectInfo, blocks: Sequence[Block]) -> Iterator[Extent]:
    places = stream.placed([block.part for block in blocks])
    for block, (spans, packing) in zip(blocks, places, strict=True):
        yield Extent(
            key=f"{info.key}/{block.name}",
            group=info.key,
            spans=spans,
            codec=_Codec(packing=packing).encode(),
            num_samples=block.num_rows,
            groups=block.groups,
            decoded_bytes=block.part.end - block.part.begin,
        )


def block_bytes(data: Any, about: Described, codec: str) -> bytes:
    """Return the bytes of an extent's block.

    Raises:
        DataError: they cannot be unpacked.
    """
    return unpacked(bytes_of(data), _Codec.read(codec).packing, key=about.key)


def asked_rows(texts: Sequence[bytes], about: Described, numbers: NDArray[np.int64]) -> list[bytes]:
    """Return the n-th rows of an extent, of all rows of its block.

    Raises:
        DataError: they are not those that were listed.
    """
    return [texts[number] for number in asked_numbers(len(texts), about, numbers).tolist()]


def asked_numbers(num_rows: int, about: Described, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of the n-th rows of an extent among all rows of its block, shape (rows,).

    Raises:
        DataError: the block's rows are not those that were listed.
    """
    if not about.args and num_rows != about.num_samples:
        raise unreadable(about.key, f"there are {num_rows}, not {about.num_samples}")
    return block_rows(about, numbers)


def unreadable(key: str, why: str) -> DataError:
    """Make the error of rows that cannot be read."""
    return DataError(f"the rows of {key} cannot be read: {why[:200]}", fix="list the dataset again", about=key)

"""What formats that read an object from its begin to its end need of it, however it is packed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Protocol

from penstock.formats.streams.packing import Packing
from penstock.manifest import Span

__all__ = ["ByteStream", "Part"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a stream, to be read alone.

    Attributes:
        begin: offset in what the stream gives; likewise ``end``, which is behind it.
    """

    begin: int
    end: int


class ByteStream(Protocol):
    """Bytes of an object, which are read once; offsets are those of what it gives."""

    @property
    def most_bytes(self) -> int:
        """Most bytes that a part may have, since it is held in memory."""
        ...

    @property
    def is_placed_at_once(self) -> bool:
        """Whether it is known where a part lies before all chunks were given."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes in order, some MiB at a time.

        Raises:
            DataError: they cannot be unpacked, or end too early.
            SourceError: they could not be read.
        """
        ...

    def cut_after(self, begin: int) -> int | None:
        """Return the least offset that a part that begins there should end at; None while that is not known yet."""
        ...

    def point_before(self, offset: int) -> int:
        """Return the last offset before that one, or itself, at which reading can begin; when all chunks were given."""
        ...

    def placed(self, parts: list[Part]) -> Iterator[tuple[tuple[Span, ...], Packing | None]]:
        """Return where each of some parts lies, in their order, and how it is unpacked; when all chunks were given."""
        ...

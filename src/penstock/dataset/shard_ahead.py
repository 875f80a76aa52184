"""Extents of a shard with their bytes, in order, some of them read before their turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from penstock.manifest import Extent, Span
from penstock.units import MIB

__all__ = ["Ahead", "Extents", "Feed", "Held", "Ranges"]

MOST_AHEAD: Final = 32
"""Requests that are made before their turn: a few with the first one, then twice as many each time."""
FIRST_AHEAD: Final = 3
FIRST_BYTES: Final = 4 * MIB
"""That the first requests take together, the last of them more."""
TOGETHER_BYTES: Final = 1 * MIB
"""That neighbours are asked for by one request up to."""
MOST_AHEAD_BYTES: Final = 64 * MIB

Extents = Iterator[tuple[Extent, int]]
"""Extents of a shard in order, each with the number of the first of its rows that is wanted."""
Held = tuple[Extent, int, memoryview]
"""An extent, the first of its rows that is wanted, and its bytes."""


class Feed(Protocol):
    """Gives the extents of a shard."""

    def take(self) -> Sequence[Held]:
        """Return the next extents; none when there are no more.

        Raises:
            PenstockError: they could not be had.
        """
        ...

    def close(self) -> None:
        """Let go of what was read before its turn."""
        ...


class Ranges(Protocol):
    """Reads bytes, asked for before they are taken."""

    def ask(self, spans: Sequence[Span]) -> Any:
        """Ask for the bytes of spans, joined; what is returned knows their ``size_bytes``."""
        ...

    def take(self, asked: Any) -> memoryview:
        """Return them."""
        ...

    def forget(self, asked: Any) -> None:
        """Take back what was asked for."""
        ...


class Ahead:
    """Gives extents that are known, by ranges.

    Args:
        extents: in order.
        ended: called once, when the last of them was asked for and one is taken.
        first_ahead: requests that are made beside the first one.
    """

    def __init__(
        self,
        ranges: Ranges,
        extents: Extents,
        ended: Callable[[], None] = lambda: None,
        *,
        first_ahead: int = FIRST_AHEAD,
    ) -> None:
        self._ranges, self._extents = ranges, extents
        self._ended: Callable[[], None] | None = ended
        self._is_all = False
        self._first_ahead = first_ahead
        self._asked: deque[tuple[list[tuple[Extent, int]], Any]] = deque()
        self._next: tuple[Extent, int] | None = None
        self._depth = 0

    def begin(self) -> None:
        """Ask for the first extents, before any is taken."""
        self._ask()

    def take(self) -> Sequence[Held]:
        """Return the next extents, neighbours that were asked for at once; raises as a ``Feed`` does."""
        if not self._asked or self._depth:
            self._ask()
        self._depth = min(MOST_AHEAD, max(FIRST_AHEAD, 2 * self._depth))
        if self._is_all and self._ended is not None:
            ended, self._ended = self._ended, None
            ended()
        if not self._asked:
            return ()
        extents, asked = self._asked.popleft()
        data, at, found = self._ranges.take(asked), 0, []
        for extent, first in extents:
            found.append((extent, first, data[at : at + extent.size_bytes]))
            at += extent.size_bytes
        return found

    def close(self) -> None:
        """Take back what was asked for."""
        for _, asked in self._asked:
            self._ranges.forget(asked)
        self._asked.clear()

    def _ask(self) -> None:
        """Ask for the next extents: for few and little at the begin."""
        held = sum(asked.size_bytes for _, asked in self._asked)
        most, most_bytes = (self._depth, MOST_AHEAD_BYTES) if self._depth else (self._first_ahead, FIRST_BYTES)
        while len(self._asked) <= most and (not self._asked or held < most_bytes):
            together = self._together()
            if not together:
                break
            asked = self._ranges.ask(joined([span for extent, _ in together for span in extent.spans]))
            self._asked.append((together, asked))
            held += asked.size_bytes

    def _together(self) -> list[tuple[Extent, int]]:
        """Return the next extents that are asked for at once: neighbours, but for the very first."""
        found: list[tuple[Extent, int]] = []
        size = 0
        is_first = not self._depth and not self._asked
        while True:
            if self._next is None:
                self._next = next(self._extents, None)
            if self._next is None:
                self._is_all = True
                return found
            extent = self._next[0]
            size += extent.size_bytes
            if found and (is_first or size > TOGETHER_BYTES or not _touch(found[-1][0], extent)):
                return found
            found.append(self._next)
            self._next = None
            if len(found) > max(self._depth, FIRST_AHEAD) * MOST_AHEAD:
                return found


def _touch(one: Extent, other: Extent) -> bool:
    """Tell whether one extent begins in its object where another ends."""
    return bool(one.spans and other.spans) and _goes_on(one.spans[-1], other.spans[0])


def _goes_on(one: Span, other: Span) -> bool:
    is_same = (one.object, one.version, one.object_bytes) == (other.object, other.version, other.object_bytes)
    return is_same and one.offset + one.length_bytes == other.offset


def joined(spans: Sequence[Span]) -> list[Span]:
    """Return spans of the same bytes in their order, neighbours as one."""
    found: list[Span] = []
    for span in spans:
        if found and _goes_on(found[-1], span):
            length = found[-1].length_bytes + span.length_bytes
            found[-1] = msgspec.structs.replace(found[-1], length_bytes=length)
        else:
            found.append(span)
    return found

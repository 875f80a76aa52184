"""Looking up where objects lie shortly before the stream comes to them.

A link of the Hub is one more round trip, in which all reads of its object wait. Of objects that are larger than a
slot few are read at a time, so that each would be such a wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from penstock.sources import ObjectSource

__all__ = ["AHEAD_OBJECTS", "Foreseeing"]

AHEAD_OBJECTS = 3
"""Objects that are looked up at a time: the one that the next pack begins in, and those behind it."""


class Foreseeing:
    """Looks up objects of a source; beside what is read, and never more than ``AHEAD_OBJECTS`` at a time."""

    def __init__(self, source: ObjectSource) -> None:
        self._source = source
        self._keys: frozenset[str] = frozenset()
        self._looking: set[asyncio.Task[None]] = set()

    def look(self, keys: Sequence[str]) -> None:
        """Look up objects, but those of the last time, for as long as fewer are being looked up."""
        room = AHEAD_OBJECTS - len(self._looking)
        new = [key for key in keys if key not in self._keys]
        self._keys = frozenset(keys) - frozenset(new[room:])
        for key in new[:room]:
            task = asyncio.create_task(self._source.find_way(key))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def close(self) -> None:
        """Stop."""
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)

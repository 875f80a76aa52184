"""A stream's use of its cache on disk: reads and writes of packs in threads beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from penstock.window.cache import Cache, CachedPlace, Name, ToKeep
from penstock.window.fills import Fill
from penstock.window.layout import ExtentStatus

__all__ = ["Caching"]

THREADS = 4
T = TypeVar("T")


class Caching:
    """Reads what packs have in a cache, and puts there what was fetched of them before their slots are made visible.

    Args:
        end_read: called with an extent's position and its checksum when it is in its place; None is not whole.
        on_broken: called with a fault of ours.
    """

    def __init__(
        self,
        cache: Cache,
        end_read: Callable[[Fill, int, int | None], None],
        on_broken: Callable[[BaseException], None],
    ) -> None:
        self._cache = cache
        self._end_read = end_read
        self._on_broken = on_broken
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="penstock-cache")
        self._under_way: set[asyncio.Future[Any]] = set()
        self._is_closed = False
        self._waiting: dict[Name, list[tuple[Fill, int]]] = {}

    def read(self, fill: Fill) -> None:
        """Read the extents of a pack that the cache has, or is about to have; note those that it is to be given."""
        pack = fill.pack
        there = {}
        for position, name in pack.names.items():
            if position not in pack.held:
                self._cache.coming.add(name)
            elif (place := pack.held[position]) is not None:
                there[position] = place
            elif name in self._cache.coming:
                self._waiting.setdefault(name, []).append((fill, position))
            else:
                self._look_again(fill, position, name)
        self._begin_reading(fill, there)

    def _look_again(self, fill: Fill, position: int, name: Name) -> None:
        """Read an extent that was on its way, or have it fetched where it was not put there."""
        place = self._cache.find(name, fill.places[position][1])
        if place is None:
            self._end_read(fill, position, None)
        else:
            self._begin_reading(fill, {position: place})

    def _begin_reading(self, fill: Fill, there: Mapping[int, CachedPlace]) -> None:
        if not there:
            return

        def end(read: list[tuple[int, int | None]]) -> None:
            for position, found in read:
                self._end_read(fill, position, found)

        self._do(lambda: self._read(fill, there), end)

    def _read(self, fill: Fill, there: Mapping[int, CachedPlace]) -> list[tuple[int, int | None]]:
        read: list[tuple[int, int | None]] = []
        for position, place in there.items():
            offset, size, _ = fill.places[position]
            name, lies = fill.pack.names[position], fill.slot[offset : offset + size]
            read.append((position, place.checksum if self._cache.read(name, place, lies) else None))
        return read

    def keep(self, fill: Fill) -> None:
        """Put the extents of a pack there that were fetched, then let it be made visible."""
        items = []
        for position, name in fill.pack.names.items():
            offset, size, status = fill.places[position]
            if size and status == ExtentStatus.DATA and position not in fill.errors and position not in fill.reused:
                items.append(ToKeep(name, fill.slot[offset : offset + size], fill.checksums[position]))
        if not items:
            self._end(fill)
            return
        self._do(lambda: self._cache.put(items), lambda _: self._end(fill))

    def _end(self, fill: Fill) -> None:
        fill.on_done(fill)
        for position, name in fill.pack.names.items():
            if position not in fill.pack.held:
                self._cache.coming.discard(name)
                for waiting in self._waiting.pop(name, ()):
                    self._look_again(*waiting, name)

    def _do(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)

        def end(done: asyncio.Future[T]) -> None:
            self._under_way.discard(future)
            if self._is_closed or done.cancelled():
                return
            error = done.exception()
            if error is not None:
                self._on_broken(error)
            else:
                then(done.result())

        self._under_way.add(future)
        future.add_done_callback(end)

    async def close(self) -> None:
        """Wait for what is under way: it reads and writes slots; nothing is made visible any more."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.gather(*self._under_way, return_exceptions=True)

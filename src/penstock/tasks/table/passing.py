"""Reading tables for a listing: several at a time, what is read of them in order, and a few parts ahead."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Final

from penstock.errors import PenstockError
from penstock.observe import open_progress
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.table.gathering import Gathered, Layout
from penstock.tasks.table.parquet_tables import ParquetTables
from penstock.tasks.table.parts import Part

__all__ = ["gather", "sample"]

TABLES_AT_ONCE: Final = 8
PARTS_AHEAD: Final = 2
"""Of each of them, that are read before they are wanted."""


async def gather(
    source: ObjectSource, objects: AsyncIterator[ObjectInfo], gathered: Gathered, layout: Layout, *, skip_bad: bool
) -> None:
    """Read tables, and take their parts in.

    Args:
        skip_bad: leave a table out that cannot be read, and name it; each is then read twice.

    Raises:
        PenstockError: a table could not be read, or not be used.
    """
    running: deque[_Table] = deque()
    try:
        with open_progress().stage("read", None, "rows") as stage:
            async for info in objects:
                running.append(_Table(source, info, gathered, layout, skip_bad=skip_bad))
                if len(running) >= TABLES_AT_ONCE:
                    await _take(running.popleft(), gathered, stage)
            while running:
                await _take(running.popleft(), gathered, stage)
    finally:
        await _end([table.task for table in running])


async def sample(
    source: ObjectSource, gathered: Gathered, tables: ParquetTables, layout: Layout, *, budget_bytes: int
) -> None:
    """Read what is learnt from of parts of the training split, of as many as ``budget_bytes`` allow.

    Raises:
        PenstockError: it could not be read, or not be used.
    """
    columns = list(layout.features)
    running: deque[asyncio.Task[Any]] = deque()
    try:
        for place in gathered.trained_on(budget_bytes, columns):
            running.append(asyncio.ensure_future(gathered.sample(source, tables, place, columns)))
            if len(running) >= TABLES_AT_ONCE:
                gathered.add_sample(await running.popleft())
        while running:
            gathered.add_sample(await running.popleft())
    finally:
        await _end(running)


class _Table:
    """A table that is read."""

    def __init__(
        self, source: ObjectSource, info: ObjectInfo, gathered: Gathered, layout: Layout, *, skip_bad: bool
    ) -> None:
        self.info = info
        self._source, self._tables, self._layout, self.skip_bad = source, gathered.tables, layout, skip_bad
        self._queue: asyncio.Queue[Part | Exception | None] = asyncio.Queue(PARTS_AHEAD)
        self.task = asyncio.ensure_future(self._read())

    async def parts(self) -> AsyncGenerator[Part, None]:
        """Return its parts.

        Raises:
            PenstockError: it could not be read.
        """
        try:
            while (found := await self._queue.get()) is not None:
                if isinstance(found, Exception):
                    raise found
                yield found
        finally:
            await _end([self.task])

    async def _read(self) -> None:
        try:
            if self.skip_bad:
                async for _ in self._parts():
                    pass
            async for part in self._parts():
                await self._queue.put(part)
        except Exception as error:  # told to whoever waits for the next part
            await self._queue.put(error)
        else:
            await self._queue.put(None)

    def _parts(self) -> AsyncIterator[Part]:
        layout = self._layout
        return self._tables.parts(self._source, self.info, told=layout.told, features=layout.features)


async def _take(table: _Table, gathered: Gathered, stage: Any) -> None:
    """Take a table's parts in, or take note of why it is left out."""
    num_parts = 0
    try:
        async with contextlib.aclosing(table.parts()) as parts:
            async for part in parts:
                gathered.add(part)
                num_parts += 1
                stage.advance(part.told.num_rows)
    except PenstockError as error:
        if not (table.skip_bad and error.skippable and not num_parts):
            raise
        gathered.left_out.add(table.info.key, error.what)
    else:
        if not num_parts:
            gathered.left_out.add(table.info.key, "has no rows")


async def _end(tasks: Sequence[asyncio.Task[Any]] | deque[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)

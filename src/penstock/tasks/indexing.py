"""Indexing objects of a format, several at a time, their extents in the order of the objects."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from penstock.errors import ConfigError, PenstockError
from penstock.formats.protocols import Format, Found
from penstock.formats.whole import WholeObject, whole_extent
from penstock.records import Extent, LeftOutObjects, SkippedObject
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.protocols import Limits

__all__ = ["indexed", "read_format_options"]

OBJECTS_AT_ONCE = 16
_SHOWN = 200


def read_format_options(text: str) -> dict[str, Any]:
    """Read a format's options of JSON.

    Raises:
        ConfigError: it is none.
    """
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ConfigError(
            f"format-options {text[:_SHOWN]!r} is not a JSON object ({error})",
            fix='write it like {"columns": ["text"]}',
        ) from error


async def indexed(
    objects: AsyncIterator[ObjectInfo],
    kind: Format,
    source: ObjectSource,
    limits: Limits,
    skipped: list[SkippedObject],
) -> AsyncIterator[Extent]:
    """Give the extents of objects.

    Args:
        limits: say whether an object that is not of the format is left out.
        skipped: what is left out is added to, when the extents have ended.
    """
    if isinstance(kind, WholeObject):
        async for info in objects:
            yield whole_extent(info)
        return
    left_out = LeftOutObjects()
    running: deque[asyncio.Task[list[Found]]] = deque()
    keys: deque[str] = deque()
    try:
        async for info in objects:
            running.append(asyncio.ensure_future(_index(kind, source, info)))
            keys.append(info.key)
            if len(running) >= OBJECTS_AT_ONCE:
                for extent in await _take(running.popleft(), keys.popleft(), limits, left_out, skipped):
                    yield extent
        while running:
            for extent in await _take(running.popleft(), keys.popleft(), limits, left_out, skipped):
                yield extent
    finally:
        for task in running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)
    skipped += left_out.told()


async def _index(kind: Format, source: ObjectSource, info: ObjectInfo) -> list[Found]:
    return [found async for found in kind.index(source, info)]


async def _take(
    task: asyncio.Task[list[Found]],
    key: str,
    limits: Limits,
    left_out: LeftOutObjects,
    skipped: list[SkippedObject],
) -> list[Extent]:
    """Give what was found in an object; what it lacks is taken note of."""
    try:
        found = await task
    except PenstockError as error:
        if not (limits.skip_bad and error.skippable):
            raise
        left_out.add(key, error.what)
        return []
    for item in found:
        if isinstance(item, SkippedObject):
            if item.count is None:
                left_out.add(item.object, item.reason)
            else:
                skipped.append(item)
    return [item for item in found if isinstance(item, Extent)]

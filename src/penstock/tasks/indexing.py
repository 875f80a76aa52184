"""Indexing objects of a format, several at a time, their extents in the order of the objects."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from penstock.errors import ConfigError, EmptyListing, PenstockError
from penstock.formats.protocols import Format, Found
from penstock.formats.whole import WholeObject, whole_extent
from penstock.manifest import NOT_WANTED, Extent, LeftOutObjects, SkippedObject
from penstock.patterns import matcher
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.protocols import Limits
from penstock.texts import counted
from penstock.units import MIB

__all__ = ["EachFound", "fitting", "indexed", "read_format_options", "read_patterns", "some_samples"]

OBJECTS_AT_ONCE = 16, 64
"""Fewest and most that are indexed at a time: as many as are found to hold few extents, which wait for their turn."""
HELD_EXTENTS = 1 << 16
LARGE_READ_BYTES = 1 * MIB
"""From which on a read counts as a large one."""
LARGE_AT_ONCE = 4
"""Objects that are read by large reads at a time: what these take, some MiB each, is most of a listing's memory, and
more of them wait for one processor to go through what came. The first object is done the sooner, too."""
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


def read_patterns(text: str, option: str = "where") -> tuple[Callable[[str], bool], ...]:
    """Read patterns of JSON, each as what tells whether a key fits it.

    Raises:
        ConfigError: it is none.
    """
    return tuple(map(matcher, _patterns(option, text)))


def _patterns(option: str, text: str) -> tuple[str, ...]:
    try:
        return msgspec.json.decode(text or "[]", type=tuple[str, ...])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ConfigError(
            f"{option} {text[:_SHOWN]!r} is not a JSON list of patterns ({error})", fix='write it like ["*/train/*"]'
        ) from error


def some_samples(extent: Extent, numbers: Sequence[int]) -> Extent:
    """Return some samples of an extent; ``args`` say which, where they say nothing of each already."""
    return msgspec.structs.replace(
        extent,
        num_samples=len(numbers),
        keys=tuple(extent.keys[number] for number in numbers) if extent.keys else (),
        groups=tuple(extent.groups[number] for number in numbers) if extent.groups else (),
        targets=tuple(extent.targets[number] for number in numbers) if extent.targets else (),
        args=tuple(extent.args[number] for number in numbers) if extent.args else tuple((each,) for each in numbers),
    )


class EachFound:
    """Patterns of keys, each of which some object must fit.

    Raises:
        ConfigError: they are no JSON list of patterns.
    """

    def __init__(self, text: str) -> None:
        self._missing = dict(zip(_patterns("each", text), read_patterns(text, "each"), strict=True))

    def see(self, info: ObjectInfo) -> None:
        """Take note of an object."""
        for pattern in [pattern for pattern, fits in self._missing.items() if fits(info.key)]:
            del self._missing[pattern]

    def check(self, uri: str) -> None:
        """Refuse a listing in which some have found nothing.

        Raises:
            EmptyListing: one has.
        """
        if self._missing:
            first = next(iter(self._missing))
            others = len(self._missing) - 1
            more = f", nor {counted(others, 'more pattern')} of those that were asked for" if others else ""
            raise EmptyListing(
                f"nothing under {uri} fits {first!r}{more}", fix="check its name, or leave it out", about=uri
            )


async def fitting(
    extents: AsyncIterator[Extent], fits: Sequence[Callable[[str], bool]], skipped: list[SkippedObject]
) -> AsyncIterator[Extent]:
    """Return the extents whose keys fit all patterns, those of its samples where it has any, and count the others.

    Raises:
        EmptyListing: there are others alone.
    """
    num_given = num_others = 0
    example = ""
    async for extent in extents:
        keys = extent.keys or (extent.key,)
        numbers = [number for number, key in enumerate(keys) if all(fit(key) for fit in fits)]
        num_given += len(numbers)
        num_others += len(keys) - len(numbers)
        if not example and len(numbers) < len(keys):
            example = keys[min(set(range(len(keys))) - set(numbers))]
        if len(numbers) == len(keys):
            yield extent
        elif numbers:
            yield some_samples(extent, numbers)
    if num_others and not num_given:
        raise EmptyListing(
            f"none of {counted(num_others, 'key')} fits what was asked for by where, {example} for one",
            fix="choose other patterns with --option where=...",
        )
    if num_others:
        skipped.append(SkippedObject(object=counted(num_others, "key"), reason=NOT_WANTED, count=num_others))


async def indexed(
    objects: AsyncIterator[ObjectInfo],
    kind: Format,
    source: ObjectSource,
    limits: Limits,
    skipped: list[SkippedObject],
) -> AsyncIterator[Extent]:
    """Return the extents of objects.

    Args:
        limits: say whether an object that is not of the format is left out.
        skipped: what is left out is added to, when the extents have ended.

    Raises:
        EmptyListing: there is nothing in any of them.
    """
    if isinstance(kind, WholeObject):
        async for info in objects:
            yield whole_extent(info)
        return
    left_out, num_objects, num_extents, known = LeftOutObjects(), 0, 0, len(skipped)
    turns, at_once = asyncio.Semaphore(LARGE_AT_ONCE), OBJECTS_AT_ONCE[0]
    most = 0
    running: deque[asyncio.Task[list[Found]]] = deque()
    keys: deque[str] = deque()
    try:
        async for info in objects:
            running.append(asyncio.ensure_future(_index(kind, source, turns, info)))
            keys.append(info.key)
            num_objects += 1
            while len(running) >= at_once:
                extents = await _take(running.popleft(), keys.popleft(), limits, left_out, skipped)
                most = max(most, len(extents))
                at_once = min(max(HELD_EXTENTS // max(most, 1), OBJECTS_AT_ONCE[0]), OBJECTS_AT_ONCE[1])
                for extent in extents:
                    num_extents += 1
                    yield extent
        while running:
            for extent in await _take(running.popleft(), keys.popleft(), limits, left_out, skipped):
                num_extents += 1
                yield extent
    finally:
        for task in running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)
    skipped += left_out.told()
    if num_objects and not num_extents:
        raise _nothing_in(num_objects, skipped[known:])


def _nothing_in(num_objects: int, skipped: Sequence[SkippedObject]) -> EmptyListing:
    reason = f": {skipped[0].object}: {skipped[0].reason}, for one" if skipped else ""
    return EmptyListing(
        f"there is no sample in {counted(num_objects, 'object')}{reason}", fix="check what was uploaded there"
    )


class _InTurn:
    """A source that one object is read from; large reads, which take memory, wait for their turn and keep it."""

    def __init__(self, source: ObjectSource, turns: asyncio.Semaphore) -> None:
        self._source, self._turns = source, turns
        self._has_turn, self._taking = False, asyncio.Lock()

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Return bytes, as the source does."""
        if length_bytes >= LARGE_READ_BYTES and not self._has_turn:
            async with self._taking:  # several reads of one object may be under way
                if not self._has_turn:
                    await self._turns.acquire()
                    self._has_turn = True
        return await self._source.get_range(info, offset, length_bytes)

    async def find(self, key: str) -> ObjectInfo | None:
        """Find another object, as the source does."""
        return await self._source.find(key)

    async def beside(self, key: str) -> tuple[ObjectInfo, bytes] | None:
        """Read what tells of many objects, as the source does."""
        return await self._source.beside(key)

    def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """List a folder, as the source does."""
        return self._source.list_objects(prefix)

    def end(self) -> None:
        """Let another have the turn."""
        if self._has_turn:
            self._turns.release()


async def _index(kind: Format, source: ObjectSource, turns: asyncio.Semaphore, info: ObjectInfo) -> list[Found]:
    in_turn = _InTurn(source, turns)
    try:
        return [found async for found in kind.index(in_turn, info)]
    finally:
        in_turn.end()


async def _take(
    task: asyncio.Task[list[Found]],
    key: str,
    limits: Limits,
    left_out: LeftOutObjects,
    skipped: list[SkippedObject],
) -> list[Extent]:
    """Return what was found in an object; what it lacks is taken note of."""
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

"""Headers and events of many recordings, read side by side and given in order.

Only headers and tables are read. A recording that cannot be used ends the reading, or is left out and named
where the limits say so; errors of the source itself always end it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar

from penstock.errors import DataError, HeaderMismatch
from penstock.formats.bdf import BdfHeader, RecordLayout, header_size, parse_header, record_layout, signal_channels
from penstock.formats.bdf.header import FIXED_BYTES
from penstock.records import SkippedObject
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.eeg.bids import Recording
from penstock.tasks.eeg.events import Event, parse_events

__all__ = ["OpenRecording", "in_order", "open_recordings", "read_events"]

MAX_IN_FLIGHT: Final = 32
# Holds the header of 255 channels, so that one request is enough for nearly every recording.
HEADER_READ_BYTES: Final = 64 * 1024

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRecording:
    """A recording with its header and events.

    Attributes:
        rate_hz: samples per second of the channels that are taken.
        num_samples: samples that each of them has.
        labels: names of the channels that are taken.
        events: sorted by onset; empty where they were not asked for.
    """

    recording: Recording
    header: BdfHeader
    layout: RecordLayout
    rate_hz: float
    num_samples: int
    labels: tuple[str, ...]
    events: Sequence[Event]


async def in_order(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Result]], *, limit: int = MAX_IN_FLIGHT
) -> AsyncGenerator[Awaitable[Result], None]:
    """Work on items side by side, at most ``limit`` at a time, and give each result to await in the items' order.

    Whatever is still under way when the generator is closed is cancelled.
    """
    running: deque[asyncio.Task[Result]] = deque()
    rest = iter(items)
    try:
        while True:
            while len(running) < limit and (item := next(rest, None)) is not None:
                running.append(asyncio.ensure_future(work(item)))
            if not running:
                return
            yield running[0]
            running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def open_recordings(
    source: ObjectSource,
    recordings: Sequence[Recording],
    *,
    with_events: bool,
    skip_bad: bool,
    skipped: list[SkippedObject],
) -> AsyncGenerator[OpenRecording, None]:
    """Read the header, and the events where they are wanted, of each recording, in order.

    All must have the channels and the rate of the first one that can be used.

    Args:
        skip_bad: name a bad recording in ``skipped`` and go on, where False raises.

    Raises:
        DataError: a recording cannot be used.
        SourceError: one could not be read.
    """

    async def work(recording: Recording) -> OpenRecording:
        return await _open(source, recording, with_events=with_events)

    first: OpenRecording | None = None
    async with aclosing(in_order(recordings, work)) as results:
        number = 0
        async for result in results:
            recording, number = recordings[number], number + 1
            try:
                opened = await result
                first = first or opened
                _check_same(first, opened)
            except DataError as error:
                if not skip_bad:
                    raise
                skipped.append(SkippedObject(object=recording.info.key, reason=error.what))
                continue
            yield opened


async def read_events(source: ObjectSource, recording: Recording) -> list[Event]:
    """Read the events of a recording, sorted by onset.

    Raises:
        DataError: there is no events table, or it is none.
        SourceError: it could not be read.
    """
    if recording.events is None:
        raise DataError(
            f"{recording.info.key} has no events table (there is no {recording.events_key})",
            fix="upload it, or leave the recording out with --on-bad-object skip",
            about=recording.info.key,
        )
    return parse_events(await source.get(recording.events), name=recording.events.key)


async def _open(source: ObjectSource, recording: Recording, *, with_events: bool) -> OpenRecording:
    info = recording.info
    header = parse_header(await _header_bytes(source, info), object_bytes=info.size_bytes, name=info.key)
    layout = record_layout(header)
    return OpenRecording(
        recording=recording,
        header=header,
        layout=layout,
        rate_hz=layout.samples_per_record / header.record_seconds,
        num_samples=layout.samples_per_record * header.num_records,
        labels=tuple(header.labels[i] for i in signal_channels(header)),
        events=await read_events(source, recording) if with_events else (),
    )


async def _header_bytes(source: ObjectSource, info: ObjectInfo) -> bytes:
    start = bytes(await source.get_range(info, 0, min(info.size_bytes, HEADER_READ_BYTES)))
    size = header_size(start[:FIXED_BYTES], name=info.key)
    if size <= len(start):
        return start
    return start + bytes(await source.get_range(info, len(start), size - len(start)))


def _check_same(first: OpenRecording, opened: OpenRecording) -> None:
    """Refuse a recording whose samples would not mean the same as those of the first one."""
    here, there = opened.recording.info.key, first.recording.info.key
    if opened.rate_hz != first.rate_hz:
        difference = f"{here} has {opened.rate_hz:g} samples per second, {there} has {first.rate_hz:g}"
    elif len(opened.labels) != len(first.labels):
        difference = f"{here} has {len(opened.labels)} channels, {there} has {len(first.labels)}"
    elif opened.labels != first.labels:
        mine, other = next(pair for pair in zip(opened.labels, first.labels, strict=True) if pair[0] != pair[1])
        difference = f"{here} has the channel {mine!r} where {there} has {other!r}"
    else:
        return
    raise HeaderMismatch(
        difference, fix="take recordings that agree, or leave the others out with --on-bad-object skip", about=here
    )

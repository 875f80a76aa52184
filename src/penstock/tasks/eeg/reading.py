"""Headers, channels and events of many recordings, read side by side and given in order.

Only headers and tables are read. A recording that cannot be used ends the reading, or is left out and named
where the limits say so; errors of the source itself always end it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from penstock.errors import DataError, PenstockError
from penstock.formats.bdf import RecordLayout
from penstock.formats.recordings import Recording as RecordingFile
from penstock.formats.recordings import Stretch, open_recording
from penstock.formats.recordings.sharing import Sharing
from penstock.formats.tables import Table
from penstock.manifest import SkippedObject
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.eeg.bids import Recording
from penstock.tasks.eeg.channels import Montage, choose_channels, parse_channels
from penstock.tasks.eeg.events import Event, events_of, read_events_table
from penstock.tasks.eeg.signals import SignalMaking, Signals
from penstock.tasks.refusing import unreadable

__all__ = ["OpenRecording", "Reader", "in_order", "take_good"]

MAX_IN_FLIGHT: Final = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRecording:
    """A recording with its header and events.

    Attributes:
        montage: the channels that are taken.
        layout: of those channels, in the order that all recordings have.
        rate_hz: samples per second of the channels that are taken.
        stretches: of their samples that follow on each other in time.
        num_eeg: EEG channels that it has, taken or not.
        signals: what is done to them; None leaves them as they are, and rate and stretches are what was recorded.
        events: sorted by onset; empty where they were not asked for.
    """

    recording: Recording
    file: RecordingFile
    montage: Montage
    layout: RecordLayout
    rate_hz: float
    stretches: tuple[Stretch, ...]
    events: Sequence[Event]
    num_eeg: int = 0
    signals: Signals | None = None

    def in_order(self, labels: Sequence[str]) -> OpenRecording:
        """Return it with its channels in another order."""
        return replace(
            self,
            layout=self.montage.layout(self.file, labels),
            signals=None if self.signals is None else self.signals.placed(self.montage, labels),
        )


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


async def take_good(
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Result]],
    *,
    key_of: Callable[[Item], str],
    skipped: list[SkippedObject] | None,
) -> AsyncGenerator[Result, None]:
    """Work on items in order, and leave out those whose objects cannot be used.

    Args:
        key_of: names an item.
        skipped: takes the names of those left out; None raises instead.

    Raises:
        DataError: one cannot be used; where all are left out the first one's error is raised.
        SourceError: one could not be read.
    """
    first_error: PenstockError | None = None
    num_given = 0
    async with aclosing(in_order(items, work)) as results:
        number = 0
        async for result in results:
            item, number = items[number], number + 1
            try:
                done = await result
            except PenstockError as error:
                if skipped is None or not error.skippable:
                    raise
                first_error = first_error or error
                skipped.append(SkippedObject(object=key_of(item), reason=error.what))
                continue
            num_given += 1
            yield done
    if first_error is not None and not num_given:
        raise first_error


class Reader:
    """Reads recordings and their tables; a table that recordings inherit is read once.

    Args:
        event_column: that tells events apart; None chooses table by table.
        making: what is taken of recordings, and what is done to it.
    """

    def __init__(
        self,
        source: ObjectSource,
        *,
        event_column: str | None = None,
        making: SignalMaking = SignalMaking(),  # noqa: B008
    ) -> None:
        self._source = source
        self._event_column = event_column
        self._making = making
        self._inherited: dict[str, asyncio.Future[Any]] = {}
        self._sharing = Sharing()

    async def open(self, recording: Recording) -> OpenRecording:
        """Read the header and the channels of a recording.

        Raises:
            DataError: it cannot be used.
            SourceError: it could not be read.
        """
        info = _readable(recording.info)

        async def find(key: str) -> ObjectInfo | None:
            return recording.companions.get(key)

        file = self._sharing.slim(await open_recording(self._source, info, find=find))
        table = None
        if recording.channels is not None:
            table = await self._table(recording, recording.channels, parse_channels)
        whole = choose_channels(file, table)
        montage = self._making.montage(whole, name=file.name)
        recorded = file.stretches(montage.numbers[0])
        signals = self._making.signals(montage, recorded, name=file.name)
        stretches = recorded if signals is None else signals.stretches
        return OpenRecording(
            recording=recording,
            file=file,
            montage=montage,
            layout=montage.layout(file),
            rate_hz=stretches[0].rate_hz,
            stretches=stretches,
            events=(),
            num_eeg=len(whole.labels),
            signals=signals,
        )

    async def events_table(self, recording: Recording) -> Table:
        """Read the events table of a recording.

        Raises:
            DataError: there is none, or it is none.
            SourceError: it could not be read.
        """
        if recording.events is None:
            raise DataError(
                f"{recording.info.key} has no events table (there is no {recording.events_key}, nor one to inherit)",
                fix="upload it, or leave the recording out with --on-bad-object skip",
                about=recording.info.key,
            )
        return await self._table(recording, recording.events, read_events_table)

    async def with_events(self, opened: OpenRecording) -> OpenRecording:
        """Return a recording with its events; raises as ``events_table`` does."""
        return replace(opened, events=events_of(await self.events_table(opened.recording), self._event_column))

    async def _table(self, recording: Recording, info: ObjectInfo, parse: Callable[..., Result]) -> Result:
        async def read() -> Result:
            return parse(await self._source.get(_readable(info)), name=info.key)

        if info.key.rpartition("/")[0] == recording.info.key.rpartition("/")[0]:
            return await read()
        if info.key not in self._inherited:
            self._inherited[info.key] = asyncio.ensure_future(read())
        found: Result = await asyncio.shield(self._inherited[info.key])
        return found


def _readable(info: ObjectInfo) -> ObjectInfo:
    if info.trouble:
        raise unreadable(info)
    return info

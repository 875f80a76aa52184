"""Fetching a pack's bytes straight to their place in a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from penstock.errors import PenstockError
from penstock.records import Sample
from penstock.records.manifest import Span
from penstock.sources import ObjectInfo, ReadInto
from penstock.units import MIB
from penstock.window.concurrency import Gate
from penstock.window.kept import KeptArea
from penstock.window.layout import ErrorText, SampleStatus, checksum
from penstock.window.packing import Pack

__all__ = ["FetchFailed", "Fetcher", "put_error"]

SPLIT_ABOVE_BYTES = 16 * MIB
RANGE_BYTES = 8 * MIB


class FetchFailed(Exception):
    """A pack's fetch ended at the sample numbered ``position``."""

    def __init__(self, position: int, error: PenstockError) -> None:
        super().__init__(str(error))
        self.position = position
        self.error = error


class Fetcher:
    """Fetches packs, as many ranges at a time as make the stream faster.

    Args:
        source: of the bytes.
        max_in_flight: the most ranges at a time.
        read_meter: gives bytes received and requests failed so far.
    """

    def __init__(self, source: ReadInto, *, max_in_flight: int, read_meter: Callable[[], tuple[int, int]]) -> None:
        self._source = source
        self._in_flight = Gate(max_in_flight, read_meter)

    async def fetch(self, pack: Pack, slot: memoryview, kept: KeptArea) -> bytes:
        """Fill a slot with a pack's samples, and give the table to put at its head.

        Samples that are kept go to their place in the kept part, or are there already.

        Raises:
            FetchFailed: a sample could not be had; those before it are in their place.
        """
        work = [
            self._fetch_kept(sample, offset, kept)
            if status == SampleStatus.KEPT
            else self._fetch_sample(sample, slot[offset : offset + size])
            for sample, (offset, size, *_, status) in zip(pack.samples, pack.table.tolist(), strict=True)
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        failed = next((at for at, result in enumerate(results) if isinstance(result, BaseException)), len(results))
        pack.table["checksum"][:failed] = results[:failed]
        if failed < len(results):
            error = results[failed]
            assert isinstance(error, BaseException)
            raise FetchFailed(failed, error) if isinstance(error, PenstockError) else error
        return pack.table.tobytes() + pack.metas

    async def _fetch_kept(self, sample: Sample, offset: int, kept: KeptArea) -> int:
        """Fetch a sample to its place unless it is there, or another pack of it is on its way there."""
        found = kept.found(offset)
        if found is not None:
            return found
        if offset not in kept.pending:
            task = kept.pending[offset] = asyncio.create_task(self._fetch_sample(sample, kept.place(offset)))
            task.add_done_callback(lambda _: kept.pending.pop(offset))
        found = await kept.pending[offset]
        kept.complete(offset, found)
        return found

    async def _fetch_sample(self, sample: Sample, place: memoryview) -> int:
        ranges, at = [], 0
        for span in sample.spans:
            step = RANGE_BYTES if span.length_bytes > SPLIT_ABOVE_BYTES else max(span.length_bytes, 1)
            for offset in range(0, span.length_bytes, step):
                size = min(step, span.length_bytes - offset)
                ranges.append(self._fetch_range(span, span.offset + offset, place[at : at + size]))
                at += size
        if len(ranges) == 1:
            await ranges[0]
            return checksum(place)
        # All ranges are waited for, also after a failure: none may write into a slot that is used again.
        for result in await asyncio.gather(*ranges, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        return checksum(place)

    async def _fetch_range(self, span: Span, offset: int, place: memoryview) -> None:
        info = ObjectInfo(key=span.object, size_bytes=span.object_bytes, etag=span.etag)
        async with self._in_flight:
            await self._source.read_into(info, offset, place)


def put_error(pack: Pack, position: int, error: PenstockError, slot: memoryview) -> bytes:
    """Put an error in the place of a sample's bytes; give the table to put at the slot's head."""
    entry = pack.table[position]
    offset = pack.length_bytes if entry["status"] == SampleStatus.KEPT else int(entry["data_offset"])
    entry["data_offset"] = offset
    data = msgspec.msgpack.encode(ErrorText(type(error).__name__, error.what, error.fix, error.about))
    if len(data) > len(slot) - offset:
        data = msgspec.msgpack.encode(ErrorText(type(error).__name__, error.what[:90], error.fix[:90], None))
    slot[offset : offset + len(data)] = data
    entry["data_bytes"], entry["checksum"], entry["status"] = len(data), checksum(data), SampleStatus.ERROR
    return pack.table.tobytes() + pack.metas

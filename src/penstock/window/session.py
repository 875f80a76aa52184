"""One session of the prefetcher: a stream of samples through the slots, from a start to an end."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import mmap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from penstock.errors import PenstockError
from penstock.plan import stream_rows
from penstock.records import ManifestReader, Sample, StreamSpec
from penstock.sources import ObjectSource
from penstock.window.fetch import ErrorText, Fetcher, FetchFailed, put_error, verified_table
from penstock.window.geometry import Geometry, plan_geometry
from penstock.window.layout import (
    CONTROL,
    ERROR,
    MANIFEST,
    SLOTS,
    Control,
    Cursor,
    FillerState,
    SampleStatus,
    SlotState,
    checksum,
    map_slots,
)
from penstock.window.packing import Pack, pack_samples
from penstock.window.policy import SlotRange, WindowPolicy, choose_adopted
from penstock.window.wakeup import Bell

__all__ = ["FillerSession", "SessionError", "encode_error"]

_log = logging.getLogger(__name__)


class SessionError(msgspec.Struct, frozen=True):
    """What ``error.json`` holds: an error that belongs to no sample."""

    session: str
    error: ErrorText


def encode_error(session: str, error: PenstockError) -> bytes:
    """Write an error for ``error.json``."""
    text = ErrorText(type(error).__name__, error.what, error.fix, error.about)
    return msgspec.json.encode(SessionError(session, text))


def stream_key(spec: StreamSpec) -> str:
    """Name what stream indices mean: slots of one key may be adopted by another session of the same key."""
    order = msgspec.json.encode(spec.order)
    return hashlib.sha256(spec.manifest_fingerprint.encode() + spec.plan_fingerprint.encode() + order).hexdigest()


class FillerSession:
    """Fills slots for one session.

    Raises:
        WindowTooSmall, DiskFull, OutputUnwritable: the window cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        spec: StreamSpec,
        *,
        manifest: ManifestReader,
        source: ObjectSource,
        window_bytes: int,
        max_in_flight: int,
        bell: Bell,
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._manifest = manifest
        self._source = source
        self._bell = bell
        self._fetcher = Fetcher(source, max_in_flight=max_in_flight)
        handed_over = folder / MANIFEST
        self._geometry = plan_geometry(
            window_bytes=window_bytes,
            max_sample_bytes=manifest.info.max_sample_bytes,
            batch_samples=spec.batch_samples,
            num_ranks=spec.num_ranks,
            reserved_bytes=handed_over.stat().st_size if handed_over.exists() else 0,
        )
        self._control, self._slots = self._open_window(self._geometry)
        start = self._start_index()
        adopted = choose_adopted(self._good_slots(), start)
        self._free_all_but({held.slot for held in adopted})
        self._policy = WindowPolicy(
            self._geometry.num_slots, start_index=start, end_index=spec.end_index, adopted=adopted
        )
        self._packs = pack_samples(self._samples(), slot_bytes=self._geometry.slot_bytes)
        self._begin(window_bytes, num_adopted=len(adopted))

    async def run(self) -> None:
        """Fill slots as readers free them, for as long as the session lasts."""
        fills: set[asyncio.Task[None]] = set()
        try:
            while True:
                for freed in self._policy.move_cursor(self._cursor()):
                    self._control.entries[freed]["state"] = SlotState.FREE
                fills |= {asyncio.create_task(self._fill(slot, pack)) for slot, pack in self._next_packs()}
                self._put_meters()
                await self._bell.wait()
                for fill in [fill for fill in fills if fill.done()]:
                    fills.discard(fill)
                    fill.result()
        finally:
            # Waited for, so that nothing writes into a slot that the next session uses.
            for fill in fills:
                fill.cancel()
            await asyncio.gather(*fills, return_exceptions=True)

    def _next_packs(self) -> Iterator[tuple[int, Pack]]:
        while self._policy.wants_more and (slot := self._policy.free_slot()) is not None:
            pack = next(self._packs)
            self._policy.begin(slot, first_index=pack.first_index, end_index=pack.end_index)
            self._control.entries[slot]["state"] = SlotState.FILLING
            yield slot, pack

    async def _fill(self, slot: int, pack: Pack) -> None:
        place = self._place(slot)
        try:
            table = await self._fetcher.fetch(pack, place)
        except FetchFailed as failed:
            _log.error("sample.failed sample=%s error=%s", pack.samples[failed.position].key, failed.error)
            table = put_error(pack, failed.position, failed.error, place)
            self._publish(slot, pack, table, count=failed.position + 1)
            self._policy.fail(slot, pack.first_index + failed.position)
        else:
            self._publish(slot, pack, table, count=len(pack.samples))
            self._policy.complete(slot)
            self._count(pack)
        self._put_meters()
        self._bell.ring()
        self._bell.changed.set()

    def _publish(self, slot: int, pack: Pack, table: bytes, *, count: int) -> None:
        self._place(slot)[: len(table)] = table
        entry = self._control.entries[slot]
        entry["first_index"], entry["count"] = pack.first_index, count
        entry["table_bytes"], entry["checksum"] = len(table), checksum(table)
        entry["length_bytes"] = pack.length_bytes
        entry["generation"] += 1
        entry["state"] = SlotState.READY

    def _count(self, pack: Pack) -> None:
        """Meter a pack; what an earlier process or session had fetched before counts as fetched again."""
        again = sum(
            sample.size_bytes
            for index, sample in enumerate(pack.samples, pack.first_index)
            if index < self._fetched_before
        )
        total = sum(sample.size_bytes for sample in pack.samples)
        self._control.put("refetched_bytes", self._control.number("refetched_bytes") + again)
        self._control.put("sample_bytes", self._control.number("sample_bytes") + total)
        self._control.put("fetched_through", max(self._control.number("fetched_through"), pack.end_index))

    def _put_meters(self) -> None:
        read = self._source.meter.read()
        self._control.put("bytes_downloaded", self._bytes_before + read.bytes_downloaded)
        self._control.put("get_requests", self._gets_before + read.get_requests)
        self._control.put("failed_requests", self._failed_before + read.failed_requests)
        self._control.put("heartbeat", self._control.number("heartbeat") + 1)

    def _begin(self, window_bytes: int, *, num_adopted: int) -> None:
        """Name the session in the control file: from here on the reader may look at slots."""
        control = self._control
        if control.text("session") != self._spec.session:
            for field in ("bytes_downloaded", "sample_bytes", "get_requests", "failed_requests", "refetched_bytes"):
                control.put(field, 0)
        self._fetched_before = control.number("fetched_through")
        self._bytes_before = control.number("bytes_downloaded")
        self._gets_before = control.number("get_requests")
        self._failed_before = control.number("failed_requests")
        control.put("window_bytes", window_bytes)
        control.put("high_water_bytes", max(control.number("high_water_bytes"), used_bytes(self._folder)))
        control.put("state", FillerState.RUNNING)
        (self._folder / ERROR).unlink(missing_ok=True)
        control.put("session", self._spec.session)
        _log.info(
            "session.window slots=%d slot_bytes=%d adopted=%d",
            self._geometry.num_slots,
            self._geometry.slot_bytes,
            num_adopted,
        )
        self._bell.ring()

    def _samples(self) -> Iterator[tuple[int, Sample]]:
        spec = self._spec
        for index, row in stream_rows(spec.order, self._policy.next_index, spec.end_index):
            yield index, self._manifest.row(row)

    def _place(self, slot: int) -> memoryview:
        size = self._geometry.slot_bytes
        return memoryview(self._slots)[slot * size : (slot + 1) * size]

    def _cursor(self) -> int:
        """Give the lowest of the readers' cursors; a reader that is not there yet holds the start."""
        found: list[int | None] = []
        for rank in range(self._spec.num_ranks):
            try:
                found.append(Cursor(self._folder, rank, writable=False).read(self._spec.session))
            except FileNotFoundError:
                found.append(None)
        return min(self._spec.first_index if index is None else index for index in found)

    def _start_index(self) -> int:
        return max(self._spec.first_index, self._cursor())

    def _open_window(self, geometry: Geometry) -> tuple[Control, mmap.mmap]:
        """Take over the window as it lies if it has this shape and this stream, otherwise make it anew."""
        size = geometry.num_slots * geometry.slot_bytes
        slots = self._folder / SLOTS
        control = Control(self._folder, writable=True)
        same_shape = (control.geometry_slots, control.slot_bytes) == (geometry.num_slots, geometry.slot_bytes)
        whole = slots.exists() and slots.stat().st_size == size
        if not (same_shape and whole and control.text("stream") == stream_key(self._spec)):
            (self._folder / CONTROL).unlink()
            slots.unlink(missing_ok=True)
            control = Control.create(self._folder, None)
            mapped = map_slots(self._folder, size, writable=True, create=True)
            control = Control.create(self._folder, geometry)
            control.put("stream", stream_key(self._spec))
            return control, mapped
        return control, map_slots(self._folder, size, writable=True)

    def _good_slots(self) -> Iterator[SlotRange]:
        """Give the READY slots whose table and samples all match their checksums and hold no error."""
        for slot, entry in enumerate(self._control.entries):
            place = self._place(slot)
            if entry["state"] != SlotState.READY:
                continue
            table = verified_table(
                place,
                table_bytes=int(entry["table_bytes"]),
                count=int(entry["count"]),
                table_checksum=int(entry["checksum"]),
            )
            if table is not None and all(
                item["status"] == SampleStatus.DATA
                and checksum(place[int(item["data_offset"]) :][: int(item["data_bytes"])]) == item["checksum"]
                for item in table
            ):
                first = int(entry["first_index"])
                yield SlotRange(slot=slot, first_index=first, end_index=first + int(entry["count"]))

    def _free_all_but(self, kept: set[int]) -> None:
        for slot, entry in enumerate(self._control.entries):
            if slot not in kept:
                entry["state"] = SlotState.FREE


def used_bytes(folder: Path) -> int:
    """Give what a window's folder takes on disk, the folder itself included."""
    files = [folder, *folder.iterdir()]
    return sum(path.lstat().st_blocks * 512 for path in files)

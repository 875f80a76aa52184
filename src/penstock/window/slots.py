"""The prefetcher's slots: making them, looking through what an earlier process left, publishing."""

from __future__ import annotations

import logging
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.errors import WindowError
from penstock.records import Meters
from penstock.units import MIB
from penstock.window.control import Control
from penstock.window.folder import SLOTS, making, release
from penstock.window.geometry import Geometry, slot_capacity
from penstock.window.handed import given_bytes
from penstock.window.kept import KeptArea
from penstock.window.layout import EXTENT_ENTRY, ExtentStatus, SlotState, checksum, entry_checksum, map_slots
from penstock.window.policy import SlotRange
from penstock.window.reserving import Reservation

__all__ = ["Slots", "empty_window", "open_control", "read_sizes", "read_table"]

RESERVED_FIRST_BYTES = 8 * MIB
_log = logging.getLogger(__name__)


def open_control(folder: Path, window_bytes: int) -> Control:
    """Take over a control file, or make the window anew where it is damaged, of a larger bound, or of another release.

    Only the holder of the window's lock may call this.

    Raises:
        DiskFull, OutputUnwritable: it cannot be made.
    """
    capacity = slot_capacity(window_bytes)
    try:
        control = Control(folder, writable=True)
        is_within = control.window_bytes <= window_bytes  # and so is the high-water mark
        if is_within and len(control.entries) == capacity and control.num_slots <= capacity:
            control.window_bytes = window_bytes
            return control
        control.give_up()
    except FileNotFoundError:
        _log.debug("window.new folder=%s", folder)
    except (OSError, WindowError) as error:
        _log.warning("window.wiped error=%s", error)
    release(folder / SLOTS)
    return Control.create(folder, capacity=capacity, window_bytes=window_bytes)


def empty_window(folder: Path, control: Control) -> None:
    """Give up the session and give back the slots' space."""
    control.give_up()
    control.stream = ""
    control.num_slots = 0
    control.kept_area_bytes = 0
    control.kept_bytes = 0
    control.cache_bytes = 0
    control.ahead_bytes = 0
    control.entries["state"] = SlotState.FREE
    release(folder / SLOTS)


def read_table(place: memoryview, entry: np.void, stream: str) -> NDArray[np.void] | None:
    """Return a slot's table, shape (extents,), if it and its entry match their checksum, otherwise None."""
    table_bytes, count = int(entry["table_bytes"]), int(entry["count"])
    if table_bytes > len(place) or count * EXTENT_ENTRY.itemsize > table_bytes:
        return None
    found = entry_checksum(stream, first_index=int(entry["first_index"]), count=count, table=place[:table_bytes])
    return np.frombuffer(place, dtype=EXTENT_ENTRY, count=count) if found == int(entry["checksum"]) else None


def read_sizes(control: Control) -> Meters:
    """Return the sizes of the window that is served."""
    return Meters(
        window_bytes=control.window_bytes,
        kept_bytes=control.kept_bytes,
        cache_bytes=control.cache_bytes,
        ahead_bytes=control.ahead_bytes,
        window_high_water_bytes=control.high_water_bytes,
    )


class Slots:
    """The slots of one stream, as the prefetcher writes them.

    Raises:
        DiskFull, OutputUnwritable: they cannot be made; nothing is left of them.
    """

    def __init__(self, folder: Path, control: Control, planned: Geometry, stream: str) -> None:
        self.control = control
        self._stream = stream
        self._path = folder / SLOTS
        self.num_slots, self.slot_bytes = control.num_slots, control.slot_bytes
        self._mapped = self._take_over(folder, planned) or self._make(folder, planned)

    def reserve(self, *, kept_index: Sequence[tuple[int, int]], on_more: Callable[[], None]) -> Reservation:
        """Reserve the slots' blocks: the first ones and the indices of kept parts now, the rest meanwhile.

        Args:
            kept_index: where each begins and ends.
            on_more: called when more is reserved.

        Raises:
            DiskFull, OutputUnwritable: they cannot be reserved; ``Reservation.check`` raises it of the rest.
        """
        kept_at = self.num_slots * self.slot_bytes
        first_end = min(kept_at, max(RESERVED_FIRST_BYTES, 2 * self.slot_bytes))
        return Reservation(
            self._path,
            parts=((0, kept_at), (kept_at, self.control.slots_file_bytes)),
            at_once=((0, first_end), *kept_index),
            on_more=on_more,
        )

    @property
    def kept_at(self) -> int:
        """Where the kept part begins."""
        return self.num_slots * self.slot_bytes

    @property
    def share_bytes(self) -> int:
        """A slot's part of all slots and the kept part."""
        return self.control.slots_file_bytes // self.num_slots

    def kept_area(
        self, place: tuple[int, int], *, num_extents: int, total_bytes: int, share_left: float = 1.0
    ) -> KeptArea:
        """Return the kept part that lies at a place, with what an earlier process kept there."""
        return KeptArea(
            memoryview(self._mapped),
            offset=place[0],
            size_bytes=place[1] - place[0],
            num_extents=num_extents,
            total_bytes=total_bytes,
            share_left=share_left,
        )

    def divide(self, num_slots: int, *, index_bytes: int) -> None:
        """Make what lies behind the first slots the kept part, where no slot is in use any more.

        Args:
            num_slots: that are left.
            index_bytes: size of the kept part's index, at its beginning; its blocks are reserved.
        """
        size, kept_at = self.control.slots_file_bytes, num_slots * self.slot_bytes
        memoryview(self._mapped)[kept_at : kept_at + index_bytes] = bytes(index_bytes)  # whatever lay there is none
        self.num_slots = num_slots
        self.control.num_slots = num_slots
        self.control.kept_area_bytes = size - kept_at

    def place(self, slot: int) -> memoryview:
        """Return a slot's bytes."""
        return memoryview(self._mapped)[slot * self.slot_bytes : (slot + 1) * self.slot_bytes]

    def ready(self) -> Iterator[SlotRange]:
        """Return the slots that an earlier process made visible, not verified yet."""
        for slot, entry in enumerate(self.control.entries[: self.num_slots]):
            if entry["state"] == SlotState.READY:
                first = int(entry["first_index"])
                yield SlotRange(slot=slot, first_index=first, end_index=first + int(entry["count"]))

    def verify(self, held: SlotRange) -> SlotRange | None:
        """Check a visible slot against its checksums; give it with whether it ends with an error, None if it is bad."""
        place, entry = self.place(held.slot), self.control.entries[held.slot]
        table = read_table(place, entry, self._stream)
        if table is None or held.end_index != held.first_index + len(table):
            return None
        whole = memoryview(self._mapped)
        for item in table:
            lies = whole if item["status"] == ExtentStatus.KEPT else place
            if checksum(lies[int(item["data_offset"]) :][: int(item["data_bytes"])]) != item["checksum"]:
                return None
        return SlotRange(
            slot=held.slot,
            first_index=held.first_index,
            end_index=held.end_index,
            has_error=bool((table["status"] == ExtentStatus.ERROR).any()),
        )

    def sizes(self, slot: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the bytes of a visible slot's extents, shape (extents,), and those of them that the kept part has.

        None where its table is damaged.
        """
        table = read_table(self.place(slot), self.control.entries[slot], self._stream)
        if table is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        given = given_bytes(table)
        return given, np.where(table["status"] == ExtentStatus.KEPT, given, 0)

    def set_state(self, slot: int, state: SlotState) -> None:
        """Set a slot's state."""
        self.control.entries[slot]["state"] = state

    def free_all_but(self, kept: set[int]) -> None:
        """Free all other slots."""
        for slot in set(range(len(self.control.entries))) - kept:
            self.set_state(slot, SlotState.FREE)

    def publish(self, slot: int, table: bytes, *, first_index: int, count: int, length_bytes: int) -> None:
        """Make a filled slot visible."""
        self.place(slot)[: len(table)] = table
        entry = self.control.entries[slot]
        entry["first_index"], entry["count"] = first_index, count
        entry["table_bytes"], entry["length_bytes"] = len(table), length_bytes
        entry["checksum"] = entry_checksum(self._stream, first_index=first_index, count=count, table=table)
        entry["generation"] += 1
        self.control.num_filled = self.control.num_filled + 1
        entry["state"] = SlotState.READY

    def _take_over(self, folder: Path, planned: Geometry) -> mmap.mmap | None:
        """Map the slots that lie there if they are of this stream and as good as the planned ones."""
        size, kept_bytes = self.control.slots_file_bytes, self.control.kept_area_bytes
        wanted = planned.num_slots * planned.slot_bytes + planned.kept_area_bytes
        enough = planned.batch_slots <= self.num_slots and wanted * 7 // 8 <= size <= wanted
        if planned.keepable_bytes:  # divided, or not yet
            enough &= kept_bytes <= planned.keepable_bytes + planned.slot_bytes
        else:
            enough &= planned.kept_area_bytes * 7 // 8 <= kept_bytes <= planned.kept_area_bytes
        if self.control.stream != self._stream or self.slot_bytes != planned.slot_bytes or not enough:
            return None
        try:
            return map_slots(folder, self.control.slots_file_bytes, writable=True)
        except (OSError, ValueError) as error:
            _log.warning("window.slots_lost error=%s", error)
            return None

    def _make(self, folder: Path, planned: Geometry) -> mmap.mmap:
        control = self.control
        empty_window(folder, control)
        size = planned.num_slots * planned.slot_bytes + planned.kept_area_bytes
        with making(folder / SLOTS) as handle:
            os.ftruncate(handle, size)
        mapped = map_slots(folder, size, writable=True)
        self.num_slots, self.slot_bytes = planned.num_slots, planned.slot_bytes
        control.fetched_through = 0
        control.slot_bytes = planned.slot_bytes
        control.kept_area_bytes = planned.kept_area_bytes
        control.num_slots = planned.num_slots
        control.stream = self._stream
        return mapped

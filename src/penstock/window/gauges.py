"""What a window holds right now, read from its files as anybody may, without a word to the prefetcher."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penstock.errors import NotOurs, RecordError, WindowError
from penstock.records import Meters, StreamSpec, decode_record
from penstock.sources import read_meter_files, read_spent, sum_meters
from penstock.window.control import Control, ControlCut, FillerState
from penstock.window.cursor import Cursor
from penstock.window.folder import SESSION, read_small, used_bytes
from penstock.window.layout import SlotState
from penstock.window.slots import read_sizes

__all__ = ["WindowGauges", "read_gauges"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowGauges:
    """A window as it was when it was looked at; the parts of it may be some microseconds apart.

    Attributes:
        state: what the prefetcher is at: ``waiting``, ``running`` or ``failed``.
        beats: goes up for as long as the prefetcher lives.
        meters: counts of all that was requested for this window, as far as its files hold it; they only go up.
        used_bytes: what the folder takes on disk.
        num_slots: slots by state: ``free``, ``filling``, ``ready``.
        in_flight_limit: the most ranges that are requested at a time, as it has turned out.
        fetched_index: stream index below which all was fetched.
        end_index: stream index that the session ends before, None where nothing is asked for.
        cursors: stream index below which a rank needs nothing any more, by rank.
        volume_bytes: size of the file system that the folder lies on.
        spent: US dollars that the run spent which is trained through it, and spends by the hour; None where that is not
            known, or nobody trains.
        volume_free_bytes: what of it an ordinary user may still take.
    """

    state: str
    beats: int
    meters: Meters
    used_bytes: int
    num_slots: Mapping[str, int]
    in_flight_limit: int
    fetched_index: int
    end_index: int | None
    cursors: Mapping[int, int]
    volume_bytes: int
    volume_free_bytes: int
    spent: tuple[float, float] | None = None


def read_gauges(folder: Path, *, meters: Path | None = None) -> WindowGauges | None:
    """Return a window's gauges, or None while there is no window in the folder.

    Args:
        meters: folder of the files that requests are counted in; None is the window's own.
    """
    try:
        control = Control(folder, writable=False)
        taken_bytes, volume = used_bytes(folder), os.statvfs(folder)
    except (OSError, WindowError, NotOurs):
        return None
    spec = _read_spec(folder)
    try:
        return _gauges(folder, control, spec, taken_bytes, volume, meters or folder)
    except ControlCut:
        return None


def _gauges(
    folder: Path, control: Control, spec: StreamSpec | None, taken_bytes: int, volume: os.statvfs_result, meters: Path
) -> WindowGauges:
    return WindowGauges(
        state=_state(control.state),
        beats=control.heartbeat,
        spent=read_spent(folder),
        meters=read_sizes(control).plus(sum_meters(read_meter_files(meters))),
        used_bytes=taken_bytes,
        num_slots=_count_slots(control),
        in_flight_limit=control.in_flight_limit,
        fetched_index=control.fetched_through,
        end_index=None if spec is None else spec.end_index,
        cursors={} if spec is None else _read_cursors(folder, spec),
        volume_bytes=volume.f_blocks * volume.f_frsize,
        volume_free_bytes=volume.f_bavail * volume.f_frsize,
    )


def _state(number: int) -> str:
    return FillerState(number).name.lower() if number in set(FillerState) else "unknown"


def _count_slots(control: Control) -> dict[str, int]:
    states = control.entries[: control.num_slots]["state"]
    return {state.name.lower(): int(np.count_nonzero(states == state)) for state in SlotState}


def _read_spec(folder: Path) -> StreamSpec | None:
    """Return what is asked for; a record that cannot be read is the prefetcher's to report."""
    try:
        return decode_record(read_small(folder / SESSION), StreamSpec, origin=SESSION)
    except (OSError, RecordError, WindowError, NotOurs):
        return None


def _read_cursors(folder: Path, spec: StreamSpec) -> dict[int, int]:
    found: dict[int, int] = {}
    for rank in range(spec.num_ranks):
        with contextlib.suppress(OSError):
            cursor = Cursor.open(folder, rank)
            if cursor is not None and cursor.session == spec.session:
                found[rank] = cursor.index
    return found

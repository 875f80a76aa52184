"""The trainer's side of the window: asks for a stream, then reads its samples in order without copying them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.errors import ChecksumMismatch, PrefetcherLost, WindowError, error_from_fields, map_os_error
from penstock.files import atomic_write
from penstock.records import Meters, StreamSpec, encode_record
from penstock.window.fetch import ErrorText, verified_table
from penstock.window.layout import (
    ERROR,
    SESSION,
    Control,
    Cursor,
    SampleMeta,
    SampleStatus,
    checksum,
    map_slots,
)
from penstock.window.session import SessionError
from penstock.window.wakeup import Listener

__all__ = ["WindowReader", "WindowSample"]

DEFAULT_TIMEOUT_SECONDS = 60.0

_log = logging.getLogger(__name__)
_decode_meta = msgspec.msgpack.Decoder(SampleMeta).decode
_decode_error = msgspec.msgpack.Decoder(ErrorText).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSample:
    """One sample as it lies in the window.

    Attributes:
        data: a view of the slot, good until the cursor passes ``index``.
    """

    index: int
    meta: SampleMeta
    data: memoryview


@dataclass(frozen=True, kw_only=True, slots=True)
class _OpenSlot:
    place: memoryview
    first_index: int
    table: NDArray[np.void]

    def holds(self, index: int) -> bool:
        return self.first_index <= index < self.first_index + len(self.table)


class WindowReader:
    """Reads one session's samples. Each process opens its own: ``begin`` in one, ``attach`` in its workers.

    Args:
        folder: the window's folder.
        spec: what the session asks for.
        timeout_seconds: how long a prefetcher may show no sign of life.
    """

    def __init__(
        self,
        folder: Path,
        spec: StreamSpec,
        *,
        rank: int = 0,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._rank = rank
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._listener = Listener(folder)
        self._control: Control | None = None
        self._cursor: Cursor | None = None
        self._slots = memoryview(b"")
        self._open: _OpenSlot | None = None

    def begin(self) -> Self:
        """Ask for the session, replacing the last one, and wait until it is served.

        Raises:
            PrefetcherLost: nobody serves the window.
            PenstockError: what the prefetcher could not do.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise map_os_error(error, str(self._folder)) from error
        self._cursor = Cursor(self._folder, self._rank, writable=True)
        self._cursor.begin(self._spec.session, self._spec.first_index)
        if self._rank == 0:
            atomic_write(self._folder / SESSION, encode_record(self._spec))
        self._listener.ring()
        return self.attach()

    def attach(self) -> Self:
        """Wait until the session is served, and map the window."""
        self._wait_until(self._served)
        return self

    def get(self, index: int) -> WindowSample:
        """Give the sample of a stream index, waiting until it is there.

        Raises:
            PenstockError: the error that the sample met on its way.
            PrefetcherLost: the prefetcher is gone.
            ChecksumMismatch: the window's bytes are damaged.
        """
        opened = self._open
        if opened is None or not opened.holds(index):
            self._wait_until(lambda: self._open_slot(index))
            opened = self._open
            assert opened is not None
        entry = opened.table[index - opened.first_index]
        data = opened.place[int(entry["data_offset"]) :][: int(entry["data_bytes"])]
        meta_at = int(entry["meta_offset"])
        meta = _decode_meta(opened.place[meta_at : meta_at + int(entry["meta_bytes"])])
        if checksum(data) != entry["checksum"]:
            raise ChecksumMismatch(
                f"{meta.key} does not match its checksum in the window {self._folder}",
                fix="another process wrote to the window, or its disk is failing: use a fresh folder",
                about=meta.key,
            )
        if entry["status"] == SampleStatus.ERROR:
            text = _decode_error(data)
            raise error_from_fields(text.name, text.what, text.fix, text.about)
        return WindowSample(index=index, meta=meta, data=data)

    def advance(self, index: int) -> None:
        """Say that no sample below ``index`` is needed any more; their slots are used again."""
        assert self._cursor is not None
        self._cursor.move(index)
        opened = self._open
        if opened is not None and index >= opened.first_index + len(opened.table):
            self._open = None
        self._listener.ring()

    def meters(self) -> Meters:
        """Give what the prefetcher counted in this session so far."""
        control = self._control
        if control is None:
            return Meters()
        return Meters(
            bytes_downloaded=control.number("bytes_downloaded"),
            sample_bytes=control.number("sample_bytes"),
            get_requests=control.number("get_requests"),
            failed_requests=control.number("failed_requests"),
            refetched_bytes=control.number("refetched_bytes"),
            window_bytes=control.number("window_bytes"),
            window_high_water_bytes=control.number("high_water_bytes"),
        )

    def close(self) -> None:
        """Let go of the prefetcher."""
        self._listener.close()

    def _served(self) -> bool:
        self._raise_failure()
        try:
            control = Control(self._folder, writable=False)
        except (FileNotFoundError, ValueError, WindowError):
            return False
        if control.text("session") != self._spec.session:
            return False
        size = control.geometry_slots * control.slot_bytes
        self._slots = memoryview(map_slots(self._folder, size, writable=False))
        self._control = control
        return True

    def _open_slot(self, index: int) -> bool:
        assert self._control is not None
        slot = self._control.find_ready(index)
        if slot is None:
            self._raise_failure()
            return False
        entry = self._control.entries[slot]
        size = self._control.slot_bytes
        place = self._slots[slot * size : (slot + 1) * size]
        table = verified_table(
            place,
            table_bytes=int(entry["table_bytes"]),
            count=int(entry["count"]),
            table_checksum=int(entry["checksum"]),
        )
        if table is None:
            raise ChecksumMismatch(
                f"slot {slot} of the window {self._folder} does not match its checksum",
                fix="another process wrote to the window, or its disk is failing: use a fresh folder",
                about=str(self._folder),
            )
        self._open = _OpenSlot(place=place, first_index=int(entry["first_index"]), table=table)
        return True

    def _raise_failure(self) -> None:
        """Raise the error of the session that belongs to no sample, if there is one."""
        try:
            found = msgspec.json.decode((self._folder / ERROR).read_bytes(), type=SessionError)
        except FileNotFoundError:
            return
        if found.session == self._spec.session:
            text = found.error
            raise error_from_fields(text.name, text.what, text.fix, text.about)

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        deadline, last_beat = self._clock() + self._timeout_seconds, self._beat()
        while not ready():
            self._listener.wait()
            beat = self._beat()
            if beat != last_beat:
                deadline, last_beat = self._clock() + self._timeout_seconds, beat
            elif self._clock() > deadline:
                raise PrefetcherLost(
                    f"no prefetcher served the window {self._folder} for {self._timeout_seconds:.0f} s",
                    fix="see the prefetcher's log; run it again, or raise --prefetch-timeout",
                    about=str(self._folder),
                )

    def _beat(self) -> int:
        return self._control.number("heartbeat") if self._control is not None else 0

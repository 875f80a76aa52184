"""The trainer's side of the window: asks for a stream, then reads its extents in order without copying them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

from penstock.clock import running_seconds
from penstock.errors import ChecksumMismatch, PenstockError, PrefetcherLost, WindowError
from penstock.records import Meters, StreamSpec, decode_record, encode_record
from penstock.sources import read_meter_files, sum_meters
from penstock.window.control import Control, ControlCut
from penstock.window.cursor import Cursor
from penstock.window.extents import (
    NO_SLOT,
    ExtentSkipped,
    OpenSlot,
    WindowExtent,
    read_error,
    rebuild,
    untold,
)
from penstock.window.files import ExtentFiles, safe_name, sweep_files
from penstock.window.folder import SESSION, install
from penstock.window.handed import wait_until_counted
from penstock.window.joining import SessionFile, find_session, sessions_of
from penstock.window.layout import ExtentStatus, checksum
from penstock.window.life import LifeSigns, check_passed
from penstock.window.ownership import claim_window, share_job
from penstock.window.peers import check_peers
from penstock.window.slots import read_sizes, read_table
from penstock.window.slots_file import SlotsFile
from penstock.window.wakeup import Listener

__all__ = ["WindowReader"]

DEFAULT_TIMEOUT_SECONDS = 60.0
SETTLE_SECONDS = 2.0
"""How long bytes may disagree with their checksum before they are taken for damaged."""

PEERS_SECONDS = 1.0
"""Pause between two looks at the other ranks, in a wait."""

_GOOD = (ExtentStatus.DATA, ExtentStatus.KEPT)


class WindowReader:
    """Reads one session's extents. Each process opens its own: ``begin`` in one, ``attach`` in its workers.

    Args:
        folder: the window's folder.
        spec: what is asked for; ranks other than 0 need not know the session's name to ``begin``.
        timeout_seconds: how long a prefetcher may show no sign of life.
        lost: gives why there will be no prefetcher any more; None as long as there is one, or may be.
    """

    def __init__(
        self,
        folder: Path,
        spec: StreamSpec,
        *,
        rank: int = 0,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        lost: Callable[[], PenstockError | None] = lambda: None,
        clock: Callable[[], float] = running_seconds,
    ) -> None:
        self.spec = spec
        self._folder = folder
        self._rank = rank
        self._timeout_seconds = timeout_seconds
        self._lost = lost
        self._clock = clock
        self._listener = Listener(folder)
        self._session_file = SessionFile(folder, spec.session)
        self._control: Control | None = None
        self._incarnation: int | None = None
        self._cursor: Cursor | None = None
        self._parent: int | None = None
        self._slots: SlotsFile | None = None
        self._open = NO_SLOT
        self._files = ExtentFiles(folder, rank)
        self._unsettled: float | None = None
        self._peers_seen = 0.0
        self._meters = Meters()
        self._is_interrupted = False
        self._job = contextlib.ExitStack()

    def begin(self) -> Self:
        """Ask for the session, replacing the last one, and wait until it is served.

        Raises:
            PrefetcherLost: nobody serves the window, or rank 0 asks for nothing.
            WindowError: rank 0 asks for another stream, or another job trains through the window.
            NotOurs: the folder holds what Penstock did not put there.
            PenstockError: what the prefetcher could not do.
        """
        try:
            self._ask()
            self._wait_until(self._served)
        except BaseException:
            self._job.close()
            raise
        return self

    def _ask(self) -> None:
        if self._rank == 0:
            self._job.enter_context(share_job(self._folder))
        else:
            claim_window(self._folder)
            self._join()
        self._cursor = Cursor.begin(self._folder, self._rank, self.spec.session, self.spec.first_index)
        if self._rank == 0:
            sweep_files(self._folder)
            asked = encode_record(self.spec)
            decode_record(asked, StreamSpec, origin="the stream that is asked for")
            install(self._folder / SESSION, asked)
        self._listener.ring(session=True)

    def attach(self) -> Self:
        """Read along with the process that began the session, until it ends it or dies; for its workers."""
        self._parent = os.getppid()
        self._cursor = Cursor.open(self._folder, self._rank)
        self._wait_until(self._served)
        return self

    def get(self, index: int) -> WindowExtent:
        """Return the extent of a stream index, waiting until it is there.

        Raises:
            PenstockError: the error that the extent met on its way, or one before it at which the stream ended.
            ExtentSkipped: the same, where bad extents are skipped and the error is the extent's own.
            PrefetcherLost: the prefetcher is gone.
            WindowError: another trainer took over the window.
            ChecksumMismatch: the window's bytes are damaged.
        """
        deadline: float | None = None
        while True:
            opened = self._open
            if not opened.first_index <= index < opened.end_index or not self.is_intact():
                self._wait_until(lambda: self._open_slot(index))
                opened = self._open
            offset, size, *head, wanted, status = opened.rows[index - opened.first_index]
            data = self._read(opened, offset, size, status)
            if checksum(data) == wanted:
                break
            # A CPU may show a slot's state before its bytes, and another process may have just given the slot up.
            deadline = self._settle(deadline, f"sample {index}")
        if status == ExtentStatus.ERROR:
            raise read_error(data)
        meta, codec = opened.head(*head)
        if status == ExtentStatus.SKIPPED:
            raise ExtentSkipped(meta, read_error(data) if size else untold(meta.key))
        assert self._incarnation is not None
        return WindowExtent(index=index, meta=meta, codec=codec, data=data, incarnation=self._incarnation)

    def run(self, indices: Sequence[int]) -> Iterator[WindowExtent]:
        """Return extents of ascending stream indices for as long as they lie in the slot that the first one lies in.

        Only the first is waited for. Each is verified when it is given; use its bytes before the next is asked for,
        and they are still in the CPU's cache. One ``is_intact`` with the first extent vouches for the whole run.

        Raises:
            PenstockError, ExtentSkipped: what ``get`` raises for the first one; a later one that cannot be had ends
                the run.
        """
        first = self.get(indices[0])
        opened, incarnation = self._open, first.incarnation
        yield first
        for index in indices[1:]:
            if index >= opened.end_index:
                return
            offset, size, *head, wanted, status = opened.rows[index - opened.first_index]
            data = self._read(opened, offset, size, status)
            if status not in _GOOD or checksum(data) != wanted:
                return
            meta, codec = opened.head(*head)
            yield WindowExtent(index=index, meta=meta, codec=codec, data=data, incarnation=incarnation)

    @contextlib.contextmanager
    def as_file(self, extent: WindowExtent) -> Iterator[Path]:
        """Return an extent's bytes as a file in the window's folder, which is gone after the block.

        One at a time; ``spec.num_files`` makes room for that of each reader. Ask ``is_intact`` after it was read.

        Raises:
            WindowError: no room was asked for, or the last file is still held.
            DiskFull, OutputUnwritable: it cannot be made.
        """
        if not self.spec.num_files:
            raise WindowError(
                f"the session through {self._folder} was begun without room for files",
                fix="ask for it with num_files in its StreamSpec, or takes_path in Custom",
                about=str(self._folder),
            )
        with self._files.hold(f"{extent.index}-{safe_name(extent.meta.key)}", extent.data) as path:
            yield path

    def is_intact(self, *extents: WindowExtent) -> bool:
        """Tell whether the window, and what extents it gave, are still what was asked for.

        The slots of a session that is replaced are used again at once, so ask after the extents' bytes were used
        or copied, and ``get`` them again where the answer is no.
        """
        try:
            now = self._control.incarnation if self._control is not None else None
        except ControlCut:
            return False
        if now is None or now != self._incarnation:
            return False
        return not extents or all(extent.incarnation == now for extent in extents)

    def advance(self, index: int) -> None:
        """Say that no extent below ``index`` is needed any more; their slots are used again."""
        assert self._cursor is not None
        if index <= self._cursor.index:
            return
        self._cursor.move(index)
        opened = self._open
        if opened.first_index < index < opened.end_index:
            return
        if index >= opened.end_index:
            self._open = NO_SLOT
        self._listener.ring()

    def meters(self) -> Meters:
        """Return the sizes of the window, and what was counted in its folder for the session's owner so far."""
        control, cursor = self._control, self._cursor
        with contextlib.suppress(ControlCut):
            if control is not None and control.session == self.spec.session:
                if cursor is not None and self._parent is None:
                    wait_until_counted(self._folder, self.spec, control, cursor)
                self._meters = read_sizes(control)
        return self._meters.plus(sum_meters(read_meter_files(self._folder, self.spec.owner)))

    def interrupt(self) -> None:
        """End waits, those of another thread too, with a WindowError within a quarter of a second."""
        self._is_interrupted = True

    def end(self) -> None:
        """End the session for the workers that read along; any thread may."""
        cursor = self._cursor
        if cursor is not None:
            cursor.end()

    def close(self) -> None:
        """Let go of the window, and end the session for the workers that read along."""
        self.meters()
        if self._cursor is not None:
            self._cursor.end()
        self._listener.close()
        self._files.close()
        self._open, self._slots = NO_SLOT, None
        self._control = self._incarnation = self._cursor = None
        self._job.close()

    def _join(self) -> None:
        used = sessions_of(self._folder, self._rank)
        deadline = self._clock() + self._timeout_seconds
        while (found := find_session(self._folder, self.spec, used=used)) is None:
            if self._clock() > deadline:
                raise PrefetcherLost(
                    f"rank 0 asked nothing of the window {self._folder} for {self._timeout_seconds:.0f} s",
                    fix="see rank 0's log; run it again, or raise --prefetch-timeout",
                    about=str(self._folder),
                )
            self._listener.wait()
        used.add(found.session)
        self.spec = found
        self._session_file = SessionFile(self._folder, found.session)

    def _served(self) -> bool:
        """Map the window if it serves this session."""
        control = self._current_control()
        error = control.error(self.spec.session)
        if error is not None:
            raise rebuild(error)
        incarnation = control.incarnation
        if control.session != self.spec.session:
            return False
        try:
            self._slots = SlotsFile(self._folder, control.slots_file_bytes)
        except (OSError, ValueError):
            return False
        self._open = NO_SLOT
        self._incarnation = incarnation
        return self.is_intact()

    def _current_control(self) -> Control:
        """Map the control file, anew where the prefetcher has made another."""
        if self._control is None or not self._control.is_current(self._folder):
            self._incarnation = self._control = None
            self._control = Control(self._folder, writable=False)
        return self._control

    def _read(self, opened: OpenSlot, offset: int, size_bytes: int, status: int) -> memoryview:
        """Return an extent's bytes; whatever the table says, they lie in the slot, or else in the kept part."""
        assert self._slots is not None
        if status == ExtentStatus.KEPT:
            return self._slots.read(offset, size_bytes)
        return self._slots.read(opened.offset + offset, size_bytes if offset + size_bytes <= opened.size_bytes else 0)

    def _open_slot(self, index: int) -> bool:
        control = self._control
        if control is None or not self.is_intact() or not control.is_current(self._folder):
            if not self._served():
                return False
            control = self._current_control()
        slot = control.find_ready(index)
        if slot is None:
            error = control.error(self.spec.session)
            if error is not None:
                raise rebuild(error)
            if self.is_intact():
                check_passed(control, index, self._folder)
                failed_end = control.failed_end
                if 0 < failed_end <= index:
                    self.get(failed_end - 1)  # raises what ended the stream before
            return False
        entry, size = control.entry(slot), control.slot_bytes
        assert self._slots is not None
        place = self._slots.read(slot * size, min(int(entry["table_bytes"]), size))
        table = read_table(place, entry, control.stream)
        first = int(entry["first_index"])
        if table is None or not first <= index < first + len(table):
            self._unsettled = self._settle(self._unsettled, f"slot {slot}")
            return False
        self._unsettled = None
        self._open = OpenSlot(slot * size, size, place, first, first + len(table), table.tolist())
        return True

    def _settle(self, deadline: float | None, what: str) -> float:
        """Take another look after a moment, until the time for it is over."""
        deadline = self._clock() + SETTLE_SECONDS if deadline is None else deadline
        if self._clock() > deadline:
            raise ChecksumMismatch(
                f"{what} does not match its checksum in the window {self._folder}",
                fix="another process wrote to the window, or its disk is failing: use a fresh folder",
                about=what,
            )
        self._open = NO_SLOT
        self._listener.wait()
        return deadline

    def _wait_until(self, ready: Callable[[], bool]) -> None:
        began = self._peers_seen = self._clock()
        signs = LifeSigns(self._folder, self._timeout_seconds, self._clock)
        while True:
            unusable: WindowError | None = None
            try:
                if ready():
                    return
            except FileNotFoundError:
                unusable = None  # it is being made
            except PermissionError as error:
                raise WindowError(
                    f"cannot read the window {self._folder} ({error.strerror})",
                    fix="run trainer and prefetcher with a common group (fsGroup) that owns the folder",
                    about=str(self._folder),
                ) from error
            except ControlCut as error:
                self._control, unusable = None, error
            except WindowError as error:
                if type(error) is not WindowError or self._control is not None:
                    raise
                unusable = error
            self._raise_if_over()
            self._check_peers(began)
            self._listener.wait()
            signs.check(self._control, unusable)

    def _raise_if_over(self) -> None:
        """Raise if what is waited for will not come: the session was replaced, or the process that began it is gone."""
        if (error := self._lost()) is not None:
            raise error
        self._session_file.check()
        if self._cursor is not None and self._parent is None:
            self._cursor = self._cursor.mended(self._folder, self._rank)
        orphaned = self._parent is not None and (
            os.getppid() != self._parent or self._cursor is None or self._cursor.is_over
        )
        if orphaned or self._is_interrupted:
            raise WindowError(f"the stream through {self._folder} was closed", fix="", about=str(self._folder))

    def _check_peers(self, began: float) -> None:
        """Raise if another rank is gone, which is looked at now and then."""
        now = self._clock()
        if self.spec.num_ranks > 1 and now - self._peers_seen >= PEERS_SECONDS:
            self._peers_seen = now
            check_peers(
                self._folder,
                session=self.spec.session,
                rank=self._rank,
                num_ranks=self.spec.num_ranks,
                index=self._cursor.index if self._cursor is not None else 0,
                is_patient=now - began < self._timeout_seconds,
            )

"""The prefetcher's side of the window: serves one trainer's session after another until it is stopped.

It starts with nothing but a folder and a bound; the trainer hands over what it wants as ``session.json``. Without
one it holds no slots. Killed at any moment and started again, it adopts the slots that are whole and that readers
still need, frees the rest before it fills any, and goes on where the trainer's cursor is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from penstock.clock import running_seconds
from penstock.errors import NotOurs, OutputError, PenstockError, RecordError, WindowError
from penstock.manifest import ManifestReader, SourceSpec
from penstock.options.window import WindowOptions
from penstock.owning import WINDOW_MARK, Hold
from penstock.records import Purpose, StreamSpec, decode_record
from penstock.sources import (
    ClientLimits,
    MeterFile,
    ObjectSource,
    RequestMeter,
    open_source,
    read_meter_files,
    sum_meters,
    sweep_meter_files,
    take_later,
)
from penstock.sources.patience import limits_within
from penstock.window.asking import check_spec
from penstock.window.cache import Cache
from penstock.window.control import Control, ErrorText, FillerState
from penstock.window.folder import SESSION, SLOTS, read_small, used_bytes
from penstock.window.joining import is_left
from penstock.window.ownership import CHILD, SIDECAR, Role, hold_window, is_served_by_sidecar
from penstock.window.session import FillerSession
from penstock.window.slots import empty_window, open_control
from penstock.window.wakeup import Bell

__all__ = ["Filler"]

HEARTBEAT_SECONDS = 0.5
LAST_ONE_SECONDS = 10.0
"""How long a child waits for the end of the one before, whose trainer was killed."""
SESSION_POLL_SECONDS = 0.25
TAKE_POLL_SECONDS = 0.02
DEFAULT_IN_FLIGHT = WindowOptions.in_flight

_log = logging.getLogger(__name__)


class Opener(Protocol):
    """Opens a source, whose requests are counted."""

    def __call__(
        self, spec: SourceSpec, /, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose
    ) -> ObjectSource:
        """Return it."""
        ...


class Filler:
    """Fills a window.

    Args:
        folder: the window's folder, shared with the trainer; made if it is missing.
        window_bytes: bound on everything in the folder.
        max_in_flight: the most ranges that are requested at a time; how many are is found out by what pays.
        is_child: whether it ends with the trainer that started it.
        opener: opens the source that a manifest names.
        meters: folder of the files that requests are counted in; None is the window's own.
        cache: folder in which extents are kept on disk, and its bound in bytes; None is none.
    """

    def __init__(
        self,
        folder: Path,
        *,
        window_bytes: int,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        is_child: bool = False,
        opener: Opener = open_source,
        meters: Path | None = None,
        cache: tuple[Path, int] | None = None,
    ) -> None:
        self._folder = folder
        self._cache = cache
        self._window_bytes = window_bytes
        self._max_in_flight = max_in_flight
        self._is_child = is_child
        self._opener = opener
        self._meters = folder if meters is None else meters
        self._asked: bytes | None = b""
        self._ways: dict[Hashable, Any] = {}

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve sessions until ``stop`` is set.

        Raises:
            WindowError: another prefetcher serves this window.
            NotOurs: the folder holds what Penstock did not put there.
            OutputError: the folder cannot be used.
        """
        hold = await self._hold(stop)
        if hold is None:
            return
        with contextlib.closing(hold):
            self._control = open_control(self._folder, self._window_bytes)
            with _heartbeat(self._folder, lambda: self._control):
                bell = Bell(self._folder)
                await bell.start()
                try:
                    await self._serve_sessions(hold, bell, stop)
                finally:
                    await bell.close()

    async def _hold(self, stop: asyncio.Event) -> Hold | None:
        """Take the window; None where it is stopped before. A child waits for the one before, which is about to end."""
        deadline = time.monotonic() + (LAST_ONE_SECONDS if self._is_child else 0.0)
        while not stop.is_set():
            try:
                return hold_window(self._folder, Role.PREFETCHER, detail=CHILD if self._is_child else SIDECAR)
            except WindowError:
                if time.monotonic() >= deadline or is_served_by_sidecar(self._folder):
                    raise
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TAKE_POLL_SECONDS)
        return None

    async def _serve_sessions(self, hold: Hold, bell: Bell, stop: asyncio.Event) -> None:
        task: asyncio.Task[None] | None = None
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                if not hold.is_current(self._folder / WINDOW_MARK):
                    raise _removed(self._folder)
                asked, control = self._read_session(), self._control
                if not self._is_whole(control, is_busy=task is not None and not task.done()):
                    _log.error("window.damaged folder=%s: it is made anew", self._folder)
                    await _cancel(task)
                    task, self._asked = None, None
                    if not control.is_current(self._folder):
                        self._control = control = open_control(self._folder, self._window_bytes)
                    empty_window(self._folder, control)
                if asked != self._asked or (not asked and (self._folder / SLOTS).exists()):
                    self._asked = asked
                    await _cancel(task)
                    task = self._begin(asked, control, bell)
                if task is not None and task.done():
                    task.result()
                await _first_of(stopping, bell.asked, timeout_seconds=SESSION_POLL_SECONDS)
        finally:
            stopping.cancel()
            await _cancel(task)

    def _is_whole(self, control: Control, *, is_busy: bool) -> bool:
        """Tell whether no other process removed or cut short what is mapped here."""
        if not control.is_current(self._folder):
            return False
        try:
            return not is_busy or (self._folder / SLOTS).lstat().st_size == control.slots_file_bytes
        except FileNotFoundError:
            return not control.num_slots

    def _read_session(self) -> bytes:
        """Return what is asked for, nothing where nothing is."""
        try:
            return read_small(self._folder / SESSION)
        except FileNotFoundError:
            return b""
        except (NotOurs, WindowError) as error:
            return str(error).encode()  # refused as any other that cannot be read
        except OSError as error:
            raise WindowError(
                f"cannot read what the trainer asks for in {self._folder} ({error.strerror})",
                fix="run trainer and prefetcher with a common group (fsGroup) that owns the folder",
                about=str(self._folder),
            ) from error

    def _begin(self, asked: bytes, control: Control, bell: Bell) -> asyncio.Task[None] | None:
        if not asked:
            empty_window(self._folder, control)
            control.state = FillerState.WAITING
            bell.ring()
            return None
        try:
            spec = decode_record(asked, StreamSpec, origin=str(self._folder / SESSION))
            check_spec(spec, origin=str(self._folder / SESSION))
        except RecordError as error:
            _log.error("session.refused error=%s", error)
            self._report(control, _name_of(asked), error)
            bell.ring()
            return None
        with contextlib.suppress(OSError):
            if is_left(self._folder, spec):
                # Its slots stay for the next session, but none is filled; looked at again, for a reader may come back.
                self._asked = None
                control.state = FillerState.WAITING
                return None
        return asyncio.create_task(self._run_session(spec, control, bell))

    async def _run_session(self, spec: StreamSpec, control: Control, bell: Bell) -> None:
        _log.info(
            "session.start session=%s first_index=%d end_index=%d", spec.session, spec.first_index, spec.end_index
        )
        try:
            with (
                _open_manifest(self._folder, spec) as manifest,
                self._counting(spec) as counts,
                self._open_cache(manifest.info.source) as cache,
            ):
                limits = limits_within(spec.patience_seconds)
                source = self._opener(
                    manifest.info.source,
                    limits=limits,
                    # What is read of a store of samples was asked for when that was filled.
                    meter=RequestMeter() if manifest.info.stored_from is not None else counts.meter,
                    purpose=spec.purpose,
                )
                # A part of a listing that goes on lies in the objects that the part before it ended in.
                source.share_ways(self._ways)
                session = await FillerSession.open(
                    self._folder,
                    spec,
                    control=control,
                    manifest=manifest,
                    source=source,
                    meter=counts.meter,
                    window_bytes=self._window_bytes,
                    max_in_flight=self._max_in_flight,
                    bell=bell,
                    cache=cache,
                )
                await session.run()
        except PenstockError as error:
            _log.error("session.failed session=%s error=%s", spec.session, error)
            if isinstance(error, OutputError):
                empty_window(self._folder, control)
            self._report(control, spec.session, error)
        except Exception as error:
            if not self._is_whole(control, is_busy=True):
                _log.warning("session.broken session=%s error=%r", spec.session, error)
                return  # what another process did to the control file: it is made anew, and the session begun again
            # A fault of ours: it ends the session, whose trainer is told, and not the next one's.
            _log.exception("session.broken session=%s", spec.session)
            self._report(control, spec.session, PenstockError(f"the prefetcher failed ({error!r})", fix="see its log"))
        finally:
            bell.ring()

    def _open_cache(self, source: SourceSpec) -> contextlib.AbstractContextManager[Cache | None]:
        """Open the cache of a session's source, where there is to be one."""
        if self._cache is None:
            return contextlib.nullcontext()
        folder, size_bytes = self._cache
        return contextlib.closing(Cache(folder, size_bytes, source))

    def _counting(self, spec: StreamSpec) -> MeterFile:
        """Open the file that a session's requests are counted in; few are left of those that nobody counts in."""
        if self._meters == self._folder:
            sweep_meter_files(self._folder, keep=spec.owner)
        counts = MeterFile.open(self._meters, spec.owner)
        if spec.most_requests is not None:
            earlier = sum_meters(take_later(read_meter_files(self._meters, spec.owner), counts.read()))
            counts.meter.allow(spec.most_requests - earlier.count().sent)
        return counts

    def _report(self, control: Control, session: str, error: PenstockError) -> None:
        """Leave an error that belongs to no sample where the trainer looks for it."""
        control.put_error(session, ErrorText(type(error).__name__, error.what, error.fix, error.about))
        control.state = FillerState.FAILED


def _removed(folder: Path) -> WindowError:
    return WindowError(
        f"the window {folder} was removed, or another folder took its place, while it was served",
        fix="run it again; use a window folder that only Penstock writes to",
        about=str(folder),
    )


async def _first_of(stopping: asyncio.Task[Literal[True]], asked: asyncio.Event, *, timeout_seconds: float) -> None:
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({stopping, waiting}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    asked.clear()


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _name_of(asked: bytes) -> str:
    """Return the session that a record of another release names, as far as it can be made out."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        found = msgspec.json.decode(asked)
        if isinstance(found, dict):
            return str(found.get("session", ""))[:64]
    return ""


@contextlib.contextmanager
def _open_manifest(folder: Path, spec: StreamSpec) -> Iterator[ManifestReader]:
    with ManifestReader(folder / spec.manifest) as manifest:
        if manifest.info.fingerprint != spec.manifest_fingerprint:
            raise RecordError(
                f"{spec.manifest} has another fingerprint ({manifest.info.fingerprint[:12]}) than the plan was "
                f"made for ({spec.manifest_fingerprint[:12]})",
                fix="pass the manifest and the plan of the same `penstock list`",
                about=spec.manifest,
            )
        yield manifest


@contextlib.contextmanager
def _heartbeat(folder: Path, control: Callable[[], Control]) -> Iterator[None]:
    """Beat in a thread of its own: long work in the event loop must not look like death. It also gauges the folder."""
    done = threading.Event()

    def beat() -> None:
        while True:
            control().beat()
            running_seconds()  # whoever waits for a server in this process looks less often
            with contextlib.suppress(OSError):
                control().gauge(used_bytes(folder))
            if done.wait(HEARTBEAT_SECONDS):
                return

    thread = threading.Thread(target=beat, name="penstock-heartbeat-0", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

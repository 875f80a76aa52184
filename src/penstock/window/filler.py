"""The prefetcher's side of the window: serves one trainer's session after another until it is stopped.

It starts with nothing but a folder and a bound; the trainer hands over what it wants as ``session.json``.
Killed at any moment and started again, it adopts the slots that are whole and continue the stream, frees the
rest before it fills any, and goes on where the trainer's cursor is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.errors import PenstockError, RecordError, WindowError, map_os_error
from penstock.files import atomic_write
from penstock.records import ManifestReader, SourceSpec, StreamSpec, decode_record
from penstock.sources import ObjectSource, open_source
from penstock.window.layout import CONTROL, ERROR, LOCK, SESSION, Control, FillerState
from penstock.window.session import FillerSession, encode_error
from penstock.window.wakeup import Bell

__all__ = ["Filler", "is_served"]

HEARTBEAT_SECONDS = 0.5
DEFAULT_IN_FLIGHT = 64

_log = logging.getLogger(__name__)


class Filler:
    """Fills a window.

    Args:
        folder: the window's folder, shared with the trainer; made if it is missing.
        window_bytes: bound on everything in the folder.
        max_in_flight: ranges that are requested at a time.
        opener: opens the source that a manifest names.
    """

    def __init__(
        self,
        folder: Path,
        *,
        window_bytes: int,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        opener: Callable[[SourceSpec], ObjectSource] = open_source,
    ) -> None:
        self._folder = folder
        self._window_bytes = window_bytes
        self._max_in_flight = max_in_flight
        self._opener = opener
        self._session_id: str | None = None

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve sessions until ``stop`` is set.

        Raises:
            WindowError: another prefetcher serves this window.
            OutputError: the folder cannot be used.
        """
        with _locked(self._folder):
            if not (self._folder / CONTROL).exists():
                Control.create(self._folder, None)
            bell = Bell(self._folder)
            await bell.start()
            try:
                await self._serve_sessions(bell, stop)
            finally:
                await bell.close()

    async def _serve_sessions(self, bell: Bell, stop: asyncio.Event) -> None:
        task: asyncio.Task[None] | None = None
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                spec = self._read_session()
                if spec is not None and spec.session != self._session_id:
                    self._session_id = spec.session
                    await _cancel(task)
                    task = asyncio.create_task(self._run_session(spec, bell))
                if task is not None and task.done():
                    task.result()
                await asyncio.wait({stopping}, timeout=HEARTBEAT_SECONDS if task else HEARTBEAT_SECONDS / 10)
        finally:
            stopping.cancel()
            await _cancel(task)

    def _read_session(self) -> StreamSpec | None:
        try:
            data = (self._folder / SESSION).read_bytes()
        except FileNotFoundError:
            return None
        return decode_record(data, StreamSpec, origin=str(self._folder / SESSION))

    async def _run_session(self, spec: StreamSpec, bell: Bell) -> None:
        _log.info(
            "session.start session=%s first_index=%d end_index=%d", spec.session, spec.first_index, spec.end_index
        )
        try:
            with _open_manifest(self._folder, spec) as manifest:
                session = FillerSession(
                    self._folder,
                    spec,
                    manifest=manifest,
                    source=self._opener(manifest.info.source),
                    window_bytes=self._window_bytes,
                    max_in_flight=self._max_in_flight,
                    bell=bell,
                )
                await session.run()
        except PenstockError as error:
            _log.error("session.failed session=%s error=%s", spec.session, error)
            self._report(spec, error)
        except Exception as error:
            self._report(spec, PenstockError(f"the prefetcher failed ({error!r})", fix="see its log"))
            raise
        finally:
            bell.ring()

    def _report(self, spec: StreamSpec, error: PenstockError) -> None:
        """Leave an error that belongs to no sample where the trainer looks for it."""
        atomic_write(self._folder / ERROR, encode_error(spec.session, error))
        with contextlib.suppress(OSError, WindowError):
            Control(self._folder, writable=True).put("state", FillerState.FAILED)


async def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


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
def _locked(folder: Path) -> Iterator[None]:
    """Hold the window's lock; the kernel lets go of it when the process dies, however it dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o660)
    except OSError as error:
        raise map_os_error(error, str(folder)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise WindowError(
            f"another prefetcher serves {folder}", fix="stop it, or choose another --window folder", about=str(folder)
        ) from error
    try:
        yield
    finally:
        os.close(handle)


def is_served(folder: Path) -> bool:
    """Tell whether a prefetcher holds the window's lock right now."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False

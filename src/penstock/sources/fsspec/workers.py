"""Calls of a file system, away from the event loop: on fsspec's own loop, or by a bounded number of threads.

File systems that know no asyncio may keep one connection that one thread at a time may use (FTP), so each thread has a
file system of its own, and makes another after an error. Threads are daemons: a call that never ends holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextlib
import ftplib
import itertools
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from penstock.sources.fsspec.answers import is_gone

__all__ = ["AsyncCalls", "Calls", "ThreadCalls"]

NUM_THREADS = 8

_numbers = itertools.count()


class Calls(ABC):
    """What a source asks of a file system."""

    @abstractmethod
    async def ls(self, path: str) -> list[dict[str, Any]]:
        """Return what lies in a folder, or the file of that name."""

    @abstractmethod
    async def info(self, path: str) -> dict[str, Any]:
        """Return what is known of a file."""

    @abstractmethod
    async def read(self, path: str, start: int, end: int) -> bytes:
        """Return a range of a file."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""


class AsyncCalls(Calls):
    """Of a file system that knows asyncio; it runs on fsspec's own loop."""

    def __init__(self, open_fs: Callable[[], Any]) -> None:
        self._open = open_fs
        self._fs: Any = None

    async def ls(self, path: str) -> list[dict[str, Any]]:
        """List; see the base class."""
        found: list[dict[str, Any]] = await self._call("_ls", path, detail=True)
        return found

    async def info(self, path: str) -> dict[str, Any]:
        """Look; see the base class."""
        found: dict[str, Any] = await self._call("_info", path)
        return found

    async def read(self, path: str, start: int, end: int) -> bytes:
        """Read; see the base class."""
        found: bytes = await self._call("_cat_file", path, start=start, end=end)
        return found

    def close(self) -> None:
        """fsspec closes what it opened."""

    async def _call(self, name: str, *given: Any, **options: Any) -> Any:
        if self._fs is None:  # to_thread has threads that the end of a loop waits for, however long that takes
            self._fs = await _in_a_thread(self._open)
        self._fs.invalidate_cache()
        call = getattr(self._fs, name)(*given, **options)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._fs.loop))


class ThreadCalls(Calls):
    """Of a file system that does not."""

    def __init__(self, open_fs: Callable[[], Any]) -> None:
        self._open = open_fs
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._num_threads = self._num_jobs = 0

    async def ls(self, path: str) -> list[dict[str, Any]]:
        """List; see the base class."""
        found: list[dict[str, Any]] = await self._call(lambda fs: fs.ls(path, detail=True))
        return found

    async def info(self, path: str) -> dict[str, Any]:
        """Look; see the base class."""
        found: dict[str, Any] = await self._call(lambda fs: fs.info(path))
        return found

    async def read(self, path: str, start: int, end: int) -> bytes:
        """Read; see the base class."""
        found: bytes = await self._call(lambda fs: _read(fs, path, start, end))
        return found

    def close(self) -> None:
        """End the threads when they are done with what they do."""
        with self._lock:
            for _ in range(self._num_threads):
                self._jobs.put(None)
            self._num_threads = 0

    async def _call(self, function: Callable[[Any], Any]) -> Any:
        job = _Job(function)
        with self._lock:
            self._num_jobs += 1
            if self._num_threads < min(NUM_THREADS, self._num_jobs):
                self._num_threads += 1
                name = f"penstock-fsspec-{next(_numbers)}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
        self._jobs.put(job)
        try:
            return await job.done
        finally:
            with self._lock:
                self._num_jobs -= 1
                if not job.has_ended:  # its thread may never come back: another takes its place
                    job.is_abandoned = True
                    self._num_threads -= job.has_begun

    def _work(self) -> None:
        fs: Any = None
        while (job := self._jobs.get()) is not None:
            with self._lock:
                if job.is_abandoned:
                    continue
                job.has_begun = True
            found: Any = None
            problem: Exception | None = None
            try:
                fs = self._open() if fs is None else fs
                fs.invalidate_cache()
                found = job.function(fs)
            except Exception as error:
                problem = error
                fs = fs if is_gone(error) else None
            with self._lock:
                is_last = job.end()
            job.tell(found, problem)
            if is_last:
                return


async def _in_a_thread(call: Callable[[], Any]) -> Any:
    """Return what a function gives; a thread that never comes back holds nobody up."""
    job = _Job(lambda _: call())
    threading.Thread(target=job.run, name=f"penstock-fsspec-{next(_numbers)}", daemon=True).start()
    return await job.done


class _Job:
    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self._loop.create_future()
        self.has_begun = self.has_ended = self.is_abandoned = False

    def run(self) -> None:
        """Do it without a file system, and tell."""
        try:
            found = self.function(None)
        except Exception as error:
            self.tell(None, error)
        else:
            self.tell(found, None)

    def end(self) -> bool:
        """Note that it has ended, and tell whether another thread took the place of its own."""
        self.has_ended = True
        return self.is_abandoned

    def tell(self, found: Any, problem: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._set, found, problem)

    def _set(self, found: Any, problem: Exception | None) -> None:
        if self.done.done():
            return
        if problem is None:
            self.done.set_result(found)
        else:
            self.done.set_exception(problem)


def _read(fs: Any, path: str, start: int, end: int) -> bytes:
    """Return a range, and no more than that is asked for: buffered files would read ahead."""
    from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

    if hasattr(fs, "ftp"):
        try:
            return _read_ftp(fs.ftp, path, start, end)
        except ftplib.error_perm:
            fs.info(path)  # raises where the file is not there: both have one code
            raise
    if type(fs).cat_file is not AbstractFileSystem.cat_file:
        return bytes(fs.cat_file(path, start=start, end=end))
    with fs.open(path, "rb") as file:
        if isinstance(file, AbstractBufferedFile):
            return bytes(file._fetch_range(start, end))
        file.seek(start)
        return bytes(file.read(end - start))


def _read_ftp(ftp: Any, path: str, start: int, end: int) -> bytes:
    """Return a range by ftplib.

    A transfer that is broken off has one answer, an error. It must be read, or it would be taken for that to what is
    asked next; ABOR, by which fsspec breaks it off, has one or two, as the server likes.
    """
    ftp.voidcmd("TYPE I")
    data = bytearray()
    with ftp.transfercmd(f"RETR {path}", rest=start) as link:
        while len(data) < end - start and (part := link.recv(min(end - start - len(data), 1 << 18))):
            data += part
        is_whole = not link.recv(1)
    try:
        ftp.voidresp()
    except (ftplib.error_temp, ftplib.error_perm):
        if is_whole:
            raise
    return bytes(data)

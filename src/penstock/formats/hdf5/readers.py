"""Processes that read what HDF5 files have: two at most for an event loop, as long as some file is read by it."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec

from penstock.formats.hdf5.blocks import h5py_of, lies
from penstock.formats.hdf5.contents import Contents, Dataset
from penstock.formats.hdf5.reading import ERRORS, Faulty, Found, Job, Wanted, decode_message, encode_message, error_of
from penstock.sources import GetRange, ObjectInfo

__all__ = ["kept_readers", "read_contents"]

_AT_ONCE: Final = 2
_END_SECONDS: Final = 10
_SILENT_SECONDS: Final = 600
"""In which a process tells something: its own limit is of CPU time, of which one that waits takes none."""


class _Readers:
    """Processes of a loop."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._idle: list[asyncio.subprocess.Process] = []
        self._num_kept = 0

    async def read(self, source: GetRange, info: ObjectInfo, columns: Sequence[str] | None) -> Contents:
        """Read what a file has."""
        async with self.kept(), self._turns:
            return await self._read(source, info, columns)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep the processes for files that are read meanwhile."""
        self._num_kept += 1
        try:
            yield
        finally:
            self._num_kept -= 1
            if not self._num_kept:
                idle, self._idle = self._idle, []
                for process in idle:
                    await _end(process)

    async def _read(self, source: GetRange, info: ObjectInfo, columns: Sequence[str] | None) -> Contents:
        process = self._idle.pop() if self._idle else await _start()
        is_whole = False
        try:
            found = await _converse(process, source, info, columns)
            is_whole = True
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise lies(info.key, f"libhdf5 ended by {_how(await process.wait())} on it") from error
        except _Silent as error:
            raise lies(info.key, f"libhdf5 told nothing of it for {_SILENT_SECONDS} s") from error
        finally:
            if is_whole:
                self._idle.append(process)
            elif process.returncode is None:
                process.kill()
                await process.wait()
        if isinstance(found, Faulty):
            raise error_of(found, info.key)
        return found.contents


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "penstock.formats.hdf5.reading",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _converse(
    process: asyncio.subprocess.Process, source: GetRange, info: ObjectInfo, columns: Sequence[str] | None
) -> Found | Faulty:
    """Give a process a file, and the bytes of it that it wants."""
    given, told = process.stdin, process.stdout
    assert given is not None
    assert told is not None
    given.write(encode_message(Job(info.key, info.size_bytes, None if columns is None else tuple(columns))))
    while True:
        await given.drain()
        message = _message(await _told(told), info)
        if not isinstance(message, Wanted):
            return message
        given.write(encode_message(bytes(await source.get_range(info, message.begin, message.length))))


async def _told(told: asyncio.StreamReader) -> bytes:
    """Return the next message.

    Raises:
        _Silent: none came.
        asyncio.IncompleteReadError: the process has ended.
    """
    try:
        async with asyncio.timeout(_SILENT_SECONDS):
            return await told.readexactly(int.from_bytes(await told.readexactly(4), "little"))
    except TimeoutError as error:
        raise _Silent from error


class _Silent(Exception):
    """A process tells nothing."""


def _is_sound(dataset: Dataset, size_bytes: int) -> bool:
    """Tell whether a dataset can be: lengths of it and of its chunks, and where those lie."""
    lengths = dataset.kind.chunk
    least = min(lengths if dataset.chunks else lengths[:1], default=0)
    return (
        least > 0
        and (len(lengths) == len(dataset.shape) or not dataset.chunks)
        and min(dataset.shape, default=0) >= 0
        and dataset.item_bytes > 0
        and -1 <= dataset.begin <= size_bytes
        and all(
            len(each.place) == len(lengths)
            and min(each.offset, each.length, *each.place) >= 0
            and each.offset + each.length <= size_bytes
            for each in dataset.chunks
        )
    )


def _message(data: bytes, info: ObjectInfo) -> Wanted | Found | Faulty:
    """Return what a process told, which libhdf5 may have written over.

    Raises:
        HeaderMismatch: it is none of what it tells.
    """
    try:
        message = decode_message(data)
    except (msgspec.MsgspecError, ValueError):
        message = None
    is_right = isinstance(message, Faulty) and message.kind in ERRORS
    if isinstance(message, Found):
        is_right = all(_is_sound(each, info.size_bytes) for each in message.contents.datasets)
    elif isinstance(message, Wanted):
        is_right = 0 <= message.begin < message.begin + message.length <= info.size_bytes
    if message is None or isinstance(message, Job) or not is_right:
        raise lies(info.key, "libhdf5 told nonsense of it")
    return message


_readers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Readers] = weakref.WeakKeyDictionary()


async def read_contents(source: GetRange, info: ObjectInfo, columns: Sequence[str] | None) -> Contents:
    """Return what a file has.

    Args:
        columns: names of the datasets that are read; None is all.

    Raises:
        ConfigError: there is no dataset of a name, or no h5py.
        DataError: the file cannot be read; it ended libhdf5 itself, for one.
        SourceError: it could not be had.
    """
    h5py_of()
    return await _readers.setdefault(asyncio.get_running_loop(), _Readers()).read(source, info, columns)


def kept_readers() -> AbstractAsyncContextManager[None]:
    """Keep the loop's processes for all files that are read meanwhile, one after the other."""
    return _readers.setdefault(asyncio.get_running_loop(), _Readers()).kept()

"""What libhdf5 reads, in a process beside the fuzzer's for many inputs; and the work of threads, done at once."""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from penstock.formats.hdf5.blocks import lies
from penstock.formats.hdf5.contents import Contents
from penstock.formats.hdf5.reading import Faulty, Found, Job, decode_message, encode_message, error_of
from penstock.formats.hdf5.reading import _read as read_job

__all__ = ["Aside", "loop_of_one_thread"]

MOST_CPU_SECONDS, MOST_SECONDS = 5, 30
MOST_GROWTH_BYTES = 1 << 30
_SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGALRM, signal.SIGTERM)

Value = TypeVar("Value")


class _AtOnce(ThreadPoolExecutor):
    """Does what it is given before it returns: a thread costs more than what it is given here."""

    def submit(self, what: Callable[..., Value], /, *values: Any, **named: Any) -> Future[Value]:
        future: Future[Value] = Future()
        try:
            future.set_result(what(*values, **named))
        except BaseException as error:
            future.set_exception(error)
        return future


def loop_of_one_thread() -> asyncio.AbstractEventLoop:
    """Return an event loop whose threads are none."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_AtOnce(1))
    return loop


class Aside:
    """A process, made of this one, that reads what files have; another one where libhdf5 ended it."""

    def __init__(self) -> None:
        self._child = 0
        self._given = self._told = -1

    async def read_contents(self, source: Any, info: Any, columns: Sequence[str] | None) -> Contents:
        """Read as ``penstock.formats.hdf5.readers`` does, the whole file being given with the question.

        Raises:
            PenstockError: as that one's.
            MemoryError: it took more than it may.
            TimeoutError: it took longer.
        """
        if not self._child:
            self._start()
        data = bytes(await source.get_range(info, 0, info.size_bytes))
        job = Job(info.key, info.size_bytes, None if columns is None else tuple(columns))
        try:
            _write(self._given, encode_message(job) + encode_message(data))
            found = decode_message(_answer(self._told))
        except (EOFError, BrokenPipeError):
            raise lies(info.key, f"libhdf5 ended by {self._end()} on it") from None
        except TimeoutError:
            os.kill(self._child, signal.SIGKILL)
            self._end()
            raise
        if isinstance(found, Faulty):
            if kind := {"memory": MemoryError, "slow": TimeoutError}.get(found.kind):
                raise kind(found.what)
            raise error_of(found, info.key)
        assert isinstance(found, Found)
        return found.contents

    def _start(self) -> None:
        asked, self._given = os.pipe()
        self._told, told = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(asked)
            os.close(told)
            return
        try:
            os.close(self._given)
            os.close(self._told)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)  # this process's are the fuzzer's
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            _serve(asked, told)
        finally:
            os._exit(1)

    def _end(self) -> str:
        _, status = os.waitpid(self._child, 0)
        os.close(self._given)
        os.close(self._told)
        self._child = 0
        code = os.waitstatus_to_exitcode(status)
        return f"signal {-code}" if code < 0 else f"exit {code}"


def _serve(asked: int, told: int) -> None:
    bound_bytes = _peak_bytes() + MOST_GROWTH_BYTES
    while True:
        job, data = decode_message(_message(asked)), _message(asked)
        assert isinstance(job, Job)
        begun = time.process_time()
        found = read_job(job, lambda begin, length, data=data: data[begin : begin + length])
        seconds = time.process_time() - begun
        if seconds > MOST_CPU_SECONDS:
            found = Faulty("slow", f"libhdf5 took {seconds:.1f} s of CPU", "")
        elif (peak := _peak_bytes()) > bound_bytes:
            found, bound_bytes = Faulty("memory", f"libhdf5 took {peak >> 20} MiB", ""), peak + MOST_GROWTH_BYTES
        _write(told, encode_message(found))


def _answer(told: int) -> bytes:
    if not select.select([told], [], [], MOST_SECONDS)[0]:
        raise TimeoutError(f"libhdf5 took more than {MOST_SECONDS} s")
    return _message(told)


def _message(place: int) -> bytes:
    return _exactly(place, int.from_bytes(_exactly(place, 4), "little"))


def _exactly(place: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.read(place, length)
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _write(place: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(place, view) :]


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

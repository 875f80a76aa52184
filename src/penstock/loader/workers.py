"""Loading workers: their beginning, their end, and what it means when one is lost.

A worker ignores Ctrl-C and a terminal that closes: the trainer decides. It is the first that the kernel takes where
memory runs out, so that the trainer lives to say so. torch tells of a lost worker by raising in the trainer wherever
it happens to be, in the middle of a checkpoint too; here it is told where the next batch is waited for.
"""

from __future__ import annotations

import contextlib
import multiprocessing.process
import multiprocessing.queues
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch.utils.data import DataLoader

from penstock import stopping
from penstock.errors import ProcessLost
from penstock.loader.failures import Failed
from penstock.loader.worker_end import end_with, remove_shared_memory
from penstock.loader.worker_loss import LossWatch
from penstock.observe.endings import count_oom_kills, describe_end

__all__ = ["Losses", "Workers", "begin_worker", "sockets_parent"]

MAX_LOSSES = 3
"""Of workers, at one place in the stream, at which it is given up."""
MOST_PARENT_BYTES = 60
ENDING_SECONDS = 2.0
UNSENT_CODE = 74
"""Exit code of a worker that could not pass a batch on (EX_IOERR of sysexits.h)."""
_FIRST_TO_GO = 100
"""Added to a worker's ``oom_score_adj`` (proc(5)): thousandths of all memory."""
_SHM_FIX = (
    "make /dev/shm larger (docker run --shm-size, an emptyDir of medium Memory there), or use fewer workers or "
    "smaller batches"
)
_SHM_WORDS = re.compile(r"shared memory|\bshm\b|\bmmap\b|resize file|open file|file descriptor")
"""Of torch, where a tensor found no room on its way."""
_UNSENT_NOTE = (
    "penstock: a loading worker could not pass a batch on: what decode, transform and collate give must be such that "
    "pickle takes it, like tensors, arrays, numbers, text and bytes, or workers 0"
)
_MEMORY_FIX = "give it more memory, or use fewer workers or smaller batches; then run it again, which goes on from here"


def sockets_parent() -> Path:
    """Return a folder for temporary files whose path leaves room for that of a socket in a folder there.

    The system's own is taken where it does: AF_UNIX paths end at 108 bytes (unix(7)).
    """
    own = Path(tempfile.gettempdir())
    short = (path for path in (own, Path("/dev/shm"), Path("/tmp")) if len(os.fsencode(path)) <= MOST_PARENT_BYTES)  # noqa: S108
    return next((path for path in short if os.access(path, os.W_OK | os.X_OK)), own)


def begin_worker(parent_pid: int, folder: Path, keeps_safe_path: bool, worker: int) -> None:
    """Prepare this process, which is a worker.

    Args:
        parent_pid: of the trainer.
        folder: the trainer's own, for sockets between the two.
        keeps_safe_path: whether the trainer's environment asks for Python's safe path.
        worker: number of the worker among the trainer's.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping.SIGNALS)
    if not keeps_safe_path:
        os.environ.pop("PYTHONSAFEPATH", None)  # it was for this process alone, not for what a caller's code starts
    # Else each worker makes one in the system's folder, and leaves it there when it is killed.
    multiprocessing.process.current_process()._config["tempdir"] = str(folder)  # type: ignore[attr-defined]
    multiprocessing.queues.Queue._on_queue_feeder_error = _meet_unsent  # type: ignore[attr-defined]
    sys.excepthook = _tell_unless_left
    _go_first()
    end_with(parent_pid, worker, folder)


def _go_first() -> None:
    path = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError, ValueError):
        path.write_text(str(min(1000, int(path.read_text()) + _FIRST_TO_GO)))


def _meet_unsent(queue: Any, error: BaseException, item: Any) -> None:
    """Pass on, in a batch's place, why it cannot be, or end the worker: Python would let the trainer wait for ever.

    Args:
        queue: of batches; torch puts each there with its number.
        error: of pickling, or of the shared memory that there was no room in.
    """
    is_batch = isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], int)
    if is_batch and not isinstance(error, OSError | MemoryError) and not _SHM_WORDS.search(str(error)):
        error.add_note(_UNSENT_NOTE)
        queue.put((item[0], Failed(error)))
        return
    traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(UNSENT_CODE)


def _tell_unless_left(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say nothing of a trainer that stopped while it fetched a batch: the thread that hands memory over would."""
    if not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


class Losses:
    """Counts lost workers, between which no batch came."""

    def __init__(self) -> None:
        self._place = -1
        self._in_a_row = 0

    def may_go_on(self, place: int) -> bool:
        """Tell whether to begin again after a loss at a place in the stream."""
        self._in_a_row = self._in_a_row + 1 if place == self._place else 1
        self._place = place
        return self._in_a_row < MAX_LOSSES


class Workers:
    """Batches of a loader with workers; a context manager, within which they run.

    Args:
        loader: with workers.
        before_end: called before they are told to end, so that none waits for the window then.

    Raises:
        ProcessLost: from ``__next__``, a worker ended; the others are ended then.
    """

    def __init__(self, loader: DataLoader[Any], *, before_end: Callable[[], None] = lambda: None) -> None:
        self._loader, self._before_end = loader, before_end
        self._oom_kills = count_oom_kills()
        self._batches: Any = iter(())
        self._watch: LossWatch | None = None

    def __enter__(self) -> Self:
        try:
            with stopping.put_off(), _safe_path(), _blocked():
                self._batches = iter(self._loader)
                if getattr(self._batches, "_worker_pids_set", False):
                    # torch's handler of SIGCHLD knows of them no more, and raises nowhere.
                    torch._C._remove_worker_pids(id(self._batches))
                    self._batches._worker_pids_set = False
                self._watch = LossWatch(self._processes(), self._batches._worker_result_queue, is_over=self._is_over)
        except BaseException:  # a stop that was put off, for one: they run already
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if not self._processes():
            return
        pids = [process.pid for process in self._processes()]
        with stopping.put_off():
            if self._watch is not None:
                self._watch.close()
            self._before_end()
            if any(process.exitcode is not None for process in self._processes()):
                self._kill()
            else:
                # Not left to the iterator's end of life: a traceback would keep its workers.
                self._batches._shutdown_workers()
            for pid in pids:
                remove_shared_memory(pid)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            item = next(self._batches)
        except StopIteration:
            raise
        except Exception as error:
            if isinstance(error, OSError | EOFError):
                self._wait_for_an_end()
            first = self._watch.code if self._watch is not None else None
            codes = [code for process in self._processes() if (code := process.exitcode) is not None]
            if first is None and not codes:
                raise
            raise self._lost(codes[0] if first is None else first) from None
        if isinstance(item, Failed) and "unable to allocate shared memory" in str(item.error):
            # torch's words, where a batch is put together there.
            raise ProcessLost("a loading worker found no room for a batch in /dev/shm", fix=_SHM_FIX) from item.error
        return item

    def _wait_for_an_end(self) -> None:
        """Wait a moment for a worker to end: what it held is closed a moment before its end can be seen."""
        processes = self._processes()
        ending = wait([process.sentinel for process in processes], ENDING_SECONDS)
        for process in processes:
            if process.sentinel in ending:
                process.join(ENDING_SECONDS)

    def _is_over(self) -> bool:
        """Tell whether torch has begun to end the workers, which have done all they had to."""
        return bool(self._batches._shutdown)

    def _processes(self) -> list[Any]:
        return list(getattr(self._batches, "_workers", ()))

    def _lost(self, code: int) -> ProcessLost:
        if code == UNSENT_CODE:
            return ProcessLost("a loading worker could not pass a batch on (its log says why)", fix=_SHM_FIX)
        how = describe_end(code, oom_kills=count_oom_kills() - self._oom_kills if code == -signal.SIGKILL else 0)
        fix = {-signal.SIGKILL: _MEMORY_FIX, -signal.SIGBUS: _SHM_FIX}
        return ProcessLost(f"a loading worker {how}", fix=fix.get(code, "see its log; run it again to go on"))

    def _kill(self) -> None:
        """End the others by force: one that was killed may have held a lock that an orderly end waits for."""
        batches = self._batches
        batches._shutdown = True
        done = getattr(batches, "_pin_memory_thread_done_event", None)
        if done is not None:
            done.set()
        for process in self._processes():
            process.kill()
        for process in self._processes():
            process.join()
        for queue in (*batches._index_queues, batches._worker_result_queue):
            queue.cancel_join_thread()
            queue.close()


@contextlib.contextmanager
def _blocked() -> Iterator[None]:
    """Keep signals that ask for a stop from processes that are started here, until they handle them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stopping.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _SafePath:
    """Keeps the current folder off the path of workers that are not forked, until they have their parent's path.

    Threads may start workers at once: the last of them puts the environment back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_users = 0
        self._before: str | None = None
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._num_users:
                self._before = os.environ.get("PYTHONSAFEPATH")
                os.environ["PYTHONSAFEPATH"] = "1"
            self._num_users += 1
        try:
            yield
        finally:
            with self._lock:
                self._num_users -= 1
                if not self._num_users:
                    self._put_back()

    def _put_back(self) -> None:
        if self._before is None:
            os.environ.pop("PYTHONSAFEPATH", None)
        else:
            os.environ["PYTHONSAFEPATH"] = self._before


_safe_path = _SafePath()

"""Processes of Penstock's own that this one starts: the prefetcher, a listing, the demo's server.

Each is told that its parent is gone by the end of its standard input, which the kernel closes however the parent dies;
processes that the parent forks, such as loading workers, let go of it at once. It is a socket: an error that a child
ends with goes back through it. A child is in a session of its own, so that Ctrl-C and a terminal that closes reach the
parent alone, which ends its children when it has done what it has to. Python's safe path (``-P``) keeps modules that
lie in the current folder from taking the place of others.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import IO, Any, Self

from penstock.errors import PenstockError, error_from_fields

__all__ = ["Child", "tell_parent", "wake_with_parent", "watch_parent"]

STOP_SECONDS = 10
"""For a child to end by itself, from when it is told to."""
_MOST_TOLD_BYTES = 65_536
_MOST_TEXT = 1_500
"""Characters of each text of an error, of which one may take 12 bytes."""
_PR_SET_PDEATHSIG = 1
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Numpy's linear algebra, which none has a use for, starts a thread a core when it is imported: 60 ms of CPU on two."""

_running: weakref.WeakSet[Child] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    for child in list(_running):
        child.let_go()


@functools.cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_let_go_after_fork)


class Child:
    """A Python module that runs in a process of its own, until it ends or is closed; a context manager.

    Args:
        words: the module and its arguments, as after ``python -m``.
        stdout: where its standard output goes, as ``subprocess.Popen`` takes it; None is this process's own.
        stderr: the same of its standard error.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        self._ours, its = socket.socketpair()
        with its:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules, no shell
                [sys.executable, "-P", "-m", *words],
                stdin=its.fileno(),
                stdout=stdout,
                stderr=stderr,
                env=_ENVIRONMENT | os.environ,
                start_new_session=True,
            )
        _watch_forks()
        _running.add(self)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def stdout(self) -> IO[bytes]:
        """What it writes, where ``stdout`` was ``subprocess.PIPE``."""
        assert self._process.stdout is not None
        return self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end; give its exit code, or a signal's number below 0.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        return self._process.wait(seconds)

    def error(self) -> PenstockError | None:
        """Return the error that it ended with; None where it told none."""
        told = b""
        with contextlib.suppress(OSError):
            while len(told) < _MOST_TOLD_BYTES and (more := self._ours.recv(4096, socket.MSG_DONTWAIT)):
                told += more
        try:
            name, what, fix, about = json.loads(told)
        except ValueError:
            return None
        return error_from_fields(str(name), str(what), str(fix), about)

    def close(self) -> None:
        """End it, if it has not ended, and wait for that."""
        self._ours.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def let_go(self) -> None:
        """Close this process's end of the child's standard input, and nothing else: for a forked process."""
        self._ours.close()


def watch_parent(on_end: Callable[[], object]) -> None:
    """Call a function, in a thread, when this process's parent ends or closes it; then end, at the latest soon after.

    For a process that ``Child`` started, or any whose standard input its parent holds open.
    """

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        on_end()
        time.sleep(STOP_SECONDS)
        os._exit(128 + signal.SIGTERM)

    wake_with_parent()
    threading.Thread(target=watch, name="penstock-parent-0", daemon=True).start()


def wake_with_parent() -> None:
    """Have the kernel wake this process when its parent ends: one that is stopped (SIGSTOP) would never notice.

    It comes with the end of the thread that started this process (``PR_SET_PDEATHSIG`` of prctl(2)), which may be long
    before that of its process; being woken does nothing to a process that is awake.
    """
    import ctypes  # here: `penstock --help` does without it

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGCONT))


def tell_parent(error: PenstockError) -> bool:
    """Tell the parent that started this process as a ``Child`` the error that it ends with; False where it can't hear.

    Nothing else is written to standard error then: the parent tells it, or has another child do better.
    """
    texts = [text if text is None else text[:_MOST_TEXT] for text in (error.what, error.fix, error.about)]
    told = json.dumps([type(error).__name__, *texts]).encode()
    try:
        return os.write(0, told[:_MOST_TOLD_BYTES]) == len(told)
    except OSError:  # standard input is another process's pipe, or its other end is closed
        return False

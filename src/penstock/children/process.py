"""Processes of Penstock's own that this one starts: the prefetcher, a listing, the demo's server.

Each is told that its parent is gone by the end of its standard input, which the kernel closes however the parent dies;
processes that the parent forks, such as loading workers, let go of it at once. It is a socket, through which the child
tells how it fares. A child is in a session of its own, so that Ctrl-C and a terminal that closes reach the
parent alone, which ends its children when it has done what it has to. Python's safe path (``-P``) keeps modules that
lie in the current folder from taking the place of others.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Self

from penstock.allocating import LEAN
from penstock.children.messages import MOST_BYTES, Message, decode_message
from penstock.children.telling import STOP_SECONDS

__all__ = ["Child"]

_LOOK_MILLISECONDS = 100
"""Between two looks at a child whose end the kernel does not tell of."""

_running: weakref.WeakSet[Child] = weakref.WeakSet()
_starting = threading.RLock()
"""Held while a child starts: a process that is forked meanwhile would hold what tells the child of its parent's end."""


def _let_go_after_fork() -> None:
    _starting.release()
    for child in list(_running):
        child.let_go()


os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_let_go_after_fork)


class Child:
    """A Python module that runs in a process of its own, until it ends or is closed; a context manager.

    Args:
        words: the module and its arguments, as after ``python -m``.
        stdout: where its standard output goes, as ``subprocess.Popen`` takes it; None is this process's own.
        stderr: the same of its standard error.
        environment: variables that it has beside this process's; None takes one away.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        variables = {**LEAN, **os.environ, **(environment or {})}
        with _starting, contextlib.ExitStack() as opened:
            ours, its = (opened.enter_context(end) for end in socket.socketpair(type=socket.SOCK_SEQPACKET))
            self._process = subprocess.Popen(  # noqa: S603 - our own modules, no shell
                [sys.executable, "-P", "-m", *words],
                stdin=its.fileno(),
                stdout=stdout,
                stderr=stderr,
                env={name: value for name, value in variables.items() if value is not None},
                start_new_session=True,
            )
            self._ours = socket.socket(fileno=ours.detach())
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

    def messages(self) -> Iterator[Message]:
        """Give what it tells, as it does, until it has ended."""
        events, ours = select.poll(), self._ours.fileno()
        events.register(ours, select.POLLIN)
        with contextlib.ExitStack() as opened:
            end = _end_of(self.pid)
            if end is not None:
                opened.callback(os.close, end)
                events.register(end, select.POLLIN)
            while self._process.poll() is None:
                ready = dict(events.poll(None if end is not None else _LOOK_MILLISECONDS))
                told, may_tell_more = self._receive()
                if not may_tell_more:  # it has closed its standard input, and runs on
                    with contextlib.suppress(KeyError):
                        events.unregister(ours)
                yield from told
                if end in ready:
                    break
        yield from self._receive()[0]

    def tell(self, data: bytes) -> None:
        """Send it a datagram, which it reads of its standard input.

        Raises:
            OSError: it has ended.
        """
        self._ours.send(data)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end; give its exit code, or a signal's number below 0.

        Raises:
            subprocess.TimeoutExpired: it runs on.
        """
        return self._process.wait(seconds)

    def end(self) -> None:
        """Let it end: it is told that nobody needs it any more, and woken where it was stopped."""
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_WR)
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, if it has not ended, and wait for that."""
        self.end()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._ours.close()

    def let_go(self) -> None:
        """Close this process's end of the child's standard input, and nothing else."""
        self._ours.close()

    def _receive(self) -> tuple[list[Message], bool]:
        """Return what it has told since, and whether it may tell more."""
        found: list[Message] = []
        while True:
            try:
                told = self._ours.recv(MOST_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found, True
            except OSError:
                return found, False
            if not told:
                return found, False
            if (message := decode_message(told)) is not None:
                found.append(message)


def _end_of(pid: int) -> int | None:
    """Return what becomes readable when a process has ended, None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):  # a sandbox, or a system, that does not know the call; or it has ended
        return None

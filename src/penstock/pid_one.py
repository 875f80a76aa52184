"""Process 1 of a container: it hands signals on to the step below it, and takes away processes that nobody waits for.

The kernel keeps from process 1 every signal that it does not handle, and gives it every process whose parent has
ended; both want something that does nothing else. When the step ends, process 1 ends with its exit code, and the
kernel with it all that is left in the container.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

__all__ = ["fork_below"]

_HANDED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
)


def fork_below() -> None:
    """As process 1, go on in a new process and stay above it; do nothing as any other.

    Signals that come from here on are not lost: the new process has them blocked until it handles them.
    """
    if os.getpid() != 1:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, (*_HANDED_ON, signal.SIGCHLD))
    below = os.fork()
    if below:
        _stay(below)
    os.setpgid(0, 0)
    _take_terminal()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, set(_HANDED_ON) - {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))


def _take_terminal() -> None:
    """Have Ctrl-C of a terminal reach the new process and its own, and not process 1 as well."""
    if sys.stdin is None or not os.isatty(0):
        return
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.tcsetpgrp(0, os.getpgid(0))


def _stay(below: int) -> None:
    while True:
        number = signal.sigwait((*_HANDED_ON, signal.SIGCHLD))
        if number != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):
                os.kill(below, number)
            continue
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == below:
                code = os.waitstatus_to_exitcode(status)
                os._exit(code if code >= 0 else 128 - code)
            if not pid:
                break

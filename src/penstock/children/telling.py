"""A child's own side: it ends when its parent does, and tells it how it fares.

Standard input is a socket to the parent. The kernel closes it however the parent dies, and what the child tells goes
back through it. Where it is anything else, as for a person who runs the same command, nobody is told anything.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.children.messages import Message

__all__ = ["STOP_SECONDS", "tell_begun", "tell_done", "tell_error", "tell_fault", "wake_with_parent", "watch_parent"]

STOP_SECONDS = 10
"""For a child to end by itself, from when its parent has."""
_PR_SET_PDEATHSIG = 1


def watch_parent(on_end: Callable[[], object]) -> None:
    """Call a function, in a thread, when this process's parent ends or closes it; then end, at the latest soon after.

    For a process whose standard input its parent holds open.
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


def tell_begun() -> None:
    """Tell the parent that this process is at work."""
    from penstock.children.messages import Begun

    _tell(Begun())


def tell_done() -> None:
    """Tell the parent that this process has done what it was started for."""
    from penstock.children.messages import Done

    _tell(Done())


def tell_error(error: PenstockError) -> bool:
    """Tell the parent the error that this process ends with; False where there is none that hears it.

    Nothing else is written to standard error then: the parent tells it.
    """
    from penstock.children.messages import Failed

    return _tell(Failed.of(error))


def tell_fault(error: BaseException) -> bool:
    """Tell the parent of a fault of the code, which another child would meet again; likewise.

    Memory that was short is none: another child may find more.
    """
    if not isinstance(error, Exception) or isinstance(error, MemoryError):
        return False
    from penstock.children.messages import Faulty

    return _tell(Faulty.of(error))


def _tell(message: Message) -> bool:
    from penstock.children.messages import encode_message

    try:
        if not stat.S_ISSOCK(os.fstat(0).st_mode):
            return False
        with socket.socket(fileno=os.dup(0)) as parent:
            if (parent.family, parent.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
                return False
            parent.send(encode_message(message), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:  # no socket, or its other end is closed
        return False
    return True

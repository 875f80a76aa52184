"""What ends a trainer's wait for a batch of loading workers, where one of them is lost.

torch's workers write to one pipe. One that is killed while it writes leaves the trainer in the middle of a message,
whose rest nobody sends, for ever: torch looks after its workers between messages alone. A batch of extents of many
samples comes as bytes, often more than a pipe holds, so that is where a worker is much of the time.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterable
from multiprocessing.connection import wait
from typing import Any

__all__ = ["LossWatch"]

_REST = bytes(select.PIPE_BUF)
"""No message, and no end of one: whoever reads it on meets an error."""


class LossWatch:
    """Ends all workers once one of them is lost, and what the trainer waits for with an error; until it is closed.

    Args:
        processes: the workers.
        results: the queue that they write to.
        is_over: tells whether they have been told to end.

    Attributes:
        code: that the first one ended with, or a signal's number below 0; None as long as none is lost.
    """

    def __init__(self, processes: Iterable[Any], results: Any, *, is_over: Callable[[], bool]) -> None:
        self.code: int | None = None
        self._processes: dict[int, Any] = {process.sentinel: process for process in processes}
        self._is_over = is_over
        self._writer: int = results._writer.fileno()
        self._closed, self._closing = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="penstock-workers-0", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        if self._closing >= 0:
            os.write(self._closing, b"\0")  # others that were forked since may hold it open
            self._thread.join()
            for end in (self._closed, self._closing):
                os.close(end)
            self._closing = -1

    def _watch(self) -> None:
        running = dict(self._processes)
        while self.code is None:
            ended = wait([self._closed, *running])
            if self._closed in ended or self._is_over():
                return
            for sentinel in running.keys() & set(ended):
                code = _code_of(running.pop(sentinel))
                self.code = code if self.code is None else self.code
        for process in self._processes.values():
            process.kill()
        while running:
            ended = wait([self._closed, *running])
            if self._closed in ended:
                return
            for sentinel in running.keys() & set(ended):
                del running[sentinel]
        with contextlib.suppress(OSError):
            self._make_up_the_rest()

    def _make_up_the_rest(self) -> None:
        """Write on for those that are gone, as much as is read."""
        events = select.poll()  # not select, which knows no file above number 1,023
        events.register(self._closed, select.POLLIN)
        events.register(self._writer, select.POLLOUT)
        while self._closed not in dict(events.poll()):
            os.write(self._writer, _REST)


def _code_of(process: Any) -> int:
    """Return what a process ended with; it is left to be waited for by others."""
    try:
        found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        return process.exitcode or 0  # another thread has waited for it
    if found is None:
        return 0
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

"""Signals as a request to save and stop."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from penstock import stopping
from penstock.stopping import StopAsked

__all__ = ["StopAsked", "StopRequest"]


class StopRequest:
    """Notes the first SIGTERM, SIGINT or SIGHUP; the second changes nothing, the third ends the process at once.

    A context manager that puts the old handlers back. Away from the main thread, where Python allows no
    handlers, it never notes anything. In a step's process a signal that came too late to be acted upon within the
    block is raised behind it.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._num_received = 0
        self._owner = os.getpid()
        self._waiting = False
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def received(self) -> signal.Signals | None:
        """The signal that was received, None before one was."""
        return self._received

    @property
    def is_waiting(self) -> bool:
        """Whether a signal would be heard, and would end a wait there and then."""
        return self._waiting and bool(self._previous)

    def check(self) -> None:
        """Raise ``StopAsked`` if a signal was received."""
        if self._received is not None:
            raise StopAsked(self._received)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a wait for data: a stop asked for before or within it raises ``StopAsked`` there and then.

        A pod is killed some 30 seconds after SIGTERM: a trainer that waits for a slow source must not
        spend them waiting.
        """
        self._waiting = True
        try:
            self.check()
            yield
        finally:
            self.calm()

    def calm(self) -> None:
        """Note signals and raise nothing from here on; also where one broke off the end of a wait itself."""
        self._waiting = False
        stopping.calm()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in stopping.handled():
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._previous = {}
        if self._received is not None and stopping.is_installed():
            stopping.take_over(self._received, self._num_received)
            if error is None:
                stopping.raise_stop(self._received, self._num_received)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            return
        self._num_received += 1
        if self._num_received >= stopping.ENDS_AT:
            stopping.end_at_once(number)
        if self._received is not None:
            stopping.tell("saving; once more ends it at once, without what is being saved")
            return
        self._received = signal.Signals(number)
        if self._waiting:
            stopping.raise_stop(self._received, self._num_received)

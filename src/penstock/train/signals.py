"""SIGTERM and SIGINT as a request to save and stop."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["StopAsked", "StopRequest"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopAsked(BaseException):
    """A stop was asked for. Not an ``Exception``: no loader that it passes through may swallow it."""


class StopRequest:
    """Notes the first SIGTERM or SIGINT; the second ends the process at once.

    A context manager that puts the old handlers back. Away from the main thread, where Python allows no
    handlers, it never notes anything.
    """

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._waiting = False
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def received(self) -> signal.Signals | None:
        """The signal that was received, None before one was."""
        return self._received

    def check(self) -> None:
        """Raise ``StopAsked`` if a signal was received."""
        if self._received is not None:
            raise StopAsked

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
            self._waiting = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._previous = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._received = signal.Signals(number)
        if self._waiting:
            self._waiting = False
            raise StopAsked

"""Signals that ask a process to stop: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (a terminal that closes).

A step's process calls ``install`` before anything that takes time. From then on the first of these signals raises
``StopAsked`` wherever the main thread is, so that every ``with`` and ``finally`` on the way out is run; where that
would break something off, it is put off (``put_off``, and training, which saves first). What is raised within a
finalizer or a callback of C code gets lost in Python, so it is raised again every second until the way out has begun.
The second signal changes nothing: what is being saved is saved. The third ends the process at once.

Processes that are forked from this one, such as loading workers, do nothing on these signals: this one decides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = [
    "SIGNALS",
    "ShelteredStack",
    "StopAsked",
    "calm",
    "end_at_once",
    "handled",
    "install",
    "is_from_stop",
    "is_installed",
    "is_stopping",
    "listen",
    "put_off",
    "raise_stop",
    "received",
    "settle",
    "take_over",
    "tell",
]

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
ENDS_AT = 3
"""The signal of this number ends the process at once."""
AGAIN_SECONDS = 1.0


class StopAsked(KeyboardInterrupt):
    """A stop was asked for.

    Of the kind of Ctrl-C's own exception: asyncio, torch and others know to let that through, where they hold on to
    any other.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class _State:
    """Of this process: there is one set of signal handlers.

    Attributes:
        owner: process that installed the handlers; 0 for none.
        received: the first signal.
        num_received: signals so far.
        num_put_off: sections that are to be gone through to their end.
        raises: whether ``StopAsked`` is to be raised, again where it got lost.
    """

    def __init__(self) -> None:
        self.owner = 0
        self.received: signal.Signals | None = None
        self.num_received = 0
        self.num_put_off = 0
        self.raises = False


_state = _State()


def handled() -> tuple[signal.Signals, ...]:
    """Return the signals to handle: all but SIGHUP where whoever started this process had it ignored, as nohup does."""
    return tuple(number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN)


def install() -> None:
    """Handle the signals in this process, for good; from the main thread."""
    _state.owner = os.getpid()
    sys.unraisablehook = _tell_lost
    for number in handled():
        signal.signal(number, _handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # whoever started this process may have blocked them


def received() -> signal.Signals | None:
    """Return the first signal that came, None before one did."""
    return _state.received


def settle() -> None:
    """Do nothing on any further signal: the process has done what it had to, and ends."""
    _state.raises = False
    for number in (*handled(), signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """Go through the block to its end; a stop that is asked for meanwhile is raised behind it.

    In a process that does not handle the signals itself, such as a notebook's, this is so of Ctrl-C. Threads besides
    the main one, where nothing is ever raised, just go through it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _python_put_off() if not is_installed() else contextlib.nullcontext():
        _state.num_put_off += 1
        try:
            yield
        finally:
            _state.num_put_off -= 1
            if _state.raises and not _state.num_put_off and not _is_on_its_way():
                _raise()


@contextlib.contextmanager
def _python_put_off() -> Iterator[None]:
    """Put off what Python's own handler of SIGINT does."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if came:
            raise KeyboardInterrupt


class ShelteredStack(contextlib.ExitStack):
    """An exit stack that is gone through to its end, whatever signals come."""

    def __exit__(self, *details: Any) -> bool:
        with put_off():
            return bool(super().__exit__(*details))


def is_stopping() -> bool:
    """Tell whether ``StopAsked`` was raised in this process, and nothing was saved for it since: it is to end."""
    return _state.raises


def is_from_stop(error: BaseException | None) -> bool:
    """Tell whether an error came of a raised ``StopAsked``: some code raises its own in the place of any other."""
    while error is not None and not isinstance(error, StopAsked):
        error = error.__context__ or error.__cause__
    return error is not None


def take_over(number: signal.Signals, num_received: int) -> None:
    """Note signals that another handler received, and that were acted upon."""
    _state.received = _state.received or number
    _state.num_received = max(_state.num_received, num_received)


def is_installed() -> bool:
    """Tell whether this process handles the signals."""
    return _state.owner == os.getpid()


def listen(on_stop: Callable[[], None]) -> None:
    """Call a function on the signals, from here on, instead of raising; the third still ends the process at once."""

    def handle(number: int, frame: FrameType | None) -> None:
        _state.num_received += 1
        if _state.num_received >= ENDS_AT:
            end_at_once(number)
        on_stop()

    for number in handled():
        signal.signal(number, handle)


def raise_stop(number: signal.Signals, num_received: int) -> None:
    """Raise ``StopAsked`` for signals that another handler received, until ``calm``, and not while that is put off."""
    take_over(number, num_received)
    _state.raises = True
    if not _state.num_put_off:
        _raise()


def calm() -> None:
    """Raise ``StopAsked`` no more for the signals so far."""
    _state.raises = False
    if not is_installed():
        _state.received, _state.num_received = None, 0


def end_at_once(number: int) -> None:
    """End as the signal does by default; also where that does nothing, as for process 1."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def tell(text: str) -> None:
    """Write a line to standard error, from within a handler: past Python's buffers, which may be in use."""
    with contextlib.suppress(OSError):
        os.write(2, f"penstock: {text}\n".encode())


def _handle(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _state.owner:
        return
    _state.num_received += 1
    if _state.num_received >= ENDS_AT:
        end_at_once(number)
    if _state.received is not None:
        tell("stopping; once more ends it at once")
        return
    _state.received = signal.Signals(number)
    _state.raises = True
    if not _state.num_put_off:
        _raise()


def _raise() -> None:
    assert _state.received is not None
    if is_installed():
        signal.signal(signal.SIGALRM, _look_again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    raise StopAsked(_state.received)


def _tell_lost(lost: UnraisableHookArgs) -> None:
    """Say what Python could not raise, but for a stop, which is raised again."""
    if not is_from_stop(lost.exc_value):
        sys.__unraisablehook__(lost)


def _look_again(number: int, frame: FrameType | None) -> None:
    """Raise once more where what was raised is not on its way out through the main thread."""
    if not _state.raises or os.getpid() != _state.owner:
        return
    signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    if not _state.num_put_off and not _is_on_its_way():
        _raise()


def _is_on_its_way() -> bool:
    """Tell whether the main thread is within the cleaning up after ``StopAsked``."""
    return is_from_stop(sys.exc_info()[1])

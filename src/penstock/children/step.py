"""A step that runs as a child, and is started again where it was lost: the one rule for all of them.

A child that tells why it fails is not started again: another one would meet the same. One that ends without a word, by
whatever signal or code, was lost: another takes its place, as long as any of them gets something done in between; a few
in a row that do not are given up, with the error of what became of the last one.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from penstock.children.messages import Done, Failed, Faulty
from penstock.children.process import Child
from penstock.errors import PenstockError, ProcessLost
from penstock.observe.endings import describe_end
from penstock.texts import printable

__all__ = ["ChildStep", "Program", "Restarts"]

_COULD_NOT_START = 1

_log = logging.getLogger(__name__)


class _Config(Protocol):
    """The config of a program: its words are what the child reads it from."""

    def to_argv(self) -> list[str]: ...


def _nothing() -> object:
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Restarts:
    """How often a child that was lost is started again.

    Attributes:
        deaths: ends by a signal in a row, between which nothing was done, after which it is given up.
        failures: the same of ends by an exit code other than 0.
        pause_seconds: before another starts that follows one which did nothing: the first, which doubles, and the
            longest.
    """

    deaths: int = 3
    failures: int = 3
    pause_seconds: tuple[float, float] = (0.05, 2.0)

    def pause(self, idle: int) -> float:
        """Return the pause before another starts.

        Args:
            idle: children in a row that did nothing.
        """
        first, longest = self.pause_seconds
        return min(first * 2 ** (idle - 1), longest) if idle else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What runs as a child.

    Attributes:
        words: its module and what comes before its config, as after ``python -m``.
        name: for messages: "the prefetcher".
        event: for log lines: "prefetcher".
        restarts: how often another is started.
        lost: class of the error where it is given up.
        fix: what to do then.
        idle: what it failed to do in between, for messages: " without fetching anything".
        about: what the error is about.
        progress: gives what changes whenever it gets something done.
        environment: variables that it has beside this process's, where secrets for it stand; None takes one away.
    """

    words: Sequence[str]
    name: str
    event: str
    fix: str
    restarts: Restarts = Restarts()
    lost: type[PenstockError] = ProcessLost
    idle: str = ""
    about: str | None = None
    progress: Callable[[], object] = _nothing
    environment: Mapping[str, str | None] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _End:
    """How a child ended: its code, in words, and the error that it told."""

    code: int
    words: str
    error: PenstockError | None = None


class ChildStep:
    """A program in a process of its own, as long as it is not closed; a context manager.

    Args:
        program: what runs.
        config: of it.
        shows_stdout: whether its standard output goes where this process's own does, and not nowhere.
        shows_stderr: the same of its standard error.

    Raises:
        PenstockError: it cannot be started.
    """

    def __init__(
        self, program: Program, config: _Config, *, shows_stdout: bool = True, shows_stderr: bool = True
    ) -> None:
        self._program, self._config = program, config
        self._stdout = None if shows_stdout else subprocess.DEVNULL
        self._stderr = None if shows_stderr else subprocess.DEVNULL
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._on_lost: list[weakref.WeakMethod[Callable[[], None]]] = []
        self._error: PenstockError | None = None
        self._has_begun, self._is_done, self._is_over = False, False, False
        self._owner = os.getpid()
        self.num_restarts = 0
        try:
            self._child = self._start()
        except OSError as error:
            raise self._lost(_not_started(error)) from error
        self._watcher = threading.Thread(target=self._watch, name=f"penstock-{program.event}-0", daemon=True)
        self._watcher.start()

    @property
    def pid(self) -> int:
        """Process id of the child that runs now."""
        return self._child.pid

    def error(self) -> PenstockError | None:
        """Return why it runs no more; None as long as it does, or where it did all that it was started for."""
        return self._error

    def is_running(self) -> bool:
        """Whether a child runs, or another takes its place."""
        return not self._is_over

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have a bound method called, in another thread, when it runs no more; it is not kept alive."""
        self._on_lost.append(weakref.WeakMethod(call))

    def wait_begun(self) -> int:
        """Wait until a child says that it is at work; give the number of it, 0 for the first.

        Raises:
            PenstockError: it failed, or was lost and given up.
        """
        return self._wait(lambda: self._has_begun)

    def wait_after(self, number: int) -> None:
        """Wait until another child has taken the place of the one of this number; raises as ``wait_begun`` does."""
        self._wait(lambda: self.num_restarts > number)

    def wait_done(self) -> None:
        """Wait until it has done what it was started for; raises as ``wait_begun`` does."""
        self._wait(lambda: self._is_done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child and wait for it; nothing in a process that was forked from this one.

        A search for garbage may call it, which any thread makes, the one that watches too: that ends behind it.
        """
        if os.getpid() != self._owner:
            return
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
            child = self._child
        child.close()
        if self._watcher is not threading.current_thread():
            self._watcher.join()

    def _start(self) -> Child:
        words = [*self._program.words, *self._config.to_argv()]
        return Child(words, stdout=self._stdout, stderr=self._stderr, environment=self._program.environment)

    def _wait(self, has_come: Callable[[], bool]) -> int:
        with self._changed:
            self._changed.wait_for(lambda: has_come() or self._is_over or self._closing.is_set())
            if has_come():
                return self.num_restarts
        raise self._error or self._lost("was ended while it was waited for")

    def _watch(self) -> None:
        error: PenstockError | None = None
        try:
            error = self._outlive()
        finally:
            self._end(error)

    def _outlive(self) -> PenstockError | None:
        """Go on with another child where one was lost; give the error that it ends with, None where there is none."""
        idle, progress, end = 0, self._program.progress(), self._listen()
        while not (self._closing.is_set() or self._is_done):
            if end.error is not None:
                return end.error
            before, progress = progress, self._program.progress()
            idle = idle + 1 if progress == before else 0
            restarts = self._program.restarts
            if idle >= (restarts.failures if end.code > 0 else restarts.deaths):
                return self._lost(f"{end.words}, {_in_a_row(idle)}{self._program.idle}")
            if not self._closing.wait(restarts.pause(idle)):
                end = self._another(end.words)
        return None

    def _another(self, reason: str) -> _End:
        """Start another child, and give its end."""
        with self._changed:
            if self._closing.is_set():
                return _End(code=0, words="")
            self._child.close()
            self._has_begun = False
            self.num_restarts += 1
            _log.warning("%s.restart restarts=%d reason=it %s", self._program.event, self.num_restarts, reason)
            try:
                self._child = self._start()
            except OSError as error:
                return _End(code=_COULD_NOT_START, words=_not_started(error))
            self._changed.notify_all()
        return self._listen()

    def _listen(self) -> _End:
        """Take in what the child tells until it ends."""
        failed = None
        for message in self._child.messages():
            if isinstance(message, Failed | Faulty):
                failed = self._fault(message) if isinstance(message, Faulty) else message.to_error()
                continue
            with self._changed:
                self._has_begun = True
                self._is_done = isinstance(message, Done)
                self._changed.notify_all()
        code = self._child.wait()
        return _End(code=code, words=describe_end(code), error=failed)

    def _end(self, error: PenstockError | None) -> None:
        if error is not None:
            # Whoever waits for it is given the error, and tells it.
            _log.info("%s.given_up restarts=%d error=%s", self._program.event, self.num_restarts, error)
        with self._changed:
            self._error, self._is_over = error, True
            self._changed.notify_all()
        for reference in self._on_lost if error is not None else ():
            if (call := reference()) is not None:
                call()

    def _fault(self, met: Faulty) -> PenstockError:
        name, is_shown = self._program.name, self._stderr is None
        fix = f"mend it, or report it{f'; {name} shows its whole traceback' if is_shown else ''}"
        error = PenstockError(f"{name} {met.what}", fix=fix)
        if not is_shown and met.traceback:
            error.add_note(f"in its process: {printable(met.traceback, lines=True)}")
        return error

    def _lost(self, what: str) -> PenstockError:
        program = self._program
        return program.lost(f"{program.name} {what}", fix=program.fix, about=program.about)


def _in_a_row(times: int) -> str:
    return "once" if times == 1 else f"{times} times in a row"


def _not_started(error: OSError) -> str:
    return f"could not be started ({error.strerror or error})"

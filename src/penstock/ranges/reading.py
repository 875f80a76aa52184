"""Reading ranges through a process of their own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from penstock.children.process import Child
from penstock.errors import ProcessLost, error_from_fields
from penstock.manifest import SourceSpec, Span
from penstock.ranges.messages import HEAD, MOST_SPANS, AnswerKind, Ask, ErrorAnswer

__all__ = ["Asked", "RangeReader", "ReadingProcess"]

_MOST_DEATHS = 3
"""In a row, without an answer between them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, to be taken or forgotten once.

    Attributes:
        numbers: of the requests that it takes.
        size_bytes: of the answer.
    """

    numbers: tuple[int, ...]
    size_bytes: int


class RangeReader:
    """Reads spans of objects; for any threads, of which one waits for answers at a time.

    The process is started when it is first asked, if it was not before, and ended by ``close``, or with this object.
    What is read is of the version that a span names, tried again and checked as any read of a source is.

    Args:
        process: that reads; None is one of its own.
    """

    def __init__(self, source: SourceSpec, process: ReadingProcess | None = None) -> None:
        self._source = source
        self._lock = threading.RLock()
        self._next = 0
        self._waiting: dict[int, Ask] = {}
        self._found: dict[int, memoryview | ErrorAnswer] = {}
        self._deaths = 0
        self._own = process or ReadingProcess()
        weakref.finalize(self, self._own.close)

    def ask(self, spans: Sequence[Span]) -> Asked:
        """Ask for the bytes of spans, joined; nothing is waited for."""
        with self._lock:
            numbers = []
            for at in range(0, len(spans), MOST_SPANS):
                ask = Ask(number=self._next, source=self._source, spans=tuple(spans[at : at + MOST_SPANS]))
                self._next += 1
                numbers.append(ask.number)
                self._waiting[ask.number] = ask
                child = self._own.child()
                if child is None:
                    self._started()
                else:
                    _send(child, ask)
            return Asked(tuple(numbers), sum(span.length_bytes for span in spans))

    def take(self, asked: Asked) -> memoryview:
        """Return the bytes that were asked for.

        Raises:
            SourceChanged, SourceError: they could not be had.
            ProcessLost: the process that reads was killed again and again.
        """
        try:
            with self._lock:
                parts = [self._wait(number) for number in asked.numbers]
        except BaseException:
            self.forget(asked)
            raise
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    def forget(self, asked: Asked) -> None:
        """Take back what was asked for; an answer that comes is thrown away."""
        with self._lock:
            for number in asked.numbers:
                self._waiting.pop(number, None)
                self._found.pop(number, None)

    def close(self) -> None:
        """End the process; another is started where something is asked for later."""
        with self._lock:
            self._own.close()
            self._waiting.clear()
            self._found.clear()

    def _wait(self, number: int) -> memoryview:
        while number not in self._found:
            if number not in self._waiting:
                raise ProcessLost("what was asked for was forgotten meanwhile", fix="open the shard again")
            self._receive()
        found = self._found.pop(number)
        if isinstance(found, ErrorAnswer):
            raise error_from_fields(found.error, found.what, found.fix, found.about)
        return found

    def _receive(self) -> None:
        """Take in one answer; of a process that was lost, start another and ask again."""
        child = self._own.child() or self._started()
        try:
            head = _read(child, HEAD.size)
            number, kind, length = HEAD.unpack(head)
            body = _read(child, length)
        except EOFError:
            self._own.close()
            self._deaths += 1
            if self._deaths >= _MOST_DEATHS:
                self._deaths = 0
                raise ProcessLost(
                    f"the process that reads {self._source.uri} was lost {_MOST_DEATHS} times in a row",
                    fix="look whether memory is short, and run it again",
                    about=self._source.uri,
                ) from None
            return
        except BaseException:  # an interrupt in the middle of an answer: what follows would not be understood
            self._own.close()
            raise
        self._deaths = 0
        if self._waiting.pop(number, None) is not None:
            is_error = kind == AnswerKind.ERROR
            self._found[number] = msgspec.msgpack.decode(body, type=ErrorAnswer) if is_error else body

    def _started(self) -> Child:
        """Start the process, and ask it for all that is waited for."""
        child = self._own.start()
        for ask in list(self._waiting.values()):
            _send(child, ask)
        return child


class ReadingProcess:
    """The process that reads, of this process alone: one that was forked has to start its own.

    It knows of no source before it is asked, so that it can get ready while one is listed.

    Args:
        environment: variables that it has beside this process's, where secrets stand; None takes one away.
    """

    def __init__(self, environment: Mapping[str, str | None] | None = None) -> None:
        self._environment = dict(environment or {})
        self._child: Child | None = None
        self._pid = 0

    def child(self) -> Child | None:
        """Return it; None where it was not started, or has ended."""
        return self._child if self._pid == os.getpid() else None

    def start(self) -> Child:
        """Start it."""
        self._child = Child(["penstock.ranges.serving"], stdout=subprocess.PIPE, environment=self._environment)
        self._pid = os.getpid()
        return self._child

    def close(self) -> None:
        """End it, where it runs."""
        child, self._child = self.child(), None
        if child is not None:
            child.close()


def _send(child: Child, ask: Ask) -> None:
    with contextlib.suppress(OSError):  # it has died, which whoever waits for an answer sees
        child.tell(msgspec.msgpack.encode(ask))


def _read(child: Child, length: int) -> memoryview:
    """Read so many bytes of what it writes.

    Raises:
        EOFError: it has ended before.
    """
    place = np.empty(length, np.uint8).data
    done = 0
    while done < length:
        count = child.stdout.readinto(place[done:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return place.toreadonly()

"""The attempts at a step or a job: told while they go on, so that a kill takes no more than a few seconds of them.

What is kept of an attempt while it runs says that it was killed: where it was, nobody writes anything else over it.
Where nothing is kept, what earlier attempts left elsewhere, as in a checkpoint, is taken with ``take``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import msgspec

from penstock.errors import Interrupted, PenstockError
from penstock.records import (
    AttemptRecord,
    AttemptsRecord,
    Ended,
    Host,
    ended_as,
    joined_attempts,
    seconds_of,
    time_text,
)

__all__ = ["BEAT_SECONDS", "AttemptLog", "ending_of"]

BEAT_SECONDS = 5.0
"""Between two signs of life that are kept."""

log = logging.getLogger(__name__)


class AttemptLog:
    """An attempt, and those before it; a context manager, in which it goes on.

    Args:
        step: that is done.
        host: where it runs.
        began: when it did; None is now.
        num_nodes: that run it together.
        earlier: attempts before it.
        keep: keeps all attempts where they outlive the process; None keeps nothing.
        beats: whether they are kept every few seconds too, and not only at its start and end.
        counts: whether it is an attempt: one that finds all done is none.
    """

    def __init__(
        self,
        step: str,
        *,
        host: Host,
        began: datetime | None = None,
        num_nodes: int = 1,
        earlier: Iterable[AttemptRecord] = (),
        keep: Callable[[AttemptsRecord], None] | None = None,
        beats: bool = False,
        counts: bool = True,
    ) -> None:
        now = datetime.now(UTC)
        self._began = began or now
        self._first = time.monotonic() - (now - self._began).total_seconds()
        self._keep, self._beats, self._counts = keep, beats, counts
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}
        self._doing: tuple[str, float] | None = None
        self._ended: tuple[Ended, float] | None = None
        self._own = AttemptRecord(
            id=uuid.uuid4().hex,
            step=step,
            started_at=time_text(self._began),
            ended_at=time_text(self._began),
            ended="killed",
            host=host,
            num_nodes=num_nodes,
        )
        self._earlier: tuple[AttemptRecord, ...] = ()
        self.take(earlier)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="penstock-attempts-0", daemon=True)

    @property
    def step(self) -> str:
        """What is done; ``run`` for a whole job."""
        return self._own.step

    def __enter__(self) -> Self:
        self._write()
        if self._keep is not None and self._beats:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(ending_of(error))

    def end(self, ended: Ended) -> None:
        """Say how it ended; once."""
        if self._ended is not None:
            return
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        self._ended = ended, time.monotonic()
        self._write()

    def take(self, attempts: Iterable[AttemptRecord]) -> None:
        """Learn of earlier attempts; where one was in the same pod, this one did not begin with that, but after it."""
        self._earlier = joined_attempts(self._earlier, attempts)
        now, node = time_text(datetime.now(UTC)), self._own.host.node
        others = (one for one in self._earlier if one.id != self._own.id and one.host.node == node)
        ended = [one.ended_at for one in others if one.ended_at <= now]
        self._own = msgspec.structs.replace(self._own, started_at=max([self._own.started_at, *ended]))

    def read(self, ended: Ended = "killed") -> tuple[AttemptRecord, ...]:
        """Return all attempts, this one as it is now.

        Args:
            ended: how this one did, or will have, where nothing is told any more.
        """
        return joined_attempts(self._earlier, [self._now(ended)] if self._counts else [])

    def earlier_seconds(self, step: str) -> float:
        """Return how long the attempts before this one were at a step."""
        return seconds_of(self._earlier, step)

    def own_seconds(self, step: str) -> float:
        """Return how long this attempt was at a step so far."""
        return seconds_of([self._now("killed")], step)

    @contextlib.contextmanager
    def doing(self, step: str) -> Iterator[None]:
        """Count the block's time as the step's; a block within another takes its time from that one."""
        before = self._switch(step)
        try:
            yield
        finally:
            self._switch(before)

    def _switch(self, step: str | None) -> str | None:
        now = time.monotonic()
        with self._lock:
            before = self._doing
            if before is not None:
                self._seconds[before[0]] = self._seconds.get(before[0], 0.0) + now - before[1]
            self._doing = None if step is None else (step, now)
        return None if before is None else before[0]

    def _now(self, ended: Ended) -> AttemptRecord:
        ended, now = self._ended or (ended, time.monotonic())
        with self._lock:
            seconds, doing = dict(self._seconds), self._doing
        if doing is not None:
            seconds[doing[0]] = seconds.get(doing[0], 0.0) + max(now - doing[1], 0.0)
        last = self._began + timedelta(seconds=now - self._first)
        told = msgspec.structs.replace(self._own, ended_at=time_text(last), seconds=seconds)
        return ended_as(told, ended)

    def _write(self) -> None:
        if self._keep is None:
            return
        try:
            self._keep(AttemptsRecord(attempts=self.read()))
        except PenstockError as error:
            log.warning("attempts.unwritten step=%s reason=%s", self._own.step, error.what)

    def _beat(self) -> None:
        while not self._done.wait(BEAT_SECONDS):
            self._write()


def ending_of(error: BaseException | None) -> Ended:
    """Return how an attempt ended that an error ended, or none."""
    if error is None:
        return "succeeded"
    return "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"

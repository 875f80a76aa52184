"""A run gone through before it is made: the window's own planner, slots and division over the plan, in reckoned time.

What it finds and a formula cannot: that nothing of a pack is there before all of it is, that a window keeps what its
hash chooses until it is full, when it is divided, and what that makes of an epoch's beginning and end.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from penstock.cost.forecasting.course import Course
from penstock.cost.forecasting.session import Asked, Session, Terms
from penstock.cost.forecasting.streaming import Keeping
from penstock.errors import WindowTooSmall
from penstock.loader.ahead import AHEAD_BATCHES
from penstock.manifest import ManifestReader
from penstock.window.dividing import keeps_at_once
from penstock.window.geometry import plan_geometry
from penstock.window.kept import kept_area_bytes
from penstock.window.kept_parts import what_is_kept

__all__ = ["Mark", "Passed", "Replayed", "Terms", "replay"]

MARKS, LEAST_MARKED = 64, 64
"""That an epoch has, and samples between two of them at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Where a training was after a while.

    Attributes:
        share: of an epoch's samples, that it is done with; of several epochs more than 1.
        work: the same, of an epoch's computing.
    """

    share: float
    work: float
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """An epoch that was gone through to its end.

    Attributes:
        seconds: that it took.
        kept_bytes: of those that were read, that stay in the window from then on.
        kept_requests: of the requests, those for such.
        is_settled: whether each one that follows is like it: nothing began to stay in the window in it.
    """

    seconds: float
    read_bytes: int
    requests: int
    kept_bytes: int
    kept_requests: int
    is_settled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What it came to.

    Attributes:
        seconds: from the first request to the end of the last batch.
        read_bytes: of all epochs.
        kept_bytes: of samples, that the window keeps in the end.
        epochs: that were gone through to their end.
        marks: as far as every epoch reads all of its bytes.
        keeping: of the window; None where that was not known by the end.
        is_whole: whether that is all of it.
    """

    seconds: float
    read_bytes: int
    requests: int
    kept_bytes: int
    epochs: tuple[Passed, ...] = ()
    marks: tuple[Mark, ...] = ()
    keeping: Keeping | None = None
    is_whole: bool = True


@functools.lru_cache(maxsize=64)
def replay(course: Course, terms: Terms) -> Replayed | None:
    """Go through a course, or through as much of it as is soon done; None where the window is too small for it."""
    with ManifestReader(course.manifest) as manifest:
        to_keep = what_is_kept(course.order, manifest.info)
        try:
            geometry = plan_geometry(
                window_bytes=terms.window_bytes,
                max_extent_bytes=manifest.info.max_extent_bytes,
                max_description_bytes=manifest.info.max_description_bytes,
                batch_extents=terms.batch_extents,
                keep_bytes=kept_area_bytes(**to_keep) if terms.epochs > 1 else 0,
                keeps_at_once=keeps_at_once(terms.window_bytes, epoch_bytes=to_keep["total_bytes"]),
            )
            session = Session(course, terms, manifest, geometry, to_keep)
        except WindowTooSmall:
            return None
        return _Run(course, terms, session).go()


class _Run:
    """Prefetcher and trainer, and what is noted of them."""

    def __init__(self, course: Course, terms: Terms, session: Session) -> None:
        self._terms, self._session, self._trainer = terms, session, _Trainer(course, terms)
        self._num_extents = course.order.num_extents
        self._epochs: list[Passed] = []
        self._marks: list[Mark] = []
        self._marked_each = max(course.order.num_extents // MARKS, LEAST_MARKED)
        self._began = 0.0
        self._was_known = self._has_kept = False

    def go(self) -> Replayed:
        """Go through as much as there may be."""
        session, trainer, wire = self._session, self._trainer, self._session.wire
        try:
            session.turn()
            while True:
                while trainer.go_on(wire.now, session.ready_index):
                    self._note()
                    if session.read_to(trainer.cursor):
                        session.turn()
                if trainer.is_done or self._is_enough:
                    break
                wire.move(min(wire.next_seconds, trainer.next_seconds))
                if session.has_more:
                    session.turn()
        finally:
            session.close()
        return Replayed(
            seconds=wire.now,
            read_bytes=wire.read_bytes,
            requests=wire.num_requests,
            kept_bytes=session.kept.kept_bytes,
            epochs=tuple(self._epochs),
            marks=tuple(self._marks),
            keeping=session.keeping,
            is_whole=trainer.is_done,
        )

    @property
    def _is_enough(self) -> bool:
        terms = self._terms
        return self._session.wire.num_requests >= terms.most_requests or self._trainer.done >= terms.most_samples

    def _note(self) -> None:
        done, now = self._trainer.done, self._session.wire.now
        if not self._has_kept and done >= (len(self._marks) + 1) * self._marked_each:
            self._marks.append(Mark(share=done / self._num_extents, work=self._trainer.work, seconds=now))
        number = len(self._epochs)
        if done < (number + 1) * self._num_extents:
            return
        asked: Asked = self._session.asked[number]
        self._epochs.append(
            Passed(
                seconds=now - self._began,
                read_bytes=asked.num_bytes,
                requests=asked.num_requests,
                kept_bytes=asked.kept_bytes,
                kept_requests=asked.kept_requests,
                is_settled=self._was_known and not asked.kept_requests,
            )
        )
        self._began, self._was_known = now, self._session.keeping is not None
        self._has_kept = bool(self._session.kept.kept_bytes)


class _Trainer:
    """Takes batches in their order, while a few more are made ahead of it.

    Attributes:
        cursor: index below which nothing is needed any more.
        done: index below which everything is computed.
        work: of an epoch's, that it has done since it began.
        next_seconds: when it is done with its batch; infinite where it waits for one.
    """

    def __init__(self, course: Course, terms: Terms) -> None:
        self._coming: Iterator[tuple[int, float]] = course.batches(terms.epochs)
        self._epoch_seconds = terms.compute_seconds
        self._making = next(self._coming, None)
        self._made: deque[tuple[int, float]] = deque()
        self._taken = (0, 0.0)
        self.cursor = self.done = 0
        self.work = 0.0
        self.next_seconds = math.inf

    @property
    def is_done(self) -> bool:
        """Whether no batch is left."""
        return self._making is None and not self._made and math.isinf(self.next_seconds)

    def go_on(self, now: float, ready_index: int) -> bool:
        """Do what can be done by now; tell whether anything was."""
        if self.next_seconds <= now:
            self.next_seconds = math.inf
            self.done, share = self._taken
            self.work += share
            return True
        if self._made and math.isinf(self.next_seconds):
            self._taken = self._made.popleft()
            self.next_seconds = now + self._taken[1] * self._epoch_seconds
            return True
        if self._making is None or len(self._made) >= AHEAD_BATCHES:
            return False
        end, share = self._making
        moved, self.cursor = self.cursor < min(end, ready_index), max(self.cursor, min(end, ready_index))
        if self.cursor == end:
            self._made.append((end, share))
            self._making = next(self._coming, None)
        return moved

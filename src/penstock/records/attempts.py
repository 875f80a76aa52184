"""Attempts at steps: when each began, its last sign of life, where it ran and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import ClassVar, Literal

import msgspec

from penstock.records.codec import Part, Record
from penstock.records.host import Host

__all__ = ["JOB", "AttemptRecord", "AttemptsRecord", "Ended", "ended_as", "joined_attempts", "seconds_of", "time_text"]

Ended = Literal["succeeded", "interrupted", "failed", "killed"]
JOB = "run"
"""Step of an attempt that is a whole `penstock run`."""


class AttemptRecord(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attempt at a step.

    Attributes:
        id: its own; what is told of it later takes the place of what was told before.
        step: ``list``, ``train`` and so on, or ``run`` where one process does them all.
        started_at: of its container or process, in UTC, to the millisecond.
        ended_at: its last sign of life.
        ended: ``killed`` where it did not say: what it wrote last, it wrote while it still ran.
        host: where it ran.
        num_nodes: that ran it together.
        seconds: of its time by step, where one process does them all; what is left began and ended it.
    """

    id: str
    step: str
    started_at: str
    ended_at: str
    ended: Ended
    host: Host
    num_nodes: int = 1
    seconds: dict[str, float] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, text in (("started_at", self.started_at), ("ended_at", self.ended_at)):
            if datetime.fromisoformat(text).tzinfo is None:
                raise ValueError(f"{name} {text!r} does not say in which time zone")
        if self.num_nodes < 1 or any(seconds < 0 for seconds in self.seconds.values()):
            raise ValueError("an attempt has 1 node or more, and took no time below 0")

    @property
    def lasted_seconds(self) -> float:
        """From its start to its last sign of life."""
        began, ended = (datetime.fromisoformat(text) for text in (self.started_at, self.ended_at))
        return max((ended - began).total_seconds(), 0.0)

    @property
    def is_lost(self) -> bool:
        """Whether it ended ill: by an error, or without a word."""
        return self.ended in ("failed", "killed")

    def parts(self) -> Iterator[tuple[str, float]]:
        """Return its time by step; what began and ended a whole job is told as that of the step ``run``."""
        if self.step != JOB:
            yield self.step, self.lasted_seconds
            return
        yield from self.seconds.items()
        yield JOB, max(self.lasted_seconds - sum(self.seconds.values()), 0.0)


class AttemptsRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All attempts at a step, or at a job, in order."""

    kind: ClassVar[str] = "attempts"
    version: ClassVar[int] = 1

    attempts: tuple[AttemptRecord, ...]


def joined_attempts(*seen: Iterable[AttemptRecord]) -> tuple[AttemptRecord, ...]:
    """Join what was seen of attempts at different times: of the same one the latest sign of life counts."""
    found: dict[str, AttemptRecord] = {}
    for attempt in (each for some in seen for each in some):
        before = found.get(attempt.id)
        if before is None or before.ended_at <= attempt.ended_at:
            found[attempt.id] = attempt
    return tuple(sorted(found.values(), key=lambda attempt: (attempt.started_at, attempt.id)))


def seconds_of(attempts: Iterable[AttemptRecord], step: str) -> float:
    """Return how long attempts were at a step, all together."""
    return sum(seconds for attempt in attempts for name, seconds in attempt.parts() if name == step)


def time_text(moment: datetime) -> str:
    """Write a time as records do: in UTC, to the millisecond, so that later ones sort after earlier ones."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def ended_as(attempt: AttemptRecord, ended: Ended) -> AttemptRecord:
    """Return an attempt that ended so."""
    return msgspec.structs.replace(attempt, ended=ended)

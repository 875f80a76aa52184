"""Whose nodes worked for a run, and for how long: by its attempts, and by its records where those are not known.

An attempt counts from its start to its last sign of life, whatever became of it. What lies between attempts is idle,
and counts for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from penstock.records import JOB, AttemptRecord, Evaluation, Host, RunRecord, StepRecord, seconds_of

__all__ = [
    "REPORT",
    "STOPPED_EVALUATION",
    "NodeSpan",
    "added_steps",
    "idle_seconds",
    "odd_clocks",
    "own_steps",
    "spans_of",
    "training_nodes",
    "untold_steps",
]

STOPPED_EVALUATION = "stopped evaluate"
"""Step of what an evaluation took that did not come to its end; the requests of one that did hold its requests too."""
REPORT = "report"
"""Step whose requests its record tells, and whose time attempts alone: by hand it is made on any machine."""
_LONGEST_SECONDS = 366 * 86_400.0
"""Of an attempt that nobody wonders at."""
_TOLD_BY_RECORDS = {"list", "prefetch", "pack", "evaluate"}


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeSpan:
    """Time that nodes of one kind were at one step.

    Attributes:
        step: ``run`` is what began and ended a process that did them all.
        host: None where it is not known: the training's is taken.
    """

    step: str
    host: Host | None
    num_nodes: int
    seconds: float


def added_steps(steps: Sequence[StepRecord], *, evaluation: Evaluation | None) -> list[StepRecord]:
    """Return the steps whose traffic and hours no other record holds already."""
    elsewhere = {"train"} | ({"evaluate"} if evaluation else set())
    return [step for step in steps if step.step not in elsewhere]


def untold_steps(
    steps: Sequence[StepRecord], *, evaluation: Evaluation | None, attempts: Iterable[AttemptRecord]
) -> list[str]:
    """Return the steps that were tried and left no record, so that what they requested is not known."""
    told = {each.step for each in steps}
    if evaluation is not None or STOPPED_EVALUATION in told:
        told.add("evaluate")
    return sorted((own_steps(attempts) & _TOLD_BY_RECORDS) - told)


def odd_clocks(attempts: Iterable[AttemptRecord]) -> list[str]:
    """Say of which attempts the times cannot be: the clock of a node was set while they went on."""
    told = []
    for each in attempts:
        span = f"The attempt at {each.step} from {each.started_at} to {each.ended_at}"
        if _time(each.ended_at) < _time(each.started_at):
            told.append(f"{span} ended before it began, by its node's clock: its time is not in the total.")
        elif each.lasted_seconds > _LONGEST_SECONDS:
            told.append(f"{span} took more than a year, by its node's clock: it is billed so.")
    return told


def training_nodes(run: RunRecord, asked: int | None) -> int:
    """Return on how many nodes a run trained: as somebody said, else as its launcher told."""
    return asked or max((attempt.num_nodes for attempt in run.attempts), default=1)


def own_steps(attempts: Iterable[AttemptRecord]) -> set[str]:
    """Return the steps whose time attempts tell: where one process did them all, of all."""
    return {name for attempt in attempts for name, _ in attempt.parts()}


def spans_of(
    run: RunRecord,
    *,
    steps: Sequence[StepRecord],
    evaluation: Evaluation | None,
    attempts: Sequence[AttemptRecord],
) -> list[NodeSpan]:
    """Return the time of nodes, that of the training first; each step's by the kind of its node."""
    found = [
        NodeSpan(step=step, host=attempt.host, num_nodes=attempt.num_nodes, seconds=seconds)
        for attempt in attempts
        for step, seconds in attempt.parts()
    ]
    # Of older releases, whose attempts are not known, or not all of them.
    unknown = run.wall_seconds - seconds_of(attempts, "train")
    if unknown > 0:
        nodes = max((each.num_nodes for each in attempts if each.step in ("train", JOB)), default=1)
        found.append(NodeSpan(step="train", host=run.host, num_nodes=nodes, seconds=unknown))
    if not any(attempt.step == JOB for attempt in attempts):
        told = own_steps(attempts)
        records: list[tuple[str, Host | None, float]] = [
            (each.step, each.host, each.wall_seconds) for each in added_steps(steps, evaluation=evaluation)
        ]
        if evaluation is not None:
            records.append(("evaluate", evaluation.host, evaluation.wall_seconds))
        found += [
            NodeSpan(step=step, host=host, num_nodes=1, seconds=seconds)
            for step, host, seconds in records
            if step not in told and step != REPORT
        ]
    return _merged(found)


def _merged(spans: Iterable[NodeSpan]) -> list[NodeSpan]:
    totals: dict[tuple[object, ...], NodeSpan] = {}
    for span in spans:
        host = span.host
        kind = host and (host.instance_type, host.node, host.region, host.lifecycle)
        key = (span.step, kind, span.num_nodes)
        before = totals.get(key)
        seconds = span.seconds + (before.seconds if before else 0.0)
        totals[key] = NodeSpan(step=span.step, host=host, num_nodes=span.num_nodes, seconds=seconds)
    return sorted(totals.values(), key=lambda span: (span.step != "train", span.step == JOB))


def idle_seconds(attempts: Sequence[AttemptRecord]) -> float | None:
    """Return how long nothing ran between the first attempt's start and the last one's end; None without any."""
    if not attempts:
        return None
    idle, until = 0.0, None
    for begin, end in sorted((_time(each.started_at), _time(each.ended_at)) for each in attempts):
        if until is not None and begin > until:
            idle += (begin - until).total_seconds()
        until = end if until is None else max(until, end)
    return idle


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

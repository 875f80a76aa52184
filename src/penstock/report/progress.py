"""How far runs were at each point of their curves: in epochs, or in steps where epochs are too coarse for that."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.records import LossPoint, MetricValues, RunRecord, StepEvaluation

__all__ = ["Progress"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What the horizontal axis of curves counts.

    Attributes:
        noun: ``epoch`` or ``step``.
    """

    noun: str

    @classmethod
    def of(cls, runs: Sequence[RunRecord]) -> Progress:
        """Return what runs are drawn by, side by side: steps where one has what happened within epochs.

        That are evaluations there, a run of an epoch or of less, and steps of which several have one place in an
        epoch, as those of a text that makes many sequences.
        """
        return cls(noun="step" if any(map(_is_by_steps, runs)) else "epoch")

    @property
    def label(self) -> str:
        """Name of the axis."""
        return f"{self.noun}s done"

    def of_point(self, point: LossPoint | StepEvaluation) -> float:
        """Return the place of a step's loss, or of an evaluation behind it."""
        return float(point.step) if self.noun == "step" else point.epoch

    def ends(self, run: RunRecord) -> list[float]:
        """Return the places of the epochs' ends."""
        if self.noun == "step":
            return [float(number) for number in itertools.accumulate(epoch.num_steps for epoch in run.epochs)]
        return [epoch.epoch + 1.0 for epoch in run.epochs]

    def evaluated(self, run: RunRecord) -> list[tuple[float, MetricValues]]:
        """Return all that was found on the validation split, in its order, with its places."""
        within = [(self.of_point(each), each.valid) for each in run.evaluations]
        at_ends = zip(self.ends(run), (epoch.valid for epoch in run.epochs), strict=True)
        return sorted([*at_ends, *within], key=lambda found: found[0])

    def scores(self, run: RunRecord, name: str) -> list[tuple[float, float]]:
        """Return a metric of the validation split where it is known, with its places."""
        found = [(place, valid[name].value) for place, valid in self.evaluated(run) if name in valid]
        return [(place, value) for place, value in found if value is not None]


def _is_by_steps(run: RunRecord) -> bool:
    places = [point.epoch for point in run.losses]
    return bool(run.evaluations) or len(run.epochs) < 2 or any(a == b for a, b in itertools.pairwise(places))

"""Areas under curves with intervals: how far chance alone, of which patients or subjects were scored, may move them.

Whole groups are drawn with replacement, as many as there are (the cluster bootstrap), since samples of one group are
alike: drawing samples one by one would tell intervals that are too narrow. The draws follow from the numbers alone, so
the same predictions give the same interval.

Shapes: N samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.records import Interval, MetricValue
from penstock.tasks.metrics import metric_value

__all__ = ["DRAWS", "areas_with_intervals"]

DRAWS: Final = 500
_COVERED: Final = 0.95

Array = NDArray[np.float64]


def areas_with_intervals(
    scores: Array,
    is_class: NDArray[np.bool_],
    groups: Sequence[str],
    *,
    name: str = "",
    draws: int = DRAWS,
    group_noun: str = "group",
    kinds: tuple[str, str] = ("of the class that is looked for", "of another class"),
) -> tuple[MetricValue, MetricValue]:
    """Return the area under the ROC curve, and the average precision (area under precision over recall).

    Args:
        scores: shape (N,), the higher the surer.
        is_class: shape (N,), whether each sample is what is looked for.
        groups: of the samples.
        name: goes before the labels.
        draws: of the bootstrap; 0 makes no intervals.
        group_noun: what a group is.
        kinds: which samples are looked for, and which are the others, to stand behind "sample".
    """
    told = f"{name} " if name else ""
    inside = int(np.count_nonzero(is_class))
    if not 0 < inside < len(scores):
        why = f"there is no sample {kinds[1] if inside else kinds[0]}"
        return (
            metric_value(f"{told}AUROC", why, higher_is_better=True),
            metric_value(f"{told}AUPRC", why, higher_is_better=True),
        )
    ranked = _Ranked.of(scores, is_class)
    auroc, auprc = ranked.areas(np.ones(len(scores)))
    drawn = _drawn(ranked, groups, draws)
    meaning = f"{_COVERED:.0%} of {len(drawn)} draws of {group_noun}s with replacement"
    share = inside / len(scores)
    values = (
        metric_value(f"{told}AUROC", auroc, higher_is_better=True, baseline=0.5, meaning="guessing"),
        metric_value(f"{told}AUPRC", auprc, higher_is_better=True, baseline=share, meaning="guessing"),
    )
    first, second = (_with_interval(value, drawn[:, place], meaning) for place, value in enumerate(values))
    return first, second


def _with_interval(value: MetricValue, drawn: Array, meaning: str) -> MetricValue:
    if len(drawn) < 2:
        return value
    low, high = np.quantile(drawn, [(1 - _COVERED) / 2, (1 + _COVERED) / 2])
    return msgspec.structs.replace(value, interval=Interval(low=float(low), high=float(high), meaning=meaning))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ranked:
    """Samples from the highest score down.

    Attributes:
        order: of the samples, shape (N,).
        is_class: in that order.
        starts: where each different score begins, shape (scores,).
    """

    order: NDArray[np.int64]
    is_class: NDArray[np.bool_]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Array, is_class: NDArray[np.bool_]) -> _Ranked:
        order = np.argsort(-scores, kind="stable")
        starts = np.append(0, np.flatnonzero(np.diff(scores[order])) + 1)
        return cls(order=order, is_class=is_class[order], starts=starts)

    def areas(self, weights: Array) -> tuple[float, float]:
        """Return both areas where each sample counts so often, shape (N,); NaN where one kind does not occur."""
        ordered = weights[self.order]
        found = np.add.reduceat(np.where(self.is_class, ordered, 0.0), self.starts)
        others = np.add.reduceat(np.where(self.is_class, 0.0, ordered), self.starts)
        num_found, num_others = found.sum(), others.sum()
        if not num_found or not num_others:
            return np.nan, np.nan
        below = num_others - np.cumsum(others)
        auroc = float((found * (below + others / 2)).sum() / (num_found * num_others))
        above = np.cumsum(found)
        precision = above / np.maximum(above + np.cumsum(others), 1e-12)
        return auroc, float((found * precision).sum() / num_found)


def _drawn(ranked: _Ranked, groups: Sequence[str], draws: int) -> Array:
    """Return both areas of each draw in which both kinds occur, shape (draws, 2)."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    chance = np.random.default_rng(len(place))
    found = []
    for _ in range(draws):
        counts = np.bincount(chance.integers(len(names), size=len(names)), minlength=len(names))
        found.append(ranked.areas(counts[place].astype(np.float64)))
    areas = np.array(found, dtype=np.float64).reshape(-1, 2)
    return areas[np.isfinite(areas).all(axis=1)]

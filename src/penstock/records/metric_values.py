"""What a metric comes to, with all that is needed to tell a person whether that is good."""

from __future__ import annotations

from penstock.records.codec import Part

__all__ = ["Baseline", "Interval", "MetricValue", "MetricValues"]


class Baseline(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What learning nothing scores on the same samples.

    Attributes:
        value: that score.
        meaning: how it is reached, to stand before "scores": "predicting the mean".
    """

    value: float
    meaning: str


class Interval(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a metric may well be, by the chance of which samples it was measured on.

    Attributes:
        meaning: how it was found: "95 % of 1,000 bootstrap samples of patients".
    """

    low: float
    high: float
    meaning: str


class MetricValue(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A metric on some samples.

    Attributes:
        label: what a person calls the metric.
        value: what it comes to; None where it is undefined.
        undefined: why it is, empty where it is not.
        higher_is_better: whether a larger value is a better one.
        baseline: None where none is known.
        interval: None where none was made.
    """

    label: str
    value: float | None
    undefined: str
    higher_is_better: bool
    baseline: Baseline | None
    interval: Interval | None = None


MetricValues = dict[str, MetricValue]
"""By the metrics' names, in snake case."""

"""Evaluation records: how good a checkpoint is on a split that it was not trained on."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Part, Record
from penstock.records.figures import Figure
from penstock.records.host import Host
from penstock.records.meters import Meters
from penstock.records.metric_values import MetricValues

__all__ = ["Evaluation", "Prediction"]


class Prediction(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sample's truth and the model's answer: a number, or a class index."""

    key: str
    group: str
    truth: float
    predicted: float


class Evaluation(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics of a checkpoint on a split.

    Attributes:
        trained_fingerprint: of the manifest that the checkpoint was trained on.
        seen_groups: groups of the split that it was trained on; None where that is not known.
        notes: what a person should know of it.
        score: name of the metric that runs are compared by.
        metrics: by name.
        classes: names of the classes, empty for regression.
        confusion: ``confusion[truth][predicted]`` counts, empty for regression.
        predictions: at most a few thousand of them, evenly taken, for plots.
        figures: what the task, the recipe and the predictions have drawn beside these; bounded.
        host: where it ran, None in records of older releases.
        stall_seconds: that it waited for data.
    """

    kind: ClassVar[str] = "evaluation"
    version: ClassVar[int] = 4

    task: str
    model: str
    split: str
    manifest_fingerprint: str
    checkpoint_sha256: str
    trained_fingerprint: str
    seen_groups: int | None
    notes: tuple[str, ...]
    num_samples: int
    num_groups: int
    score: str
    metrics: MetricValues
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    predictions: tuple[Prediction, ...]
    wall_seconds: float
    meters: Meters
    figures: tuple[Figure, ...] = ()
    host: Host | None = None
    stall_seconds: float = 0.0

"""Evaluation records: how good a checkpoint is on a split that it was not trained on."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Part, Record
from penstock.records.run import Meters

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
        score: name of the metric that runs are compared by.
        metrics: value by name.
        classes: names of the classes, empty for regression.
        confusion: ``confusion[truth][predicted]`` counts, empty for regression.
        predictions: at most a few thousand of them, evenly taken, for plots.
    """

    kind: ClassVar[str] = "evaluation"
    version: ClassVar[int] = 1

    task: str
    model: str
    split: str
    manifest_fingerprint: str
    checkpoint_sha256: str
    num_samples: int
    num_groups: int
    score: str
    metrics: dict[str, float]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    predictions: tuple[Prediction, ...]
    wall_seconds: float
    meters: Meters

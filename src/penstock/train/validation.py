"""The validation at each epoch's end, and in its middle where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import nn

from penstock.errors import PenstockError
from penstock.loader.protocols import BatchLoader
from penstock.recipes.objectives import Classification, Objective, Regression, predict
from penstock.recipes.refusing import check_metric, unknown_metric
from penstock.records import MetricValue, MetricValues
from penstock.tasks.protocols import Task
from penstock.train.signals import StopRequest

__all__ = ["Scored", "Validation", "best_by", "check_best"]


class Scored(NamedTuple):
    """Metrics of a split, and the seconds that its samples were waited for."""

    metrics: MetricValues
    stall_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """The validation split and how a network is scored on it."""

    task: Task
    objective: Objective
    loader: BatchLoader

    def metrics(self, model: nn.Module, epoch: int, stop: StopRequest) -> Scored:
        """Score a network, where there are samples for it; a stop that is asked for raises ``StopAsked`` at once."""
        with stop.waiting():
            if self.loader.num_samples == 0:
                return Scored({}, 0.0)
            found = predict(model, self.objective, self.loader, epoch=epoch)
        return Scored(self.task.metrics(found.truth, found.predicted, found.groups), found.stall_seconds)


def best_by(metrics: MetricValues, name: str, *, is_asked: bool) -> MetricValue | None:
    """Return the metric that the best weights are chosen by; None where it is not known.

    Args:
        is_asked: whether a person asked for it by name.

    Raises:
        ConfigError: the task has no such metric.
    """
    if is_asked and metrics and name not in metrics:
        raise unknown_metric(name, sorted(metrics))
    return metrics.get(name)


def check_best(name: str, *, task: Task, objective: Objective) -> None:
    """Refuse a metric that a task does not have, as far as that can be told before anything was predicted.

    Raises:
        ConfigError: it has no such metric.
    """
    check_metric(name, task)
    if isinstance(objective, Classification):
        truth, predicted = np.arange(2.0), np.eye(objective.num_classes)[:2]
    elif isinstance(objective, Regression):
        truth = predicted = np.arange(2.0)
    else:
        return
    try:
        found = task.metrics(truth, predicted, ("a", "b"))
    except (PenstockError, ValueError):  # it needs more samples than two: what it has is told after the first epoch
        return
    best_by(found, name, is_asked=True)

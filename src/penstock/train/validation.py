"""The validation at each epoch's end."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from penstock.loader.protocols import BatchLoader
from penstock.recipes.objectives import Objective, predict
from penstock.records import MetricValues
from penstock.tasks.protocols import Task
from penstock.train.signals import StopRequest

__all__ = ["Validation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """The validation split and how a network is scored on it."""

    task: Task
    objective: Objective
    loader: BatchLoader

    def metrics(self, model: nn.Module, epoch: int, stop: StopRequest) -> MetricValues:
        """Score a network, where there are samples for it; a stop that is asked for raises ``StopAsked`` at once."""
        with stop.waiting():
            if self.loader.num_samples == 0:
                return {}
            found = predict(model, self.objective, self.loader, epoch=epoch)
        return self.task.metrics(found.truth, found.predicted, found.groups)

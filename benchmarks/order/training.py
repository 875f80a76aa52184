"""What an order does to learning: a small network on a dataset that is sorted by label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmarks.order.orders import epoch_rows
from penstock.records import Shuffle

__all__ = ["Task", "final_losses", "make_task"]

NUM_FEATURES = 32
HIDDEN = 64
LEARNING_RATE = 0.1
MOMENTUM = 0.9


@dataclass(frozen=True, kw_only=True)
class Task:
    """Samples of classes that overlap; training samples are sorted by class, shape (samples, features)."""

    inputs: torch.Tensor
    labels: torch.Tensor
    valid_inputs: torch.Tensor
    valid_labels: torch.Tensor
    num_classes: int


def make_task(*, num_samples: int, num_classes: int, seed: int) -> Task:
    """Make as many training samples, and an eighth of that to validate with."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_classes, 2, NUM_FEATURES)) * 0.7

    def draw(labels: np.ndarray) -> torch.Tensor:
        # Two clusters a class: no plane divides the classes.
        cluster = rng.integers(0, 2, len(labels))
        noise = rng.normal(size=(len(labels), NUM_FEATURES))
        return torch.from_numpy((centres[labels, cluster] + noise).astype(np.float32))

    labels = np.arange(num_samples) * num_classes // num_samples
    valid_labels = rng.integers(0, num_classes, num_samples // 8)
    return Task(
        inputs=draw(labels),
        labels=torch.from_numpy(labels),
        valid_inputs=draw(valid_labels),
        valid_labels=torch.from_numpy(valid_labels),
        num_classes=num_classes,
    )


def final_losses(shuffle: Shuffle, task: Task, *, batch_extents: int, epochs: int, seeds: int) -> list[float]:
    """Return the validation loss after the last step, for each seed of weights and order."""
    return [_train(shuffle, task, batch_extents, epochs, seed) for seed in range(seeds)]


def _train(shuffle: Shuffle, task: Task, batch_extents: int, epochs: int, seed: int) -> float:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(NUM_FEATURES, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, task.num_classes))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    steps = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(task.labels) // batch_extents))
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        rows = torch.from_numpy(epoch_rows(shuffle, len(task.labels), seed=seed, epoch=epoch))
        for batch in rows.split(batch_extents):
            optimizer.zero_grad()
            loss_of(model(task.inputs[batch]), task.labels[batch]).backward()
            optimizer.step()
            steps.step()
    with torch.no_grad():
        return float(loss_of(model(task.valid_inputs), task.valid_labels))

"""In-memory stand-ins for the parts around the training loop: a loader over arrays and two tasks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.errors import CheckpointMismatch
from penstock.loader.protocols import Batch, LoaderState
from penstock.manifest import Described
from penstock.records import Meters, MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.metrics import metric_value
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption


class ArrayLoader:
    """Batches of arrays, shuffled anew each epoch, with a place that can be saved.

    Args:
        inputs: shape (samples, *sample shape).
        targets: shape (samples,).
        groups: of each sample, None makes each its own.
        seed: of the shuffle, None keeps the order.
        before_batch: called with epoch and position before each batch; what it raises is the data's failure.
    """

    def __init__(
        self,
        inputs: NDArray[np.float32],
        targets: NDArray[np.float64],
        *,
        batch_size: int,
        groups: Sequence[str] | None = None,
        seed: int | None = None,
        before_batch: Callable[[int, int], None] = lambda epoch, position: None,
    ) -> None:
        self._inputs, self._targets = inputs, targets
        self._groups = list(groups) if groups is not None else [f"group-{i}" for i in range(len(targets))]
        self._batch_size, self._seed, self._before_batch = batch_size, seed, before_batch
        self._epoch, self._position = 0, 0
        self._sample_bytes = 0
        self._id = uuid.uuid4().hex

    @property
    def num_samples(self) -> int:
        return len(self._targets)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        if epoch != self._epoch:
            self._epoch, self._position = epoch, 0
        order = np.arange(self.num_samples)
        if self._seed is not None:
            order = np.random.default_rng((self._seed, epoch)).permutation(self.num_samples)
        while self._position < self.num_samples:
            self._before_batch(epoch, self._position)
            rows = order[self._position : self._position + self._batch_size]
            self._position += len(rows)
            self._sample_bytes += self._inputs[rows].nbytes
            yield Batch(
                data={"inputs": torch.from_numpy(self._inputs[rows]), "targets": torch.from_numpy(self._targets[rows])},
                keys=tuple(f"sample-{row}" for row in rows),
                groups=tuple(self._groups[row] for row in rows),
            )

    def state_dict(self) -> LoaderState:
        return {"epoch": self._epoch, "position": self._position, "batch_size": self._batch_size}

    def load_state_dict(self, state: LoaderState) -> None:
        if state["batch_size"] != self._batch_size:
            raise CheckpointMismatch("another batch size", fix="use the same")
        self._epoch, self._position = int(state["epoch"]), int(state["position"])

    def traffic(self) -> dict[str, Meters]:
        return {self._id: Meters(sample_bytes=self._sample_bytes)}

    def meters(self) -> Meters:
        return Meters(sample_bytes=self._sample_bytes)

    def close(self) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class _ArrayTask:
    name: str
    score: str
    options: tuple[TaskOption, ...] = ()

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        raise NotImplementedError

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        raise NotImplementedError


class RegressionTask(_ArrayTask):
    """Scored by the root mean squared error over the truth's standard deviation."""

    def __init__(self) -> None:
        super().__init__(name="numbers", score="nrmse")

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        score = float(np.sqrt(np.mean((truth - predicted) ** 2)) / truth.std())
        return {"nrmse": metric_value("NRMSE", score, higher_is_better=False)}


class ClassificationTask(_ArrayTask):
    """Scored by accuracy."""

    def __init__(self) -> None:
        super().__init__(name="kinds", score="accuracy")

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        score = float(np.mean(predicted.argmax(axis=1) == truth))
        return {"accuracy": metric_value("accuracy", score, higher_is_better=True)}


def evoked_data(
    num_samples: int,
    *,
    shape: tuple[int, int] = (8, 64),
    num_subjects: int = 8,
    effect: float = 1.0,
    first_subject: int = 0,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float64], list[str]]:
    """Make noise with a bump whose height follows the target: a fixed scalp pattern, a gain for each subject.

    Returns:
        Inputs of shape (samples, channels, times) in microvolts, targets of shape (samples,) in seconds,
        and the subject of each sample.
    """
    chance = np.random.default_rng((seed, first_subject))
    pattern = np.random.default_rng(7).normal(size=shape[0])
    bump = np.exp(-0.5 * ((np.arange(shape[1]) - shape[1] * 0.4) / (shape[1] * 0.06)) ** 2)
    subjects = first_subject + chance.integers(num_subjects, size=num_samples)
    gains = {subject: chance.uniform(0.8, 1.2) for subject in np.unique(subjects)}
    targets = chance.normal(1.5, 0.4, size=num_samples)
    height = (targets - 1.5) / 0.4 * np.array([gains[subject] for subject in subjects])
    noise = chance.normal(size=(num_samples, *shape))
    inputs = 10 * (noise + effect * height[:, None, None] * pattern[:, None] * bump)
    return inputs.astype(np.float32), targets, [f"subject-{subject}" for subject in subjects]

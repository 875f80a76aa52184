"""Run records: what a step did, measured; the report and the bill are made from them alone."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from penstock.records.attempts import AttemptRecord
from penstock.records.classes import ClassSize
from penstock.records.codec import Part, Record
from penstock.records.host import Host, Volume
from penstock.records.meters import Meters
from penstock.records.metric_values import MetricValues
from penstock.records.timeline import Timeline

__all__ = [
    "UNSAID",
    "DatasetSize",
    "EpochRecord",
    "LossPoint",
    "MixShare",
    "RunRecord",
    "Saves",
    "StepEvaluation",
    "StepRecord",
]

UNSAID = "it ended without saying why"
"""In the error of a run that was killed: what it wrote last, it wrote while it still ran."""


class LossPoint(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point of the training curve."""

    step: int
    epoch: float
    loss: float
    learning_rate: float


class EpochRecord(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pass over the training split, with the validation after it.

    Attributes:
        stall_seconds: time the trainer waited for data.
        compute_seconds: the rest of the training pass.
        valid_seconds: time the validation took, waiting included.
        valid: metrics on the validation split, by name.
        valid_stall_seconds: of it, that the validation waited for data.
    """

    epoch: int
    num_steps: int
    num_samples: int
    train_loss: float
    valid: MetricValues
    stall_seconds: float
    compute_seconds: float
    valid_seconds: float
    valid_stall_seconds: float = 0.0


class StepEvaluation(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A validation in the middle of an epoch.

    Attributes:
        step: after which it was made.
        epoch: epochs done by then, with the part of the one in progress where its size is known.
        valid: metrics on the validation split, by name.
        valid_seconds: time it took, waiting included.
        valid_stall_seconds: of it, that it waited for data.
    """

    step: int
    epoch: float
    valid: MetricValues
    valid_seconds: float
    valid_stall_seconds: float = 0.0


class Saves(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What saving checkpoints took; the trainer waits while one is written.

    Attributes:
        count: checkpoints written, those of best epochs included.
        seconds: that the trainer waited for them.
        size_bytes: of all of them together.
        writes: files or objects written for them, their pointers included; to S3 each is a PUT request.
        kept_bytes: of those that still lie there.
    """

    count: int = 0
    seconds: float = 0.0
    size_bytes: int = 0
    writes: int = 0
    kept_bytes: int = 0

    def plus(self, other: Saves) -> Saves:
        """Add up; what still lies there is as the later ones know it."""
        names = [name for name in self.__struct_fields__ if name != "kept_bytes"]
        pairs = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Saves(**pairs, kept_bytes=other.kept_bytes or self.kept_bytes)


class MixShare(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a member of a mix gives.

    Attributes:
        source: where its samples lie.
        share: of the samples of the last epoch that was begun, by its weight; 0 to 1.
        planned: training samples of that epoch.
        given: training samples that were drawn of it, of all epochs and attempts that saved their position.
        sample_bytes: of a training sample of it, on average.
        storage_classes: what there is of each class of storage among its objects, where its source told it.
    """

    source: str
    share: float
    planned: int
    given: int
    sample_bytes: float = 0.0
    storage_classes: dict[str, ClassSize] = msgspec.field(default_factory=dict)


class DatasetSize(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is read of a dataset, as its manifest says.

    Attributes:
        epoch_bytes: of the samples of one epoch, those of its validation included.
        num_objects: that these lie in, with those of other splits.
        object_bytes: of those objects, whole.
        storage_classes: what there is of each class of storage among those objects, where the source told it.
    """

    epoch_bytes: int
    num_objects: int
    object_bytes: int
    storage_classes: dict[str, ClassSize] = msgspec.field(default_factory=dict)


class RunRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training run.

    Attributes:
        score: name of the metric that runs are compared by.
        config: the options it ran with, by flag name; no secrets.
        state: how it ended.
        num_resumes: times it went on from a checkpoint.
        wall_seconds: time of the training step's processes, all attempts together, killed ones to their last sign of
            life.
        seconds_to_first_batch: from the start of the last attempt to its first batch.
        best_epoch: whose weights ``checkpoint`` holds, None before the first epoch's end.
        best_step: after which they were taken, where that was in the middle of the epoch.
        unfinished_samples: that were trained on in the epoch in progress when it ended.
        weights_sha256: of the final model's parameters and buffers, in order.
        saves: what checkpoints took, all attempts together.
        mix: what each member of a mix gave; empty where there is none.
        evaluations: those in the middle of epochs, in order.
        user: who ran it, None where that is not known.
        timeline: what it did with its time; None in records of trainings that kept none.
        attempts: that trained, in order; empty in records of older releases.
        unfinished_stall_seconds: waited for data in the epoch in progress when it ended.
        unfinished_compute_seconds: the rest of the training pass of it.
        window_disk: what the window lay on.
        dataset: what one pass over it comes to.
    """

    kind: ClassVar[str] = "run"
    version: ClassVar[int] = 4

    run_id: str
    task: str
    model: str
    score: str
    num_parameters: int
    config: dict[str, str | int | float | bool | None]
    manifest_fingerprint: str
    plan_fingerprint: str
    state: Literal["succeeded", "interrupted", "failed"]
    error: str | None
    started_at: str
    ended_at: str
    wall_seconds: float
    seconds_to_first_batch: float
    num_resumes: int
    best_epoch: int | None
    checkpoint: str | None
    weights_sha256: str | None
    host: Host
    losses: tuple[LossPoint, ...]
    epochs: tuple[EpochRecord, ...]
    meters: Meters
    saves: Saves
    unfinished_samples: int
    mix: tuple[MixShare, ...] = ()
    best_step: int | None = None
    evaluations: tuple[StepEvaluation, ...] = ()
    user: str | None = None
    timeline: Timeline | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    unfinished_stall_seconds: float = 0.0
    unfinished_compute_seconds: float = 0.0
    window_disk: Volume | None = None
    dataset: DatasetSize | None = None

    @property
    def best_valid(self) -> MetricValues | None:
        """Metrics of the best weights on the validation split; None where there are none yet."""
        if self.best_step is not None:
            return next((each.valid for each in self.evaluations if each.step == self.best_step), None)
        return next((each.valid for each in self.epochs if each.epoch == self.best_epoch), None)

    @property
    def mix_names(self) -> tuple[str, ...]:
        """What to call the members of a mix: their sources, with their numbers, from 0, where those are the same."""
        sources = [each.source for each in self.mix]
        return tuple(
            f"{source} (member {number})" if sources.count(source) > 1 else source
            for number, source in enumerate(sources)
        )

    @property
    def num_trained_samples(self) -> int:
        """Samples trained on, those of an epoch that was not finished included."""
        return sum(epoch.num_samples for epoch in self.epochs) + self.unfinished_samples

    @property
    def stall_seconds(self) -> float:
        """Time the training passes waited for data, that of an epoch that was not finished included."""
        return sum(epoch.stall_seconds for epoch in self.epochs) + self.unfinished_stall_seconds

    @property
    def valid_stall_seconds(self) -> float:
        """Time that validations waited for data."""
        at_ends = sum(epoch.valid_stall_seconds for epoch in self.epochs)
        return at_ends + sum(each.valid_stall_seconds for each in self.evaluations)

    @property
    def compute_seconds(self) -> float:
        """Time of the training passes that was not stall, that of an epoch that was not finished included."""
        return sum(epoch.compute_seconds for epoch in self.epochs) + self.unfinished_compute_seconds

    @property
    def stall_share(self) -> float:
        """Part of the training passes that was stall, 0 to 1."""
        busy_seconds = self.stall_seconds + self.compute_seconds
        return self.stall_seconds / busy_seconds if busy_seconds else 0.0


class StepRecord(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a step other than training did.

    Attributes:
        details: figures of the step's own, by name with unit (``rate_bytes_per_second``).
    """

    kind: ClassVar[str] = "step"
    version: ClassVar[int] = 2

    step: str
    started_at: str
    wall_seconds: float
    host: Host
    meters: Meters
    details: dict[str, float]

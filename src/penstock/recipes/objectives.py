"""Objectives: how a network's outputs and its batch become a loss, and predictions in the target's own unit.

A target that is NaN is not known: it takes no part in the loss, and its sample none in the metrics.

Shapes: B batch, O outputs, N samples of a split, K classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from penstock.errors import ConfigError, MissingLabel
from penstock.loader.protocols import Batch, BatchLoader, on_device
from penstock.manifest import ManifestInfo
from penstock.manifest.listed import Listed, Listing
from penstock.recipes.refusing import refuse_losses, unknown_objective
from penstock.tasks.learnable import check_learnable

__all__ = [
    "Classification",
    "Objective",
    "ObjectiveState",
    "Predictions",
    "Regression",
    "RegressionLoss",
    "first_to_learn_from",
    "make_objective",
    "objective_from_state",
    "predict",
]

ObjectiveState = dict[str, str | float | int]
RegressionLoss = Literal["mse", "smooth_l1", "l1"]
_REGRESSION_LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "mse": F.mse_loss,
    "smooth_l1": F.smooth_l1_loss,
    "l1": F.l1_loss,
}


class Objective(Protocol):
    """What a network is trained for."""

    @property
    def num_outputs(self) -> int:
        """Outputs that the network must have."""
        ...

    def loss(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Return the mean loss of the samples that can be learnt from, and how many they are.

        Args:
            outputs: what the network gave for ``batch["inputs"]``.
            batch: all of it, as the task collates it, on the network's device.
        """
        ...

    def predictions(self, outputs: Any, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return what the task scores, an item a sample: (B,) in the target's unit, (B, K) of logits, or its own."""
        ...

    def truth(self, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return what predictions are scored against, an item a sample; what has NaN alone is not known."""
        ...

    def state_dict(self) -> ObjectiveState:
        """Return what ``objective_from_state`` makes it from again."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Regression:
    """One number a sample, learnt in standard deviations of the training split's targets.

    Attributes:
        target_mean: of the training split.
        target_std: of the training split, above 0.
        kind: loss on standardised targets.
    """

    target_mean: float
    target_std: float
    kind: RegressionLoss = "mse"

    @property
    def num_outputs(self) -> int:
        """One."""
        return 1

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Mean squared, smooth L1 or absolute error of outputs (B, 1) against targets (B,), both standardised."""
        outputs, targets = outputs.float(), _one_a_sample(batch)
        known = torch.isfinite(targets)
        num_known = int(known.sum())
        wanted = ((targets - self.target_mean) / self.target_std).to(outputs.dtype)
        answers = outputs.squeeze(1)
        if num_known < len(targets):
            answers, wanted = answers[known], wanted[known]
        function = _REGRESSION_LOSSES[self.kind]
        # An empty sum has the gradient 0 where an empty mean is NaN.
        return function(answers, wanted, reduction="sum") / max(num_known, 1), num_known

    def predictions(self, outputs: Tensor, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Shape (B, 1) to (B,) in the target's unit."""
        answers: NDArray[np.float64] = outputs.detach().squeeze(1).double().cpu().numpy()
        return answers * self.target_std + self.target_mean

    def truth(self, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Targets, shape (B,)."""
        return _truth(batch)

    def state_dict(self) -> ObjectiveState:
        """Return the statistics and the loss."""
        return {
            "objective": "regression",
            "target_mean": self.target_mean,
            "target_std": self.target_std,
            "kind": self.kind,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Classification:
    """One of several classes a sample, learnt by cross entropy.

    Attributes:
        label_smoothing: part of each target that is spread over all classes, 0 to below 1.
        class_weights: what each class's loss counts, an item a class; empty weighs all alike. The loss is the sum of
            weighted losses over the number of samples, not over their weights.
    """

    num_classes: int
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()

    @property
    def num_outputs(self) -> int:
        """One logit a class."""
        return self.num_classes

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, int]:
        """Cross entropy of logits (B, K) against class indices (B,)."""
        outputs, targets = outputs.float(), _one_a_sample(batch)
        known = torch.isfinite(targets)
        num_known = int(known.sum())
        classes = torch.where(known, targets, -1).long()
        weight = torch.tensor(self.class_weights, device=outputs.device) if self.class_weights else None
        summed = F.cross_entropy(
            outputs,
            classes,
            weight=weight,
            ignore_index=-1,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return summed / max(num_known, 1), num_known

    def predictions(self, outputs: Tensor, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Logits, shape (B, K)."""
        logits: NDArray[np.float64] = outputs.detach().double().cpu().numpy()
        return logits

    def truth(self, batch: Mapping[str, Any]) -> NDArray[np.float64]:
        """Class indices, shape (B,)."""
        return _truth(batch)

    def state_dict(self) -> ObjectiveState:
        """Return the number of classes, and what the loss is made of where that is said."""
        state: ObjectiveState = {"objective": "classification", "num_classes": self.num_classes}
        if self.label_smoothing:
            state["label_smoothing"] = self.label_smoothing
        if self.class_weights:
            state["class_weights"] = ",".join(map(repr, self.class_weights))
        return state


def _one_a_sample(batch: Mapping[str, Any]) -> Tensor:
    """Return the targets of a batch: float64, shape (B,), NaN where one is not known."""
    targets = batch.get("targets")
    if not isinstance(targets, Tensor) or targets.ndim != 1:
        found = f"of shape {tuple(targets.shape)}" if isinstance(targets, Tensor) else f"a {type(targets).__name__}"
        raise ConfigError(
            f"the targets of a batch are {'not there' if targets is None else found}, where there must be one number "
            "a sample",
            fix='let the task decode each sample to a dictionary with a number as "targets", or give its recipe an '
            "objective of its own (make_objective)",
        )
    return targets.double()


def _truth(batch: Mapping[str, Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = _one_a_sample(batch).cpu().numpy()
    return found


def first_to_learn_from(listing: Listing) -> Listed:
    """Return the first part of a listing whose training targets differ, or are not known at all; else everything.

    Where parts end depends on the samples alone, so it is the same part whenever it is asked for; a listing that was
    waited for has one.

    Raises:
        PenstockError: the listing failed before it came to it.
    """
    number = 0
    while (part := listing.part(number)) is not None:
        train = next((split for split in part.info.splits if split.name == "train"), None)
        if train and train.num_samples and (part.info.classes or train.targets_differ or train.target_std is None):
            return part
        number += 1
    return listing.whole()


def make_objective(
    info: ManifestInfo,
    *,
    regression_loss: RegressionLoss = "mse",
    label_smoothing: float = 0.0,
    class_weights: tuple[float, ...] = (),
) -> Objective:
    """Make the objective of a manifest: classification where it names classes, else regression.

    Args:
        label_smoothing: of classification.
        class_weights: of classification, an item a class; empty weighs all alike.

    Raises:
        ConfigError: the manifest has no training samples, or there is no such loss of what it has.
        MissingLabel: the training split's targets are missing or all the same.
    """
    check_learnable(info)
    if info.classes:
        refuse_losses(f"the task {info.task!r} has classes here, learnt by cross entropy", loss=regression_loss)
        if class_weights and len(class_weights) != len(info.classes):
            raise ConfigError(
                f"--class-weights gives {len(class_weights)} weights for {len(info.classes)} classes",
                fix=f"give one for each, in this order: {', '.join(info.classes)[:200]}; or balanced",
            )
        return Classification(
            num_classes=len(info.classes), label_smoothing=label_smoothing, class_weights=class_weights
        )
    refuse_losses(
        f"the task {info.task!r} has no classes here", label_smoothing=label_smoothing, class_weights=class_weights
    )
    split = info.split("train")
    mean, std = split.target_mean, split.target_std
    assert mean is not None
    assert std is not None
    if regression_loss not in _REGRESSION_LOSSES:
        names = ", ".join(_REGRESSION_LOSSES)
        raise ConfigError(f"there is no regression loss {regression_loss!r}", fix=f"choose one of: {names}")
    return Regression(target_mean=mean, target_std=std, kind=regression_loss)


def objective_from_state(state: Mapping[str, str | float | int]) -> Objective:
    """Make the objective again that ``state_dict`` described.

    Raises:
        CheckpointCorrupt: it does not describe one.
    """
    kinds: dict[str, Callable[..., Objective]] = {"regression": Regression, "classification": Classification}
    fields: dict[str, Any] = {name: value for name, value in state.items() if name != "objective"}
    try:
        if "class_weights" in fields:
            fields["class_weights"] = tuple(float(part) for part in str(fields["class_weights"]).split(","))
        return kinds[str(state["objective"])](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise unknown_objective(state) from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """A network's answers for the samples of a split whose target is known, in the loader's order.

    Attributes:
        truth: targets or class indices, shape (N,), or what else the objective gives.
        predicted: shape (N,) for regression, (N, K) of logits for classification, or what else the objective gives.
        keys: names of the samples.
        groups: group of each sample.
        stall_seconds: that the network waited for data.
    """

    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    keys: tuple[str, ...]
    groups: tuple[str, ...]
    stall_seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.keys)


def predict(
    model: nn.Module,
    objective: Objective,
    loader: BatchLoader,
    *,
    epoch: int = 0,
    split: str = "valid",
    see: Callable[[Batch, Any], None] | None = None,
) -> Predictions:
    """Run a network over one epoch of a loader, as its batches are, without dropout and without gradients.

    The network is left in the mode that it was in.

    Args:
        model: takes the batches' inputs, gives what the objective takes.
        objective: turns outputs into predictions.
        loader: of the split.
        epoch: which one to ask the loader for.
        split: name for the error message.
        see: is shown each batch, on the network's device, and what the network gave for it.

    Raises:
        MissingLabel: no sample has a target.
        PenstockError: the data failed.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    truth: list[NDArray[np.float64]] = []
    predicted: list[NDArray[np.float64]] = []
    keys: list[str] = []
    groups: list[str] = []
    waiting = _Waiting(loader.epoch(epoch))
    try:
        with torch.inference_mode():
            for batch in waiting:
                data = on_device(batch.data, device)
                outputs = model(data["inputs"])
                if see is not None:
                    see(replace(batch, data=data), outputs)
                answers, targets = objective.predictions(outputs, data), objective.truth(data)
                known = np.atleast_1d(np.isfinite(targets).reshape(len(batch), -1).any(axis=1))
                truth.append(targets[known])
                predicted.append(answers[known])
                keys += [key for key, keep in zip(batch.keys, known, strict=True) if keep]
                groups += [group for group, keep in zip(batch.groups, known, strict=True) if keep]
    finally:
        model.train(was_training)
    if not keys:
        raise MissingLabel(f"no sample of split {split!r} has a target", fix="choose a split with labels")
    return Predictions(
        truth=np.concatenate(truth),
        predicted=np.concatenate(predicted),
        keys=tuple(keys),
        groups=tuple(groups),
        stall_seconds=waiting.seconds,
    )


class _Waiting:
    """Batches, and the seconds that they were waited for."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = iter(batches)
        self.seconds = 0.0

    def __iter__(self) -> _Waiting:
        return self

    def __next__(self) -> Batch:
        begun = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.seconds += time.perf_counter() - begun

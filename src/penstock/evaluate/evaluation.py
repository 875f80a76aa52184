"""The evaluation of a network on a split that it was not trained on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from penstock.evaluate.familiarity import Familiarity
from penstock.evaluate.figures import figures_of
from penstock.loader.protocols import BatchLoader
from penstock.manifest import ManifestInfo
from penstock.recipes.objectives import Objective, Predictions, predict
from penstock.recipes.protocols import Recipe, TriesOut, Watcher, Watches
from penstock.records import Evaluation, Prediction
from penstock.tasks.protocols import Answers, Task

__all__ = ["MAX_PREDICTIONS", "confusion_counts", "evaluate", "evenly_taken"]

MAX_PREDICTIONS = 2000


def evaluate(
    model: nn.Module,
    *,
    objective: Objective,
    task: Task,
    loader: BatchLoader,
    info: ManifestInfo,
    split: str,
    model_name: str,
    checkpoint_sha256: str,
    familiarity: Familiarity,
    recipe: Recipe | None = None,
    codec: str = "",
) -> Evaluation:
    """Score a network on a whole split, on the device that it is on.

    Samples without a target take no part and are not counted. The loader is not closed.

    Args:
        model: with the checkpoint's weights.
        objective: the one that it was trained with (``objective_from_state``).
        task: scores the predictions.
        loader: of the split.
        info: of the manifest that the split is of.
        split: its name.
        model_name: for the record.
        checkpoint_sha256: of the checkpoint's file, for the record.
        familiarity: how much of the split it was trained on, for the record.
        recipe: that the network is of, which may have figures drawn.
        codec: of the split's first extent, for a recipe that has the network do more than answer.

    Raises:
        MissingLabel: no sample of the split has a target.
        PenstockError: the data failed.
    """
    begun = time.perf_counter()
    watcher: Watcher | None = recipe.watch(info) if isinstance(recipe, Watches) else None
    found = predict(model, objective, loader, split=split, see=None if watcher is None else watcher.see)
    if isinstance(watcher, TriesOut):
        watcher.try_out(model, codec)
    answers = Answers(
        truth=found.truth,
        predicted=found.predicted,
        keys=found.keys,
        groups=found.groups,
        classes=info.classes,
        split=split,
    )
    return Evaluation(
        task=task.name,
        model=model_name,
        split=split,
        manifest_fingerprint=info.fingerprint,
        checkpoint_sha256=checkpoint_sha256,
        trained_fingerprint=familiarity.trained_fingerprint,
        seen_groups=familiarity.seen_groups,
        notes=familiarity.notes,
        num_samples=len(found),
        num_groups=len(set(found.groups)),
        score=task.score,
        metrics=task.metrics(found.truth, found.predicted, found.groups),
        classes=info.classes,
        confusion=confusion_counts(found.truth, found.predicted) if info.classes and found.truth.ndim == 1 else (),
        predictions=_to_show(found),
        wall_seconds=time.perf_counter() - begun,
        meters=loader.meters(),
        figures=figures_of(task, watcher, answers),
        stall_seconds=found.stall_seconds,
    )


def confusion_counts(truth: NDArray[np.float64], logits: NDArray[np.float64]) -> tuple[tuple[int, ...], ...]:
    """Count samples by true class (rows) and by the class with the highest logit (columns).

    Args:
        truth: class indices, shape (samples,).
        logits: shape (samples, classes).
    """
    num_classes = logits.shape[1]
    cells = truth.astype(np.int64) * num_classes + logits.argmax(axis=1)
    counts = np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)
    return tuple(tuple(row) for row in counts.tolist())


def evenly_taken(num_items: int, at_most: int) -> Sequence[int]:
    """Return up to ``at_most`` ascending indices below ``num_items``, evenly spaced, first and last included."""
    if num_items <= at_most:
        return range(num_items)
    indices: list[int] = np.linspace(0, num_items - 1, at_most).round().astype(np.int64).tolist()
    return indices


def _to_show(found: Predictions) -> tuple[Prediction, ...]:
    """Return some predictions; none where they are more than a number or a class a sample."""
    if found.truth.ndim > 1 or found.predicted.ndim > 2:
        return ()
    answers = found.predicted if found.predicted.ndim == 1 else found.predicted.argmax(axis=1)
    return tuple(
        Prediction(
            key=found.keys[index],
            group=found.groups[index],
            truth=float(found.truth[index]),
            predicted=float(answers[index]),
        )
        for index in evenly_taken(len(found), MAX_PREDICTIONS)
    )

"""The training config that the options ask for."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.recipes.refusing import check_adaptable, check_metric, check_objective, check_recipe
from penstock.recipes.registry import choose_model, recipe_for, recipe_of
from penstock.tasks.registry import get_task
from penstock.train.config import TrainConfig
from penstock.train.options import BATCH_SIZE, TrainingOptions

__all__ = ["check_learning", "one_place", "train_config"]


def train_config(args: TrainingOptions, *, task: str, seed: int, batch_size: int | None = None) -> TrainConfig:
    """Return the training config that the options ask for.

    Args:
        args: how to train.
        task: name of the task; empty where it is not known yet, and the model is not looked at.
        seed: of the plan.
        batch_size: that the plan says, for options that say none.

    Raises:
        ConfigError: a value cannot be honoured.
    """
    return TrainConfig(
        task=task,
        model=choose_model(task, args.model) if task else args.model or "",
        num_epochs=args.epochs,
        batch_size=args.batch_size or batch_size or BATCH_SIZE,
        max_steps=args.max_steps or None,
        accumulate=args.accumulate,
        learning_rate=args.learning_rate,
        optimizer=args.optimizer,
        momentum=args.momentum,
        weight_decay=args.weight_decay,
        label_smoothing=args.label_smoothing,
        class_weights=args.class_weights,
        adapt=args.adapt,
        adapt_weight=args.adapt_weight,
        schedule=args.schedule,
        warmup_fraction=args.warmup,
        warmup_steps=args.warmup_steps or None,
        ema=args.ema or None,
        init_from=one_place(args.init_from),
        best=args.best,
        evaluate_every=args.evaluate_every or None,
        clip_norm=args.clip_norm or None,
        patience=args.patience or None,
        seed=seed,
        amp=args.amp,
        compile=args.compile,
        channels_last=args.channels_last,
        deterministic=args.deterministic,
        checkpoint_activations=args.checkpoint_activations,
        device=args.device,
        checkpoint_every_steps=args.checkpoint_every or None,
        checkpoint_minutes=args.checkpoint_minutes or None,
        max_hours=args.max_hours or None,
        max_usd=args.max_usd or None,
        max_requests=args.max_requests or None,
        keep_checkpoints=args.keep_checkpoints,
        num_threads=args.threads or None,
    )


def check_learning(args: TrainingOptions, *, task: str, is_model_known: bool = True) -> None:
    """Refuse what is said of the training and a task has no use for, as far as the dataset need not be known.

    Args:
        is_model_known: where not, what recipes of some networks alone have no use for is left to be told later.

    Raises:
        ConfigError: something is.
    """
    about = get_task(task)
    recipe = recipe_for(task, choose_model(task, args.model)) if is_model_known else recipe_of(task)
    check_recipe(
        recipe,
        optimizer=args.optimizer,
        momentum=args.momentum,
        accumulate=args.accumulate,
        is_compiled=args.compile,
    )
    check_objective(
        recipe,
        task=task,
        loss=args.loss,
        label_smoothing=args.label_smoothing,
        class_weights=args.class_weights,
    )
    check_metric(args.best, about)
    check_adaptable(args.adapt, about)


def one_place(location: str | None) -> str | None:
    """Return where something lies in one way of writing it: local paths absolute."""
    if location is None or "://" in location:
        return location
    return os.path.abspath(Path(location).expanduser())  # noqa: PTH100 - links stay, as a person wrote them

"""The training config that the options ask for."""

from __future__ import annotations

from penstock.recipes.registry import choose_model
from penstock.train.config import TrainConfig
from penstock.train.options import BATCH_SIZE, TrainingOptions

__all__ = ["train_config"]


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
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        schedule=args.schedule,
        warmup_fraction=args.warmup,
        clip_norm=args.clip_norm or None,
        patience=args.patience or None,
        seed=seed,
        amp=args.amp,
        device=args.device,
        checkpoint_every_steps=args.checkpoint_every or None,
        checkpoint_minutes=args.checkpoint_minutes or None,
        keep_checkpoints=args.keep_checkpoints,
        num_threads=args.threads or None,
    )

"""The options that say how to train."""

from __future__ import annotations

import argparse

from penstock.steps.options.model import add_model_option
from penstock.steps.options.values import at_least_zero, optional_text, positive_int, whole_number
from penstock.train.config import TrainConfig

__all__ = ["add_training_options"]


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to train."""
    defaults = TrainConfig(task="", model="")
    group = parser.add_argument_group("training")
    add_model_option(group)
    group.add_argument(
        "--epochs", type=positive_int, default=defaults.num_epochs, metavar="N", help="passes over the data"
    )
    group.add_argument(
        "--batch-size", type=positive_int, default=defaults.batch_size, metavar="N", help="samples of a step"
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        default=defaults.learning_rate,
        metavar="X",
        help="highest learning rate of the schedule",
    )
    group.add_argument(
        "--weight-decay", type=float, default=defaults.weight_decay, metavar="X", help="decoupled weight decay of AdamW"
    )
    group.add_argument("--loss", choices=("mse", "smooth_l1"), default="mse", help="loss of regression (default: mse)")
    group.add_argument(
        "--schedule", choices=("cosine", "constant"), default=defaults.schedule, help="course of the learning rate"
    )
    group.add_argument(
        "--warmup",
        type=float,
        default=defaults.warmup_fraction,
        metavar="X",
        help="part of all steps in which the learning rate rises",
    )
    group.add_argument(
        "--clip-norm",
        type=float,
        default=defaults.clip_norm,
        metavar="X",
        help="largest gradient norm; 0: no clipping",
    )
    group.add_argument(
        "--patience",
        type=whole_number,
        default=0,
        metavar="N",
        help="end after N epochs without a better score; 0 never does",
    )
    group.add_argument("--amp", choices=("auto", "off"), default="auto", help="mixed precision where there is a GPU")
    group.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    group.add_argument(
        "--threads",
        type=whole_number,
        default=0,
        metavar="N",
        help="CPU threads; bits may depend on it (0: torch's choice)",
    )
    group.add_argument(
        "--checkpoint-every", type=whole_number, default=0, metavar="N", help="also save every N steps; 0 does not"
    )
    group.add_argument(
        "--checkpoint-minutes",
        type=at_least_zero,
        default=defaults.checkpoint_minutes,
        metavar="X",
        help="also save when the last save is X minutes ago, the most that a kill without warning costs; 0 saves at "
        "the ends of epochs alone (default: 10)",
    )
    group.add_argument(
        "--keep-checkpoints",
        type=positive_int,
        default=2,
        metavar="N",
        help="how many to keep beside the best",
    )
    group.add_argument(
        "--instance-type", type=optional_text, metavar="NAME", help="the node's, like g5.xlarge, for the bill"
    )

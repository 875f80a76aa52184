"""The options that say how to train, which `penstock run` and `penstock train` take."""

from __future__ import annotations

from typing import Literal, get_args

from penstock.observe.trackers import tracker_list
from penstock.options import Change, Options, choice, option, switch
from penstock.options.limits import RequestsOption
from penstock.options.readers import (
    at_least_zero,
    dollars,
    option_type,
    optional_location,
    optional_text,
    positive_int,
    whole_number,
)

__all__ = [
    "BATCH_SIZE",
    "AdaptName",
    "AmpMode",
    "DeviceName",
    "DollarsOption",
    "LossName",
    "ModelOption",
    "OptimizerName",
    "ScheduleName",
    "TrainingOptions",
]

AdaptName = Literal["none", "dann", "mmd", "coral"]
AmpMode = Literal["auto", "off", "bf16", "fp16"]
DeviceName = Literal["auto", "cpu", "cuda"]
LossName = Literal["mse", "smooth_l1", "l1"]
OptimizerName = Literal["adamw", "adam", "adamax", "nadam", "radam", "sgd", "rmsprop", "adagrad"]
ScheduleName = Literal["cosine", "linear", "onecycle", "constant"]


BATCH_SIZE = 64
"""Samples of a batch where nobody says how many."""


def _trackers(text: str) -> str | None:
    option_type(tracker_list)(text)
    return text or None


def _optional_number(text: str) -> float | None:
    return at_least_zero(text) if text else None


class ModelOption(Options, group="training", change=Change.FIXED):
    """The option that names the network; None is the task's default."""

    model: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="network: one of the task's, or your own, as package.module:factory, which is called with shape= and "
        "num_outputs= (default: the task's first)",
        field="model_name",
    )


class DeviceOption(Options, group="training", change=Change.FREE):
    """The option that says where to compute."""

    device: DeviceName = choice(choices=get_args(DeviceName), default="auto", told="where to compute")


class _Learning(Options, group="training", change=Change.FIXED):
    epochs: int = option(
        read=positive_int,
        default=10,
        metavar="N",
        told="passes over the data",
        change=Change.LARGER,
        field="model_epochs",
    )
    batch_size: int | None = option(
        read=positive_int,
        default=None,
        metavar="N",
        told="samples of a batch (default: what the dataset's file says, or 64)",
    )
    accumulate: int = option(
        read=positive_int,
        default=1,
        metavar="N",
        told="learn from N batches in one step, as from one batch of N times the size in the memory of one; the last "
        "step of an epoch takes what is left (default: 1)",
    )
    max_steps: int = option(
        read=whole_number,
        default=0,
        metavar="N",
        told="end after N steps in all, in the middle of an epoch too, which is then evaluated; the schedule falls "
        "over these; 0 trains all epochs (default)",
        change=Change.LARGER,
    )
    learning_rate: float = option(read=float, default=1e-3, metavar="X", told="highest learning rate of the schedule")
    optimizer: OptimizerName = choice(
        choices=get_args(OptimizerName), default="adamw", told="how weights follow the gradient (default: adamw)"
    )
    momentum: float | None = option(
        read=_optional_number,
        default=None,
        metavar="X",
        told="momentum of sgd and rmsprop (default: 0.9 of sgd, 0 of rmsprop)",
    )
    weight_decay: float = option(
        read=float, default=1e-2, metavar="X", told="weight decay, of AdamW apart from the gradient, else as L2 in it"
    )
    loss: LossName = choice(choices=get_args(LossName), default="mse", told="loss of regression (default: mse)")
    label_smoothing: float = option(
        read=at_least_zero,
        default=0.0,
        metavar="X",
        told="of classification: part of each target that is spread over all classes (default: 0)",
    )
    class_weights: str | None = option(
        read=optional_text,
        default=None,
        metavar="balanced|W,W,...",
        is_joined=True,
        told="of classification: what each class's loss counts, in the order of the classes; balanced makes all "
        "classes count alike, by how many training samples each has (default: all 1)",
    )
    adapt: AdaptName = choice(
        choices=get_args(AdaptName),
        default="none",
        told="make the features of a second domain like those of the first, where a task has one (the EEG tasks' "
        "--option target-releases=...): by a classifier of domains and a reversed gradient (dann), kernels (mmd) or "
        "covariances (coral) (default: none)",
    )
    adapt_weight: float | None = option(
        read=_optional_number,
        default=None,
        metavar="X",
        told="what --adapt's part of the loss counts (default: 0.5 of dann, 1 of mmd, 1000 of coral)",
    )
    schedule: ScheduleName = choice(
        choices=get_args(ScheduleName),
        default="cosine",
        told="course of the learning rate after its warm-up: down to 0 by a cosine or a straight line, OneCycle's two "
        "cosines, or constant (default: cosine)",
    )
    warmup: float = option(
        read=float, default=0.05, metavar="X", told="part of all steps in which the learning rate rises"
    )
    warmup_steps: int = option(
        read=whole_number,
        default=0,
        metavar="N",
        told="steps in which the learning rate rises, in place of --warmup; 0: by that (default)",
    )
    ema: float = option(
        read=at_least_zero,
        default=0.0,
        metavar="X",
        told="keep a moving mean of the weights of this decay, like 0.999, which is what is evaluated and kept as the "
        "best; 0 keeps none (default)",
    )
    init_from: str | None = option(
        read=optional_location,
        default=None,
        metavar="FILE|DIR|URI",
        told="begin with the weights of this checkpoint of `penstock train`, where names and shapes fit; what does not "
        "is told (default: fresh weights)",
    )
    best: str | None = option(
        read=optional_text,
        default=None,
        metavar="METRIC",
        told="metric of the validation that the best weights are chosen by (default: the task's score)",
    )
    evaluate_every: int = option(
        read=whole_number,
        default=0,
        metavar="N",
        told="evaluate on the validation split every N steps too, beside each epoch's end; 0 does not (default)",
    )
    clip_norm: float = option(read=float, default=1.0, metavar="X", told="largest gradient norm; 0: no clipping")
    patience: int = option(
        read=whole_number,
        default=0,
        metavar="N",
        told="end after N epochs without a better score; 0 never does",
        change=Change.LARGER,
    )
    # These change how the same is computed, up to the last bits; a job that runs out of memory or gets another machine
    # must be able to go on.
    amp: AmpMode = choice(
        choices=get_args(AmpMode),
        default="auto",
        told="mixed precision: bf16, fp16 with a scaled loss, auto (bf16, or fp16 where the GPU has none; off on a "
        "CPU), or off (default: auto)",
        change=Change.FREE,
    )
    compile: bool = switch(
        default=False, told="compile the network with torch.compile, once for each shape of batch", change=Change.FREE
    )
    channels_last: bool = switch(
        default=False, told="lay images out channels last, which convolutions on GPUs like", change=Change.FREE
    )
    deterministic: bool = switch(
        default=True,
        told="take algorithms that give the same bits each time; false lets a GPU choose the fastest (default: true)",
        change=Change.FREE,
    )
    checkpoint_activations: bool = switch(
        default=False,
        told="have the network compute activations again in the backward pass, for less memory; where it can",
        change=Change.FREE,
    )


class _Saving(Options, group="training", change=Change.FREE):
    threads: int = option(
        read=whole_number, default=0, metavar="N", told="CPU threads; bits may depend on it (0: torch's choice)"
    )
    checkpoint_every: int = option(
        read=whole_number, default=0, metavar="N", told="also save every N steps; 0 does not"
    )
    checkpoint_minutes: float = option(
        read=at_least_zero,
        default=10.0,
        metavar="X",
        told="also save when the last save is so many minutes ago, the most that a kill without warning costs; 0 saves "
        "at the ends of epochs alone (default: 10)",
        field="run_checkpoint_minutes",
    )
    max_hours: float = option(
        read=at_least_zero,
        default=0.0,
        metavar="X",
        told="stop before so many hours of all attempts together are over, with a checkpoint and an exit code of its "
        "own; the same command with more goes on; 0 never does (default)",
    )
    track: str | None = option(
        read=_trackers,
        default=None,
        metavar="KIND:PLACE,...",
        is_joined=True,
        told="also tell losses and metrics to trackers: tensorboard:DIR, wandb:PROJECT, mlflow:URI, several with "
        "commas; one that fails does not end the run (default: none)",
    )
    keep_checkpoints: int = option(read=positive_int, default=2, metavar="N", told="how many to keep beside the best")
    instance_type: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="type of the node, like g5.xlarge, for the bill",
        field="node_type",
    )


class DollarsOption(Options, group="limits", change=Change.FREE):
    """The option that limits dollars."""

    max_usd: float = option(
        read=dollars,
        default=0.0,
        metavar="USD",
        told="spend at most so many dollars, all attempts and steps together: a training saves and stops before there "
        "are more, with an exit code of its own, and the same command with more goes on, and a forecast warns of more; "
        "needs a price of the node (--instance-type or --node-usd-per-hour); 0 never does (default)",
    )


class TrainingOptions(ModelOption, _Learning, DeviceOption, _Saving, DollarsOption, RequestsOption):
    """The options that say how to train."""

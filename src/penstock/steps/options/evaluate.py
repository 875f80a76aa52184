"""The options of `penstock evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from penstock.options import Options, choice, option, switch
from penstock.options.readers import any_path, location, optional_path, optional_text, positive_int
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.data import FeedOptions
from penstock.steps.options.executor_input import ExecutorInputOption
from penstock.steps.options.run_root import RecordedOptions
from penstock.train.options import DeviceName

__all__ = ["EvaluateOptions"]

SplitName = Literal["train", "valid", "test"]


class _Evaluation(Options, group="evaluation"):
    checkpoint: str = option(
        read=location,
        metavar="FILE|URI",
        told="checkpoint of `penstock train`, or the folder of them, for that of its best epoch",
        run_option="",
    )
    model: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="network of the checkpoint; to be given where it is your own (package.module:factory), whose code is run "
        "(default: the checkpoint's)",
        field="model_name",
    )
    split: SplitName = choice(
        choices=get_args(SplitName), default="test", told="split (default: test)", run_option="evaluate_split"
    )
    other_data: bool = switch(
        default=False, told="score another manifest than the one that was trained on", run_option=""
    )
    batch_size: int = option(
        read=positive_int,
        default=128,
        metavar="N",
        told="samples at a time, at most: fewer where the window cannot hold them for its workers (default: 128)",
        run_option="evaluate_batch_size",
    )
    device: DeviceName = choice(choices=get_args(DeviceName), default="auto", told="where to compute")


class _Output(Options, group="output", in_pipelines=False):
    metrics: Path = option(read=any_path, metavar="FILE", told="where to write the metrics (JSON)")
    plot: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to draw truth against prediction"
    )


class EvaluateOptions(CommonOptions, FeedOptions, _Evaluation, _Output, ExecutorInputOption, RecordedOptions):
    """The options of `penstock evaluate`.

    Attributes:
        most_requests: that may be made, those of earlier attempts included; None sets no bound.
    """

    most_requests: int | None = None

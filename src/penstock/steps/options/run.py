"""The options of `penstock run`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, get_args

from penstock.options import Change, Options, choice, option, switch
from penstock.options.cost import BillOptions, Co2Options
from penstock.options.readers import any_path, optional_path
from penstock.options.source import DatasetOption, SourceOptions
from penstock.options.window import WindowOptions
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.data import DecodingOptions
from penstock.steps.options.forecast import ComputingOption
from penstock.steps.options.report import TitleOption
from penstock.steps.options.train import Mode
from penstock.tasks.listing_options import LearntTaskOptions, ListedOptions
from penstock.train.options import TrainingOptions

__all__ = ["JobOptions", "ListedJobOptions"]


class _Early(Options, change=Change.FIXED):
    stream_listing: bool = switch(
        default=False, told="train while the listing goes on: the first epoch goes over its parts as they come"
    )


class ListedJobOptions(DatasetOption, SourceOptions, LearntTaskOptions, ListedOptions, _Early):
    """The options of a job that its listing follows from."""


class _Stages(Options, change=Change.FREE):
    stages: str = option(
        read=str,
        default="",
        metavar="LIST",
        is_joined=True,
        told="train in stages, each in a folder of --out, begun with the weights of the one before: archives of which "
        "each takes one more, like images_001,images_002, or shares, like 0.1,0.5,1 (tasks that have "
        "train-archives and train-share: xray)",
    )


class _Modes(Options, group="window", change=Change.FIXED):
    mode: Mode = choice(
        choices=get_args(Mode),
        default="stream",
        told="stream: nothing on disk beyond the window; cache: keep what was read, as far as it fits --cache-size, in "
        "--cache, or the folder cache of --out; preprocess: read all once, and train from the decoded "
        "samples, in --store (default: stream)",
    )
    store: Path | None = option(
        read=optional_path,
        default=None,
        metavar="DIR",
        told="folder of decoded samples with --mode preprocess, which jobs on the same listing share (default: the "
        "folder store of --out)",
        change=Change.FREE,
    )


class _Output(Options, group="output", change=Change.NAMES):
    out: Path = option(read=any_path, metavar="DIR", told="folder of the job's results")


class _Forecast(ComputingOption, group="forecast", change=Change.FREE, in_pipelines=False):
    forecast: bool = switch(
        default=False,
        told="tell what the job will take and cost before it trains, by its listing and by reading from the source for "
        "3 s; the report has it beside what it took",
    )


class JobOptions(
    CommonOptions,
    ListedJobOptions,
    _Stages,
    _Modes,
    _Output,
    TitleOption,
    DecodingOptions,
    WindowOptions,
    TrainingOptions,
    BillOptions,
    Co2Options,
    _Forecast,
):
    """The options of `penstock run`."""

    goes_on: ClassVar[bool] = True

"""The options that say which samples to make, of which task."""

from __future__ import annotations

import argparse
from typing import Literal, get_args

from penstock.options import Change, Options, choice, option, repeated, switch
from penstock.options.readers import optional_count, positive_int, seed_number
from penstock.steps._shared.task_options import options_help
from penstock.steps.options.source import SourceOptions
from penstock.tasks.registry import learnt_task_names, task_names

__all__ = ["DatasetOptions", "LearntTaskOptions", "ListedOptions", "PlanOptions", "ShuffleOptions", "TaskOptions"]

BadMode = Literal["fail", "skip"]
SplitBy = Literal["group", "sample"]
ShuffleName = Literal["full", "block", "none"]


class TaskOptions(Options, group="samples", change=Change.FIXED):
    """The options that name a task and its own options."""

    task: str = choice(choices=task_names, told="what is learnt", field="data_task")
    option: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="NAME=VALUE",
        told=lambda: f"option of the task, may be repeated ({options_help(task_names())})",
        run_option="",
    )


class LearntTaskOptions(TaskOptions, group="samples", change=Change.FIXED):
    """The same, of a step that learns: some tasks are only read."""

    task: str = choice(choices=learnt_task_names, told="what is learnt")
    option: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="NAME=VALUE",
        told=lambda: f"option of the task, may be repeated ({options_help(learnt_task_names())})",
    )


class _SampleOptions(Options, group="samples", change=Change.FIXED):
    task_options: str = option(
        read=str, default="{}", metavar="JSON", told='options of the task as one JSON object, like {"epoch-seconds": 2}'
    )
    max_files: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="take at most N recordings; empty or 0: all (default: all)",
    )
    release: str = option(
        read=str,
        default="",
        metavar="NAMES",
        told="take these releases only, like R1,R2 (default: all there are)",
    )
    mini: bool = switch(default=False, told="take the small version of each release")
    on_bad_object: BadMode = choice(
        choices=get_args(BadMode),
        default="fail",
        told="what to do with a recording that cannot be used: fail, or skip it and name it (default: fail)",
    )


class ShuffleOptions(Options, group="plan", change=Change.FIXED):
    """The options that say how the training split is shuffled."""

    shuffle: ShuffleName = choice(
        choices=get_args(ShuffleName),
        default="full",
        told="how the training split is shuffled anew each epoch: every sample anywhere (full, default), by blocks of "
        "neighbours that are fetched in fewer requests (block), or not at all (none)",
    )
    shuffle_block: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="consecutive samples of a block, with --shuffle block; empty or 0: chosen by their size "
        "(default: 16, within 64 to 256 KiB)",
    )
    shuffle_mix: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="blocks whose samples are mixed, with --shuffle block; empty or 0: chosen by their size "
        "(default: of together 2 MiB)",
    )


def _fractions(text: str) -> tuple[float, ...]:
    try:
        parts = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not three fractions like 0.8,0.1,0.1") from error
    if sum(parts) == 100 and min(parts) >= 0:
        meant = ",".join(f"{part / 100:g}" for part in parts)
        raise argparse.ArgumentTypeError(f"{text!r} is in percent: write it as {meant}")
    return parts


class _Splits(Options, group="plan", change=Change.FIXED):
    split: tuple[float, ...] = option(
        read=_fractions,
        default=(0.7, 0.15, 0.15),
        metavar="T,V,E",
        told="fractions of train, valid and test (default: 0.7,0.15,0.15)",
    )
    split_by: SplitBy = choice(
        choices=get_args(SplitBy),
        default="group",
        told="whether a group (subject) stays whole, or samples are split one by one (default: group)",
    )
    seed: int = option(read=seed_number, default=0, metavar="N", told="seed of splits, order and weights (default: 0)")
    lanes: int = option(
        read=positive_int, default=64, metavar="N", told="lanes that ranks share out (default: 64)", hidden=True
    )
    first_part: int = option(
        read=positive_int,
        default=8192,
        metavar="N",
        told="samples of the first part with --stream-listing; each further one has twice as many (default: 8192)",
        run_option="",
    )


class PlanOptions(_Splits, ShuffleOptions):
    """The options that say how samples are split and ordered."""


class ListedOptions(_SampleOptions, PlanOptions):
    """The options that say which samples to make, but for the source and the task."""


class DatasetOptions(SourceOptions, TaskOptions, ListedOptions):
    """The options that say which samples to make."""

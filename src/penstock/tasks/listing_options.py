"""The options of a listing: which samples to make, of which task, and where to write what was listed."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from penstock.options import PAIR, Change, Options, choice, option, repeated, switch
from penstock.options.child import ChildOptions
from penstock.options.plan import PlanOptions
from penstock.options.readers import any_path, optional_path
from penstock.options.source import SourceOptions
from penstock.options.window import BadMode, MetersOption
from penstock.tasks.limit_options import LimitOptions
from penstock.tasks.registry import learnt_task_names, own_task_names, task_names

__all__ = ["LearntTaskOptions", "ListedOptions", "ListingOptions", "TaskOptions"]


class _Task(Options, group="samples", change=Change.FIXED):
    task: str = choice(choices=task_names, default="", told="what is learnt", known=own_task_names(), field="data_task")


class _LearntTask(Options, group="samples", change=Change.FIXED):
    task: str = choice(choices=learnt_task_names, default="", told="what is learnt", known=own_task_names())


class _OfTask(Options, group="samples", change=Change.FIXED):
    option: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar=PAIR,
        told="option of the task, may be repeated; --task NAME --help tells what there are",
        run_option="",
    )


class TaskOptions(_Task, _OfTask):
    """The options that name a task and its own options."""


class LearntTaskOptions(_LearntTask, _OfTask):
    """The same, of a step that learns: some tasks are only read."""


class _AsJson(Options, group="samples", change=Change.FIXED):
    task_options: str = option(
        read=str,
        default="{}",
        metavar="JSON",
        told='options of the task as one JSON object, like {"labels": "labels.csv", "size": 128}',
        field="data_task_options",
    )


class _BadObjects(Options, group="samples", change=Change.FIXED):
    on_bad_object: BadMode = choice(
        choices=get_args(BadMode),
        default="fail",
        told="what to do with an object that cannot be used: fail, or skip it and name it (default: fail)",
    )


class ListedOptions(_AsJson, LimitOptions, _BadObjects, PlanOptions):
    """The options that say which samples to make, but for the source and the task."""


class _Output(Options, group="output", in_pipelines=False):
    manifest: Path = option(read=any_path, metavar="FILE", told="where to write the manifest")
    plan: Path = option(read=any_path, metavar="FILE", told="where to write the plan")
    record: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write the step's record"
    )
    stream_listing: bool = switch(
        default=False, told="also write what was listed so far, part by part, to the folder FILE.parts"
    )


class ListingOptions(SourceOptions, TaskOptions, ListedOptions, _Output, ChildOptions, MetersOption):
    """The options of a listing, in whatever process it goes on."""

"""The options of a listing: which samples to make, of which task, and where to write what was listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from penstock.errors import ConfigError
from penstock.options import Change, Options, choice, option, repeated, switch
from penstock.options.child import ChildOptions
from penstock.options.plan import PlanOptions
from penstock.options.readers import any_path, optional_count, optional_path
from penstock.options.source import SourceOptions
from penstock.options.window import BadMode, MetersOption
from penstock.tasks.registry import get_task, learnt_task_names, own_task_names, task_names

__all__ = ["LearntTaskOptions", "LimitOptions", "ListedOptions", "ListingOptions", "TaskOptions"]


class TaskOptions(Options, group="samples", change=Change.FIXED):
    """The options that name a task and its own options."""

    task: str = choice(choices=task_names, told="what is learnt", known=own_task_names(), field="data_task")
    option: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="NAME=VALUE",
        told=lambda: f"option of the task, may be repeated ({_options_help(task_names())})",
        run_option="",
    )


class LearntTaskOptions(TaskOptions, group="samples", change=Change.FIXED):
    """The same, of a step that learns: some tasks are only read."""

    task: str = choice(choices=learnt_task_names, told="what is learnt", known=own_task_names())
    option: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="NAME=VALUE",
        told=lambda: f"option of the task, may be repeated ({_options_help(learnt_task_names())})",
    )


class _AsJson(Options, group="samples", change=Change.FIXED):
    task_options: str = option(
        read=str,
        default="{}",
        metavar="JSON",
        told='options of the task as one JSON object, like {"labels": "labels.csv", "size": 128}',
        field="data_task_options",
    )


class LimitOptions(Options, group="samples", change=Change.FIXED):
    """The options that say what of a source is taken."""

    max_files: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="take at most N objects; empty or 0: all (default: all)",
    )
    release: str = option(
        read=str,
        default="",
        metavar="NAMES",
        told="take these releases only, like R1,R2 (default: all there are)",
    )
    mini: bool = switch(default=False, told="take the small version of each release")


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


def _options_help(tasks: Sequence[str]) -> str:
    """Name the options of tasks with their defaults; a task that cannot be imported says so where it is asked for."""
    parts = []
    for name in tasks:
        try:
            found = get_task(name).options
        except ConfigError:
            parts.append(f"{name}: cannot be imported")
            continue
        options = ", ".join(
            option.name.replace("_", "-") + ("" if option.default is None else f"={option.default}") for option in found
        )
        parts.append(f"{name}: {options or 'none'}")
    return "; ".join(parts)

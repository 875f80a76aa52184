"""Datasets that a file describes, as `penstock list` lists them. It imports torch: few commands have such a file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from penstock.dataset.described import Dataset
from penstock.dataset.mixing import Mixed
from penstock.dataset.opening import described, loading_said
from penstock.errors import ConfigError
from penstock.options.source import AccessOptions, SourceOptions
from penstock.plan.split import check_fractions
from penstock.sources import RequestMeter, find_scheme
from penstock.sources.given_text import GivenText, read_given
from penstock.steps._shared.task_options import read_options
from penstock.steps.options.dataset_file import A_FILE
from penstock.steps.options.listing import ListOptions
from penstock.steps.options.run import JobOptions
from penstock.stream.listing import listing_of
from penstock.stream.options import Data
from penstock.tasks.registry import get_task, learnt_task_names

__all__ = ["Described", "Member", "describe", "members_of", "read_described"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What a file says.

    Attributes:
        dataset: whole, where it knows its split.
        batch_size: None where it says none.
        transform: path of the function; empty where it says none.
    """

    text: GivenText
    dataset: Dataset | Mixed
    batch_size: int | None
    transform: str

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The one, or all of a mix."""
        return self.dataset.datasets if isinstance(self.dataset, Mixed) else (self.dataset,)

    @property
    def task(self) -> str:
        """What is learnt."""
        return self.datasets[0].task

    @property
    def lacks_test(self) -> bool:
        """Whether it says splits of its own, without a test."""
        return all(each.data.split_seed is not None and not each.data.fractions[-1] for each in self.datasets)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A dataset that is listed.

    Attributes:
        options: of its listing.
        data: what is done with the listing behind it.
        seed: that its splits are made by.
    """

    options: ListOptions
    data: Data
    seed: int


def read_described(args: ListOptions | JobOptions, meter: RequestMeter | None = None) -> GivenText:
    """Return the text that ``--dataset`` gives.

    Raises:
        ConfigError: it cannot be read, or options say beside it what it says.
        SourceError: its URI cannot be read.
    """
    if args.source:
        raise ConfigError("--source is given, and --dataset too", fix="give one of them: the file says its sources")
    access = AccessOptions(**args.shared_with(AccessOptions))
    return read_given(args.dataset, option="--dataset", wanted=A_FILE, access=access, meter=meter)


def describe(args: ListOptions | JobOptions, text: GivenText) -> Described:
    """Return what is described, with the task that the options name where the text names none.

    Raises:
        ConfigError: it describes nothing that is learnt from; the message names the line.
    """
    dataset = described(text.text, text.name, task=args.task or None, is_whole=True)
    said = loading_said(text.text, text.name)
    found = Described(
        text=text, dataset=dataset, batch_size=said.get("batch"), transform=str(said.get("transform") or "")
    )
    tasks = list(dict.fromkeys(each.task for each in found.datasets))
    if len(tasks) > 1:
        raise ConfigError(
            f"{text.name}: members of the mix are of the tasks {' and '.join(tasks)}", fix="mix one task's"
        )
    if args.task and tasks != [args.task]:
        raise ConfigError(f"--task {args.task}, and {text.name} is of the task {tasks[0]}", fix="leave --task out")
    if tasks == ["objects"]:
        names = ", ".join(learnt_task_names())
        raise ConfigError(
            f"{text.name} says where samples lie, not what is learnt of them",
            fix=f"write `task:` in it with the task's options, or give --task and --option; tasks are: {names}",
        )
    return found


def members_of(args: ListOptions, found: Described) -> list[Member]:
    """Return all that is to be listed.

    Raises:
        ConfigError: an option cannot be used.
    """
    is_mix = isinstance(found.dataset, Mixed)
    return [_member(args, each, is_of_mix=is_mix) for each in found.datasets]


def _member(args: ListOptions, dataset: Dataset, *, is_of_mix: bool) -> Member:
    made, data = listing_of(dataset.asked(), Path()), dataset.data
    is_split = data.split_seed is not None
    fractions = data.fractions if is_split else args.split
    seed = data.split_seed if data.split_seed is not None else args.seed
    data = dataclasses.replace(data, fractions=check_fractions(fractions), split_seed=seed)
    options = args.but(
        **_access(args, made, is_of_mix=is_of_mix),
        dataset="",
        source=made.source,
        task=made.task,
        task_options=_task_options(args, made.task, made.option),
        release=args.release or made.release,
        mini=args.mini or made.mini,
        max_files=args.max_files or made.max_files,
        split=data.listed_fractions,
        split_by=data.split_by if is_split else args.split_by,
    )
    return Member(options=options, data=data, seed=seed)


def _access(args: ListOptions, made: SourceOptions, *, is_of_mix: bool) -> dict[str, Any]:
    """Return how a source is asked: as the command line says, of a mix where that means something for it."""
    takes = find_scheme(made.source).takes
    found: dict[str, Any] = {}
    for name in AccessOptions.declared():
        own, given = getattr(made, name), getattr(args, name)
        is_meant = given and (not is_of_mix or name == "source_option" or name in takes)
        found[name] = given if is_meant else own
    return found


def _task_options(args: ListOptions, task: str, words: tuple[str, ...]) -> str:
    """Return the task's options as JSON: the file's, and over them what the command line gives in JSON."""
    read_options(get_task(task), (), args.task_options)  # that they are some
    of_file = dict(word.split("=", 1) for word in words)
    given = {name.replace("_", "-"): value for name, value in json.loads(args.task_options or "{}").items()}
    return msgspec.json.encode(
        {**of_file, **{name: value for name, value in given.items() if value is not None}}
    ).decode()

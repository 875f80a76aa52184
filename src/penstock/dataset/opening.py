"""A dataset described by a YAML file: what ``penstock.open`` reads."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from penstock.dataset.batch_step import MAP_BATCHES, batched_of
from penstock.dataset.described import WHERE, Dataset
from penstock.dataset.entries import NO_SECRETS, Entries, Value, bare, entries_of
from penstock.dataset.loading import LOADING, loading_of
from penstock.dataset.making import jsonl, objects, of_format, parquet, tar, text, zip  # noqa: A004
from penstock.dataset.misplaced import of_members, of_options
from penstock.dataset.mixing import Mixed, mix
from penstock.dataset.of_eeg import eeg
from penstock.dataset.of_tasks import clips, images, of_task, xray
from penstock.dataset.of_videos import video_text
from penstock.dataset.packed import PackedDataset
from penstock.dataset.regrouped import Regrouped
from penstock.dataset.splitting import PARTS
from penstock.dataset.text_steps import PACK, TEXT_STEPS, packed_of, text_made
from penstock.dataset.weights import weight_of
from penstock.errors import ConfigError
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import names_checked
from penstock.tasks.registry import get_task, learnt_task_names
from penstock.texts import did_you_mean
from penstock.yaml_files import mapping_of, read_text

__all__ = [
    "FUNCTIONS",
    "MEMBER_LIMITS",
    "MIX_OPTIONS",
    "NOT_OF_FILES",
    "STEPS",
    "TASKS_OF_FORMATS",
    "described",
    "loading_said",
    "open",
]

FUNCTIONS: Final[Mapping[str, Callable[..., Dataset]]] = {
    "objects": objects,
    "parquet": parquet,
    "jsonl": jsonl,
    "text": text,
    "tar": tar,
    "zip": zip,
    "images": images,
    "eeg": eeg,
    "clips": clips,
    "xray": xray,
    "video-text": video_text,
}
"""What makes a dataset, by the format that a file names; ``of_format`` does of others."""
NOT_OF_FILES: Final = ("storage_options",)
"""Arguments that may hold secrets, which have no place in a file."""
_SECRET: Final = dict.fromkeys(NOT_OF_FILES, NO_SECRETS)
STEPS: Final = ("where", "select", "drop", "rename", *TEXT_STEPS, "split", "part")
"""What is made of it then."""
_STEPS_OF_TASKS: Final = ("where", "split", "part")
TASKS_OF_FORMATS: Final = ("images", "eeg", "clips", "xray", "video-text")
"""Formats that are what a task makes samples of; the first is that task's name too."""
MIX_OPTIONS: Final = ("seed", "stop", "samples", "temperature")
"""Of a mix."""
MEMBER_LIMITS: Final = ("most_samples", "most_epochs")
"""Of a member of a mix, beside its weight."""
_A_FILE: Final = "give the path of a YAML file that describes a dataset"
_LIKE: Final = "write a thing a line, like `format: parquet`"
_FILLED: Final = (*STEPS, *LOADING, "task")
_MADE_LAST: Final = (MAP_BATCHES, PACK)
"""Of the whole file, in this order; of ``penstock.open`` alone."""
_OF_WHOLE: Final = (*LOADING, "task", *_MADE_LAST)
_OF_MEMBERS: Final = ("weight", *MEMBER_LIMITS)


@names_checked
def open(path: str | os.PathLike[str], *, part: str | None = None) -> Dataset | Mixed | Regrouped | PackedDataset:  # noqa: A001
    """Return the dataset that a file describes.

    The file has ``format`` and ``source``, the arguments of the function of that name (``penstock.parquet`` ...), and
    ``where``, ``select``, ``drop``, ``rename``, ``tokenize`` or ``chat`` (mappings of the verbs' arguments), ``split``
    (with ``valid``, ``test``, ``by`` and ``seed``) and ``part``, done in this order; or ``mix``, a list of such
    mappings each with a ``weight``, ``most_samples`` and ``most_epochs``, where it is to have some, and the other
    arguments of ``penstock.mix``; a member may have a ``mix`` of its own. ``map_batches`` (``function``,
    a path, ``rows`` and ``rng``) is of what the whole file gives, and ``pack`` packs that.
    ``window``, ``batch`` and ``transform`` (``package.module:function``) are what ``loader`` takes unless it is given
    others. With ``task`` it has that task's samples, and the task's options by their names. Paths are as on
    a command line: of the folder that the process is in.

    Args:
        path: of the file.
        part: which part to give, instead of the one that the file names.

    Raises:
        ConfigError: it describes none; the message names file and line.
    """
    file = Path(checks.path("path", path, like="a file's path"))
    if part is not None:
        checks.choice("part", part, PARTS)
    entries = _entries(read_text(file, wanted=_A_FILE), str(file))
    own = {name: value for name, value in entries.values.items() if name not in _MADE_LAST}
    made: Any = _described(replace(entries, values=own), part=part)
    if MAP_BATCHES in entries.values:
        made = batched_of(entries, made)
    return packed_of(entries, made) if PACK in entries.values else made


def described(
    text: str,
    name: str,
    *,
    part: str | None = None,
    task: str | None = None,
    is_whole: bool = False,
) -> Dataset | Mixed:
    """Return the dataset that a text describes, as ``open`` does of a file.

    Args:
        name: of the text, for messages.
        task: that makes the samples, where the text names none.
        is_whole: give datasets that know their split whole, as one of its parts, whichever the text names.

    Raises:
        ConfigError: it describes none.
    """
    return _described(_entries(text, name), part=part, task=task, is_whole=is_whole)


def _described(
    entries: Entries, *, part: str | None = None, task: str | None = None, is_whole: bool = False
) -> Dataset | Mixed:
    for name in _MADE_LAST:
        if name in entries.values:
            told = f"{name} in a file that a step reads: steps take samples one by one"
            raise entries.error(told, "leave it out, or open the file by penstock.open", line=entries.values[name].line)
    making = _Making(part=part, is_whole=is_whole, task=_task_of(entries) or task, loading=loading_of(entries))
    own = {name: value for name, value in entries.values.items() if name not in (*LOADING, "task")}
    kept = Entries(file=entries.file, line=entries.line, values=own)
    return _mixed(kept, making) if "mix" in own else _dataset(kept, making)


def loading_said(text: str, name: str) -> dict[str, Any]:
    """Return what a text that describes a dataset says of loading, as it stands there, by the names of ``LOADING``.

    Raises:
        ConfigError: it describes none.
    """
    values = _entries(text, name).values
    return {each: bare(values[each]) for each in LOADING if each in values}


def _entries(text: str, name: str) -> Entries:
    found = mapping_of(text, name, like=_LIKE)
    if found is None:
        raise ConfigError(f"{name} is empty", fix="write format: and source:, or mix:")
    return entries_of(found, name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Making:
    """What holds for everything that a file describes.

    Attributes:
        part: that is asked for.
        is_whole: whether what is split is wanted with all its parts.
        task: that makes samples; None leaves values to formats.
        loading: of all datasets.
        beside: names that may stand beside those of a dataset or mix, and were taken out.
    """

    part: str | None
    is_whole: bool
    task: str | None
    loading: Mapping[str, Any]
    beside: tuple[str, ...] = _OF_WHOLE


def _task_of(entries: Entries) -> str | None:
    if "task" not in entries.values:
        return None
    value = entries.values["task"]
    name = bare(value)
    if not isinstance(name, str) or name not in learnt_task_names():
        names = [*learnt_task_names()]
        meant = did_you_mean(name, names) if isinstance(name, str) else ""
        raise entries.error(f"task {shown(name)}", f"{meant}choose one of: {', '.join(names)}", line=value.line)
    return name


def _mixed(entries: Entries, making: _Making) -> Mixed:
    elsewhere = of_members(FUNCTIONS.values(), STEPS, making.task)
    entries.check(["mix", *MIX_OPTIONS], beside=making.beside, elsewhere=elsewhere)
    members = entries.values["mix"]
    if not isinstance(members.value, list):
        raise entries.error("mix is no list", "write its members below it, each behind a hyphen", line=members.line)
    found: list[tuple[Dataset | Mixed, Any]] = []
    lacking: list[int] = []
    within = replace(making, beside=_OF_MEMBERS)
    limits: dict[str, list[Any]] = {name: [] for name in MEMBER_LIMITS}
    for member in members.value:
        if not isinstance(member.value, dict):
            raise entries.error("a member of mix is no mapping", "write its format, source, weight", line=member.line)
        values = dict(member.value)
        of_whole = next((name for name in values if name in _OF_WHOLE), None)
        if of_whole is not None:
            told = f"there is no {of_whole!r} in a member of mix"
            raise entries.error(told, "it is of the whole file: write it once, beside mix", line=values[of_whole].line)
        weight = _weight(entries, values.pop("weight", None))
        if weight is None:
            lacking.append(member.line)
        for name, given in limits.items():
            given.append(_limit(entries, name, values.pop(name, None)))
        own = Entries(file=entries.file, line=member.line, values=values)
        found.append((_mixed(own, within) if "mix" in values else _dataset(own, within), weight))
    if lacking and len(lacking) < len(found):
        fix = "write one, like `weight: 0.3`, or none for all, which weigh what they have samples"
        raise entries.error("a member of mix has no weight", fix, line=lacking[0])
    given_members = [each for each, _ in found] if lacking else found
    made: Mixed = entries.call(mix, list(MIX_OPTIONS), members=given_members, **limits)
    return made


def _weight(entries: Entries, value: Value | None) -> Any:
    """Return a weight, by the numbers of epochs where it changes."""
    given = None if value is None else bare(value)
    if value is None or given is None:
        return None
    if not isinstance(given, dict):
        entries.told_at(value, partial(weight_of, given))
        return given
    if not all(epoch.isdecimal() for epoch in given):
        raise entries.error(
            f"weight {shown(given)}", "write weights by epoch, like `{0: 0.9, 3: 0.5}`", line=value.line
        )
    by_epoch = {int(epoch): weight for epoch, weight in given.items()}
    entries.told_at(value, partial(weight_of, by_epoch))
    return by_epoch


def _limit(entries: Entries, name: str, value: Value | None) -> int | None:
    given = None if value is None else bare(value)
    return None if given is None else int(entries.told_at(value, partial(checks.count, name, given, 1)))


def _dataset(entries: Entries, making: _Making) -> Dataset:
    kind = _kind(entries, making.task)
    if making.task is not None and kind not in TASKS_OF_FORMATS:
        dataset, steps = _of_task(entries, making.task, making.beside)
    else:
        dataset, steps = _of_format(entries, kind, making.beside)
    if making.task not in (None, dataset.task):
        told = f"format {kind} makes samples of the task {dataset.task}, not of {making.task}"
        raise entries.error(told, f"write `task: {dataset.task}`, or leave it out")
    for name, make in (("where", Dataset.where), ("select", Dataset.select), ("drop", Dataset.drop)):
        if name in steps:
            entries.texts(name)
            given = bare(entries.values[name])
            dataset = entries.told_at(entries.values[name], partial(make, dataset, given))
    if "rename" in steps:
        given = {name: bare(value) for name, value in entries.within("rename").values.items()}
        dataset = entries.told_at(entries.values["rename"], partial(dataset.rename, given))
    if making.task is None:
        dataset = text_made(entries, dataset)
    return replace(_part(entries, dataset, making, is_split="split" in steps), loading=making.loading)


def _kind(entries: Entries, task: str | None) -> str:
    """Return the format; of a task that has one of that name, and of those that need none, it may be left out."""
    if "format" not in entries.values and task is not None:
        return task if task in TASKS_OF_FORMATS else ""
    entries.require("format")
    kind = bare(entries.values["format"])
    if not isinstance(kind, str):
        line = entries.values["format"].line
        raise entries.error(f"format {shown(kind)}", "write one name, like `format: parquet`", line=line)
    return kind


def _of_format(entries: Entries, kind: str, beside: tuple[str, ...]) -> tuple[Dataset, list[str]]:
    """Return the dataset that a function makes, and what is to be made of it then."""
    entries.require("source")
    function = FUNCTIONS.get(kind, of_format)
    parameters = inspect.signature(function).parameters
    arguments = [name for name in parameters if name not in ("name", *NOT_OF_FILES)]
    known = ["format", *arguments, *(name for name in STEPS if name not in arguments)]
    options = entries.told_at(entries.values["format"], partial(of_options, kind)) if function is of_format else {}
    entries.check(known, filled=_FILLED, beside=beside, elsewhere={**options, **_SECRET})
    for name in arguments:
        if parameters[name].default is inspect.Parameter.empty:
            entries.require(name)
    steps = [name for name in STEPS if name in entries.values]
    if "split" in arguments and isinstance(getattr(entries.values.get("split"), "value", None), str | list):
        steps = [name for name in steps if name != "split"]  # of files, or the column of a table of images
    named = {"name": kind} if function is of_format else {}
    taken = [name for name in arguments if name not in steps]
    dataset: Dataset = entries.call(function, taken, **named)
    return dataset, steps


def _of_task(entries: Entries, task: str, beside: tuple[str, ...]) -> tuple[Dataset, list[str]]:
    """Return the dataset of a task's samples, whose options stand in the file by their names, likewise."""
    entries.require("source")
    own = [option.name for option in get_task(task).options]
    places = [name for name in WHERE if name not in NOT_OF_FILES]
    steps = [name for name in _STEPS_OF_TASKS if name not in own]
    entries.check([*places, *own, *steps], filled=_FILLED, beside=beside, elsewhere=_SECRET)
    names = [name for name in entries.values if name in (*places, *own)]
    dataset: Dataset = entries.call(partial(of_task, task), names)
    return dataset, [name for name in steps if name in entries.values]


def _part(entries: Entries, dataset: Dataset, making: _Making, *, is_split: bool) -> Dataset:
    """Return the part that is asked for, where there are some."""
    own = entries.values.get("part")
    name = making.part if making.part is not None else None if own is None else bare(own)
    if not is_split:
        if name is None or making.is_whole:
            return dataset
        taken: Dataset = entries.told_at(own, lambda: dataset.part(checks.choice("part", name, PARTS)))
        return taken
    split = entries.within("split")
    split.check(["valid", "test", "by", "seed"])
    if "valid" not in split.values or split.values["valid"].value is None:
        raise split.error("valid is missing", "write a fraction, like `valid: 0.2`")
    parts: tuple[Dataset, ...] = split.call(dataset.split, ["valid", "test", "by", "seed"])
    by_name = {each.data.split: each for each in parts}
    if making.is_whole:
        return parts[0]
    if name is None:
        raise split.error(
            f"it is split into {', '.join(by_name)}, and none is named", "write `part: train`, or give part= to open"
        )
    entries.told_at(own, lambda: checks.choice("part", name, tuple(by_name)))
    return by_name[checks.choice("part", name, tuple(by_name))]

"""``penstock list``: list a dataset, make its samples, split them; write the manifest and the plan."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from penstock import __version__
from penstock.errors import ConfigError
from penstock.observe import open_progress
from penstock.plan import check_lanes, decide_splits, split_by_rank
from penstock.records import (
    ManifestInfo,
    ManifestParts,
    ManifestWriter,
    Plan,
    Sample,
    SkippedObject,
    StepRecord,
    write_record,
)
from penstock.sources import ObjectSource, open_source
from penstock.steps import common
from penstock.steps.run_root import RunRoot, add_fail_fast, add_run_options, recorded
from penstock.steps.shuffling import add_shuffle_options, check_shuffle_options, shuffle_from
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, Task, TaskOption
from penstock.tasks.registry import get_task, task_names
from penstock.units import format_bytes

NAME = "list"
HELP = "list a dataset, make its samples, split them: manifest and plan"

__all__ = ["HELP", "NAME", "add_arguments", "run"]

SKIPPED_SHOWN = 5
HELD_SAMPLES = 100_000
"""Most samples that ``--split-by sample`` counts, so that each split gets its very share."""
PROGRESS_SAMPLES = 100
PART = "part "
"""What the line of standard output begins with that names a part of a listing that goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the step's options."""
    add_dataset_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="where to write the manifest")
    group.add_argument("--plan", type=Path, required=True, metavar="FILE", help="where to write the plan")
    group.add_argument("--record", type=common.optional_path, metavar="FILE", help="where to write the step's record")
    common.add_switch(
        group, "--stream-listing", "also write what was listed so far, part by part, to the folder FILE.parts"
    )
    add_run_options(parser)
    add_fail_fast(parser)


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which samples to make."""
    common.add_source_options(parser)
    group = parser.add_argument_group("samples")
    group.add_argument("--task", required=True, choices=task_names(), help="what is learnt")
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"option of the task, may be repeated ({_options_help()})",
    )
    group.add_argument(
        "--task-options", default="{}", metavar="JSON", help='the same as one JSON object, like {"epoch-seconds": 2}'
    )
    group.add_argument("--max-files", type=_optional_int, metavar="N", help="take at most N recordings (default: all)")
    group.add_argument(
        "--release", default="", metavar="NAMES", help="take these releases only, like R1,R2 (default: all there are)"
    )
    common.add_switch(group, "--mini", "take the small version of each release")
    group.add_argument(
        "--on-bad-object",
        choices=("fail", "skip"),
        default="fail",
        help="what to do with a recording that cannot be used: fail, or skip it and name it (default: fail)",
    )
    group = parser.add_argument_group("plan")
    group.add_argument(
        "--split",
        type=_fractions,
        default=(0.7, 0.15, 0.15),
        metavar="T,V,E",
        help="fractions of train, valid and test (default: 0.7,0.15,0.15)",
    )
    group.add_argument(
        "--split-by",
        choices=("group", "sample"),
        default="group",
        help="whether a group (subject) stays whole, or samples are split one by one (default: group)",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of splits, order and weights (default: 0)")
    group.add_argument(
        "--lanes", type=common.positive_int, default=64, metavar="N", help="lanes that ranks share out (default: 64)"
    )
    add_shuffle_options(group)


def run(args: argparse.Namespace) -> int:
    """List, and say what was found."""
    with recorded(args, NAME) as run_root:
        return _run(args, run_root)


def _run(args: argparse.Namespace, run_root: RunRoot | None) -> int:
    started_at, started = common.now(), time.monotonic()
    task = get_task(args.task)
    options = read_options(task, args.option, args.task_options)
    check_shuffle_options(args)
    limits = Limits(
        max_files=args.max_files,
        releases=tuple(name for name in args.release.split(",") if name),
        mini=args.mini,
        skip_bad=args.on_bad_object == "skip",
        early=args.stream_listing,
    )
    check_lanes(args.lanes, 1)
    source = open_source(common.source_from(args))
    info = asyncio.run(
        make_manifest(
            source,
            task,
            path=args.manifest,
            limits=limits,
            options=options,
            fractions=args.split,
            by_sample=args.split_by == "sample",
            seed=args.seed,
            on_part=partial(_tell_part, args) if args.stream_listing else None,
        )
    )
    write_record(args.plan, _plan(args, info))
    record = StepRecord(
        step=NAME,
        started_at=started_at,
        wall_seconds=time.monotonic() - started,
        host=common.host_without_device(),
        meters=source.meter.read(),
        details={"samples": float(info.num_samples), "objects": float(info.num_objects)},
    )
    if args.record is not None:
        write_record(args.record, record)
    if run_root is not None:
        run_root.keep(NAME, record)
    sys.stdout.write(describe(info))
    return 0


def _plan(args: argparse.Namespace, info: ManifestInfo) -> Plan:
    shuffle = shuffle_from(args, info)
    return Plan(manifest_fingerprint=info.fingerprint, seed=args.seed, num_lanes=args.lanes, shuffle=shuffle)


def _tell_part(args: argparse.Namespace, path: Path, info: ManifestInfo) -> None:
    """Write a part's plan beside it, and say where the part lies."""
    write_record(path.with_suffix(".json"), _plan(args, info))
    sys.stdout.write(f"{PART}{path}\n")
    sys.stdout.flush()


async def make_manifest(
    source: ObjectSource,
    task: Task,
    *,
    path: Path,
    limits: Limits,
    options: Mapping[str, OptionValue],
    fractions: Sequence[float],
    by_sample: bool,
    seed: int,
    on_part: Callable[[Path, ManifestInfo], None] | None = None,
) -> ManifestInfo:
    """Write the manifest of what lies in a source.

    Args:
        on_part: called with the manifest of each part that is whole while the listing goes on; None makes no parts.

    Raises:
        SourceError, DataError: it could not be listed, or not be used.
        ConfigError: it cannot be split like that.
        OutputError: it could not be written.
    """
    samples = await task.make_samples(source, limits=replace(limits, scratch=path.parent), options=options)

    def finish(writer: ManifestWriter, skipped: Sequence[SkippedObject] = ()) -> ManifestInfo:
        return writer.finish(
            task=task.name,
            task_options=_as_flags(options),
            source=source.spec,
            seed=seed,
            shape=samples.shape,
            classes=samples.classes,
            skipped=skipped,
            created_at=common.now(),
            created_by=f"penstock {__version__}",
        )

    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(ManifestWriter(path))
        parts = ManifestParts(parts_folder(path), finish=finish, on_part=on_part) if on_part is not None else None
        adds = [writer.add, *([stack.enter_context(parts).add] if parts is not None else [])]
        stage = stack.enter_context(open_progress().stage("list", None, "samples"))
        num_new = 0
        counted = on_part is None
        async for sample, split in _with_splits(
            samples, fractions=fractions, by_sample=by_sample, seed=seed, counted=counted
        ):
            for add in adds:
                add(sample, split=split)
            num_new += 1
            if num_new == PROGRESS_SAMPLES:
                stage.advance(num_new)
                num_new = 0
        stage.advance(num_new)
        if parts is not None:
            parts.finish()
        return finish(writer, samples.skipped)


def parts_folder(manifest: Path) -> Path:
    """Give the folder of a manifest's parts."""
    return manifest.with_name(f"{manifest.name}.parts")


async def _with_splits(
    samples: SampleSet, *, fractions: Sequence[float], by_sample: bool, seed: int, counted: bool
) -> AsyncIterator[tuple[Sample, str]]:
    """Give each sample its split; ``counted`` may wait until groups are known, for each split's very share."""
    if not by_sample:
        if samples.groups is None:
            rule = split_by_rank(fractions=fractions, seed=seed)
        else:
            rule = decide_splits(samples.groups, fractions=fractions, seed=seed)
        async for sample in samples.rows:
            yield sample, rule(sample.group)
        return
    held: list[Sample] = []
    if counted:
        async for sample in samples.rows:
            held.append(sample)
            if len(held) == HELD_SAMPLES:
                break
    if counted and len(held) < HELD_SAMPLES:
        rule = decide_splits([sample.key for sample in held], fractions=fractions, seed=seed)
    else:
        rule = split_by_rank(fractions=fractions, seed=seed)
    for sample in held:
        yield sample, rule(sample.key)
    held.clear()
    async for sample in samples.rows:
        yield sample, rule(sample.key)


def read_options(task: Task, pairs: Sequence[str], as_json: str) -> dict[str, OptionValue]:
    """Give a task's options, defaults included, by name in snake case.

    Raises:
        ConfigError: an option is unknown, or its value is not of its kind.
    """
    try:
        given = msgspec.json.decode(as_json or "{}", type=dict[str, str | int | float | bool | None])
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"--task-options {as_json!r} is not a JSON object of plain values ({error})",
            fix='write it like {"epoch-seconds": 2}',
        ) from error
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--option {pair!r} has no value", fix="write it like --option epoch-seconds=2")
        given[name] = value
    known = {option.name: option for option in task.options}
    options: dict[str, OptionValue] = {option.name: option.default for option in task.options}
    for name, raw in given.items():
        option = known.get(name.replace("-", "_"))
        if option is None:
            names = ", ".join(flag.replace("_", "-") for flag in known) or "none"
            raise ConfigError(f"{task.name} has no option {name!r}", fix=f"its options are: {names}")
        options[option.name] = _read_value(option, raw)
    return options


def _read_value(option: TaskOption, raw: OptionValue) -> OptionValue:
    if raw is None or isinstance(raw, option.kind):
        return raw
    try:
        if option.kind is bool:
            return {"true": True, "false": False}[str(raw).lower()]
        return option.kind(raw)
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"{raw!r} is not a {option.kind.__name__} for {option.name.replace('_', '-')}", fix=option.help
        ) from error


def _as_flags(options: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    return {name.replace("_", "-"): value for name, value in options.items()}


def describe(info: ManifestInfo) -> str:
    """Say for a person what a manifest holds."""
    lines = [
        f"{info.num_samples} samples of shape {'x'.join(map(str, info.shape))} in {info.num_objects} objects "
        f"({format_bytes(info.object_bytes)}), manifest {info.fingerprint[:12]}"
    ]
    lines += [
        f"  {part.name:5} {part.num_samples:8} samples  {part.num_groups:6} groups  {format_bytes(part.size_bytes)}"
        for part in info.splits
    ]
    if info.classes:
        lines.append(f"  classes: {', '.join(info.classes)}")
    if info.skipped:
        lines.append(f"  left out: {len(info.skipped)}")
        lines += [f"    {item.object}: {item.reason}" for item in info.skipped[:SKIPPED_SHOWN]]
        if len(info.skipped) > SKIPPED_SHOWN:
            lines.append(f"    and {len(info.skipped) - SKIPPED_SHOWN} more, all named in the manifest")
    return "\n".join(lines) + "\n"


def _options_help() -> str:
    parts = []
    for name in task_names():
        options = ", ".join(f"{option.name.replace('_', '-')}={option.default}" for option in get_task(name).options)
        parts.append(f"{name}: {options or 'none'}")
    return "; ".join(parts)


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not three fractions like 0.8,0.1,0.1") from error


def _optional_int(text: str) -> int | None:
    """Read a whole number; the empty text and 0, as pipelines pass an unset one, are None."""
    return common.positive_int(text) if text not in ("", "0") else None

"""``penstock list``: list a dataset, make its samples, split them; write the manifest and the plan."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from penstock.plan import check_lanes
from penstock.records import ListingWriter, ManifestInfo, Plan, StepRecord, parts_folder, write_record
from penstock.sources import open_source
from penstock.steps import common
from penstock.steps.manifest_making import make_manifest
from penstock.steps.run_root import RunRoot, add_fail_fast, add_run_options, failure_record, recorded
from penstock.steps.shuffling import add_shuffle_options, check_shuffle_options, shuffle_from
from penstock.steps.task_options import options_help, read_options
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task, task_names
from penstock.units import format_bytes

NAME = "list"
HELP = "list a dataset, make its samples, split them: manifest and plan"

__all__ = ["HELP", "NAME", "add_arguments", "run"]

SKIPPED_SHOWN = 5


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
    common.add_switch(group, "--until-stdin-closes", "end when standard input ends: for a parent process")
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
        help=f"option of the task, may be repeated ({options_help()})",
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
    if args.until_stdin_closes:
        _end_with_stdin()
    with _shared(args) as listing, recorded(args, NAME) as run_root:
        return _run(args, run_root, listing)


def _run(args: argparse.Namespace, run_root: RunRoot | None, listing: ListingWriter | None) -> int:
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
            on_part=partial(_add_part, args, listing) if listing is not None else None,
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
    if listing is not None:
        listing.end(info.fingerprint)
    sys.stdout.write(describe(info))
    return 0


def _plan(args: argparse.Namespace, info: ManifestInfo) -> Plan:
    shuffle = shuffle_from(args, info)
    return Plan(manifest_fingerprint=info.fingerprint, seed=args.seed, num_lanes=args.lanes, shuffle=shuffle)


@contextlib.contextmanager
def _shared(args: argparse.Namespace) -> Iterator[ListingWriter | None]:
    """Tell those who begin before the end how far the listing is, where they were asked for, and why it fails."""
    if not args.stream_listing:
        yield None
        return
    with ListingWriter(parts_folder(args.manifest)) as listing:
        sys.stdout.write(f"parts go to {listing.folder}\n")
        sys.stdout.flush()
        try:
            yield listing
        except Exception as error:
            listing.fail(failure_record(NAME, error))
            raise


def _add_part(args: argparse.Namespace, listing: ListingWriter, path: Path, info: ManifestInfo) -> None:
    """Write a part's plan beside it, and tell that it is there."""
    write_record(path.with_suffix(".json"), _plan(args, info))
    listing.add_part(info.fingerprint)


def _end_with_stdin() -> None:
    """Stop as Ctrl-C does when standard input ends, which the kernel closes however the parent ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, name="penstock-parent-0", daemon=True).start()


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


def _fractions(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are not three fractions like 0.8,0.1,0.1") from error


def _optional_int(text: str) -> int | None:
    """Read a whole number; the empty text and 0, as pipelines pass an unset one, are None."""
    return common.positive_int(text) if text not in ("", "0") else None

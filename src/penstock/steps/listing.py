"""``penstock list``: list a dataset, make its samples, split them; write the manifest and the plan."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from penstock.allocating import share_memory
from penstock.children.further import Further, answer
from penstock.children.telling import tell_begun, tell_done, watch_parent
from penstock.errors import PenstockError
from penstock.manifest import SPLITS, ListingWriter, ManifestInfo, parts_folder
from penstock.plan import check_lanes, make_plan
from penstock.records import Plan, StepRecord, write_record
from penstock.sources import MeterFile
from penstock.steps._shared import common
from penstock.steps._shared.dataset_listing import check_named, list_dataset, require_torch
from penstock.steps._shared.listed_classes import held_in
from penstock.steps._shared.metering import Metering, find_metering
from penstock.steps._shared.outputs import check_outputs
from penstock.steps._shared.run_root import RunRoot, failure_record, recorded
from penstock.steps._shared.shuffling import check_shuffle_options
from penstock.steps.options.arguments import add_options, parsed
from penstock.steps.options.listing import ListOptions
from penstock.steps.options.parser import Parser
from penstock.tasks.registry import window_bytes_of
from penstock.texts import counted, printable
from penstock.units import format_bytes

NAME = "list"

__all__ = ["NAME", "run"]

SKIPPED_SHOWN = 5
_LOOK_SECONDS = 0.002
_GC_OBJECTS = 50_000
"""Objects made before the youngest are looked through for cycles: extents are many, and none lies in a cycle."""
CLASSES_SHOWN = 50


def run(args: ListOptions) -> int:
    """List, and say what was found."""
    if args.until_stdin_closes:
        _end_with_parent()
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS)
    share_memory()
    metering = find_metering(args, NAME, meters=args.meters)
    with metering.open() as counts, _shared(args) as listing, recorded(args, NAME, counts.meter) as run_root:
        _run(args, run_root, listing, metering, counts)
    if args.until_stdin_closes:
        tell_done()
    if args.and_more is not None:
        _list_more(args.and_more)
    return 0


def _list_more(path: Path) -> None:
    """List what the parent asks for besides, until it ends this process."""
    further, number = Further(path), 0
    while True:
        for words in further.new():
            error = None
            try:
                run(_parsed(words))
            except PenstockError as met:
                error = met
            answer(path, number, error)
            number += 1
        time.sleep(_LOOK_SECONDS)


def _parsed(words: list[str]) -> ListOptions:
    parser = Parser(add_help=False)
    add_options(parser, ListOptions)
    return parsed(ListOptions, parser.parse_args(words))


def _run(
    args: ListOptions,
    run_root: RunRoot | None,
    listing: ListingWriter | None,
    metering: Metering,
    counts: MeterFile,
) -> None:
    started_at, started = common.now(), time.monotonic()
    check_outputs(args.manifest, args.plan, args.record)
    check_shuffle_options(args)
    check_lanes(args.lanes, 1)
    if args.max_requests:
        counts.meter.allow(args.max_requests - metering.total(counts).count().sent)
    info = _list_described(args, counts) if args.dataset else _list(args, counts, listing)
    record = StepRecord(
        step=NAME,
        started_at=started_at,
        wall_seconds=time.monotonic() - started,
        host=common.host_without_device(),
        meters=metering.total(counts),
        details={
            "samples": float(info.num_samples),
            "objects": float(info.num_objects),
            "left_out": float(len(info.skipped)),
        },
    )
    if run_root is not None:
        record = run_root.counting_itself(record)
    if args.record is not None:
        write_record(args.record, record)
    if run_root is not None:
        run_root.keep(NAME, record)
    if listing is not None:
        listing.end(info.fingerprint)
    sys.stdout.write(describe(info))


def _list(args: ListOptions, counts: MeterFile, listing: ListingWriter | None) -> ManifestInfo:
    """List what the options name."""
    check_named(args)
    info = list_dataset(
        args,
        path=args.manifest,
        seed=args.seed,
        meter=counts.meter,
        on_part=partial(_add_part, args, listing) if listing is not None else None,
    )
    write_record(args.plan, _plan(args, info))
    return info


def _list_described(args: ListOptions, counts: MeterFile) -> ManifestInfo:
    """List what a file describes."""
    require_torch("--dataset")
    from penstock.steps._shared.described_listing import list_described  # here: few listings have such a file

    listed = list_described(args, meter=counts.meter)
    write_record(args.plan, listed.plan)
    return listed.info


def _plan(args: ListOptions, info: ManifestInfo) -> Plan:
    window_bytes = window_bytes_of(info.task, args.window_size)
    return make_plan(info, args, seed=args.seed, num_lanes=args.lanes, window_bytes=window_bytes)


@contextlib.contextmanager
def _shared(args: ListOptions) -> Iterator[ListingWriter | None]:
    """Tell those who begin before the end how far the listing is, where they were asked for, and why it fails."""
    if not args.stream_listing:
        yield None
        return
    with ListingWriter(parts_folder(args.manifest)) as listing:
        if args.until_stdin_closes:
            tell_begun()
        else:
            sys.stdout.write(f"parts go to {listing.folder}\n")
            sys.stdout.flush()
        try:
            yield listing
        except Exception as error:
            listing.fail(failure_record(NAME, error))
            raise


def _add_part(args: ListOptions, listing: ListingWriter, path: Path, info: ManifestInfo) -> None:
    """Write a part's plan beside it, and tell that it is there."""
    write_record(path.with_suffix(".json"), _plan(args, info))
    listing.add_part(info.fingerprint)


def _end_with_parent() -> None:
    """Stop as on a signal when the parent ends."""
    watch_parent(partial(os.kill, os.getpid(), signal.SIGTERM))


def describe(info: ManifestInfo) -> str:
    """Say for a person what a manifest holds."""
    shape = f" of shape {'x'.join(map(str, info.shape))}" if info.shape else ""
    lines = [
        f"{counted(info.num_samples, 'sample')}{shape} in {counted(info.num_objects, 'object')} "
        f"({format_bytes(info.object_bytes)}), manifest {info.fingerprint[:12]}"
    ]
    asked = dict(zip(SPLITS, info.fractions, strict=False))
    lines += [
        f"  {part.name:5} {counted(part.num_samples, 'sample'):>18}  {counted(part.num_groups, 'group'):>14}  "
        f"{format_bytes(part.size_bytes)}, {100 * part.num_samples / max(info.num_samples, 1):.1f} %"
        + (f" where {100 * asked.get(part.name, 0):g} % was asked" if asked else "")
        for part in info.splits
    ]
    lines += [f"  {printable(line)}" for line in held_in(info)]
    lines += [f"  note: {printable(note)}" for note in info.notes]
    if info.classes:
        more = len(info.classes) - CLASSES_SHOWN
        shown = ", ".join(info.classes[:CLASSES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"  classes: {printable(shown)}")
    if info.skipped:
        entries = "entry" if len(info.skipped) == 1 else "entries"
        lines.append(f"  left out, {len(info.skipped)} {entries}:")
        lines += [f"    {printable(item.object)}: {printable(item.reason)}" for item in info.skipped[:SKIPPED_SHOWN]]
        if len(info.skipped) > SKIPPED_SHOWN:
            lines.append(f"    and {len(info.skipped) - SKIPPED_SHOWN} more, all named in the manifest")
    return "\n".join(lines) + "\n"

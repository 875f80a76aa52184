"""Opening a window and its prefetcher for a step that feeds a network."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import RecordError
from penstock.loader import WindowStream
from penstock.records import ManifestInfo, ManifestReader, Plan, read_record
from penstock.steps import common
from penstock.steps.prefetch import window_folder
from penstock.tasks.protocols import Task
from penstock.tasks.registry import get_task
from penstock.window import PrefetchMode, hand_over, start_prefetcher

__all__ = ["Dataset", "add_feed_options", "open_dataset", "open_stream"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What `penstock list` made."""

    manifest: Path
    info: ManifestInfo
    plan: Plan
    task: Task


def add_feed_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a step that feeds a network."""
    group = parser.add_argument_group("data")
    group.add_argument("--manifest", type=Path, required=True, metavar="FILE", help="manifest of `penstock list`")
    group.add_argument("--plan", type=Path, required=True, metavar="FILE", help="plan of `penstock list`")
    group.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that decode; 0 decodes in the trainer (default)",
    )
    common.add_window_options(parser)


def open_dataset(args: argparse.Namespace) -> Dataset:
    """Read manifest and plan.

    Raises:
        RecordError: one cannot be read, or they do not belong together.
    """
    with ManifestReader(args.manifest) as reader:
        info = reader.info
    plan = read_record(args.plan, Plan)
    if plan.manifest_fingerprint != info.fingerprint:
        raise RecordError(
            f"the plan {args.plan} was made for manifest {plan.manifest_fingerprint[:12]}, "
            f"{args.manifest} is {info.fingerprint[:12]}",
            fix="pass the manifest and the plan of the same `penstock list`",
        )
    return Dataset(manifest=args.manifest.absolute(), info=info, plan=plan, task=get_task(info.task))


@contextlib.contextmanager
def open_stream(
    data: Dataset,
    args: argparse.Namespace,
    *,
    splits: Sequence[tuple[str, bool]],
    batch_size: int,
    num_epochs: int,
) -> Iterator[WindowStream]:
    """Start a prefetcher unless a sidecar serves the window, and give the stream; close both at the end."""
    with window_folder(args.window) as folder, contextlib.ExitStack() as stack:
        mode = PrefetchMode(args.prefetch)
        child = start_prefetcher(mode, folder, args.window_size, options=("--in-flight", str(args.in_flight)))
        if child is None:
            manifest = hand_over(data.manifest, folder, timeout_seconds=args.prefetch_timeout)
        else:
            stack.enter_context(child)
            manifest = data.manifest
        stream = WindowStream(
            folder=folder,
            manifest=manifest,
            info=data.info,
            plan=data.plan,
            splits=splits,
            decoder=data.task.decode,
            batch_size=batch_size,
            num_epochs=num_epochs,
            num_workers=args.workers,
            timeout_seconds=args.prefetch_timeout,
        )
        stack.callback(stream.close)
        yield stream

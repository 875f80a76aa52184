"""What steps that read through a window share, without torch: manifest and plan, and a window that is served."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from penstock.errors import RecordError
from penstock.records import ManifestInfo, ManifestReader, Plan, read_record
from penstock.window import PrefetchMode, hand_over, start_prefetcher

__all__ = ["read_listing", "served_window"]


def read_listing(args: argparse.Namespace) -> tuple[ManifestInfo, Plan]:
    """Read what `penstock list` made.

    Raises:
        RecordError: manifest or plan cannot be read, or they do not belong together.
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
    return info, plan


@contextlib.contextmanager
def served_window(args: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """Start a prefetcher unless a sidecar serves the window; give the folder, and the manifest as it sees it."""
    with _folder(args.window) as folder, contextlib.ExitStack() as stack:
        mode = PrefetchMode(args.prefetch)
        child = start_prefetcher(mode, folder, args.window_size, options=("--in-flight", str(args.in_flight)))
        manifest = args.manifest.absolute()
        if child is None:
            manifest = hand_over(manifest, folder, timeout_seconds=args.prefetch_timeout)
        else:
            stack.enter_context(child)
        yield folder, manifest


@contextlib.contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    """Give the window's folder: the one asked for, which stays, or a temporary one, which goes."""
    if asked is not None:
        yield asked
        return
    with tempfile.TemporaryDirectory(prefix="penstock-window-") as folder:
        yield Path(folder)

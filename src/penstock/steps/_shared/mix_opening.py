"""Opening a mix for a step that feeds a network: members' manifests, windows and prefetchers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from penstock.dataset.mix_record import shares_of
from penstock.dataset.mixed_helpers import ALONE
from penstock.errors import ConfigError
from penstock.loader import Decoding, WindowStream
from penstock.manifest.listed import Listed
from penstock.plan.ranks import ONE_RANK
from penstock.records import Mixing
from penstock.steps._shared.metering import Metering
from penstock.steps._shared.mix_members import members_of
from penstock.steps._shared.mixed_stream import MemberWindow, MixedStream, Splits
from penstock.steps._shared.window import ServedWindow, served_window
from penstock.steps.options.data import FeedOptions
from penstock.stream.fitting import fitting_batch
from penstock.stream.helpers import Helpers
from penstock.temporary import TemporaryFolder
from penstock.window import claim_job, empty_window_of_nobody, remove_window

__all__ = ["open_mix"]

_MEMBER: Final = "member-"
"""Folders of members' windows, in that of the window."""


@contextlib.contextmanager
def open_mix(
    listed: Listed,
    mixing: Mixing,
    args: FeedOptions,
    *,
    decoding: Decoding,
    splits: Splits,
    batch_size: int,
    num_epochs: int,
    metering: Metering,
) -> Iterator[tuple[MixedStream, list[ServedWindow]]]:
    """Start what fills the windows, and yield the stream and the windows; close both at the end.

    What is drawn from all members at once is read through a window for each, which share out the bound, and which
    children of this process fill: a sidecar serves one window. What goes member by member is read through the window
    itself, whoever serves it.

    Raises:
        ConfigError: a sidecar is asked for where it cannot do it.
        PenstockError: a window cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        members = members_of(listed, mixing, stack.enter_context(TemporaryFolder("penstock-mix-")))
        if any(training for _, training in splits):
            windows = _own_windows(members, mixing, args, metering, stack)
        else:
            for left in args.window.glob(f"{_MEMBER}*") if args.window is not None else ():
                remove_window(left)  # of a training that was killed
            shared = stack.enter_context(served_window(args, metering))
            windows = [(shared, args)] * len(members)
        opened = [_member(each, window, own, metering) for each, (window, own) in zip(members, windows, strict=True)]
        stream = MixedStream(
            mixing, opened, decoding=decoding, splits=splits, batch_size=batch_size, num_epochs=num_epochs
        )
        stack.callback(stream.close)
        yield stream, list({window.folder: window for window, _ in windows}.values())


def _own_windows(
    members: list[Listed], mixing: Mixing, args: FeedOptions, metering: Metering, stack: contextlib.ExitStack
) -> list[tuple[ServedWindow, FeedOptions]]:
    """Return a window for each member; they are removed at the end, so that the bound holds for what comes next."""
    if args.prefetch == "sidecar":
        raise ConfigError(
            "--prefetch sidecar with a mix",
            fix="leave it at auto: members are read through a window each, which children of this process fill",
        )
    if args.window is None:
        root = stack.enter_context(TemporaryFolder("penstock-window-")) / "window"
    else:
        root = args.window
        empty_window_of_nobody(root)  # what an earlier step read all of the bound with
    stack.enter_context(claim_job(root))
    helpers = stack.enter_context(Helpers({})) if len(members) > ALONE else None
    found: list[tuple[ServedWindow, FeedOptions]] = []
    for number, part in enumerate(shares_of(mixing)):
        own = args.but(
            window=root / f"{_MEMBER}{number}",
            window_size=max(1, int(args.window_bytes * part)),
            in_flight=max(1, int(args.in_flight * part)),
            prefetch="process",
        )
        stack.callback(remove_window, root / f"{_MEMBER}{number}")
        found.append((stack.enter_context(served_window(own, metering, helpers)), own))
    if helpers is not None:
        stack.callback(helpers.close)  # before the windows that it fills are removed
    return found


def _member(listed: Listed, window: ServedWindow, args: FeedOptions, metering: Metering) -> MemberWindow:
    def open_stream(splits: Splits, num_epochs: int, batch_size: int, decoding: Decoding) -> WindowStream:
        manifest = window.place(listed.manifest)
        if batch_size > 1:
            batch_size = fitting_batch(
                listed,
                splits,
                plan=listed.plan,
                batch_size=batch_size,
                window_bytes=args.window_bytes,
                num_files=0,
                folder=window.folder,
                ranks=ONE_RANK,
            )
        return WindowStream(
            folder=window.folder,
            manifest=manifest,
            info=listed.info,
            plan=listed.plan,
            splits=splits,
            decoding=decoding,
            batch_size=batch_size,
            num_epochs=num_epochs,
            num_workers=args.workers,
            prefetcher=window.prefetcher,
            timeout_seconds=args.prefetch_timeout,
            on_bad_sample=args.on_bad_sample,
            owner=metering.owner,
            most_requests=metering.most_requests(),
            meters=window.meters,
        )

    return MemberWindow(listed=listed, open=open_stream)

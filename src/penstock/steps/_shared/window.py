"""A window that is served, for a step that reads through it, without torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock import stopping
from penstock.options.window import ServingOptions, WindowOptions
from penstock.steps._shared.metering import Metering
from penstock.temporary import TemporaryFolder
from penstock.window import Prefetcher, claim_job, hand_over, start_prefetcher

if TYPE_CHECKING:
    from penstock.stream.helpers import Helpers

__all__ = ["ServedWindow", "served_window"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedWindow:
    """A window that a prefetcher serves, or is about to.

    Attributes:
        folder: of the window.
        hands_over: whether the prefetcher sees the window's folder and nothing else of this machine.
        timeout_seconds: how long the prefetcher may show no sign of life.
        prefetcher: the child process that serves it; None where another process does.
        meters: folder of the files that the prefetcher counts requests in.
    """

    folder: Path
    meters: Path
    hands_over: bool
    prefetcher: Prefetcher | None
    timeout_seconds: float

    def place(self, manifest: Path) -> Path:
        """Return a manifest's path as the prefetcher sees it; it may be put into the window, in place of another.

        Raises:
            PenstockError: it cannot be put there.
        """
        manifest = manifest.absolute()
        return hand_over(manifest, self.folder, timeout_seconds=self.timeout_seconds) if self.hands_over else manifest


@contextlib.contextmanager
def served_window(args: WindowOptions, metering: Metering, helpers: Helpers | None = None) -> Iterator[ServedWindow]:
    """Be the window's job, and start a prefetcher unless a sidecar serves it.

    Args:
        helpers: whose process fills it beside other windows; None starts one for it alone.

    Raises:
        WindowError: another job trains through the window, and goes on undisturbed.
        NotOurs: the folder holds what Penstock did not put there.
    """
    with _folder(args.window) as folder, stopping.ShelteredStack() as stack:
        stack.enter_context(claim_job(folder))
        meters = metering.folder.absolute() if metering.folder is not None else None
        asked = ServingOptions(**args.shared_with(ServingOptions)).but(meters=meters)
        if helpers is not None:
            child: Prefetcher | None = helpers.begin_window(folder, asked)
        elif (child := start_prefetcher(folder, asked)) is not None:
            stack.enter_context(child)
        counted_in = folder if child is None or metering.folder is None else metering.folder
        yield ServedWindow(
            folder=folder,
            meters=counted_in,
            hands_over=child is None,
            timeout_seconds=args.prefetch_timeout,
            prefetcher=child,
        )


@contextlib.contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    """Return the window's folder: the one asked for, which stays, or a temporary one, which goes."""
    if asked is not None:
        yield asked
        return
    with stopping.ShelteredStack() as stack:
        yield stack.enter_context(TemporaryFolder("penstock-window-")) / "window"

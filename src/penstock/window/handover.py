"""Handing the manifest to a sidecar, which shares the window's folder and nothing else.

The manifest counts towards the window's bound, so it may only come while there is room for it: a trainer that
brings another one first takes back what was asked for, and waits until the prefetcher holds no slots any more.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from penstock.clock import running_seconds
from penstock.errors import PrefetcherLost, RecordError, WindowError, WindowTooSmall
from penstock.files import open_regular
from penstock.manifest import ManifestInfo, ManifestReader
from penstock.units import MIB, format_bytes
from penstock.window.control import Control
from penstock.window.folder import MANIFEST, SESSION, SLOTS, making, withdraw
from penstock.window.ownership import claim_window
from penstock.window.wakeup import Listener

__all__ = ["hand_over"]


def hand_over(
    manifest: Path,
    folder: Path,
    *,
    timeout_seconds: float = 60.0,
    clock: Callable[[], float] = running_seconds,
) -> Path:
    """Put a manifest into the window's folder unless it lies there already; give its path as the prefetcher sees it.

    Raises:
        RecordError: it is not a manifest.
        NotOurs: the folder holds what Penstock did not put there.
        WindowTooSmall: the manifest alone is larger than the window.
        PrefetcherLost: slots lie there, and no prefetcher came to give their space back.
        DiskFull, OutputUnwritable: it cannot be written.
    """
    claim_window(folder)
    target = folder / MANIFEST
    if _lies_there(target, _info(manifest)):
        return Path(MANIFEST)
    _check_size(manifest, folder)
    withdraw(folder / SESSION)
    _wait_for_room(folder, timeout_seconds, clock)
    withdraw(target)
    with making(target) as handle, manifest.open("rb") as source, os.fdopen(os.dup(handle), "wb") as copy:
        shutil.copyfileobj(source, copy, MIB)
    return Path(MANIFEST)


def _info(path: Path) -> ManifestInfo:
    with ManifestReader(path) as reader:
        return reader.info


def _lies_there(target: Path, wanted: ManifestInfo) -> bool:
    try:
        os.close(open_regular(target, os.O_RDONLY))
        return _info(target) == wanted
    except (FileNotFoundError, RecordError):
        return False


def _check_size(manifest: Path, folder: Path) -> None:
    """Refuse a manifest that a prefetcher of a known bound could hold no sample beside."""
    try:
        window_bytes = Control(folder, writable=False).window_bytes
    except (OSError, WindowError):
        return
    size = manifest.stat().st_size
    if 0 < window_bytes <= size:
        raise WindowTooSmall(
            f"a window of {format_bytes(window_bytes)} cannot hold the manifest of {format_bytes(size)}",
            fix="give the prefetcher a larger --window-size",
            about=str(manifest),
        )


def _wait_for_room(folder: Path, timeout_seconds: float, clock: Callable[[], float]) -> None:
    listener = Listener(folder)
    deadline = clock() + timeout_seconds
    try:
        listener.ring(session=True)
        while (folder / SLOTS).exists():
            listener.wait()
            if clock() > deadline:
                raise PrefetcherLost(
                    f"no prefetcher gave the space in {folder} back for {timeout_seconds:.0f} s",
                    fix="see the prefetcher's log; run it again, or remove the window's folder",
                    about=str(folder),
                )
    finally:
        listener.close()

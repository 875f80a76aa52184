"""What the windows of one training hold and have moved, added up: less than ``gauges`` tell, and in less time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import NotOurs, WindowError
from penstock.records import Meters
from penstock.sources import read_meter_files, sum_meters
from penstock.window.control import Control, ControlCut
from penstock.window.folder import used_bytes
from penstock.window.slots import read_sizes

__all__ = ["WindowLook", "look_at"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowLook:
    """Windows at one moment.

    Attributes:
        used_bytes: what their folders take on disk; None while there is no window.
        kept_bytes: samples that they keep from epoch to epoch, likewise.
        limit_bytes: their bounds, as they were asked for; 0 while there is no window.
        downloaded_bytes: for them, in all attempts whose counts are still there.
        sample_bytes: handed over, likewise.
    """

    used_bytes: int | None
    kept_bytes: int | None
    limit_bytes: int
    downloaded_bytes: int
    sample_bytes: int


def look_at(windows: Sequence[tuple[Path, Path]]) -> WindowLook:
    """Look at windows.

    Args:
        windows: their folders, and those of the files that their requests are counted in, which may be one for many.
    """
    found = [sizes for folder, _ in windows if (sizes := _sizes(folder)) is not None]
    traffic = sum_meters({key: each for _, meters in windows for key, each in read_meter_files(meters).items()})
    return WindowLook(
        used_bytes=sum(used for used, _ in found) if found else None,
        kept_bytes=sum(meters.kept_bytes for _, meters in found) if found else None,
        limit_bytes=sum(meters.window_bytes for _, meters in found),
        downloaded_bytes=traffic.bytes_downloaded,
        sample_bytes=traffic.sample_bytes,
    )


def _sizes(folder: Path) -> tuple[int, Meters] | None:
    """Return what a window takes, and its other sizes; None while there is none."""
    try:
        return used_bytes(folder), read_sizes(Control(folder, writable=False))
    except (OSError, WindowError, NotOurs, ControlCut):
        return None

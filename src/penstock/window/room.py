"""Whether a window finds room on its disk, looked at before anything is listed or asked for."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.errors import DiskFull
from penstock.owning import WINDOW_MARK
from penstock.units import format_bytes
from penstock.window.folder import used_bytes
from penstock.window.ownership import is_served

__all__ = ["check_room", "free_bytes"]

_SURE_EIGHTHS = 7
"""Of a window's bound, which its files take for sure: how much exactly follows from the dataset."""


def free_bytes(volume: os.statvfs_result) -> int:
    """Return what this user can still write to a file system."""
    return volume.f_frsize * (volume.f_bavail if os.geteuid() else volume.f_bfree)


def check_room(folder: Path, window_bytes: int) -> None:
    """Refuse a window that is larger than what is free where it is to lie; nothing is said of one that is served.

    Args:
        folder: of the window, which need not be there yet.
        window_bytes: its bound.

    Raises:
        DiskFull: there is less room.
    """
    folder = folder.absolute()
    try:
        if is_served(folder):
            return
        place = next(each for each in (folder, *folder.parents) if each.is_dir())
        volume = os.statvfs(place)
        has_bytes = used_bytes(folder) if (folder / WINDOW_MARK).exists() else 0
    except OSError:  # whoever makes the folder is told what is wrong with it
        return
    free = free_bytes(volume)
    if volume.f_blocks and window_bytes // 8 * _SURE_EIGHTHS > free + has_bytes:
        raise DiskFull(
            f"no space is left for the window {folder}: {format_bytes(window_bytes)} are wanted, "
            f"{format_bytes(free + has_bytes)} are free",
            fix="choose a smaller --window-size or another folder, or free some space",
            about=str(folder),
        )

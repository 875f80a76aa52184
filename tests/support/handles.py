"""Handles of this process, by what they lead to: what is open now and was not before, whatever else closed since."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["open_files", "open_sockets"]


def _targets() -> list[str]:
    """List what this process's handles lead to; one that closes meanwhile is left out."""
    targets = []
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(handle.readlink()))
    return targets


def open_sockets() -> set[str]:
    """Name the sockets that this process holds: ``socket:[<inode>]``, which no other socket has."""
    return {target for target in _targets() if target.startswith("socket:")}


def open_files(folder: Path) -> list[str]:
    """List the files under a folder that this process holds open, one entry a handle."""
    return sorted(target for target in _targets() if Path(target).is_relative_to(folder.resolve()))

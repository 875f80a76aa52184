"""What lies in a local folder that is no file which can be read: found by looking, without opening anything."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.errors import SourceError
from penstock.manifest import LeftOutObjects

__all__ = ["UNREADABLE", "LocalFiles", "look_through"]

UNREADABLE = "may not be read by this user"
_UNLISTED = re.compile(r"#[0-9]+\Z|[\x00-\x1f\x7f]")
"""Names of files that obstore leaves out, as its own unfinished writes, or cannot read."""
_KINDS = (
    (stat.S_ISFIFO, "a named pipe (FIFO), not a file"),
    (stat.S_ISSOCK, "a socket, not a file"),
    (stat.S_ISCHR, "a device, not a file"),
    (stat.S_ISBLK, "a device, not a file"),
)


class LocalFiles:
    """What was found.

    Attributes:
        left_out: what is no file, by path below the folder.
        unreadable: files that this user may not read, likewise.
    """

    def __init__(self) -> None:
        self.left_out = LeftOutObjects()
        self.unreadable: set[str] = set()


def look_through(root: Path, folder: Path, given_up: threading.Event) -> LocalFiles:
    """Look through a folder, following links, each folder once, for what cannot be listed or read.

    Args:
        root: of the source; paths are told relative to it.
        folder: to look through, in the root.
        given_up: set where nobody waits for it any more.

    Raises:
        SourceError: a file has a name that cannot be read, or a link leads back to itself or a folder that it lies in.
    """
    found = LocalFiles()
    seen: set[tuple[int, int]] = set()
    folders = [folder]
    while folders and not given_up.is_set():
        parent = folders.pop()
        identity = _identity(parent)
        if identity in seen:
            _refuse_loop(parent, folder)
            continue
        if identity is not None:
            seen.add(identity)
        for entry in _entries(parent):
            if _holds(entry.is_dir):
                folders.append(Path(entry.path))
                continue
            if _UNLISTED.search(entry.name):
                raise SourceError(
                    f"{entry.path} has a name that cannot be read",
                    fix="rename it: names end in no # and number, and hold no control characters",
                    about=entry.name,
                )
            if not _holds(entry.is_file):
                _refuse_endless(entry)
                found.left_out.add(os.path.relpath(entry.path, root), _kind(entry))
            elif not os.access(entry.path, os.R_OK, effective_ids=True):
                found.unreadable.add(os.path.relpath(entry.path, root))
    return found


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # whoever lists it says that it cannot
        yield from entries


def _holds(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:  # a link that leads nowhere, or to itself
        return False


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        mode = Path(entry.path).stat().st_mode
    except OSError:
        return "a link that leads nowhere" if entry.is_symlink() else "gone while it was listed"
    return next((told for is_one, told in _KINDS if is_one(mode)), "not a file")


def _refuse_endless(entry: os.DirEntry[str]) -> None:
    """Refuse a link that leads to itself, at which obstore gives up."""
    try:
        Path(entry.path).stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SourceError(
                f"{entry.path} is a link that leads back to itself", fix="remove it", about=entry.path
            ) from error


def _refuse_loop(path: Path, root: Path) -> None:
    found, above = _identity(path), path
    while above != root:
        above = above.parent
        if _identity(above) == found:
            raise SourceError(
                f"{path} leads back to {above}, which it lies in: the folder has no end",
                fix="remove the link on the way there, or pass a folder without it",
                about=str(path),
            )


def _identity(folder: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):  # gone meanwhile
        status = folder.stat()
        return status.st_dev, status.st_ino
    return None

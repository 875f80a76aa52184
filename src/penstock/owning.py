"""Folders that are ours: a mark says so, and locks on it say who uses them.

A folder is only ever used if it is new, or empty, or carries the mark of its kind; what lies in any other is
somebody's, and is neither written to nor removed. The mark is a small file whose bytes are locked by those who use
the folder, a byte a role, for their whole life: the kernel lets go of a lock when its process ends, however it ends,
so a lock that is free says for sure that nobody is there, which neither age nor a name does. Forked processes let go at
once. The folder itself may be reached through a link, as a mounted volume often is; below it no link is followed.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import weakref
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from penstock import locks
from penstock.errors import NotOurs, map_os_error
from penstock.files import open_regular

__all__ = [
    "CACHE_MARK",
    "JOB_MARK",
    "WINDOW_MARK",
    "Hold",
    "Holder",
    "claim_folder",
    "holds_others",
    "is_held_by",
    "make_mark",
]
__all__ += ["names_of_others", "open_mark", "refuse_others"]

WINDOW_MARK, JOB_MARK, CACHE_MARK = ".penstock-window", ".penstock-job", ".penstock-cache"
MARK_MODE = 0o660
FOLDER_MODE = 0o2770
_HEAD_BYTES, _ROLE_BYTES = 64, 192
"""A mark is a line that names its kind, and a line a role that tells who holds it."""
_MOST_NAMED = 4
_MAKING_SECONDS = 1.0
_HARMLESS = ("lost+found",)
"""What a fresh volume may hold."""


def _head(mark: str) -> bytes:
    return _line({"kind": mark.lstrip("."), "version": 1}, _HEAD_BYTES)


def _line(value: object, size_bytes: int) -> bytes:
    return json.dumps(value).encode().ljust(size_bytes - 1)[: size_bytes - 1] + b"\n"


def claim_folder(folder: Path, mark: str, *, what: str, is_shared: bool = True) -> int:
    """Make a folder ours, or see that it is; give a handle of its mark, to be closed.

    Args:
        folder: made if it is missing.
        mark: file name of the mark of this kind of folders.
        what: what the folder is for, in a message.
        is_shared: a folder that is made is for the whole group, whatever the umask.

    Raises:
        NotOurs: it holds something and no mark; nothing in it was touched.
        DiskFull, OutputUnwritable: it cannot be made, or the mark be put there.
    """
    try:
        _make(folder, is_shared=is_shared)
        deadline = time.monotonic() + _MAKING_SECONDS
        while True:
            try:
                return open_mark(folder, mark)
            except PermissionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # another user makes it, and has not given it to the group yet
                continue
            except FileNotFoundError:
                pass
            others = names_of_others(folder)
            if mark in others:
                continue  # another process was just faster
            if others:
                raise holds_others(folder, others, what)
            with contextlib.suppress(FileExistsError):
                return make_mark(folder / mark, mark)
    except OSError as error:
        raise map_os_error(error, str(folder)) from error


def refuse_others(folder: Path, mark: str, *, what: str) -> None:
    """Refuse what ``claim_folder`` would refuse for what lies there, and make nothing.

    Raises:
        NotOurs: it holds something and no mark.
    """
    with contextlib.suppress(OSError):  # of a folder that is not there, or not to be read: claiming it tells
        others = names_of_others(folder)
        if others and mark not in others:
            raise holds_others(folder, others, what)


def _make(folder: Path, *, is_shared: bool) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    if is_shared:
        with contextlib.suppress(PermissionError):  # another user's has it already
            folder.chmod(FOLDER_MODE)


def names_of_others(folder: Path, *, ours: Collection[str] = ()) -> list[str]:
    """Return the names of what lies in a folder, sorted, but for ``ours`` and what a fresh volume may hold."""
    return sorted(path.name for path in folder.iterdir() if path.name not in _HARMLESS and path.name not in ours)


def holds_others(folder: Path, names: list[str], what: str) -> NotOurs:
    """Return the error of a folder that holds what is not ours."""
    shown = ", ".join(_plain(name) for name in names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return NotOurs(
        f"{folder} holds {shown}{more}, which Penstock did not put there",
        fix=f"choose an empty or new folder for {what}; nothing in this one was touched",
        about=str(folder),
    )


def open_mark(folder: Path, mark: str) -> int:
    """Open a mark that is there; an empty one is being made.

    Raises:
        NotOurs: it is something else of that name.
        OSError: there is none, or it cannot be opened.
    """
    handle = open_regular(folder / mark, os.O_RDWR)
    head = os.pread(handle, _HEAD_BYTES, 0)
    if not head:
        os.pwrite(handle, _head(mark), 0)
    elif head != _head(mark):
        os.close(handle)
        raise NotOurs(
            f"{folder / mark} is no mark of this release",
            fix="choose another folder, or the release that made it; it was left as it is",
            about=str(folder),
        )
    return handle


def make_mark(path: Path, mark: str) -> int:
    """Make a mark of a kind where nothing is; give its handle.

    Raises:
        OSError: it cannot be made.
    """
    handle = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MARK_MODE)
    os.fchmod(handle, MARK_MODE)  # whatever the umask
    os.pwrite(handle, _head(mark), 0)
    return handle


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who holds a role in a folder, as it told itself."""

    pid: int
    host: str
    since: str
    detail: str

    def __str__(self) -> str:
        detail = f", {self.detail}" if self.detail else ""
        return f"process {self.pid} on {self.host} since {self.since}{detail}"


def _read_holder(handle: int, role: int) -> Holder | None:
    """Return who holds a role; what anybody may have written there is taken as text, cut short and made plain."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        told = json.loads(os.pread(handle, _ROLE_BYTES, _HEAD_BYTES + role * _ROLE_BYTES))
        texts = {name: _plain(told[name]) for name in ("host", "since", "detail")}
        return Holder(pid=told["pid"], **texts) if type(told["pid"]) is int else None
    return None


def _plain(text: object) -> str:
    return "".join(character if character.isprintable() else "?" for character in str(text)[:64])


_held: weakref.WeakSet[Hold] = weakref.WeakSet()


class Hold:
    """A role in a folder of ours, held from ``take`` until ``close`` or the end of this process.

    Attributes:
        handle: of the folder's mark.
    """

    def __init__(self, handle: int, role: int) -> None:
        self.handle, self._role = handle, role
        _held.add(self)

    @classmethod
    def take(cls, handle: int, role: int, *, detail: str = "") -> Hold | None:
        """Take a role; None where another holds it. The handle is this hold's own from then on.

        Args:
            handle: of the folder's mark.
            role: number of the byte that is locked.
            detail: told to whoever is refused.
        """
        if not locks.take(handle, role, 1):
            return None
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        told = {"pid": os.getpid(), "host": socket.gethostname()[:48], "since": since, "detail": detail}
        with contextlib.suppress(OSError):  # on a full disk it is held all the same
            os.pwrite(handle, _line(told, _ROLE_BYTES), _HEAD_BYTES + role * _ROLE_BYTES)
        return cls(handle, role)

    def is_current(self, path: Path) -> bool:
        """Tell whether the mark at ``path`` is still the one that is held."""
        with contextlib.suppress(OSError):
            found, mine = path.lstat(), os.fstat(self.handle)
            return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)
        return False

    def close(self) -> None:
        """Let go."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
        _held.discard(self)


def _let_go_after_fork() -> None:
    for hold in list(_held):
        hold.close()


os.register_at_fork(after_in_child=_let_go_after_fork)


def is_held_by(path: Path, role: int) -> tuple[bool, Holder | None]:
    """Tell whether somebody holds a role of a mark right now, and who, as far as that is known.

    Raises:
        PermissionError: it must not be looked at.
    """
    try:
        handle = open_regular(path, os.O_RDONLY)
    except (FileNotFoundError, NotOurs):
        return False, None
    try:
        held = locks.is_taken(handle, role, 1)
        return held, _read_holder(handle, role) if held else None
    finally:
        os.close(handle)

"""Who uses a window: one prefetcher and one trainer's job at a time; whoever comes second is refused by name.

The window's folder carries a mark (``penstock.owning``). A prefetcher holds the mark's first byte for as long as it
serves, a trainer's job the second for as long as it reads: one process of the job does, for all of its ranks and
workers, and all streams of it that follow one another. Both are let go of by the kernel, however a process ends.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from penstock.errors import WindowError
from penstock.owning import WINDOW_MARK, Hold, Holder, claim_folder, is_held_by

__all__ = [
    "CHILD",
    "SIDECAR",
    "Role",
    "claim_job",
    "claim_window",
    "hold_window",
    "is_served",
    "is_served_by_sidecar",
    "share_job",
]

CHILD, SIDECAR = "child of a trainer", "sidecar"
"""What a prefetcher tells of itself: whether it ends with the trainer that started it."""


class Role(IntEnum):
    """The byte of the mark that is held."""

    PREFETCHER = 0
    TRAINER = 1


def claim_window(folder: Path) -> None:
    """Make a folder a window, or see that it is one.

    Raises:
        NotOurs: it holds what Penstock did not put there; nothing of it was touched.
        DiskFull, OutputUnwritable: it cannot be made.
    """
    os.close(claim_folder(folder, WINDOW_MARK, what="--window"))


def hold_window(folder: Path, role: Role, *, detail: str = "") -> Hold:
    """Take a role in a window.

    Args:
        folder: of the window; made if it is missing.
        role: held from then on.
        detail: told to whoever comes second.

    Raises:
        WindowError: another process has that role.
        NotOurs, DiskFull, OutputUnwritable: the folder cannot be used.
    """
    while True:
        handle = claim_folder(folder, WINDOW_MARK, what="--window")
        hold = Hold.take(handle, role, detail=detail)
        if hold is not None and hold.is_current(folder / WINDOW_MARK):
            return hold
        if hold is not None:
            hold.close()  # somebody removed the folder just then
            continue
        os.close(handle)
        raise _is_taken(folder, role)


def _is_taken(folder: Path, role: Role) -> WindowError:
    _, holder = is_held_by(folder / WINDOW_MARK, role)
    who = f" ({holder})" if holder is not None else ""
    what = "another prefetcher serves" if role is Role.PREFETCHER else "another job trains through"
    return WindowError(
        f"{what} the window {folder}{who}",
        fix="wait for its end, or choose another --window folder; it goes on undisturbed",
        about=str(folder),
    )


def _prefetcher(folder: Path) -> tuple[bool, Holder | None]:
    return is_held_by(folder / WINDOW_MARK, Role.PREFETCHER)


def is_served(folder: Path) -> bool:
    """Tell whether a prefetcher serves the window right now."""
    return _prefetcher(folder)[0]


def is_served_by_sidecar(folder: Path) -> bool:
    """Tell whether a prefetcher serves the window that does not end with the trainer that started it."""
    is_there, holder = _prefetcher(folder)
    return is_there and (holder is None or holder.detail != CHILD)


class _Job:
    """This process's part as a trainer in a window: what holds it, and for how many."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.num_users = 1


_jobs: dict[tuple[int, int], _Job] = {}
"""By device and inode of the window's mark: one folder may have many paths."""
_lock = threading.RLock()


def _forget() -> None:
    """A forked process is no trainer of its parent's windows; its holds were let go of already."""
    global _lock
    _lock = threading.RLock()
    _jobs.clear()


os.register_at_fork(after_in_child=_forget)


@contextlib.contextmanager
def claim_job(folder: Path) -> Iterator[None]:
    """Be the job that trains through a window, within the block.

    Raises:
        WindowError: another job does, of this process or of another.
        NotOurs, DiskFull, OutputUnwritable: the folder cannot be used.
    """
    key = _enter(folder, shares=False)
    try:
        yield
    finally:
        _leave(key)


@contextlib.contextmanager
def share_job(folder: Path) -> Iterator[None]:
    """Read through a window, within the block, as a part of whatever job this process has there.

    Raises:
        WindowError: another process trains through it.
        NotOurs, DiskFull, OutputUnwritable: the folder cannot be used.
    """
    key = _enter(folder, shares=True)
    try:
        yield
    finally:
        _leave(key)


def _enter(folder: Path, *, shares: bool) -> tuple[int, int]:
    with _lock:
        claim_window(folder)
        job = _jobs.get(_identity(folder))
        if job is None:
            job = _Job(hold_window(folder, Role.TRAINER))
            _jobs[_identity(folder)] = job
        elif shares:
            job.num_users += 1
        else:
            raise _is_taken(folder, Role.TRAINER)
        found = os.fstat(job.hold.handle)
        return found.st_dev, found.st_ino


def _leave(key: tuple[int, int]) -> None:
    with _lock:
        job = _jobs.get(key)
        if job is not None:
            job.num_users -= 1
            if not job.num_users:
                job.hold.close()
                del _jobs[key]


def _identity(folder: Path) -> tuple[int, int]:
    found = (folder / WINDOW_MARK).stat()
    return found.st_dev, found.st_ino

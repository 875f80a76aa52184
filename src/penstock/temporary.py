"""Temporary folders that no kill leaves behind for long: the next process that makes one removes those of the dead."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from penstock import locks
from penstock.errors import NotOurs, map_os_error
from penstock.owning import WINDOW_MARK, Hold, make_mark, open_mark

__all__ = ["TemporaryFolder", "sweep_abandoned"]

_MARK = ".penstock-temporary"


class TemporaryFolder:
    """A folder of this process's, gone with ``close``, or with this object, or with the process's end.

    Where the process is killed it stays, and the next one that makes a folder of the same prefix there removes it.

    Args:
        prefix: of its name.
        parent: where it lies; None is the system's folder for temporary files.

    Attributes:
        path: of the folder.

    Raises:
        DiskFull, OutputUnwritable: it cannot be made.
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        root = parent or Path(tempfile.gettempdir())
        sweep_abandoned(root, prefix)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
            made = self.path / f"{_MARK}.new"
            hold = Hold.take(make_mark(made, _MARK), 0)
            assert hold is not None
            # Under its name others look at it, and by now it tells that somebody is there.
            made.rename(self.path / _MARK)
        except OSError as error:
            raise map_os_error(error, str(root)) from error
        self._hold = hold
        self._remove = weakref.finalize(self, _remove_own, self.path, hold, os.getpid())

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it with all that lies in it."""
        self._remove()


def _remove_own(path: Path, hold: Hold, pid: int) -> None:
    if os.getpid() == pid:
        with contextlib.suppress(OSError), _opened_folder(path) as folder:
            _empty(folder)
            path.rmdir()
    hold.close()


def sweep_abandoned(parent: Path, prefix: str) -> list[Path]:
    """Remove temporary folders whose process is gone; give those that were.

    One is only removed if it is this user's, its mark is there, and nobody holds it or a window in it. Two that sweep
    at the same time, or a process that is just making its own, do not hurt each other.
    """
    removed = []
    with contextlib.suppress(OSError):
        for path in list(parent.iterdir()):
            if path.name.startswith(prefix) and _sweep(path):
                removed.append(path)
    return removed


def _sweep(path: Path) -> bool:
    with contextlib.suppress(OSError, NotOurs), _opened_folder(path) as folder:
        if os.fstat(folder).st_uid != os.geteuid():
            return False
        handle = open_mark(_beneath(folder), _MARK)
        try:
            # Another sweeper may have removed the mark while this one waited for nothing but its turn.
            if not locks.take(handle, 0, 1) or not os.fstat(handle).st_nlink or _is_in_use(_beneath(folder)):
                return False
            _empty(folder)
            path.rmdir()
            return True
        finally:
            os.close(handle)
    return False


def _is_in_use(folder: Path) -> bool:
    """Tell whether somebody still holds a window in a folder, such as a prefetcher that is about to end."""
    with os.scandir(folder) as found:
        inner = [folder / item.name for item in found if item.is_dir(follow_symlinks=False)]
    return any(locks.is_held(where / WINDOW_MARK) for where in inner)


def _beneath(folder: int) -> Path:
    """Return a path that leads to an open folder, whatever takes its place meanwhile."""
    return Path(f"/proc/self/fd/{folder}")


@contextlib.contextmanager
def _opened_folder(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _empty(folder: int) -> None:
    """Remove all that lies in a folder, links as links, its mark last: a kill in the middle leaves it to the next."""
    for name in sorted(os.listdir(folder), key=lambda name: name == _MARK):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)

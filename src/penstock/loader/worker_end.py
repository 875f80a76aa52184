"""The end of loading workers whose trainer was killed.

torch's workers look for their parent now and then, but one that then waits for the lock of the queue to it, which
nobody lets go of any more, stays for good. So each watches the parent on its own: a process descriptor becomes readable
when its process ends (``pidfd_open(2)``).
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import threading
from pathlib import Path

from penstock.children.telling import wake_with_parent

__all__ = ["end_with", "remove_shared_memory"]

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - as torch has it


def end_with(parent_pid: int, worker: int, folder: Path) -> None:
    """End this process at once when its parent ends, however that happens.

    Args:
        parent_pid: of the process that forked this one.
        worker: number of the worker among its parent's.
        folder: of the parent, which goes with it.
    """
    wake_with_parent()
    try:
        parent = os.pidfd_open(parent_pid)
    except ProcessLookupError:
        _end(folder)
    except OSError:
        return  # a sandbox that does not know the call: torch's own looking is what is left

    def watch() -> None:
        ended = select.poll()  # not select, which knows no file above number 1,023
        ended.register(parent, select.POLLIN)
        ended.poll()
        _end(folder)

    threading.Thread(target=watch, name=f"penstock-parent-{worker}", daemon=True).start()


def remove_shared_memory(pid: int) -> None:
    """Remove what a worker that was killed left in shared memory.

    torch makes a file for each tensor that it passes on, named by its process, and removes the name at once; one that
    is killed in between leaves the file for good.
    """
    for path in _SHARED_MEMORY.glob(f"torch_{pid}_*"):
        with contextlib.suppress(OSError):
            path.unlink()


def _end(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    remove_shared_memory(os.getpid())
    os._exit(1)

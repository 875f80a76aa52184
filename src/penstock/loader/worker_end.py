"""The end of loading workers whose trainer was killed.

torch's workers look for their parent now and then, but one that then waits for the lock of the queue to it, which
nobody lets go of any more, stays for good. So each watches the parent on its own: a process descriptor becomes readable
when its process ends (``pidfd_open(2)``).
"""

from __future__ import annotations

import os
import select
import threading

__all__ = ["end_with"]


def end_with(parent_pid: int, worker: int) -> None:
    """End this process at once when its parent ends, however that happens.

    Args:
        parent_pid: of the process that forked this one.
        worker: number of the worker among its parent's.
    """
    try:
        parent = os.pidfd_open(parent_pid)
    except ProcessLookupError:
        os._exit(1)
    except OSError:
        return  # a sandbox that does not know the call: torch's own looking is what is left

    def watch() -> None:
        select.select([parent], [], [])
        os._exit(1)

    threading.Thread(target=watch, name=f"penstock-parent-{worker}", daemon=True).start()

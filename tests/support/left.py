"""What tests must leave of the process as they found it, as others come after them in any order."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import tempfile
from typing import Any, Final

from penstock.allocating import LEAN

__all__ = ["changed", "process_state"]

_KEPT: Final = {*LEAN, "CUBLAS_WORKSPACE_CONFIG", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "PYTEST_CURRENT_TEST"}
"""Variables that steps, torch and pytest set for the rest of a process."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGPIPE)


def process_state() -> dict[str, Any]:
    """Return it by name; variables of the environment as ``$NAME``."""
    mask = os.umask(0)
    os.umask(mask)
    return {
        "folder": os.getcwd(),  # noqa: PTH109 - Path.cwd() ten times over
        "umask": mask,
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "sys.path": tuple(sys.path),
        "temporary folder": tempfile.gettempdir(),
        "search for cycles": gc.isenabled(),
        **{f"at {number.name}": signal.getsignal(number) for number in _SIGNALS},
        **{f"${name}": value for name, value in os.environ.items() if name not in _KEPT},
    }


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Tell what is another than it was."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name)!r} is {after.get(name)!r} now" for name in names]

"""What tests must leave of the process as they found it, as others come after them in any order."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, Final

from penstock.observe.logs import _StderrHandler

__all__ = ["changed", "logging_put_back", "process_state"]

_VARIABLES: Final = re.compile(
    r"(AWS|AZURE|CLOUDSDK|FSSPEC|GCE|GOOGLE|KAGGLE|PENSTOCK|PIP|PYTHON|TOY)_?.*"
    r"|(HF|HUGGING_FACE_HUB)_(TOKEN|HOME|ENDPOINT|TOKEN_PATH)|(?i:https?|all|no)_proxy"
    r"|HOME|PATH|TMPDIR|XDG_.*|COLUMNS|SSL_CERT_.*|(LOCAL_)?RANK|(LOCAL_)?WORLD_SIZE"
)
"""By what Penstock, and clients that it has, read; others are what libraries keep for themselves."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


def process_state() -> dict[str, Any]:
    """Return it by name; variables of the environment as ``$NAME``."""
    mask = os.umask(0)
    os.umask(mask)
    return {
        "folder": os.getcwd(),  # noqa: PTH109 - Path.cwd() ten times over
        "umask": mask,
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "sys.path": [path for path in sys.path if "site-packages" not in path and path != _of_torch()],
        "temporary folder": tempfile.gettempdir(),
        "search for cycles": gc.isenabled(),
        **{f"at {number.name}": signal.getsignal(number) for number in _SIGNALS},
        **{f"${name}": value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)},
    }


def _of_torch() -> str | None:
    """Return the folder that torch puts into ``sys.path`` for modules that it writes, as some of its versions do."""
    return getattr(sys.modules.get("torch.distributed.nn.jit.instantiator"), "INSTANTIATED_TEMPLATE_DIR_PATH", None)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Tell what is another than it was."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name}: {before.get(name)!r} is {after.get(name)!r} now" for name in names]


@contextlib.contextmanager
def logging_put_back() -> Iterator[None]:
    """Take away what a step sets up for the rest of a process: what is logged later is not of that step."""
    loggers = [logging.getLogger(), logging.getLogger("penstock")]
    levels, handlers = [logger.level for logger in loggers], {*loggers[0].handlers}
    yield
    for logger, level in zip(loggers, levels, strict=True):
        if logger.level != level:
            logger.setLevel(level)
    for handler in [*loggers[0].handlers]:
        if isinstance(handler, _StderrHandler) and handler not in handlers:
            loggers[0].removeHandler(handler)

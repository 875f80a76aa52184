"""Where a process of Penstock begins and ends: ``penstock`` and ``python -m penstock``.

Signals are handled before anything that takes time is imported: as process 1 of a container it would otherwise not
hear them at all, and anywhere else end without a word.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from penstock import pid_one, stopping

__all__ = ["entry"]


def entry() -> NoReturn:
    """Run one step and end the process with its exit code.

    Ends at once after a flush: obstore's threads may still touch Python while the interpreter is torn down, and
    abort the process (seen in 14 of 60 runs; the same race is PyO3/pyo3-async-runtimes issue 40).
    """
    pid_one.fork_below()
    try:
        stopping.install()
        code = _run()
    except stopping.StopAsked:
        # So early, or so late, that nothing was begun or all is done.
        code = _stopped_code()
    stopping.settle()
    _flush()
    os._exit(code)


def _run() -> int:
    from penstock import outlets

    outlets.make_lasting()
    try:
        from penstock.cli import main

        return main()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except stopping.StopAsked:
        raise
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1


def _stopped_code() -> int:
    from penstock.cli import stopped_code

    return stopped_code(sys.argv[1:])


def _flush() -> None:
    import contextlib
    import logging

    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()

"""Where a process of Penstock begins and ends: ``penstock`` and ``python -m penstock``.

Signals are handled before anything that takes time is imported: as process 1 of a container it would otherwise not
hear them at all, and anywhere else end without a word or with a traceback of whatever was being imported. So they wait
from the first statement of ``entry`` on until their handlers are there, and nothing is imported at its top.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # of the interpreter itself: `signal` takes 5 ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["entry"]


def entry() -> NoReturn:
    """Run one step and end the process with its exit code.

    Ends at once after a flush: obstore's threads may still touch Python while the interpreter is torn down, and
    abort the process (seen in 14 of 60 runs; the same race is PyO3/pyo3-async-runtimes issue 40).
    """
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP))
    import gc
    import os

    from penstock import pid_one, stopping

    # Before torch is loaded. Its threads would spin while they wait for each other, on cores that a prefetcher and
    # loading workers need: a small network took twice the CPU, and many times as long where others used the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    pid_one.fork_below()
    gc.disable()  # until all is imported: to look through it again and again is an eighth of a start
    code: int | None = None
    try:
        stopping.install()
        code = _run()
    except stopping.StopAsked as stopped:
        # So early that nothing was begun, or so late that all is done.
        code = _stopped(stopped) if code is None else code
    stopping.settle()
    os._exit(_flush(code))


def _run() -> int:
    from penstock import stopping

    try:
        from penstock import beginning, outlets

        outlets.make_lasting()
        beginning.mark()
        from penstock.cli import main

        return main()
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except stopping.StopAsked:
        raise
    except BaseException as error:
        number = stopping.received()
        if number is not None and stopping.is_stopping():
            # What became of it on its way: imports and others raise their own errors in its place.
            raise stopping.StopAsked(number) from error
        return _fault(error)


def _fault(error: BaseException) -> int:
    """Show the traceback of a fault of the code, and tell the parent process of it; give the exit code."""
    import contextlib
    import sys
    import traceback

    told = "".join(traceback.format_exception(error))
    with contextlib.suppress(Exception):  # where not even these can be imported
        from penstock.children.telling import tell_fault
        from penstock.secrets import redact
        from penstock.texts import printable

        told = printable(redact(told), lines=True)
        tell_fault(error)
    sys.stderr.write(told)
    return 1


def _stopped(stopped: KeyboardInterrupt) -> int:
    import sys

    from penstock.cli import tell_stop

    return tell_stop(sys.argv[1:], stopped)


def _flush(code: int) -> int:
    """Write what is still held back; give the exit code, which is an error's where results could not be written."""
    import contextlib
    import logging
    import sys

    from penstock.errors import PenstockError

    logging.shutdown()
    try:
        sys.stdout.flush()
    except PenstockError as error:
        sys.stderr.write(f"penstock: error: {error}\n")
        code = code or error.exit_code
    except (OSError, ValueError):
        pass
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    return code

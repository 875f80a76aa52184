"""Standard output and error that outlast whoever reads them.

``penstock list | head``, a log's pipe or a terminal that closes: what is written then goes nowhere, and the step goes
on. A disk that is full stays an error.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO

from penstock.errors import map_os_error

__all__ = ["make_lasting"]

_GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET)


class _Outlet(io.FileIO):
    """A file descriptor to write to, which becomes that of ``/dev/null`` when nobody reads it any more."""

    def write(self, data: object) -> int:
        """Write, or throw away."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in _GONE:
                raise map_os_error(error, "standard output") from error
            null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(data).nbytes  # type: ignore[arg-type]


def make_lasting() -> None:
    """Put such streams in the place of ``sys.stdout`` and ``sys.stderr``, also where those were closed already."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file that is opened takes the number, and what is printed lands in it.
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
    sys.stdout = _lasting(sys.stdout, 1)
    sys.stderr = _lasting(sys.stderr, 2)


def _lasting(stream: TextIO | None, number: int) -> TextIO:
    raw = _Outlet(number, "w", closefd=False)
    unbuffered = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors=getattr(stream, "errors", None) or "backslashreplace",
        line_buffering=bool(getattr(stream, "line_buffering", True)),
        write_through=unbuffered,
    )

"""Standard output and error that outlast whoever reads them.

``penstock list | head``, a log's pipe or a terminal that closes: what is written then goes nowhere, and the step goes
on. So it does where standard error, which only tells of it, cannot be written to for any other reason; that results
cannot be written to standard output, as to a full disk, stays an error.
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
    """A file descriptor to write to, which becomes that of ``/dev/null`` when nobody reads it any more.

    Args:
        number: of the file descriptor.
        holds_results: whether it is an error that what is written cannot be kept.
    """

    def __init__(self, number: int, *, holds_results: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._holds_results = holds_results

    def write(self, data: object) -> int:
        """Write, or throw away."""
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if error.errno not in _GONE:
                if self._holds_results:
                    raise map_os_error(error, "standard output") from error
                return memoryview(data).nbytes  # type: ignore[arg-type]
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
    sys.stdout = _lasting(sys.stdout, _Outlet(1, holds_results=True))
    sys.stderr = _lasting(sys.stderr, _Outlet(2, holds_results=False))


def _lasting(stream: TextIO | None, raw: _Outlet) -> TextIO:
    unbuffered = bool(getattr(stream, "write_through", False))
    return io.TextIOWrapper(
        raw if unbuffered else io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors=getattr(stream, "errors", None) or "backslashreplace",
        line_buffering=bool(getattr(stream, "line_buffering", True)),
        write_through=unbuffered,
    )

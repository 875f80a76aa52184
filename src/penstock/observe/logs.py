"""Log lines on stderr: one line an event, with the time in UTC and without secrets.

Only steps call ``configure_logging``; everything else asks ``logging.getLogger(__name__)`` and stays silent
until then.
"""

from __future__ import annotations

import copy
import logging
import sys
import time
from typing import TextIO

from penstock.secrets import redact
from penstock.texts import printable

__all__ = ["RedactingFormatter", "configure_logging"]

_LINE = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"
_TIME = "%Y-%m-%dT%H:%M:%S"


class RedactingFormatter(logging.Formatter):
    """Writes a record as one line that holds no secret, exception included.

    Exceptions are told as ``error=Class: message`` on the same line; with ``traceback`` the frames follow.
    The record itself is left as it is, for other handlers.
    """

    def __init__(self, *, traceback: bool = False) -> None:
        super().__init__(_LINE, datefmt=_TIME)
        self.converter = time.gmtime
        self._traceback = traceback

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a newline at its end."""
        line = copy.copy(record)
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += f" error={type(error).__name__}: {error}"
        line.msg, line.args = printable(" ".join(text.splitlines())), None
        line.exc_info = line.exc_text = line.stack_info = None
        told = super().format(line)
        if self._traceback and record.exc_info:
            told += "\n" + self.formatException(record.exc_info)
        return printable(redact(told), lines=True)


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is when the line is written, so that progress bars can step aside."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        raise AttributeError("this handler always writes to sys.stderr")


def configure_logging(verbose: bool = False) -> None:
    """Send Penstock's log lines, and warnings of others, to stderr; calling it again replaces the last call.

    Args:
        verbose: a line an event and tracebacks of exceptions; without it warnings and errors alone.
    """
    handler = _StderrHandler()
    handler.setFormatter(RedactingFormatter(traceback=verbose))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _StderrHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("penstock").setLevel(logging.INFO if verbose else logging.WARNING)

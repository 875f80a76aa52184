"""Progress and log lines for people.

``penstock.report.charts`` is not imported here: it needs matplotlib, which only reports do.
"""

from __future__ import annotations

from penstock.observe.logs import RedactingFormatter, configure_logging
from penstock.observe.opening import no_progress, open_progress
from penstock.observe.progress import NoProgress, PlainProgress, ProgressReporter, StageProgress
from penstock.secrets import redact

__all__ = [
    "NoProgress",
    "PlainProgress",
    "ProgressReporter",
    "RedactingFormatter",
    "StageProgress",
    "configure_logging",
    "no_progress",
    "open_progress",
    "redact",
]

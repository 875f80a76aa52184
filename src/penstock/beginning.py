"""When an attempt at a step began: with its container where Kubernetes runs it, else with its process.

A process begins before anything is imported, and a container before the process: whoever pays for the node pays for
that too. ``PENSTOCK_POD_STARTED_AT`` (ISO 8601) says it where somebody knows better, as from the pod's status.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["mark", "take_beginning"]

VARIABLE = "PENSTOCK_POD_STARTED_AT"
LONGEST = timedelta(days=30)
"""Before this process that a pod may have started, to be believed."""
_IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"

log = logging.getLogger(__name__)

_is_own = False


def mark() -> None:
    """Take note that this process is one of Penstock's from its first statement on, not one that imports it."""
    global _is_own
    _is_own = True


def take_beginning(environ: Mapping[str, str] = os.environ) -> datetime:
    """Return when this attempt began, in UTC: the first of the process with it, any further one now."""
    global _is_own
    now = datetime.now(UTC)
    if not _is_own:
        return now
    _is_own = False
    pids = ("1", "self") if environ.get(_IN_KUBERNETES) else ("self",)
    begun = [now - timedelta(seconds=age) for pid in pids if (age := _age_seconds(pid)) is not None]
    if (told := _told(environ.get(VARIABLE, ""), now)) is not None:
        begun.append(told)
    return min(begun, default=now)


def _told(text: str, now: datetime) -> datetime | None:
    if not text:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        told = None
    if told is not None:
        told = (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
        if now - LONGEST <= told <= now:
            return told
    log.warning("beginning.unread variable=%s value=%r reason=no time of the last days", VARIABLE, text[:40])
    return None


def _age_seconds(pid: str) -> float | None:
    """Return for how long a process has been running, None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks = int(fields[19])  # the 22nd of all: when it was started, since the machine was
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return None

"""When an attempt at a step began: with its pod where Kubernetes runs it for that alone, else with its process.

A process begins before anything is imported, a container before the process, and a pod before its images are pulled:
whoever pays for the node pays for that too. A pod is taken to be there for an attempt where its container's first
process is that of the attempt, or started it and nothing else before: not in a notebook's, and not for the second
command of a script. ``PENSTOCK_POD_STARTED_AT`` (ISO 8601) says it where somebody knows better.
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
_OF_POD = "/etc/hostname"
"""A file that container runtimes write when they make a pod, before its images are pulled, and mount in containers."""

log = logging.getLogger(__name__)

_is_own = False


def mark() -> None:
    """Take note that this process is one of Penstock's from its first statement on, not one that imports it."""
    global _is_own
    _is_own = True


def take_beginning(environ: Mapping[str, str] = os.environ, *, root: Path = Path("/")) -> datetime:
    """Return when this attempt began, in UTC: the first of the process with it, any further one now.

    Args:
        root: of the file system that tells it.
    """
    global _is_own
    now = datetime.now(UTC)
    if not _is_own:
        return now
    _is_own = False
    ages = [_age_seconds(_stat(root, "self"))]
    if environ.get(_IN_KUBERNETES) and _is_first_of_container(root):
        ages += [_age_seconds(_stat(root, "1")), _pod_age_seconds(root, now)]
    begun = [now - timedelta(seconds=age) for age in ages if age is not None]
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


def _stat(root: Path, pid: str) -> list[str]:
    """Return what the system tells of a process, from its state on: proc_pid_stat(5), the 3rd field and on."""
    try:
        text = (root / "proc" / pid / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return [text.partition(" ")[0], *text.rpartition(")")[2].split()]


def _is_first_of_container(root: Path) -> bool:
    """Tell whether the container's first process is this one, or has started this one and waited for no other."""
    try:
        (pid, _, parent), first = _stat(root, "self")[:3], _stat(root, "1")
        return pid == "1" or (parent == "1" and int(first[14]) + int(first[15]) == 0)
    except (ValueError, IndexError):
        return False


def _age_seconds(stat: list[str]) -> float | None:
    """Return for how long a process has been running, None where the system does not tell."""
    try:
        ticks = int(stat[20])  # when it was started, since the machine was
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _pod_age_seconds(root: Path, now: datetime) -> float | None:
    """Return for how long the pod has been there, None where that is not told."""
    try:
        mounts = (root / "proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        if not any(line.split()[4:5] == [_OF_POD] for line in mounts):
            return None
        age = now.timestamp() - (root / _OF_POD[1:]).stat().st_mtime
    except OSError:
        return None
    return age if 0 <= age <= LONGEST.total_seconds() else None

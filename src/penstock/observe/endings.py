"""How a process ended, in words for a person: by a code, a signal, or for want of memory."""

from __future__ import annotations

import signal
from pathlib import Path

__all__ = ["count_oom_kills", "describe_end"]

_CGROUPS = Path("/sys/fs/cgroup")


def describe_end(code: int, *, oom_kills: int = 0) -> str:
    """Say how a process ended.

    Args:
        code: its exit code, or a signal's number below 0.
        oom_kills: processes of this container that the kernel killed for memory meanwhile.
    """
    if code >= 0:
        return f"ended with exit code {code}"
    name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
    if oom_kills:
        return f"was killed ({name}) by the kernel: the container is out of memory"
    if -code == signal.SIGKILL:
        return f"was killed ({name}), as the kernel does where it is out of memory"
    if -code == signal.SIGBUS:
        return f"ended by {name}: most likely /dev/shm, where batches pass between processes, is full"
    return f"was ended by {name}"


def count_oom_kills() -> int:
    """Return how often the kernel killed a process of this process's cgroup for memory; 0 where that can't be known."""
    for path, name in _counters():
        try:
            words = dict(line.split() for line in path.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if name in words:
            return int(words[name])
    return 0


def _counters() -> list[tuple[Path, str]]:
    """Return the files of both versions of cgroups that count it; a container often sees its own group as the root."""
    found = [(_CGROUPS / "memory.events", "oom_kill"), (_CGROUPS / "memory" / "memory.oom_control", "oom_kill")]
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, kinds, group = line.split(":", 2)
        if not kinds:
            found.insert(0, (_CGROUPS / group.lstrip("/") / "memory.events", "oom_kill"))
        elif "memory" in kinds.split(","):
            found.insert(0, (_CGROUPS / "memory" / group.lstrip("/") / "memory.oom_control", "oom_kill"))
    return found

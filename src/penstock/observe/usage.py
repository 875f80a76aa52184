"""What this process and its children take of CPU and memory right now, as the kernel tells it.

Quick enough to be asked each second: a file for each thread and child. In a container memory is that of its control
group without files that can be dropped, which is what a limit is held against; elsewhere that of the processes, with
what children share with their parent counted once.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "read_usage"]

_PROC = Path("/proc")
_GROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What was taken.

    Attributes:
        cpu_seconds: since they began, of this process, its children, and those that have ended.
        memory_bytes: None where it is not known.
        limit_bytes: of the container's memory; None where there is none.
        is_container: whether the memory is a container's.
    """

    cpu_seconds: float
    memory_bytes: int | None
    limit_bytes: int | None = None
    is_container: bool = False


def read_usage(*, proc: Path = _PROC, group: Path = _GROUP) -> Usage:
    """Return what is taken now.

    Args:
        proc: where processes are told of.
        group: the control group of this container.
    """
    cpu_seconds, taken_bytes = 0.0, 0
    for number, pid in enumerate(_tree(proc)):
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
            cpu_seconds += _cpu_seconds(proc / str(pid))
            taken_bytes += _memory_bytes(proc / str(pid), is_child=number > 0)
    if not cpu_seconds:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        cpu_seconds = sum(each.ru_utime + each.ru_stime for each in both)
    held_bytes = _held_bytes(group)
    if held_bytes is None:
        return Usage(cpu_seconds=cpu_seconds, memory_bytes=taken_bytes or None)
    return Usage(cpu_seconds=cpu_seconds, memory_bytes=held_bytes, limit_bytes=_limit(group), is_container=True)


def _tree(proc: Path) -> Iterator[int]:
    """Return this process and all that descend from it, those of threads too."""
    left = [os.getpid()]
    while left:
        pid = left.pop()
        yield pid
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"{proc}/{pid}/task"):  # noqa: PTH208 - a third of the time
                with contextlib.suppress(OSError), open(f"{proc}/{pid}/task/{thread}/children") as file:  # noqa: PTH123
                    left += map(int, file.read().split())


def _cpu_seconds(process: Path) -> float:
    """Return the time of a process and of children that it has waited for."""
    fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _memory_bytes(process: Path, *, is_child: bool) -> int:
    _, resident, shared, *_ = map(int, (process / "statm").read_bytes().split())
    return (resident - (shared if is_child else 0)) * os.sysconf("SC_PAGE_SIZE")


def _held_bytes(group: Path) -> int | None:
    """Return what a container holds; None where this is none: the root of a machine's groups counts nothing."""
    try:
        current = int((group / "memory.current").read_text())
        lines = (group / "memory.stat").read_text().splitlines()
        return max(0, current - int(dict(line.split() for line in lines).get("inactive_file", 0)))
    except (OSError, ValueError):
        return None


def _limit(group: Path) -> int | None:
    try:
        return int((group / "memory.max").read_text())
    except (OSError, ValueError):  # the word max
        return None

"""What a job has at some moment: its processes, by a mark in their environment, and what it left behind."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MARK", "Process", "left_in_memory", "processes_of", "wait_for_end"]

MARK = "PENSTOCK_SIGNALS_MARK"
_SHARED = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process of a job.

    Attributes:
        role: trainer, worker, prefetcher or listing; other where it is none of them.
    """

    pid: int
    role: str
    words: str


def processes_of(mark: str, trainer: int = 0) -> list[Process]:
    """Return the living processes that have the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state in "ZX" or not words:
            continue
        pid = int(entry.name)
        found.append(Process(pid=pid, role=_role(pid, int(parent), words, trainer), words=words))
    return found


def _role(pid: int, parent: int, words: str, trainer: int) -> str:
    if pid == trainer:
        return "trainer"
    if " penstock prefetch " in words:
        return "prefetcher"
    if " penstock list " in words:
        return "listing"
    return "worker" if parent == trainer else "other"


def wait_for_end(mark: str, *, seconds: float) -> list[Process]:
    """Wait until no process has the mark; give those that are left after some time."""
    end = time.monotonic() + seconds
    while (left := processes_of(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def left_in_memory(pids: set[int]) -> list[str]:
    """Name what lies in shared memory under the name of a process that has ended."""
    found = []
    for path in _SHARED.iterdir() if _SHARED.is_dir() else ():
        owner = re.search(r"^(?:torch|psm|sem\.mp)\D*(\d+)", path.name)
        if owner and int(owner[1]) in pids and not os.path.exists(f"/proc/{owner[1]}"):  # noqa: PTH110
            found.append(path.name)
    return found

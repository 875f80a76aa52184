"""CPU time, memory and disk of a process and everything under it, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLE_SECONDS = 0.03
PSS_SECONDS = 0.25


def tree(pid: int) -> Iterator[int]:
    """Return a process and its living descendants."""
    yield pid
    for task in _children_files(pid):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                yield from tree(int(child))


def _children_files(pid: int) -> list[Path]:
    try:
        return [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def tree_cpu_seconds(pid: int) -> float:
    """Return user and system time of a process tree, ended children that were waited for included."""
    ticks = 0
    for found in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{found}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def folder_bytes(folder: str) -> int:
    """Return what a folder takes on its volume; what vanishes meanwhile counts for nothing."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    total += folder_bytes(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    return total


class TreeSampler:
    """Watches a process tree and a folder from a thread, and keeps the peaks.

    RSS counts a page once for each process that maps it; PSS counts it once, and is looked at less often since
    the kernel walks all pages for it.
    """

    def __init__(self, pid: int, folder: str) -> None:
        self._pid, self._folder = pid, folder
        self.peak_rss_bytes = 0
        self.peak_pss_bytes = 0
        self.peak_disk_bytes = 0
        self.peak_processes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-sampler-0", daemon=True)

    def __enter__(self) -> TreeSampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        next_pss = 0.0
        while not self._stop.wait(SAMPLE_SECONDS):
            pids = list(tree(self._pid))
            self.peak_processes = max(self.peak_processes, len(pids))
            self.peak_rss_bytes = max(self.peak_rss_bytes, sum(map(_rss_bytes, pids)))
            self.peak_disk_bytes = max(self.peak_disk_bytes, folder_bytes(self._folder))
            if time.monotonic() >= next_pss:
                self.peak_pss_bytes = max(self.peak_pss_bytes, sum(map(_pss_bytes, pids)))
                next_pss = time.monotonic() + PSS_SECONDS


def _rss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    return 0


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

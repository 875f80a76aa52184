"""Kills ranks of a job and the processes that they have, at random moments."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.chaos.job import Job

__all__ = ["Killer", "children_of"]

STUCK_SECONDS = 150
"""Without any progress: longer than a trainer waits for a prefetcher that is gone, and than a source is tried again."""
BLIND_SHARE = 0.25
"""Of the kills, that wait for no progress: they meet processes that begin, adopt or join."""
MAX_ERRORS = 5


class Killer:
    """Kills, and counts it.

    Args:
        children: gives the process ids of what may be killed beside ranks, by what it is.

    Attributes:
        killed: how often what was killed; "trainer" is a rank, with which all others end.
    """

    def __init__(self, job: Job, *, kills: int, seed: int, children: Callable[[], Mapping[str, Sequence[int]]]) -> None:
        self._job, self._kills, self._children = job, kills, children
        self._chance = random.Random(seed)
        self._last_pid = 0
        self.killed: Counter[str] = Counter()

    def run(self, end_index: int) -> bool:
        """Kill as often as asked while the stream goes on, then let it come to its end; False where it got stuck."""
        job, chance = self._job, self._chance
        while True:
            num_kills = self.killed.total()
            more = num_kills < self._kills
            goal = int(end_index * (num_kills + chance.random()) / self._kills) if more else sys.maxsize
            if more and chance.random() < BLIND_SHARE:
                job.wait(goal=end_index, seconds=chance.uniform(0, 0.6))
            elif not job.wait(goal=goal, seconds=STUCK_SECONDS):
                job.dump()
                return False
            elif more:
                job.wait(goal=end_index, seconds=chance.uniform(0, 0.02))
            finished = job.finished()
            if finished or len(job.errors) > MAX_ERRORS:
                return True
            if finished is None and more:
                self._kill_one()
            elif finished is False:
                job.end()
                job.start()

    def _kill_one(self) -> None:
        chance, children = self._chance, self._children()
        what = chance.choice(["trainer", *children])
        if what == "trainer":
            self._job.kill(chance.randrange(len(self._job.pids)))
            self.killed[what] += 1
            self._job.start()
            return
        pid = chance.choice(children[what])
        if pid == self._last_pid:  # it is just dying
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._last_pid = pid
            self.killed[what] += 1


def children_of(pids: Sequence[int]) -> dict[str, list[int]]:
    """Return the prefetchers, listings and loading workers that processes have."""
    found: dict[str, list[int]] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            own = Path(f"/proc/{pid}/cmdline").read_bytes()
            for child in _children(pid):
                words = Path(f"/proc/{child}/cmdline").read_bytes()
                roles = {"prefetcher": b"\0prefetch\0", "listing": b"\0list\0"}
                role = next((role for role, word in roles.items() if word in words), "worker" if words == own else "")
                if role:
                    found.setdefault(role, []).append(child)
    return found


def _children(pid: int) -> list[int]:
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for text in texts for child in text.split()]

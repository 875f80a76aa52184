"""The run of a user's own loop over files of samples, while ranks, workers and prefetcher are killed at random moments.

What the ranks were given is compared with what they are given where nobody is killed and no request fails.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks.chaos.dataset import serve
from benchmarks.chaos.job import Job
from benchmarks.chaos.killer import Killer, children_of
from benchmarks.chaos.layouts import write_layout
from benchmarks.chaos.loop import Asked, loop
from benchmarks.chaos.server import Served
from benchmarks.chaos.setting import Checked, Outcome, Setting
from benchmarks.chaos.volume import Peak, bounded_volume

__all__ = ["run_loop"]

BATCH_SIZE = 8
WRONG = -1

Batches = list[tuple[int, tuple[int, ...]]]
"""Of a rank: the place after each, and the numbers of its samples."""


def run_loop(setting: Setting, folder: Path) -> Outcome:
    """Read everything as often as asked, killing as often as asked."""
    started, counts, wanted = time.monotonic(), dict[str, int](), dict[str, int]()
    write_layout(setting.layout, folder / "data", num_samples=setting.num_samples, size_bytes=setting.sample_bytes)
    served = Served(faults=setting.faults, seed=setting.seed, folder=str(folder / "data"))
    asked = Asked(
        layout=setting.layout,
        size_bytes=setting.sample_bytes,
        url="",
        epochs=setting.epochs,
        batch_size=BATCH_SIZE,
        window_bytes=setting.window_bytes,
        num_ranks=setting.num_ranks,
        workers=setting.workers,
        seed=setting.seed,
    )
    alone, killed, window = folder / "alone", folder / "killed", folder / "killed" / "window"
    alone.mkdir()
    killed.mkdir()
    with serve(replace(served, faults=0), wanted) as url:
        replace(asked, url=url).write(alone)
        undisturbed = _Ran(alone, setting, kills=0)
    with serve(served, counts) as url, bounded_volume(window, setting.window_bytes) as volume, Peak(window) as peak:
        replace(asked, url=url).write(killed)
        disturbed = _Ran(killed, setting, kills=setting.kills)
    return Outcome(
        checked=_check(setting, undisturbed, disturbed),
        trainer_kills=disturbed.killed["trainer"],
        prefetcher_kills=disturbed.killed["prefetcher"],
        other_kills=disturbed.killed["worker"] + disturbed.killed["listing"],
        attempts=len(disturbed.attempts),
        read_again=disturbed.read_again,
        errors=(*undisturbed.errors, *disturbed.errors),
        is_stuck=undisturbed.is_stuck or disturbed.is_stuck,
        window_bytes=setting.window_bytes,
        allocated_bytes=peak.allocated_bytes,
        peak_bytes=peak.peak_bytes,
        volume=volume,
        seconds=time.monotonic() - started,
        server=counts,
    )


class _Ran:
    """What a job did, and what it wrote down."""

    def __init__(self, folder: Path, setting: Setting, *, kills: int) -> None:
        job = Job(folder, setting.num_ranks, loop)
        job.start()
        killer = Killer(job, kills=kills, seed=setting.seed, children=lambda: children_of(job.pids))
        try:
            self.is_stuck = not killer.run(setting.num_samples * setting.epochs)
        finally:
            job.end()
        self.killed, self.errors, self.attempts = killer.killed, job.errors, job.attempts
        self.read_again = 0
        self.by_rank = [self._counted(folder / f"journal-{rank}") for rank in range(setting.num_ranks)]

    def _counted(self, journal: Path) -> Batches:
        """Return what counts of a rank's journal: what was read past a place that was gone back to does not."""
        counted: Batches = []
        lines = journal.read_text().splitlines() if journal.exists() else []
        now = 0
        for line in filter(lambda line: line.endswith(";"), lines):  # a kill may cut one, which no place covers
            attempt, place, numbers = line[:-1].split()
            while now < int(attempt):
                now += 1
                before = len(counted)
                counted = [batch for batch in counted if batch[0] <= self.attempts[now - 1]]
                self.read_again += before - len(counted)
            counted.append((int(place), tuple(map(int, numbers.split(",")))))
        return counted


def _check(setting: Setting, undisturbed: _Ran, disturbed: _Ran) -> Checked:
    """Compare what ranks were given with what they should have been, and that with what there is."""
    everything = range(setting.num_samples)
    given = Counter(number for batches in disturbed.by_rank for _, numbers in batches for number in numbers)
    wrong = given.pop(WRONG, 0)
    disorder = sum(
        sum(one != other for one, other in zip(*pair, strict=False)) + abs(len(pair[0]) - len(pair[1]))
        for pair in zip(undisturbed.by_rank, disturbed.by_rank, strict=True)
    )
    for epoch in range(setting.epochs):
        first, end = epoch * setting.num_samples, (epoch + 1) * setting.num_samples
        own = sorted(
            number
            for batches in undisturbed.by_rank
            for place, numbers in batches
            for number in numbers
            if first < place <= end
        )
        disorder += own != list(everything)
    return Checked(
        samples_due=setting.num_samples * setting.epochs,
        samples_counted=given.total() + wrong,
        lost=sum(max(0, setting.epochs - given[number]) for number in everything),
        repeated=sum(max(0, count - setting.epochs) for count in given.values()),
        out_of_order=disorder,
        wrong_bytes=wrong,
    )

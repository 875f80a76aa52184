"""The run: a job reads the whole stream while it and the prefetcher are killed at random moments."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import time
from pathlib import Path

from benchmarks.chaos.checking import check
from benchmarks.chaos.dataset import make_dataset, serve
from benchmarks.chaos.job import Job
from benchmarks.chaos.server import Served
from benchmarks.chaos.setting import Outcome, Setting
from benchmarks.chaos.trainer import BATCH_SIZE
from benchmarks.chaos.volume import Peak, bounded_volume
from penstock.options.window import ServingOptions
from penstock.records import encode_record
from penstock.window import Prefetcher

__all__ = ["run"]

STUCK_SECONDS = 150
"""Without any progress: longer than a trainer waits for a prefetcher that is gone, and than a source is tried again."""
BLIND_SHARE = 0.25
"""Of the kills, that wait for no progress: they meet processes that begin, adopt or join."""
MAX_ERRORS = 5

_log = logging.getLogger(__name__)


class Killer:
    """Kills ranks and prefetcher, and counts it."""

    def __init__(self, setting: Setting, job: Job, prefetcher: Prefetcher) -> None:
        self._setting = setting
        self._job = job
        self._prefetcher = prefetcher
        self._chance = random.Random(setting.seed)
        self._last_pid = 0
        self.trainer_kills = 0
        self.prefetcher_kills = 0

    def run(self, end_index: int) -> bool:
        """Kill as often as asked while the stream goes on, then let it come to its end; False where it got stuck."""
        job, chance = self._job, self._chance
        while True:
            num_kills = self.trainer_kills + self.prefetcher_kills
            more = num_kills < self._setting.kills
            goal = int(end_index * (num_kills + chance.random()) / self._setting.kills) if more else end_index + 1
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
        chance = self._chance
        if chance.random() < 0.5:
            self._job.kill(chance.randrange(self._setting.num_ranks))
            self.trainer_kills += 1
            self._job.start()
            return
        pid = self._prefetcher.pid
        if pid == self._last_pid:  # it is just dying
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._last_pid = pid
            self.prefetcher_kills += 1


def run(setting: Setting, folder: Path) -> Outcome:
    """Read the whole stream while all sides are killed at random moments."""
    started, counts = time.monotonic(), dict[str, int]()
    served = Served(
        num_objects=setting.num_samples, object_bytes=setting.sample_bytes, faults=setting.faults, seed=setting.seed
    )
    job = Job(folder, setting.num_ranks)
    window = folder / "window"
    with serve(served, counts) as url, bounded_volume(window, setting.window_bytes) as volume:
        dataset = make_dataset(
            folder,
            url,
            served,
            epochs=setting.epochs,
            num_ranks=setting.num_ranks,
            batch_extents=BATCH_SIZE * setting.num_ranks,
        )
        (folder / "spec.json").write_bytes(encode_record(dataset.spec))
        with Prefetcher(window, ServingOptions(window_size=setting.window_bytes)) as prefetcher, Peak(window) as peak:
            job.start()
            killer = Killer(setting, job, prefetcher)
            try:
                is_stuck = not killer.run(dataset.spec.end_index)
            finally:
                job.end()
    checked, read_again = check(folder, dataset, job.attempts)
    return Outcome(
        checked=checked,
        trainer_kills=killer.trainer_kills,
        prefetcher_kills=killer.prefetcher_kills,
        prefetcher_restarts=prefetcher.num_restarts,
        attempts=len(job.attempts),
        read_again=read_again,
        errors=tuple(job.errors),
        is_stuck=is_stuck,
        window_bytes=setting.window_bytes,
        allocated_bytes=peak.allocated_bytes,
        peak_bytes=peak.peak_bytes,
        volume=volume,
        seconds=time.monotonic() - started,
        server=counts,
    )

"""The run: a job reads the whole stream while it and the prefetcher are killed at random moments."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.chaos.checking import check
from benchmarks.chaos.dataset import make_dataset, serve
from benchmarks.chaos.job import Job
from benchmarks.chaos.killer import Killer
from benchmarks.chaos.server import Served
from benchmarks.chaos.setting import Outcome, Setting
from benchmarks.chaos.trainer import BATCH_SIZE, train
from benchmarks.chaos.volume import Peak, bounded_volume
from penstock.options.window import ServingOptions
from penstock.records import encode_record
from penstock.window import Prefetcher

__all__ = ["run"]


def run(setting: Setting, folder: Path) -> Outcome:
    """Read the whole stream while all sides are killed at random moments."""
    started, counts = time.monotonic(), dict[str, int]()
    served = Served(
        num_objects=setting.num_samples, object_bytes=setting.sample_bytes, faults=setting.faults, seed=setting.seed
    )
    job = Job(folder, setting.num_ranks, train)
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
            killer = Killer(
                job, kills=setting.kills, seed=setting.seed, children=lambda: {"prefetcher": [prefetcher.pid]}
            )
            try:
                is_stuck = not killer.run(dataset.spec.end_index)
            finally:
                job.end()
    checked, read_again = check(folder, dataset, job.attempts)
    return Outcome(
        checked=checked,
        trainer_kills=killer.killed["trainer"],
        prefetcher_kills=killer.killed["prefetcher"],
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

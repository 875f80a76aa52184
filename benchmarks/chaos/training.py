"""The run of ``penstock run`` on a table of Parquet, while it, its workers and its prefetcher are killed at random.

Weights, losses and metrics are compared with those of a run where nobody is killed and no request fails.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.chaos.command import command
from benchmarks.chaos.dataset import serve
from benchmarks.chaos.job import Job
from benchmarks.chaos.killer import Killer, children_of
from benchmarks.chaos.layouts import GROUP_SAMPLES, NUM_FILES
from benchmarks.chaos.server import Served
from benchmarks.chaos.setting import Checked, Outcome, Setting
from benchmarks.chaos.volume import Peak, bounded_volume
from penstock.records import RunRecord, read_record

__all__ = ["run_training"]

BATCH_SIZE = 8
NUM_COLUMNS = 8
LEARNT_SHARE = 0.6


def run_training(setting: Setting, folder: Path) -> Outcome:
    """Train to the end, killing as often as asked."""
    started, counts = time.monotonic(), dict[str, int]()
    _write_table(folder / "data", setting)
    served = Served(faults=setting.faults, seed=setting.seed, folder=str(folder / "data"))
    window = folder / "killed" / "window"
    for name in ("alone", "killed"):
        (folder / name).mkdir()
    with serve(replace(served, faults=0), {}) as url:
        wanted, _, _ = _train(folder / "alone", url, setting, kills=0)
    with serve(served, counts) as url, bounded_volume(window, setting.window_bytes) as volume, Peak(window) as peak:
        record, job, killer = _train(folder / "killed", url, setting, kills=setting.kills)
    return Outcome(
        checked=_check(wanted, record),
        trainer_kills=killer.killed["trainer"],
        prefetcher_kills=killer.killed["prefetcher"],
        other_kills=killer.killed["worker"] + killer.killed["listing"],
        attempts=len(job.attempts),
        read_again=0,
        errors=tuple(job.errors),
        is_stuck=record is None,
        window_bytes=setting.window_bytes,
        allocated_bytes=peak.allocated_bytes,
        peak_bytes=peak.peak_bytes,
        volume=volume,
        seconds=time.monotonic() - started,
        server=counts,
    )


def _write_table(folder: Path, setting: Setting) -> None:
    """Write rows whose target follows from their numbers, as many bytes as asked for together."""
    folder.mkdir()
    rng, rows = np.random.default_rng(setting.seed), -(-setting.num_samples // NUM_FILES)
    for number in range(NUM_FILES):
        columns = {f"x{each}": rng.normal(size=rows) for each in range(NUM_COLUMNS)}
        label = np.where(columns["x0"] + columns["x1"] * columns["x2"] > 0, "yes", "no")
        table = pa.table({**columns, "label": label, "noise": [rng.bytes(64) for _ in range(rows)]})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=GROUP_SAMPLES)


def _train(folder: Path, url: str, setting: Setting, *, kills: int) -> tuple[RunRecord | None, Job, Killer]:
    """Run it to its end; give its record, None where it got stuck."""
    words = ["run", "--source", "s3://chaos", "--endpoint-url", url, "--anonymous", "true", "--task", "table"]
    words += ["--option", "target=label", "--split", f"{LEARNT_SHARE},0.2,0.2", "--out", str(folder / "out")]
    words += ["--window", str(folder / "window"), "--window-size", str(setting.window_bytes), "--threads", "1"]
    words += ["--epochs", str(setting.epochs), "--batch-size", str(BATCH_SIZE), "--checkpoint-every", "5"]
    words += ["--workers", str(setting.workers), "--seed", str(setting.seed)]
    (folder / "words.json").write_text(json.dumps(words))
    job = Job(folder, 1, command)
    job.start()
    killer = Killer(job, kills=kills, seed=setting.seed, children=lambda: children_of(job.pids))
    try:
        steps = int(setting.num_samples * LEARNT_SHARE / BATCH_SIZE) * setting.epochs
        is_stuck = not killer.run(steps)
    finally:
        job.end()
    record = folder / "out" / "run.json"
    return read_record(record, RunRecord) if record.exists() and not is_stuck else None, job, killer


def _check(wanted: RunRecord | None, found: RunRecord | None) -> Checked:
    """Compare two runs, a loss a step."""
    if wanted is None or found is None:
        return Checked(samples_due=1, samples_counted=0, lost=1, repeated=0, out_of_order=0, wrong_bytes=0)
    steps = Counter(point.step for point in found.losses)
    missing = {point.step for point in wanted.losses} - steps.keys()
    metrics = [[epoch.valid for epoch in record.epochs] for record in (wanted, found)]
    return Checked(
        samples_due=len(wanted.losses),
        samples_counted=len(found.losses),
        lost=len(missing),
        repeated=sum(count - 1 for count in steps.values()),
        out_of_order=sum(one != other for one, other in zip(wanted.losses, found.losses, strict=False)),
        wrong_bytes=(wanted.weights_sha256 != found.weights_sha256) + (metrics[0] != metrics[1]),
    )

"""The same steps on this machine, with no cluster: what a run on the cluster is compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.records import Evaluation, RunRecord, read_record
from support.cli import Bucket, penstock
from support.moto_s3 import CREDENTIALS

SOURCE = ("--region", "us-east-2", "--split", "0.5,0.25,0.25")
EEG = ("--task", "eeg-c1")


@dataclass(frozen=True, kw_only=True)
class Local:
    """What a run on this machine gave."""

    record: RunRecord
    evaluation: Evaluation


def run_here(
    bucket: Bucket,
    folder: Path,
    *,
    epochs: int,
    checkpoint_every: int = 0,
    task: Sequence[str] = EEG,
    model: Sequence[str] = (),
) -> Local:
    """List, train and evaluate on this machine, with as many threads as a pod without limits has."""
    environment = {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))), **CREDENTIALS}

    def step(*words: object) -> None:
        done = penstock(*words, environment=environment)
        assert done.returncode == 0, done.stderr

    made = ("--manifest", folder / "m.parquet", "--plan", folder / "plan.json")
    step("list", "--source", bucket.uri, "--endpoint-url", bucket.url, *SOURCE, *task, *made)
    learn = ("--epochs", epochs, "--batch-size", 8, "--threads", 1, "--checkpoint-every", checkpoint_every)
    step("train", *made, *model, *learn, "--checkpoints", folder / "checkpoints", "--record", folder / "run.json")
    step("evaluate", *made, "--checkpoint", folder / "checkpoints", "--metrics", folder / "metrics.json")
    return Local(
        record=read_record(folder / "run.json", RunRecord),
        evaluation=read_record(folder / "metrics.json", Evaluation),
    )

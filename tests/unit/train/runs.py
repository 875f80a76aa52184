"""A small training run over arrays; as a script, the same run in a process of its own that tests may kill.

``python runs.py <folder> [--kill-at STEP] [--term-at STEP] [--stall-at STEP] [--minutes X]`` writes ``run.json`` and
prints each step.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import PenstockError
from penstock.recipes.eeg.models import build_model
from penstock.recipes.objectives import Regression
from penstock.records import EpochRecord, RunRecord, StepEvaluation, write_record
from penstock.sources import Blobs, open_blobs
from penstock.train.checkpoint import Checkpoints
from penstock.train.checkpoint_file import Identity
from penstock.train.config import TrainConfig
from penstock.train.determinism import seed_everything
from penstock.train.loop import train
from penstock.train.progress import StepUpdate
from penstock.train.result import TrainResult, make_run_record
from unit.train.arrays import ArrayLoader, RegressionTask, evoked_data

SHAPE = (8, 64)
CONFIG = TrainConfig(
    task="numbers", model="small", num_epochs=3, batch_size=16, seed=3, checkpoint_every_steps=3, num_threads=1
)
STEPS_PER_EPOCH = 7


def by_time(minutes: float | None) -> TrainConfig:
    """Return the same run, saved by time and not by steps."""
    return replace(CONFIG, checkpoint_every_steps=None, checkpoint_minutes=minutes)


def adapting(method: str) -> TrainConfig:
    """Return the same run, with every other sample of a domain whose labels are not known."""
    return replace(CONFIG, adapt=method)


def two_domains(targets: np.ndarray) -> np.ndarray:
    """Return targets of which every other one is not known."""
    return np.where(np.arange(len(targets)) % 2 == 0, targets, np.nan)


@dataclass
class Heard:
    """Progress that remembers what it was told."""

    on_each_step: Callable[[StepUpdate], None] = lambda update: None
    on_each_epoch: Callable[[EpochRecord], None] = lambda record: None
    steps: list[StepUpdate] = field(default_factory=list)
    epochs: list[tuple[EpochRecord, bool]] = field(default_factory=list)

    evaluations: list[tuple[int, bool]] = field(default_factory=list)
    begun_at: tuple[int, int] | None = None

    def on_begin(self, *, step: int, epoch: int, epoch_samples: int, num_samples: int | None) -> None:
        self.begun_at = (epoch, epoch_samples)

    def on_step(self, update: StepUpdate) -> None:
        self.steps.append(update)
        self.on_each_step(update)

    def on_evaluation(self, found: StepEvaluation, *, is_best: bool) -> None:
        self.evaluations.append((found.step, is_best))

    def on_epoch(self, record: EpochRecord, *, is_best: bool) -> None:
        self.epochs.append((record, is_best))
        self.on_each_epoch(record)


def make_identity(config: TrainConfig = CONFIG) -> Identity:
    return Identity(
        task=config.task,
        model=config.model,
        shape=SHAPE,
        num_outputs=1,
        manifest_fingerprint="m" * 64,
        plan_fingerprint="p" * 64,
        config=config.identity(),
    )


def run(
    root: Blobs | Path,
    *,
    config: TrainConfig = CONFIG,
    heard: Heard | None = None,
    before_batch: Callable[[int, int], None] = lambda epoch, position: None,
    before_valid: Callable[[int, int], None] = lambda epoch, position: None,
    results: list[TrainResult] | None = None,
    targets: Callable[[np.ndarray], np.ndarray] = lambda targets: targets,
    learnt: bool = True,
    with_valid: bool = True,
    on_save: Callable[[TrainResult], None] = lambda result: None,
    recipe: Any = None,
) -> TrainResult:
    """Train ``small`` on 104 samples of planted data: 7 steps an epoch."""
    inputs, truth, groups = evoked_data(104, shape=SHAPE, effect=1.0 if learnt else 0.0)
    valid_inputs, valid_truth, valid_groups = evoked_data(40, shape=SHAPE, first_subject=50)
    seed_everything(config.seed)
    valid = ArrayLoader(
        valid_inputs, valid_truth, batch_size=config.batch_size, groups=valid_groups, before_batch=before_valid
    )
    return train(
        config,
        task=RegressionTask(),
        objective=Regression(target_mean=1.5, target_std=0.4),
        model=build_model(config.model, shape=SHAPE, num_outputs=1),
        train_loader=ArrayLoader(
            inputs,
            targets(truth),
            batch_size=config.batch_size,
            groups=groups,
            seed=config.seed,
            before_batch=before_batch,
        ),
        valid_loader=valid if with_valid else None,
        checkpoints=Checkpoints(
            open_blobs(str(root)) if isinstance(root, Path) else root, keep=config.keep_checkpoints
        ),
        identity=make_identity(config),
        progress=heard,
        on_end=(results if results is not None else []).append,
        on_save=on_save,
        recipe=recipe,
    )


def without_times(record: RunRecord) -> dict[str, object]:
    """Return what must be equal bit by bit between a disturbed run and an undisturbed one."""
    epochs = [(e.epoch, e.num_steps, e.num_samples, e.train_loss, e.valid) for e in record.epochs]
    return {
        "weights": record.weights_sha256,
        "losses": record.losses,
        "epochs": epochs,
        "best_epoch": record.best_epoch,
        "best_step": record.best_step,
        "evaluations": [(each.step, each.epoch, each.valid) for each in record.evaluations],
        "state": record.state,
    }


def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name in ("--kill-at", "--term-at", "--stall-at"):
        parser.add_argument(name, type=int)
    parser.add_argument("--term-in-valid", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--adapt")
    options = parser.parse_args()

    def on_each_step(update: StepUpdate) -> None:
        if update.step == options.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if update.step == options.term_at:
            os.kill(os.getpid(), signal.SIGTERM)

    def before_batch(epoch: int, position: int) -> None:
        if options.stall_at == epoch * STEPS_PER_EPOCH + position // 16:
            print("stalled", flush=True)
            # As a window's reader waits: a signal just before a wait cannot break it off.
            for _ in range(480):
                threading.Event().wait(0.25)

    def before_valid(epoch: int, position: int) -> None:
        if options.term_in_valid and epoch == 1 and position > 0:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_end(result: TrainResult) -> None:
        write_record(options.folder / "run.json", make_run_record(result, run_id="r"))

    results: list[TrainResult] = []
    try:
        run(
            options.folder,
            config=adapting(options.adapt)
            if options.adapt
            else CONFIG
            if options.minutes is None
            else by_time(options.minutes),
            targets=two_domains if options.adapt else lambda targets: targets,
            heard=Heard(on_each_step=on_each_step),
            before_batch=before_batch,
            before_valid=before_valid,
            results=results,
        )
    except PenstockError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    finally:
        for result in results:
            on_end(result)
    return 0


if __name__ == "__main__":
    sys.exit(_main())

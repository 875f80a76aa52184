"""Measure how long the trainer waits while a checkpoint is written to a local disk.

python -m benchmarks.saving     # seconds; writes a dated report

Networks of three sizes, each after a step of AdamW, whose state is saved too.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, cpu_slug, machine
from penstock.loader.protocols import Batch
from penstock.recipes.objectives import Regression
from penstock.recipes.registry import build_model
from penstock.sources import open_blobs
from penstock.train.checkpoint import Checkpoints
from penstock.train.checkpoint_file import Identity
from penstock.train.config import TrainConfig
from penstock.train.determinism import capture_rng
from penstock.train.journal import Journal
from penstock.train.stepper import Stepper

SHAPE = (129, 200)
WIDTH = 775
"""Of the large network's hidden layer, which makes it 20 million parameters."""
TIMES = 7


def network(name: str) -> nn.Module:
    """Return a network by its name, or the large one."""
    if name != "large":
        return build_model(name, task="eeg-c1", shape=SHAPE, num_outputs=1)
    return nn.Sequential(nn.Flatten(), nn.Linear(SHAPE[0] * SHAPE[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Save a network several times, and return the median."""
    model = network(name)
    config = TrainConfig(task="eeg-c1", model=name)
    stepper = Stepper(config, model=model, objective=Regression(target_mean=0.0, target_std=1.0))
    batch = Batch(data={"inputs": torch.randn(2, *SHAPE), "targets": torch.randn(2)}, keys=("a", "b"), groups=("", ""))
    stepper.step(batch, 0, factor=1.0)
    identity = Identity(
        task="eeg-c1", model=name, shape=SHAPE, num_outputs=1, manifest_fingerprint="m", plan_fingerprint="p",
        config=config.identity(), meaning="",
    )  # fmt: skip
    checkpoints = Checkpoints(open_blobs(str(folder)), keep=2)
    took = []
    for step in range(1, 1 + TIMES):
        begun = time.perf_counter()
        content = {**stepper.state_dict(), "loader": {}, "rng": capture_rng(), "journal": Journal().to_plain()}
        where = checkpoints.save(content, identity=identity, step=step, epoch=0)
        took.append(time.perf_counter() - begun)
    return {
        "network": name,
        "parameters": sum(each.numel() for each in model.parameters()),
        "bytes": Path(where).stat().st_size,
        "seconds": statistics.median(took),
        "slowest": max(took),
        "load_average": os.getloadavg()[0],
    }


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    rows = [["network", "parameters", "file", "median", "slowest"]]
    for told in raw["runs"]:
        rows.append(
            [
                told["network"],
                f"{told['parameters']:,}",
                f"{told['bytes'] / 1e6:.1f} MB",
                f"{1e3 * told['seconds']:.0f} ms",
                f"{1e3 * told['slowest']:.0f} ms",
            ]
        )
    text = [
        "# Time of a checkpoint",
        "",
        f"What training waits for while a checkpoint (weights, AdamW's state, place, chance) is written to a local "
        f"disk, {TIMES} times each.",
        "",
        *markdown.table(rows),
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.saving", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder on the disk")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    options = parser.parse_args()
    about = machine("benchmarks.saving")
    with tempfile.TemporaryDirectory(prefix="penstock-saving-", dir=options.work) as made:
        runs = [measure(name, Path(made, name)) for name in ("small", "eegnex", "large")]
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"saving_{cpu_slug(str(about['cpu']))}_{day}.md"
    path.write_text(render({"machine": about, "runs": runs}))
    sys.stderr.write(f"report: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""What is disturbed: ``penstock run``, of EEG or of a table, and a loop over ``penstock.Stream``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.demo.generate import generate_dataset
from penstock.demo.server import BUCKET, serve_s3
from penstock.records import RunRecord, read_record

__all__ = ["Loop", "Run", "Subject", "served"]

NUM_OBJECTS, OBJECT_BYTES = 240, 20_000
LOOP_EPOCHS, LOOP_BATCH = 3, 8
TABLE_ROWS = 200
"""Of each file."""


class Subject(Protocol):
    """A job that can be stopped and goes on when it is started again."""

    name: str
    saves: bool
    """Whether a signal to stop is answered by 75, or is the default of a program that does not handle it."""

    def words(self, folder: Path) -> list[str]:
        """Return the argv of an attempt."""
        ...

    def result(self, folder: Path) -> object:
        """Return what must be equal after any number of attempts."""
        ...


@dataclass(frozen=True, kw_only=True)
class Run:
    """``penstock run``: weights, losses and metrics must be equal, bit for bit."""

    url: str
    workers: int
    early: bool
    table: bool = False
    epochs: int = 6
    saves: bool = True

    @property
    def name(self) -> str:
        """In words."""
        what = "penstock run of a table" if self.table else "penstock run"
        return f"{what}, {self.workers} workers" + (", --stream-listing" if self.early else "")

    def words(self, folder: Path) -> list[str]:
        """Return the argv of an attempt."""
        what, task = ("table", ["table", "--option", "target=label"]) if self.table else ("eeg", ["eeg-c1"])
        words = ["run", "--source", f"s3://{BUCKET}/{what}", "--endpoint-url", self.url, "--anonymous", "true"]
        words += ["--task", *task, "--split", "0.5,0.25,0.25", "--out", str(folder / "out"), "--batch-size", "8"]
        words += ["--epochs", str(self.epochs), "--threads", "1", "--window-size", "2Mi", "--checkpoint-every", "5"]
        words += ["--workers", str(self.workers), "--stream-listing", str(self.early).lower()]
        return [sys.executable, "-m", "penstock", *words, "--prefetch-timeout", "120s"]

    def result(self, folder: Path) -> object:
        """Return weights, losses and metrics."""
        record = read_record(folder / "out" / "run.json", RunRecord)
        for name in ("report.html", "cost.json", "evaluation.json"):
            assert (folder / "out" / name).stat().st_size > 100, name
        return record.weights_sha256, record.losses, [epoch.valid for epoch in record.epochs]


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop over ``penstock.Stream``: each epoch's samples must come once, in the undisturbed order."""

    url: str
    workers: int
    pause_seconds: float = 0.02
    saves: bool = False

    @property
    def name(self) -> str:
        """In words."""
        return f"penstock.Stream, {self.workers} workers"

    def words(self, folder: Path) -> list[str]:
        """Return the argv of an attempt."""
        words = ["--source", f"s3://{BUCKET}/objects", "--url", self.url, "--journal", str(folder / "journal.jsonl")]
        words += ["--workers", str(self.workers), "--epochs", str(LOOP_EPOCHS), "--batch-size", str(LOOP_BATCH)]
        return [sys.executable, "-m", "benchmarks.signals.consumer", *words, "--pause-seconds", str(self.pause_seconds)]

    def result(self, folder: Path) -> object:
        """Return the numbers of all samples, in order."""
        lines = (folder / "journal.jsonl").read_text().splitlines()
        numbers = [number for line in lines for number in json.loads(line)["numbers"]]
        epochs = [sorted(numbers[at : at + NUM_OBJECTS]) for at in range(0, len(numbers), NUM_OBJECTS)]
        assert epochs == [list(range(NUM_OBJECTS))] * LOOP_EPOCHS, "samples are lost or repeated"
        return numbers


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve what both need from a server of the demo's; give its URL."""

    def put(key: str, data: bytes) -> None:
        path = folder / "eeg" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    size = 3 * 8 * 100 * 40 * 3 * 8
    generate_dataset(put, effect=0.9, size_bytes=size, num_releases=1, num_trials=40, num_channels=8)
    (folder / "table").mkdir()
    for number in range(3):
        rng = np.random.default_rng(number)
        columns = {f"x{each}": rng.normal(size=TABLE_ROWS) for each in range(4)}
        label = np.where(columns["x0"] * columns["x1"] > 0, "yes", "no")
        pq.write_table(pa.table({**columns, "label": label}), folder / "table" / f"{number}.parquet", row_group_size=20)
    (folder / "objects").mkdir()
    for number in range(NUM_OBJECTS):
        (folder / "objects" / f"{number:04}.bin").write_bytes(np.random.default_rng(number).bytes(OBJECT_BYTES))
    with serve_s3(folder) as url:
        yield url

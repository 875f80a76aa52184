"""One training, in a process of its own: a trainer that takes a fixed time a batch, and counts what it waits.

    python -m benchmarks.stall.trainer '<Training as JSON>'

The last line of its output is a Trained as JSON.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common.proctree import tree_cpu_seconds
from benchmarks.stall.link import read_passed
from penstock.loader import ByKey, Decoding, WindowStream
from penstock.manifest import ManifestReader
from penstock.options.window import ServingOptions
from penstock.records import Plan
from penstock.window import Prefetcher

MODULO = 1 << 64


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained on, and how fast.

    Attributes:
        step_seconds: what a batch's training takes.
        num_ahead: batches that a thread of the trainer asks for ahead of the loop; 0 has the loop ask itself.
        counts: file of what passed the links; ``link`` is the number of the one that the data comes over.
    """

    manifest: str
    window: str
    window_bytes: int
    batch_samples: int
    step_seconds: float
    num_workers: int
    num_ahead: int
    seed: int
    counts: str
    link: int


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the trainer saw.

    Attributes:
        total: sum of all samples' bytes read as little-endian int64, modulo 2**64.
        first_seconds: from before the window was opened to the first batch.
        first_bytes: that had passed the link by then, headers included.
        passed_bytes: of all of the training.
        wall_seconds: from the first batch to the end of the last one's step.
        compute_seconds: of it, in steps.
        waits_seconds: for each batch after the first.
        cpu_seconds: of trainer, workers and prefetcher, from the first batch on.
    """

    num_samples: int
    total: int
    first_seconds: float
    first_bytes: int
    passed_bytes: int
    wall_seconds: float
    compute_seconds: float
    waits_seconds: list[float]
    bytes_downloaded: int
    wasted_bytes: int
    high_water_bytes: int
    cpu_seconds: float


def _decode(data: memoryview, key: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(data, dtype=np.uint8)


def _collate(values: list[np.ndarray[Any, np.dtype[np.uint8]]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(values))


def _ahead(batches: Iterator[Any], num_batches: int) -> Iterator[Any]:
    """Ask for batches in a thread, as loops do that copy them to a device meanwhile."""
    ready: queue.Queue[Any] = queue.Queue(num_batches)

    def ask() -> None:
        try:
            for batch in batches:
                ready.put(batch)
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=ask, name="bench-ahead-0", daemon=True).start()
    while (batch := ready.get()) is not None:
        if isinstance(batch, BaseException):
            raise batch
        yield batch


def train(training: Training) -> Trained:
    """Read one epoch at the trainer's pace."""
    torch.set_num_threads(1)
    with ManifestReader(Path(training.manifest)) as reader:
        info = reader.info
    before = read_passed(Path(training.counts), training.link)
    opened = time.perf_counter()
    with Prefetcher(Path(training.window), ServingOptions(window_size=training.window_bytes)):
        stream = WindowStream(
            folder=Path(training.window),
            manifest=Path(training.manifest),
            info=info,
            plan=Plan(manifest_fingerprint=info.fingerprint, seed=training.seed, num_lanes=64, shuffle="full", mix=1),
            splits=[("train", True)],
            decoding=Decoding(decode=ByKey(_decode), collate=_collate),
            batch_size=training.batch_samples,
            num_epochs=1,
            num_workers=training.num_workers,
        )
        try:
            return _loop(stream, training, opened, before)
        finally:
            stream.close()


def _loop(stream: WindowStream, training: Training, opened: float, before: int) -> Trained:
    # A batch comes straight from the collating function, whatever it gives.
    batches: Any = stream.batches(0, 0)
    if training.num_ahead:
        batches = _ahead(batches, training.num_ahead)
    num_samples = total = 0
    compute_seconds = 0.0
    waits_seconds = []
    batch = next(batches)
    started = step_began = time.perf_counter()
    first_bytes = read_passed(Path(training.counts), training.link) - before
    cpu_before = tree_cpu_seconds(os.getpid())
    while batch is not None:
        num_samples += len(batch)
        total += int(batch.view(torch.int64).sum())
        time.sleep(max(0.0, step_began + training.step_seconds - time.perf_counter()))
        step_ended = time.perf_counter()
        compute_seconds += step_ended - step_began
        batch = next(batches, None)
        step_began = time.perf_counter()
        waits_seconds.append(step_began - step_ended)
    meters = stream.meters()
    return Trained(
        num_samples=num_samples,
        total=total % MODULO,
        first_seconds=started - opened,
        first_bytes=first_bytes,
        passed_bytes=read_passed(Path(training.counts), training.link) - before,
        wall_seconds=step_ended - started,
        compute_seconds=compute_seconds,
        waits_seconds=waits_seconds[:-1],
        bytes_downloaded=meters.bytes_downloaded,
        wasted_bytes=meters.wasted_bytes,
        high_water_bytes=meters.window_high_water_bytes,
        cpu_seconds=tree_cpu_seconds(os.getpid()) - cpu_before,
    )


if __name__ == "__main__":
    result = train(Training(**json.loads(sys.argv[1])))
    sys.stdout.write(f"\n{json.dumps(dataclasses.asdict(result))}\n")

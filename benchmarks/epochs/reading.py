"""One reading of several epochs, in a process of its own.

    python -m benchmarks.epochs.reading '<Reading as JSON>'

The last line of its output is a Read as JSON.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common.proctree import tree_cpu_seconds
from penstock.loader import WindowStream
from penstock.loader.collate import ReusingCollate
from penstock.loader.samples import named_decoding
from penstock.manifest import Described, ManifestReader
from penstock.options.window import ServingOptions
from penstock.records import Plan
from penstock.window import Prefetcher

MODULO = 1 << 64


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read."""

    manifest: str
    window: str
    window_bytes: int
    batch_samples: int
    num_epochs: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was seen.

    Attributes:
        total: sum of all samples' bytes read as little-endian int64, modulo 2**64.
        first_seconds: from before the window was opened to the first batch.
        seconds: to the last batch.
        cpu_seconds: of trainer and prefetcher, from the first batch on.
    """

    num_samples: int
    total: int
    first_seconds: float
    seconds: float
    cpu_seconds: float
    bytes_downloaded: int
    kept_bytes: int
    reused_bytes: int
    high_water_bytes: int
    failed_requests: int
    wasted_bytes: int
    hedged_requests: int


def _raw(data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
    """Return the bytes as they are."""
    return [{"inputs": np.frombuffer(data, dtype=np.uint8)}]


def read(reading: Reading) -> Read:
    """Read all epochs as fast as they come."""
    torch.set_num_threads(1)
    opened = time.perf_counter()
    with open_reading(reading) as stream:
        return _loop(stream, reading.num_epochs, opened)


@contextlib.contextmanager
def open_reading(reading: Reading) -> Iterator[WindowStream]:
    """Open what is read, with a prefetcher of its own."""
    with ManifestReader(Path(reading.manifest)) as reader:
        info = reader.info
    with Prefetcher(Path(reading.window), ServingOptions(window_size=reading.window_bytes)):
        stream = WindowStream(
            folder=Path(reading.window),
            manifest=Path(reading.manifest),
            info=info,
            plan=Plan(manifest_fingerprint=info.fingerprint, seed=reading.seed, num_lanes=64, shuffle="full", mix=1),
            splits=[("train", True)],
            decoding=named_decoding(_raw, transform=None, collate=ReusingCollate()),
            batch_size=reading.batch_samples,
            num_epochs=reading.num_epochs,
        )
        try:
            yield stream
        finally:
            stream.close()


def _loop(stream: WindowStream, num_epochs: int, opened: float) -> Read:
    num_samples = total = 0
    first_seconds = cpu_before = 0.0
    for epoch in range(num_epochs):
        for batch in stream.segment(0).epoch(epoch):
            if not num_samples:
                first_seconds, cpu_before = time.perf_counter() - opened, tree_cpu_seconds(os.getpid())
            num_samples += len(batch)
            total += int(batch.data["inputs"].view(torch.int64).sum())
    seconds, meters = time.perf_counter() - opened, stream.meters()
    return Read(
        num_samples=num_samples,
        total=total % MODULO,
        first_seconds=first_seconds,
        seconds=seconds,
        cpu_seconds=tree_cpu_seconds(os.getpid()) - cpu_before,
        bytes_downloaded=meters.bytes_downloaded,
        kept_bytes=meters.kept_bytes,
        reused_bytes=meters.reused_bytes,
        high_water_bytes=meters.window_high_water_bytes,
        failed_requests=meters.failed_requests,
        wasted_bytes=meters.wasted_bytes,
        hedged_requests=meters.hedged_requests,
    )


if __name__ == "__main__":
    result = read(Reading(**json.loads(sys.argv[1])))
    sys.stdout.write(f"\n{json.dumps(dataclasses.asdict(result))}\n")

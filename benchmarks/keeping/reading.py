"""One reading of one or several epochs, in a process of its own, each epoch timed.

    python -m benchmarks.keeping.reading '<Reading of benchmarks.epochs as JSON>'

The last line of its output is a JSON object: ``seconds`` of each epoch, ``waited_seconds`` before its batches, and
what was downloaded and kept.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.epochs.reading import Reading, open_reading
from penstock.window import is_served


def read(reading: Reading) -> dict[str, Any]:
    """Read all epochs as fast as they come; the first one's time begins where the window is served."""
    torch.set_num_threads(1)
    seconds: list[float] = []
    num_samples = 0
    with open_reading(reading) as stream:
        while not is_served(Path(reading.window)):  # what it takes to start a process is not what is measured
            time.sleep(0.01)
        before = time.perf_counter()
        for epoch in range(reading.num_epochs):
            for batch in stream.segment(0).epoch(epoch):
                num_samples += len(batch)
            now = time.perf_counter()
            seconds.append(now - before)
            before = now
        meters = stream.meters()
    return {
        "num_samples": num_samples,
        "seconds": seconds,
        "bytes_downloaded": meters.bytes_downloaded,
        "kept_bytes": meters.kept_bytes,
        "high_water_bytes": meters.window_high_water_bytes,
    }


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(read(Reading(**json.loads(sys.argv[1]))))}\n")

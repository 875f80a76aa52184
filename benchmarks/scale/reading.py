"""One measurement of reading: a process of its own takes chunks of a manifest's shuffled order.

``python -m benchmarks.scale.reading MANIFEST CHUNK_ROWS NUM_CHUNKS`` prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from penstock.manifest import ManifestReader
from penstock.plan import Permutation


def peak_bytes() -> int:
    """Return the most memory that this process has had resident."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Take the chunks; count what they hold, so that nothing is left undone."""
    path, chunk_rows, num_chunks = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    seconds, sample_bytes = [], 0
    with ManifestReader(path) as reader:
        train = reader.info.split("train")
        order = Permutation(train.num_extents, seed=0, epoch=0)
        for first in range(0, min(chunk_rows * num_chunks, train.num_extents), chunk_rows):
            positions = np.arange(first, min(first + chunk_rows, train.num_extents), dtype=np.int64)
            started = time.process_time()
            taken = reader.take(train.first_row + order(positions))
            seconds.append((time.process_time() - started) / len(positions))
            sample_bytes += int(taken.extent_bytes.sum())
            del taken
    found = {
        "chunk_rows": chunk_rows,
        "chunks": len(seconds),
        "first_cpu_us_a_row": seconds[0] * 1e6,
        "cpu_us_a_row": float(np.median(seconds[1:] or seconds)) * 1e6,
        "sample_bytes": sample_bytes,
        "peak_bytes": peak_bytes(),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

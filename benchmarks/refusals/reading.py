"""One training that reads for some seconds, in a process of its own.

    python -m benchmarks.refusals.reading '<Reading as JSON>'

The last line of its output is a JSON object: the bytes that came a second from the first batch on, whether all was
right, and what was asked for.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import penstock
from penstock.window import read_gauges

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read.

    Attributes:
        folder: where the served objects lie, to compare them.
    """

    url: str
    endpoint: str
    folder: str
    window: str
    window_folder: str
    seconds: float


def read(asked: Reading) -> dict[str, Any]:
    """Read for as long as is asked, or to the epoch's end."""
    folder, seen = Path(asked.folder), set[str]()

    def decode(data: memoryview, key: str) -> tuple[str, bool]:
        name = key.rpartition("/")[2]
        return name, bytes(data) == (folder / name).read_bytes()

    options: dict[str, Any] = {
        "endpoint_url": asked.endpoint, "region": "us-east-1", "anonymous": True, "window": asked.window,
        "window_folder": asked.window_folder, "epochs": 1, "collate": list,
    }  # fmt: skip
    num_samples, is_right, began, before = 0, True, 0.0, 0
    with penstock.Stream(asked.url, decode=decode, batch_size=BATCH, **options) as stream:
        for batch in stream:
            num_samples += len(batch)
            is_right = is_right and all(same and name not in seen for name, same in batch)
            seen |= {name for name, _ in batch}
            if not began:
                began, before = time.perf_counter(), stream.meters().bytes_downloaded
            elif time.perf_counter() - began >= asked.seconds:
                break
        seconds, downloaded = time.perf_counter() - began, stream.meters().bytes_downloaded - before
        gauges = read_gauges(Path(asked.window_folder))
    meters = stream.meters()
    return {
        "right": is_right and num_samples > 0 and meters.failed_requests == 0,
        "num_samples": num_samples,
        "bytes_per_second": downloaded / seconds,
        "in_flight": None if gauges is None else gauges.in_flight_limit,
        "sent": sum(line.sent for line in meters.requests),
        "answers_5xx": sum(line.answers_5xx for line in meters.requests),
        "retried": meters.retried_requests,
    }


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(read(Reading(**json.loads(sys.argv[1]))))}\n")

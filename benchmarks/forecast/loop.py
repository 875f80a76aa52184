"""A training loop of a user's own, in a process of its own, whose batches take a stated time.

    python -m benchmarks.forecast.loop '<Looping as JSON>'

The last line of its output is what it measured, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.records import Meters

__all__ = ["Looping", "told_by"]


@dataclass(frozen=True, kw_only=True)
class Looping:
    """What is read, and how fast.

    Attributes:
        sample_seconds: what a sample's training takes.
    """

    uri: str
    endpoint_url: str
    window: str
    window_bytes: int
    batch_samples: int
    epochs: int
    sample_seconds: float


def loop(asked: Looping) -> dict[str, float]:
    """Read all epochs, and tell what that took and asked for."""
    began = time.perf_counter()
    import penstock  # here: its time is the run's

    dataset = penstock.objects(asked.uri, endpoint_url=asked.endpoint_url, anonymous=True)
    num_bytes = 0
    waited = computed = 0.0
    with dataset.loader(
        asked.batch_samples, window=asked.window_bytes, window_folder=asked.window, epochs=asked.epochs
    ) as loader:
        opened = time.perf_counter()
        for _ in range(asked.epochs):
            asked_at = time.perf_counter()
            for batch in loader:
                came = time.perf_counter()
                waited += came - asked_at
                num_bytes += sum(map(len, batch))
                time.sleep(max(0.0, len(batch) * asked.sample_seconds - (time.perf_counter() - came)))
                asked_at = time.perf_counter()
                computed += asked_at - came
        wall, meters = time.perf_counter() - began, loader.meters()
    return {
        "wall_seconds": wall,
        "bytes": meters.bytes_downloaded,
        "requests": meters.count().sent,
        "compute_seconds": computed,
        "step_seconds": 0.0,
        "stall_seconds": waited,
        "start_seconds": opened - began,
        "given_bytes": num_bytes,
        **told_by(meters),
    }


def told_by(meters: Meters) -> dict[str, int]:
    """Return what the meters tell beside bytes and requests."""
    return {
        "sample_bytes": meters.sample_bytes,
        "reused_bytes": meters.reused_bytes,
        "kept_bytes": meters.kept_bytes,
        "ahead_bytes": meters.ahead_bytes,
        "wasted_bytes": meters.wasted_bytes,
        "hedged_requests": meters.hedged_requests,
        "retried_requests": meters.retried_requests,
    }


if __name__ == "__main__":
    found = loop(Looping(**json.loads(sys.argv[1])))
    sys.stdout.write(f"\n{json.dumps(found)}\n")

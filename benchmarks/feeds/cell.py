"""One measurement, in a process of its own.

    python -m benchmarks.feeds.cell '<CellSpec as JSON>'

The last line of its output is a CellResult as JSON. Every batch's bytes are read once, by a sum, by all alike.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from typing import Any

from benchmarks.common.answering import answer
from benchmarks.common.proctree import tree_cpu_seconds
from benchmarks.feeds import contenders
from benchmarks.feeds.cellspec import CellResult, CellSpec, decode_spec, encode

MODULO = 1 << 64


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def _loop(cell: CellSpec, batches: Any, started: float) -> dict[str, Any]:
    import torch

    told: dict[str, Any] = {"num_samples": 0, "num_bytes": 0, "total": 0, "stopped": False}
    cpu_first = 0.0
    ended = started
    for batch in batches:
        assert batch.dtype == torch.uint8
        assert batch.shape[1:] == (cell.data.sample_bytes,)
        told["total"] += int(batch.view(torch.int64).sum())
        told["num_samples"] += len(batch)
        told["num_bytes"] += batch.nbytes
        ended = time.perf_counter()
        if "first_samples" not in told:
            told |= {"first_samples": len(batch), "first_seconds": ended - started}
            cpu_first = tree_cpu_seconds(os.getpid())
        if ended - started > cell.max_seconds and told["num_samples"] < cell.data.num_samples:
            told["stopped"] = True
            break
    told["tree_cpu_seconds"] = tree_cpu_seconds(os.getpid())
    told["steady_cpu_seconds"] = told["tree_cpu_seconds"] - cpu_first
    return told | {"seconds": ended - started, "total": told["total"] % MODULO}


def _marks(cell: CellSpec, marks: Any, cpu_before: float) -> dict[str, Any]:
    """Make a result of a loop that only tells when it had how much."""
    (started, _, _), first, *_, last = marks
    share = (last[0] - first[0]) / (last[0] - started)
    return {
        "num_samples": last[1],
        "num_bytes": last[2],
        "first_samples": first[1],
        "first_seconds": first[0] - started,
        "seconds": last[0] - started,
        "steady_cpu_seconds": (_cpu(resource.RUSAGE_SELF) - cpu_before) * share,
        "checked": False,
        "stopped": last[1] < cell.data.num_samples,
    }


def measure(cell: CellSpec) -> CellResult:
    """Read one epoch."""
    import torch

    open_feed, config = contenders.load(cell.contender)
    torch.set_num_threads(1)
    before = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with open_feed(cell) as feed:
        tensors = contenders.CONTENDERS[cell.contender].tensors
        told = _loop(cell, feed, started) if tensors else _marks(cell, feed, before[0])
        del feed
    children = _cpu(resource.RUSAGE_CHILDREN) - before[1]
    own = _cpu(resource.RUSAGE_SELF) - before[0]
    # Workers that were not waited for are in the tree's time alone.
    children = max(children, told.pop("tree_cpu_seconds", 0.0) - sum(before) - own)
    return CellResult(**told, cpu_seconds=own + children, cpu_children_seconds=children, config=config)


def main() -> None:
    """Run one cell."""
    cell = decode_spec(sys.argv[1])
    answer(lambda: measure(cell), encode, profile=cell.profile)


if __name__ == "__main__":
    main()

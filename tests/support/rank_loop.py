"""What each rank of a job does in tests of ``penstock.Stream``; run by a launcher as a script.

    rank_loop.py LAUNCHER FOLDER OUT

It writes what the rank read, and what it saw of the node, to ``OUT/rank-N.json``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import penstock
from penstock.errors import PenstockError
from support.objects import to_number

BATCH = 4


def open_stream(folder: str, **changed: Any) -> penstock.Stream:
    options = {"decode": to_number, "batch_size": BATCH, "window": "1Mi", "timeout_seconds": 60}
    return penstock.Stream(folder, **(options | changed))


def together(value: float = 1.0) -> float:
    """Step with the other ranks, as gradients do."""
    total = torch.tensor([value])
    dist.all_reduce(total)
    return float(total)


def read(stream: penstock.Stream, most: int = 10**9) -> list[list[int]]:
    batches = []
    for batch in stream:
        together()
        batches.append(batch.tolist())
        if len(batches) == most:
            break
    return batches


def windows() -> int:
    return len(list(Path(tempfile.gettempdir()).glob("penstock-stream-*/window")))


def prefetchers() -> int:
    """Count the prefetchers of this test, which has a folder for temporary files of its own."""
    own, count = f"TMPDIR={tempfile.gettempdir()}".encode(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_one = b"prefetch" in (process / "cmdline").read_bytes().split(b"\0")
            count += is_one and own in (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
    return count


def torchrun(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    early = open_stream(folder)
    dist.init_process_group("gloo")
    with early as stream:
        found["len"] = len(stream)
        found["num_samples"] = stream.num_samples
        found["left"] = read(stream, most=2)
        found["epochs"] = [read(stream), read(stream)]
        together()
        found["windows"], found["prefetchers"] = windows(), prefetchers()
        # Nothing holds ranks together here but the stream.
        for number, _ in enumerate(stream):
            if number == dist.get_rank():
                break
        found["after"] = [batch.tolist() for batch in stream]
        batches = iter(stream)
        found["begun"] = [next(batches).tolist() for _ in range(3)]
        found["state"] = stream.state_dict()
        found["rest"] = [batch.tolist() for batch in batches]
    with open_stream(folder, drop_last=True, workers=1, stream_listing=True, batch_size=8) as stream:
        found["full_len"] = len(stream)
        found["full"] = [read(stream), read(stream)]
        state = {**found["state"]}
    with open_stream(folder, batch_size=6) as stream:
        stream.load_state_dict(state)
        found["resumed"] = read(stream)
    return found


def fails(folder: str) -> dict[str, Any]:
    """One rank dies in the middle; the other reads on its own, without anything else to notice it by."""
    stream = open_stream(folder, timeout_seconds=20)
    try:
        for epoch in range(200):
            began = time.monotonic()
            for number, _ in enumerate(stream):
                if (epoch, number) == (1, 1) and os.environ["RANK"] == os.environ["DIES"]:
                    os._exit(0)
                began = time.monotonic()
    except PenstockError as error:
        return {"error": type(error).__name__, "what": str(error), "seconds": time.monotonic() - began}
    return {}


def main(launcher: str, folder: str, out: str) -> None:
    found = {"torchrun": torchrun, "fails": fails}[launcher](folder)
    rank = dist.get_rank() if dist.is_initialized() else int(os.environ["RANK"])
    (Path(out) / f"rank-{rank}.json").write_text(json.dumps(found))
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Making datasets and running cells, each in a process of its own, round after round."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.processes import finish, run, started, tail
from benchmarks.common.proctree import TreeSampler
from benchmarks.feeds.cellspec import CellResult, CellSpec, DataSpec, decode_result, encode
from benchmarks.feeds.contenders import CONTENDERS, OWN_ENVIRONMENT
from benchmarks.feeds.environment import Peers

GRACE_SECONDS = 60
LAYOUT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one cell: its result, or the error that it ended with."""

    contender: str
    sample_bytes: int
    latency_seconds: float
    limit_bytes: int
    round: int
    load_average: float
    result: CellResult | None = None
    right: bool = False
    error: str = ""
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    peak_disk_bytes: int = 0
    peak_processes: int = 0

    def plain(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return dataclasses.asdict(self)


def make_layouts(data: DataSpec, layouts: Sequence[str], peers: Peers) -> dict[str, str]:
    """Make the packed layouts of a dataset; gives the error of each that could not be made."""
    errors = {}
    for layout in layouts:
        if layout == "plain" or (data.folder / layout).exists():
            continue
        if peers.python is None:
            errors[layout] = f"the peers' environment could not be made: {peers.error}"
            continue
        words = [peers.python, "-m", "benchmarks.feeds.layouts", layout, json.dumps(dataclasses.asdict(data))]
        scratch = Path(data.root) / "scratch"
        done = run(words, scratch, seconds=LAYOUT_SECONDS)
        if done.returncode:
            errors[layout] = tail(done.stderr)
    return errors


def run_cell(cell: CellSpec, *, number: int, peers: Peers) -> Run:
    """Measure one cell once."""
    about: dict[str, Any] = {
        "contender": cell.contender,
        "sample_bytes": cell.data.sample_bytes,
        "latency_seconds": cell.latency_seconds,
        "limit_bytes": cell.limit_bytes,
        "round": number,
        "load_average": os.getloadavg()[0],
    }
    python = sys.executable if cell.contender in OWN_ENVIRONMENT else peers.python
    if python is None:
        return Run(**about, error=f"the peers' environment could not be made: {peers.error}")
    scratch = Path(cell.cache)
    words = [python, "-m", "benchmarks.feeds.cell", encode(cell)]
    with started(words, scratch) as process, TreeSampler(process.pid, str(scratch)) as sampler:
        done = finish(process, words, seconds=cell.max_seconds + GRACE_SECONDS)
    shutil.rmtree(scratch, ignore_errors=True)
    about |= {
        "peak_rss_bytes": sampler.peak_rss_bytes,
        "peak_pss_bytes": sampler.peak_pss_bytes,
        "peak_disk_bytes": sampler.peak_disk_bytes,
        "peak_processes": sampler.peak_processes,
    }
    if done.returncode:
        return Run(**about, error=tail(done.stderr) or f"ended with code {done.returncode} and no word")
    result = decode_result(done.stdout.strip().splitlines()[-1])
    right = result.stopped or (
        result.num_samples == cell.data.num_samples
        and result.num_bytes == cell.data.num_samples * cell.data.sample_bytes
        and (not result.checked or result.total == cell.data.total)
    )
    return Run(**about, result=result, right=right)


def layouts_of(names: Sequence[str]) -> list[str]:
    """Return the layouts that contenders read."""
    return sorted({CONTENDERS[name].layout for name in names})

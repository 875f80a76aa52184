"""Running cells, each in a process of its own, and telling whether what they gave is right."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.processes import finish, started, tail
from benchmarks.common.proctree import TreeSampler
from benchmarks.feeds.environment import Peers
from benchmarks.hub.cellspec import CellResult, CellSpec, decode_result, encode
from benchmarks.hub.examples import BY_NAME, PENSTOCK, Example
from benchmarks.hub.server import Hub

CELL_SECONDS = 180


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one cell: its result, or the error that it ended with.

    Attributes:
        problem: what is not right about what it gave; empty where it is right.
        left_keys: of the rows that followed the position in the run that left it.
    """

    example: str
    side: str
    round: int
    load_average: float
    result: CellResult | None = None
    error: str = ""
    problem: str = ""
    left_keys: tuple[str, ...] = ()
    num_requests: int = 0
    num_bytes: int = 0
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    peak_disk_bytes: int = 0
    peak_processes: int = 0

    @property
    def right(self) -> bool:
        """Whether it ended, and gave what it should."""
        return self.result is not None and not self.problem

    def plain(self) -> dict[str, Any]:
        """Return it as JSON's types."""
        return dataclasses.asdict(self) | {"right": self.right}


def run_cell(cell: CellSpec, *, number: int, hub: Hub, peers: Peers) -> Run:
    """Measure one cell once; before that another process leaves the position that it goes on at."""
    example = BY_NAME[cell.example]
    if not example.leaves:
        return _run(cell, number=number, hub=hub, peers=peers)
    before = _run(dataclasses.replace(cell, leaves=True, profile=""), number=number, hub=hub, peers=peers)
    if before.result is None:
        return before
    run = _run(cell, number=number, hub=hub, peers=peers)
    return dataclasses.replace(run, left_keys=before.result.first_keys)


def _run(cell: CellSpec, *, number: int, hub: Hub, peers: Peers) -> Run:
    about: dict[str, Any] = {
        "example": cell.example,
        "side": cell.side,
        "round": number,
        "load_average": os.getloadavg()[0],
    }
    python = sys.executable if cell.side == PENSTOCK else peers.python
    if python is None:
        return Run(**about, error=f"the peers' environment could not be made: {peers.error}")
    words = [python, "-m", "benchmarks.hub.cell", encode(cell)]
    mark = hub.mark()
    with started(words, Path(cell.scratch)) as process, TreeSampler(process.pid, cell.scratch) as sampler:
        done = finish(process, words, seconds=CELL_SECONDS)
    shutil.rmtree(cell.scratch, ignore_errors=True)
    asked = hub.since(mark)
    about |= dataclasses.asdict(asked) | {
        "peak_rss_bytes": sampler.peak_rss_bytes,
        "peak_pss_bytes": sampler.peak_pss_bytes,
        "peak_disk_bytes": sampler.peak_disk_bytes,
        "peak_processes": sampler.peak_processes,
    }
    if done.returncode:
        return Run(**about, error=tail(done.stderr) or f"ended with code {done.returncode} and no word")
    return Run(**about, result=decode_result(done.stdout.strip().splitlines()[-1]))


def judged(runs: Sequence[Run]) -> list[Run]:
    """Say of each run what is not right about it, by what the others gave."""
    return [dataclasses.replace(run, problem=_problem(run, BY_NAME[run.example], runs)) for run in runs]


def _problem(run: Run, example: Example, runs: Sequence[Run]) -> str:
    result = run.result
    if result is None:
        return ""
    if not result.num_rows:
        return "it gave no rows"
    if result.num_distinct != result.num_rows:
        return f"of its {result.num_rows} rows {result.num_distinct} are different"
    others = [other.result for other in runs if other.example == run.example and other.result is not None]
    if example.same and any((result.num_rows, result.digest) != (other.num_rows, other.digest) for other in others):
        return f"{result.num_rows} rows, of which some are not those that others gave"
    if example.leaves and run.left_keys != result.first_keys:
        return f"it goes on with {result.first_keys[0]}, and {run.left_keys[0]} was next"
    return ""

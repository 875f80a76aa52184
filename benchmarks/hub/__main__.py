"""Measure examples of other libraries' documentation beside Penstock, on a Hub far away, and write a dated report.

python -m benchmarks.hub             # everything, about 6 minutes on 2 cores
python -m benchmarks.hub --quick     # small repositories, one round
"""

from __future__ import annotations

import argparse
import compileall
import functools
import logging
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.common.machine import REPORTS, REPOSITORY
from benchmarks.common.processes import interleave
from benchmarks.common.reporting import SKIPPED, measure
from benchmarks.feeds.environment import Peers, make_peers, versions
from benchmarks.hub.cellspec import CellSpec
from benchmarks.hub.examples import BY_NAME, EXAMPLES, PENSTOCK
from benchmarks.hub.making import Sizes, make_repositories
from benchmarks.hub.report import render
from benchmarks.hub.running import Run, judged, run_cell
from benchmarks.hub.server import serve_hub

_log = logging.getLogger("benchmarks.hub")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hub", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small repositories, one round")
    parser.add_argument("--alone", action="store_true", help="Penstock's side alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", nargs="+", choices=sorted(BY_NAME), metavar="NAME")
    parser.add_argument("--latency", type=float, default=0.03, metavar="SECONDS", help="that each request waits")
    parser.add_argument("--files", type=int, default=20, help="of Parquet and of JSON lines, in each repository")
    parser.add_argument("--rows", type=int, default=5000, help="of each file")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where files and windows lie: a tmpfs")
    parser.add_argument("--peers", type=Path, default=REPOSITORY / "build" / "bench-venv", help="their environment")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    parser.add_argument("--profile", type=Path, help="folder for a profile of each cell's process; figures then lie")
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.files = 1, 2
    found.examples = found.examples or list(BY_NAME)
    return found


def _cells(options: argparse.Namespace, endpoint: str, sizes: Sizes, work: Path) -> list[CellSpec]:
    found = []
    for example in EXAMPLES:
        if example.name not in options.examples:
            continue
        for side in (PENSTOCK, *(() if options.alone else (example.peer,))):
            name = f"{example.name}-{side}"
            found.append(
                CellSpec(
                    example=example.name,
                    side=side,
                    endpoint=endpoint,
                    scratch=str(work / "cell"),
                    num_rows=sizes.num_rows,
                    position=str(work / f"{name}.position") if example.leaves else "",
                    profile=str(options.profile / f"{name}.prof") if options.profile else "",
                )
            )
    return found


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    peers = Peers(python=None, error="not asked for") if options.alone else make_peers(options.peers)
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
    # As a package that is installed has them, and the first cell would else be the one that makes them.
    compileall.compile_dir(REPOSITORY / "src", quiet=1)
    compileall.compile_dir(REPOSITORY / "benchmarks", quiet=1)
    root = work / "repositories"
    sizes = Sizes(num_files=options.files, file_rows=options.rows, num_archives=options.files, archive_samples=400)
    repositories = make_repositories(root, sizes)
    runs: list[Run] = []
    with serve_hub(work / "nginx", root, options.latency) as hub:
        todo = list(interleave(_cells(options, hub.url, sizes, work), num_rounds=options.rounds))
        for place, (number, cell) in enumerate(todo, 1):
            runs.append(run_cell(cell, number=number, hub=hub, peers=peers))
            _log.info("%d/%d %s", place, len(todo), _line(runs[-1]))
    return {
        "versions": {
            "penstock": versions(sys.executable),
            "peers": versions(peers.python) if peers.python else {"error": peers.error},
        },
        "repositories": repositories,
        "runs": [run.plain() for run in judged(runs)],
    }


def _line(run: Run) -> str:
    what = f"{run.example} {run.side}"
    if run.result is None:
        return f"{what}: failed: {run.error.splitlines()[-1][:300]}"
    rate = run.result.num_rows / run.result.seconds
    return (
        f"{what}: {run.result.num_rows} rows, {rate:.0f} rows/s, first after {run.result.first_seconds:.2f} s "
        f"(import {run.result.import_seconds:.2f}), CPU {run.result.cpu_seconds:.2f} s, PSS {run.peak_pss_bytes >> 20} "
        f"MiB, RSS {run.peak_rss_bytes >> 20} MiB, {run.num_requests} requests, {run.num_bytes >> 20} MiB"
    )


def main() -> int:
    """Measure and report."""
    options = _arguments()
    # Else a machine's own Hub, or its proxy, would be asked.
    for name in ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"):
        os.environ.pop(name, None)
    found = measure(options, "hub", functools.partial(_measure, options))
    if found is None:
        return SKIPPED
    raw, path = found
    path.write_text(render(raw))
    _log.info("report: %s", path)
    return 0 if all(run["right"] for run in raw["runs"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())

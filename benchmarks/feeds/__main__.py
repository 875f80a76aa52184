"""Measure training feeds side by side, and write a dated report.

python -m benchmarks.feeds             # everything, about 50 minutes on 2 cores
python -m benchmarks.feeds --quick     # a smoke run
"""

from __future__ import annotations

import argparse
import compileall
import dataclasses
import functools
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import server
from benchmarks.common.machine import REPORTS, REPOSITORY
from benchmarks.common.processes import interleave
from benchmarks.common.reporting import SKIPPED, measure
from benchmarks.feeds.cellspec import CellSpec, DataSpec
from benchmarks.feeds.contenders import CONTENDERS, OWN_ENVIRONMENT, OWN_FEEDS
from benchmarks.feeds.environment import Peers, make_peers, versions
from benchmarks.feeds.plain import make_plain, write_listings
from benchmarks.feeds.report import render
from benchmarks.feeds.running import Run, layouts_of, make_layouts, run_cell
from benchmarks.feeds.start import start_seconds

KIB, MIB = 1 << 10, 1 << 20
QUICK = ("penstock", "penstock-stream", "boto3")
BATCH_SAMPLES = {64 * KIB: 64, 8 * MIB: 4}

_log = logging.getLogger("benchmarks.feeds")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feeds", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"tiny sizes, one round, of {', '.join(QUICK)} alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", nargs="+", choices=sorted(CONTENDERS), metavar="NAME")
    parser.add_argument("--sample-bytes", type=int, nargs="+", default=[64 * KIB, 8 * MIB], metavar="BYTES")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.0, 0.03], metavar="SECONDS")
    parser.add_argument("--dataset-bytes", type=int, default=2048 * MIB, metavar="BYTES")
    parser.add_argument("--shard-bytes", type=int, default=16 * MIB, metavar="BYTES", help="of packed layouts")
    parser.add_argument("--limit-bytes", type=int, default=256 * MIB, metavar="BYTES", help="of caches and windows")
    parser.add_argument(
        "--small-limit-bytes", type=int, default=64 * MIB, metavar="BYTES", help="of the cells about the limit itself"
    )
    parser.add_argument("--num-workers", type=int, default=2, help="of those that use workers of a DataLoader")
    parser.add_argument("--max-seconds", type=float, default=30, help="after which a cell stops where it is")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where datasets and caches lie: a tmpfs")
    parser.add_argument("--peers", type=Path, default=REPOSITORY / "build" / "bench-venv", help="their environment")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    parser.add_argument("--profile", type=Path, help="folder for a profile of each cell's trainer; figures then lie")
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.max_seconds = 1, 10
        found.sample_bytes, found.dataset_bytes, found.shard_bytes = [64 * KIB], 8 * MIB, 2 * MIB
        found.limit_bytes = found.small_limit_bytes = 8 * MIB
        found.contenders = found.contenders or list(QUICK)
    found.contenders = found.contenders or list(CONTENDERS)
    return found


def _cells(options: argparse.Namespace, data: DataSpec, endpoints: dict[float, str], work: Path) -> list[CellSpec]:
    found = []
    for latency, endpoint in endpoints.items():
        for name in options.contenders:
            limits = [options.limit_bytes]
            if (
                CONTENDERS[name].limited
                and data.sample_bytes == min(options.sample_bytes)
                and latency == min(endpoints)
            ):
                limits.append(options.small_limit_bytes)
            found += [
                CellSpec(
                    contender=name,
                    data=data,
                    endpoint=endpoint,
                    latency_seconds=latency,
                    cache=str(work / "cell"),
                    limit_bytes=limit,
                    batch_size=BATCH_SAMPLES.get(data.sample_bytes, max(1, 4 * MIB // data.sample_bytes)),
                    num_workers=options.num_workers,
                    max_seconds=options.max_seconds,
                    profile=str(options.profile / f"{name}-{data.name}-{latency}.prof") if options.profile else "",
                )
                for limit in dict.fromkeys(limits)
            ]
    return found


def _make_manifests(cells: list[CellSpec], errors: dict[str, str]) -> None:
    mine = [cell for cell in cells if CONTENDERS[cell.contender].module == "penstock_window"]
    if not mine:
        return
    from benchmarks.feeds.contenders.penstock_manifest import make_manifest, manifest_path

    for cell in mine:
        layout = CONTENDERS[cell.contender].layout
        usable = layout not in errors
        if usable and not manifest_path(cell.data, layout, cell.endpoint).exists():
            make_manifest(cell.data, layout, cell.endpoint)


def _measure(options: argparse.Namespace, work: Path, peers: Peers) -> tuple[list[DataSpec], list[Run]]:
    """Measure one sample size after another, so that one dataset lies in memory at a time."""
    datasets: list[DataSpec] = []
    runs: list[Run] = []
    with server.serve(work / "nginx", work / "objects", options.latencies) as endpoints:
        for sample_bytes in options.sample_bytes:
            data = make_plain(
                work / "objects",
                name=f"s{sample_bytes}",
                dataset_bytes=options.dataset_bytes,
                sample_bytes=sample_bytes,
                shard_bytes=options.shard_bytes,
            )
            datasets.append(data)
            runs += _measure_dataset(options, data, endpoints, work, peers)
            shutil.rmtree(data.folder)
    return datasets, runs


def _measure_dataset(
    options: argparse.Namespace, data: DataSpec, endpoints: dict[float, str], work: Path, peers: Peers
) -> list[Run]:
    errors = make_layouts(data, layouts_of(options.contenders), peers)
    write_listings(data)
    cells = _cells(options, data, endpoints, work)
    _make_manifests(cells, errors)
    for cell in cells:
        if cell.contender.endswith("-again") and CONTENDERS[cell.contender].layout not in errors:
            # It ends with its first batch, and leaves the manifest that the cell finds.
            run_cell(dataclasses.replace(cell, max_seconds=0.0, profile=""), number=0, peers=peers)
    runs: list[Run] = []
    todo = list(interleave(cells, num_rounds=options.rounds))
    for place, (number, cell) in enumerate(todo, 1):
        broken = errors.get(CONTENDERS[cell.contender].layout)
        run = _broken(cell, number, broken) if broken else run_cell(cell, number=number, peers=peers)
        runs.append(run)
        _log.info("%d/%d %s", place, len(todo), _line(run))
    return runs


def _broken(cell: CellSpec, number: int, error: str) -> Run:
    return Run(
        contender=cell.contender,
        sample_bytes=cell.data.sample_bytes,
        latency_seconds=cell.latency_seconds,
        limit_bytes=cell.limit_bytes,
        round=number,
        load_average=os.getloadavg()[0],
        error=f"its layout of the dataset could not be made: {error}",
    )


def _line(run: Run) -> str:
    what = f"{run.contender} {run.sample_bytes} B, {run.latency_seconds} s, limit {run.limit_bytes}"
    if run.result is None:
        return f"{what}: failed: {run.error.splitlines()[-1][:200]}"
    rate = run.result.num_samples / run.result.seconds
    return f"{what}: {rate:.0f} samples/s, right={run.right}, stopped={run.result.stopped}"


def main() -> int:
    """Measure and report."""
    options = _arguments()
    found = measure(options, "feeds", functools.partial(_measure_all, options))
    if found is None:
        return SKIPPED
    raw, path = found
    path.write_text(render(raw))
    _log.info("report: %s", path)
    mine = (run for run in raw["runs"] if CONTENDERS[run["contender"]].module in OWN_FEEDS)
    return 0 if all(run["right"] for run in mine) else 1


def _measure_all(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Measure with the peers' environment, and tell with which versions."""
    needs_peers = any(name not in OWN_ENVIRONMENT or CONTENDERS[name].layout != "plain" for name in options.contenders)
    peers = make_peers(options.peers) if needs_peers else Peers(python=None, error="not asked for")
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
    # As a package that is installed has them, and the first cell would else be the one that makes them.
    compileall.compile_dir(REPOSITORY / "src", quiet=1)
    datasets, runs = _measure(options, work, peers)
    return {
        "versions": {
            "penstock": versions(sys.executable),
            "peers": versions(peers.python) if peers.python else {"error": peers.error},
        },
        "datasets": [
            {"num_samples": d.num_samples, "sample_bytes": d.sample_bytes, "shard_bytes": d.shard_bytes}
            for d in datasets
        ],
        "start": start_seconds(1) if options.quick else start_seconds(),
        "runs": [run.plain() for run in runs],
    }


if __name__ == "__main__":
    raise SystemExit(main())

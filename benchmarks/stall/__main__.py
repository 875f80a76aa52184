"""Measure how long a trainer waits for data as the link grows narrower, and write a dated report with its curve.

python -m benchmarks.stall             # everything, about 5 minutes
python -m benchmarks.stall --quick     # a smoke run
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import server
from benchmarks.common.machine import REPORTS
from benchmarks.common.processes import interleave, run, tail
from benchmarks.common.reporting import measure, report_with_picture
from benchmarks.feeds.cellspec import DataSpec
from benchmarks.feeds.contenders.penstock_manifest import make_manifest, manifest_path
from benchmarks.feeds.plain import make_plain
from benchmarks.stall.gauge import measure_rate
from benchmarks.stall.link import open_links
from benchmarks.stall.report import draw, render

KIB, MIB = 1 << 10, 1 << 20
RATIOS = (2.0, 1.6, 1.3, 1.15, 1.05, 1.0, 0.9, 0.8, 0.65, 0.5)
GOAL_RATIO = 1.3
GRACE_SECONDS = 60

_log = logging.getLogger("benchmarks.stall")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One link that is trained over; ``ratio`` is what it gives of what the trainer takes."""

    data: DataSpec
    ratio: float
    latency_seconds: float
    bytes_per_second: float
    number: int
    port: int
    manifest: str


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stall", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round, two ratios")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ratios", type=float, nargs="+", default=list(RATIOS), metavar="RATIO")
    parser.add_argument(
        "--latency", type=float, default=0.03, metavar="SECONDS", help=f"of one more cell, at {GOAL_RATIO}; 0 for none"
    )
    parser.add_argument("--steps", type=int, default=50, help="batches of a training")
    parser.add_argument("--goal-steps", type=int, default=150, help=f"of a training at ratio {GOAL_RATIO}")
    parser.add_argument("--step-seconds", type=float, default=0.1, help="what the trainer takes for a batch")
    parser.add_argument("--batch-samples", type=int, default=64)
    parser.add_argument("--sample-bytes", type=int, default=64 * KIB, metavar="BYTES")
    parser.add_argument("--window-bytes", type=int, default=64 * MIB, metavar="BYTES")
    parser.add_argument("--num-workers", type=int, default=0, help="processes that make batches")
    parser.add_argument("--num-ahead", type=int, default=0, help="batches that a thread of the trainer holds ready")
    parser.add_argument("--gauge-seconds", type=float, default=1.0, help="for measuring a link by itself")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where dataset and window lie: a tmpfs")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.ratios, found.gauge_seconds = 1, [2.0, 0.5], 0.3
        found.steps = found.goal_steps = 12
        found.batch_samples, found.step_seconds, found.window_bytes = 16, 0.1, 8 * MIB
    return found


def _consumer_rate(options: argparse.Namespace) -> float:
    return float(options.batch_samples * options.sample_bytes / options.step_seconds)


def _links(options: argparse.Namespace) -> list[tuple[float, float]]:
    """Return ratio and latency of each link."""
    found = [(ratio, 0.0) for ratio in options.ratios]
    return [*found, (GOAL_RATIO, options.latency)] if options.latency else found


def _make_data(options: argparse.Namespace, work: Path, num_steps: int) -> DataSpec:
    return make_plain(
        work / "objects",
        name=f"stall{num_steps}",
        dataset_bytes=num_steps * options.batch_samples * options.sample_bytes,
        sample_bytes=options.sample_bytes,
        shard_bytes=MIB,
    )


def _cells(options: argparse.Namespace, work: Path, ports: Sequence[int]) -> Iterator[Cell]:
    datas = {num_steps: _make_data(options, work, num_steps) for num_steps in {options.steps, options.goal_steps}}
    for number, ((ratio, latency), port) in enumerate(zip(_links(options), ports, strict=True)):
        data = datas[options.goal_steps if ratio == GOAL_RATIO else options.steps]
        endpoint = f"http://127.0.0.1:{port}"
        make_manifest(data, "plain", endpoint)
        yield Cell(
            data=data,
            ratio=ratio,
            latency_seconds=latency,
            bytes_per_second=ratio * _consumer_rate(options),
            number=number,
            port=port,
            manifest=str(manifest_path(data, "plain", endpoint)),
        )


def _train(options: argparse.Namespace, cell: Cell, number: int, work: Path) -> dict[str, Any]:
    """Train once; gives a run as the report takes it."""
    scratch = work / "cell"
    spec = {
        "manifest": cell.manifest,
        "window": str(scratch / "window"),
        "window_bytes": options.window_bytes,
        "batch_samples": options.batch_samples,
        "step_seconds": options.step_seconds,
        "num_workers": options.num_workers,
        "num_ahead": options.num_ahead,
        "seed": number,
        "counts": str(work / "passed"),
        "link": cell.number,
    }
    about: dict[str, Any] = {
        "ratio": cell.ratio,
        "latency_seconds": cell.latency_seconds,
        "round": number,
        "load_average": os.getloadavg()[0],
    }
    words = [sys.executable, "-m", "benchmarks.stall.trainer", json.dumps(spec)]
    num_steps = cell.data.num_samples / options.batch_samples
    seconds = num_steps * options.step_seconds * max(1.0, 2 / cell.ratio) + GRACE_SECONDS
    done = run(words, scratch, seconds=seconds)
    if done.returncode:
        return about | {"result": None, "right": False, "error": tail(done.stderr) or f"code {done.returncode}"}
    result = json.loads(done.stdout.strip().splitlines()[-1])
    right = result["num_samples"] == cell.data.num_samples and result["total"] == cell.data.total
    right = right and result["high_water_bytes"] <= options.window_bytes
    return about | {"result": result, "right": right, "error": ""}


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    rate = _consumer_rate(options)
    latencies = sorted({latency for _, latency in _links(options)})
    with server.serve(work / "nginx", work / "objects", latencies) as endpoints:
        upstream = {latency: int(endpoint.rpartition(":")[2]) for latency, endpoint in endpoints.items()}
        links = [(upstream[latency], ratio * rate, 0) for ratio, latency in _links(options)]
        with open_links(links, work / "passed") as ports:
            cells = list(_cells(options, work, ports))
            data = cells[0].data
            paths = [f"/bench/{data.plain_key(sample)}" for sample in range(data.num_samples)]
            told = [
                dataclasses.asdict(cell)
                | {"num_samples": cell.data.num_samples}
                | {"measured_bytes_per_second": measure_rate(cell.port, paths, seconds=options.gauge_seconds)}
                for cell in cells
            ]
            runs = []
            todo = list(interleave(cells, num_rounds=options.rounds))
            for place, (number, cell) in enumerate(todo, 1):
                runs.append(_train(options, cell, number, work))
                _log.info("%d/%d %s", place, len(todo), _line(runs[-1]))
    return {
        "consumer_bytes_per_second": rate,
        "links": [
            {name: link[name] for name in link if name not in ("data", "number", "port", "manifest")} for link in told
        ],
        "runs": runs,
    }


def _line(told: dict[str, Any]) -> str:
    what = f"ratio {told['ratio']}, latency {told['latency_seconds']} s"
    if told["result"] is None:
        return f"{what}: failed: {told['error'].splitlines()[-1][:200]}"
    result = told["result"]
    stall = 1 - result["compute_seconds"] / result["wall_seconds"]
    return f"{what}: stall {stall:.2%} of {result['wall_seconds']:.1f} s, right={told['right']}"


def main() -> int:
    """Measure and report."""
    options = _arguments()
    found = measure(options, "stall", functools.partial(_measure, options))
    return report_with_picture(found, draw=draw, render=render)


if __name__ == "__main__":
    raise SystemExit(main())

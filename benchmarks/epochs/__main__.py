"""Measure what windows of several sizes download over several epochs, and write a dated report with its curve.

python -m benchmarks.epochs             # everything, about 5 minutes
python -m benchmarks.epochs --quick     # a smoke run
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import server
from benchmarks.common.machine import REPORTS
from benchmarks.common.processes import interleave, run, tail
from benchmarks.common.reporting import measure, report_with_picture
from benchmarks.epochs.report import draw, render
from benchmarks.feeds.cellspec import DataSpec
from benchmarks.feeds.contenders.penstock_manifest import make_manifest
from benchmarks.feeds.plain import link_copy, make_plain

KIB, MIB = 1 << 10, 1 << 20
PAGE_BYTES = 4096
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
LATE_SHARES = (0.2, 0.5, 0.9)
SMALL_WINDOWS = (1 * MIB, 2 * MIB, 4 * MIB)
SMALL_EPOCHS = 2
READ_SECONDS = 120
MODULO = 1 << 64

_log = logging.getLogger("benchmarks.epochs")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One window over one link.

    Attributes:
        num_epochs: times that each sample is read.
        keeps: whether samples are read again; else each epoch's are other ones to it, so that all are streamed.
        small: whether the window is one of those that are looked at for what they keep alone.
    """

    window_bytes: int
    latency_seconds: float
    num_epochs: int
    keeps: bool
    small: bool = False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epochs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round, two windows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES), help="windows, of the dataset")
    parser.add_argument(
        "--latency", type=float, default=0.03, metavar="SECONDS", help="added in more cells; 0 for none"
    )
    parser.add_argument("--late-shares", type=float, nargs="*", default=list(LATE_SHARES), help="windows of those")
    parser.add_argument("--small-windows", type=int, nargs="*", default=list(SMALL_WINDOWS), metavar="BYTES")
    parser.add_argument("--dataset-bytes", type=int, default=512 * MIB, metavar="BYTES")
    parser.add_argument("--sample-bytes", type=int, default=64 * KIB, metavar="BYTES")
    parser.add_argument("--batch-samples", type=int, default=64)
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where dataset and window lie: a tmpfs")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.epochs, found.shares, found.late_shares = 1, 3, [0.5], []
        found.dataset_bytes, found.batch_samples, found.small_windows = 8 * MIB, 16, [1 * MIB]
    return found


def _window_bytes(options: argparse.Namespace, share: float) -> int:
    return int(share * options.dataset_bytes) // PAGE_BYTES * PAGE_BYTES


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    places = [(share, 0.0) for share in options.shares]
    if options.latency:
        places += [(share, options.latency) for share in options.late_shares]
    for share, latency in places:
        for keeps in (True, False):
            yield Cell(
                window_bytes=_window_bytes(options, share),
                latency_seconds=latency,
                num_epochs=options.epochs,
                keeps=keeps,
            )


class _Harness:
    """Reads cells from one server, and counts by its log what it sent."""

    def __init__(self, options: argparse.Namespace, data: DataSpec, endpoints: dict[float, str], work: Path) -> None:
        self._options, self._data, self._work = options, data, work
        self._log_at = 0
        copies = [link_copy(data, epoch) for epoch in range(1, options.epochs)]
        for latency, endpoint in endpoints.items():
            make_manifest(data, "plain", endpoint, path=self._manifest(latency, keeps=True))
            make_manifest(data, "plain", endpoint, path=self._manifest(latency, keeps=False), copies=copies)

    def _manifest(self, latency_seconds: float, *, keeps: bool) -> Path:
        return self._work / "manifests" / f"{latency_seconds}-{'kept' if keeps else 'streamed'}.parquet"

    def read(self, cell: Cell, number: int) -> dict[str, Any]:
        """Read a cell's epochs; gives a run as the report takes it."""
        options, data, scratch = self._options, self._data, self._work / "cell"
        spec = {
            "manifest": str(self._manifest(cell.latency_seconds, keeps=cell.keeps)),
            "window": str(scratch / "window"),
            "window_bytes": cell.window_bytes,
            "batch_samples": options.batch_samples,
            "num_epochs": cell.num_epochs if cell.keeps else 1,
            "seed": number,
        }
        about: dict[str, Any] = asdict(cell) | {"round": number, "load_average": os.getloadavg()[0]}
        words = [sys.executable, "-m", "benchmarks.epochs.reading", json.dumps(spec)]
        done = run(words, scratch, seconds=READ_SECONDS)
        about["served_bytes"], about["num_answers"] = self._served()
        if done.returncode:
            return about | {"result": None, "right": False, "error": tail(done.stderr) or f"code {done.returncode}"}
        result = json.loads(done.stdout.strip().splitlines()[-1])
        right = (
            result["num_samples"] == data.num_samples * cell.num_epochs
            and result["total"] == data.total * cell.num_epochs % MODULO
            and result["high_water_bytes"] <= cell.window_bytes
        )
        return about | {"result": result, "right": right, "error": ""}

    def _served(self) -> tuple[int, int]:
        """Return the bytes that the server sent of objects since the last time, and how many answers they were."""
        with (self._work / "access.log").open() as log:
            log.seek(self._log_at)
            told = [line.split() for line in log]
            self._log_at = log.tell()
        good = [int(size) for status, size in told if status.startswith("2")]
        return sum(good), len(good)


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    data = make_plain(
        work / "objects",
        name="epochs",
        dataset_bytes=options.dataset_bytes,
        sample_bytes=options.sample_bytes,
        shard_bytes=MIB,
    )
    cells = list(_cells(options))
    latencies = sorted({cell.latency_seconds for cell in cells})
    with server.serve(work / "nginx", work / "objects", latencies, log=work / "access.log") as endpoints:
        harness = _Harness(options, data, endpoints, work)
        small = [
            Cell(window_bytes=size, latency_seconds=0.0, num_epochs=SMALL_EPOCHS, keeps=True, small=True)
            for size in options.small_windows
        ]
        todo = [(0, cell) for cell in small] + list(interleave(cells, num_rounds=options.rounds))
        if options.rounds > 1:
            harness.read(cells[0], 0)  # brings code and files into memory; not counted
        runs = []
        for place, (number, cell) in enumerate(todo, 1):
            runs.append(harness.read(cell, number))
            _log.info("%d/%d %s", place, len(todo), _line(runs[-1]))
    return {"dataset": {"num_samples": data.num_samples, "sample_bytes": data.sample_bytes}, "runs": runs}


def _line(told: dict[str, Any]) -> str:
    what = (
        f"{told['window_bytes'] / MIB:.1f} MiB, {told['latency_seconds']} s, {'kept' if told['keeps'] else 'streamed'}"
    )
    if told["result"] is None:
        return f"{what}: failed: {told['error'].splitlines()[-1][:200]}"
    result = told["result"]
    return f"{what}: {told['served_bytes'] / MIB:.2f} MiB in {result['seconds']:.2f} s, right={told['right']}"


def main() -> int:
    """Measure and report."""
    options = _arguments()
    found = measure(options, "epochs", functools.partial(_measure, options))
    return report_with_picture(found, draw=draw, render=render)


if __name__ == "__main__":
    raise SystemExit(main())

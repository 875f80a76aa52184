"""Forecast runs of several kinds, make them, and write a dated report of what was right.

python -m benchmarks.forecast             # everything, about 13 minutes
python -m benchmarks.forecast --quick     # a smoke run
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import server
from benchmarks.common.machine import REPORTS
from benchmarks.common.reporting import SKIPPED, measure
from benchmarks.feeds.cellspec import BUCKET
from benchmarks.feeds.plain import make_plain, write_listings
from benchmarks.forecast.cells import CELLS, DATASETS, QUICK_CELLS, QUICK_DATASETS, SPLIT_SHARE, Cell, Data
from benchmarks.forecast.report import line_of, render
from benchmarks.forecast.running import Failed, Place, Starts, make_run
from benchmarks.forecast.subject import declare
from benchmarks.stall.link import open_links

MIB = 1 << 20
FAILING_SHARE = 0.02
CUT_BYTES = 16 * MIB
START_DATA = Data(name="start", num_samples=320, sample_bytes=4096, batch_samples=8)
START_EPOCHS = 2
"""In the last of which a step takes what it takes, and not what the first one does."""
_OPEN = 1e9  # bytes a second, of a link that limits nothing
_log = logging.getLogger("benchmarks.forecast")

LinkKey = tuple[float, float, bool]
"""Bytes a second, latency in seconds, and whether there are faults."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecast", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two runs of tiny data, once; what starting takes is not measured"
    )
    parser.add_argument("--rounds", type=int, default=1, help="times that each run is forecast and made")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="make these runs alone, like run-04")
    parser.add_argument("--runs", type=Path, help="file of the runs made so far, a line each: none is made twice")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where datasets and windows lie: a tmpfs")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    return parser.parse_args()


def _cells(options: argparse.Namespace) -> list[Cell]:
    cells = QUICK_CELLS if options.quick else CELLS
    if unknown := set(options.only) - {cell.name for cell in cells}:
        raise SystemExit(f"no runs are called {', '.join(sorted(unknown))}: --only takes {cells[0].name} and the like")
    return [cell for cell in cells if not options.only or cell.name in options.only]


def _key(cell: Cell) -> LinkKey:
    return cell.link_bytes_per_second, cell.latency_seconds, cell.has_faults


class _Harness:
    """Makes runs over links to the servers, and remembers those that were made before."""

    def __init__(self, work: Path, datas: dict[str, Data], ports: dict[LinkKey, int], runs: Path | None) -> None:
        self._work, self._datas, self._ports, self._file = work, datas, ports, runs
        self._made: list[dict[str, Any]] = _read_runs(runs)
        self._records = work / "records"
        self._records.mkdir()
        declare(work / "site")
        self.starts = Starts()

    def make(self, cell: Cell, number: int) -> dict[str, Any]:
        """Forecast a cell and make its run, unless that was done; gives it as the report takes it."""
        for told in self._made:
            if told["cell"] == asdict(cell) and told["round"] == number:
                return told
        if cell.basis == "record" and not (self._records / cell.earlier).exists():
            self._make(next(each for each in CELLS if each.name == cell.earlier))
        told = {"cell": asdict(cell), "round": number, "load_average": os.getloadavg()[0]}
        try:
            told |= self._make(cell) | {"error": ""}
        except Failed as error:
            return told | {"forecast": None, "actual": None, "error": str(error)}
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(told) + "\n")
        return told

    def _make(self, cell: Cell) -> dict[str, Any]:
        return make_run(cell, self._datas[cell.data], self._place(cell), self.starts)

    def _place(self, cell: Cell) -> Place:
        return Place(
            uri=f"s3://{BUCKET}/{cell.data}/plain",
            endpoint_url=f"http://127.0.0.1:{self._ports[_key(cell)]}",
            folder=self._work / "cell",
            site=self._work / "site",
            records=self._records,
        )

    def measure_starts(self) -> None:
        """Measure what starting takes on this machine: the second of two runs each of nearly nothing."""
        found, step = {}, 0.0
        for face in ("run", "run", "loop", "loop"):
            cell = Cell(
                name="start", data="start", share=20.0, epochs=START_EPOCHS, link_bytes_per_second=_OPEN, face=face
            )
            made = make_run(cell, START_DATA, self._place(cell), Starts())["actual"]
            num_steps = START_EPOCHS * SPLIT_SHARE[0] * START_DATA.num_samples / START_DATA.batch_samples
            found[face] = made["wall_seconds"] - num_steps * made["step_seconds"]
            step = made["step_seconds"] or step
        self.starts = Starts(**found, step=step)


def _read_runs(runs: Path | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in runs.read_text().splitlines()] if runs is not None and runs.exists() else []


def _make_data(root: Path, data: Data) -> None:
    size = data.sample_bytes
    made = make_plain(root, name=data.name, dataset_bytes=data.num_samples * size, sample_bytes=size, shard_bytes=MIB)
    if data.spread != 1:
        rng = np.random.Generator(np.random.SFC64(data.num_samples))
        for number, size_bytes in enumerate(data.sizes):
            (root / BUCKET / made.plain_key(number)).write_bytes(rng.bytes(size_bytes))
    write_listings(made)


@contextlib.contextmanager
def _open(work: Path, keys: Sequence[LinkKey]) -> Iterator[dict[LinkKey, int]]:
    """Serve what was made over each link; give the links' ports."""
    latencies = sorted({latency for _, latency, _ in keys})
    with contextlib.ExitStack() as stack:
        upstream: dict[tuple[float, bool], int] = {}
        for has_faults in (False, True):
            share = FAILING_SHARE if has_faults else 0.0
            folder = work / f"nginx-{has_faults}"
            ends = stack.enter_context(server.serve(folder, work / "objects", latencies, failing_share=share))
            upstream |= {(latency, has_faults): int(end.rpartition(":")[2]) for latency, end in ends.items()}
        links = [(upstream[late, faults], rate, CUT_BYTES if faults else 0) for rate, late, faults in keys]
        ports = stack.enter_context(open_links(links, work / "passed"))
        yield dict(zip(keys, ports, strict=True))


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    cells, datas = _cells(options), QUICK_DATASETS if options.quick else DATASETS
    for data in (*datas, START_DATA):
        _make_data(work / "objects", data)
    keys = list(dict.fromkeys([(_OPEN, 0.0, False), *map(_key, CELLS), *map(_key, cells)]))
    named = {data.name: data for data in (*datas, START_DATA)}
    with _open(work, keys) as ports:
        harness = _Harness(work, named, ports, options.runs)
        if not options.quick:
            harness.measure_starts()
        rounds = 1 if options.quick else options.rounds
        todo = [(number, cell) for number in range(rounds) for cell in cells]
        runs = []
        for place, (number, cell) in enumerate(todo, 1):
            runs.append(harness.make(cell, number))
            _log.info("%d/%d %s", place, len(todo), line_of(runs[-1]))
        return {
            "datasets": [asdict(data) for data in datas],
            "starts": asdict(harness.starts),
            "faults": {"failing_share": FAILING_SHARE, "cut_bytes": CUT_BYTES},
            "runs": runs,
        }


def main() -> int:
    """Forecast, run and report; the exit code is 0 where every run was made, whatever was forecast."""
    options = _arguments()
    found = measure(options, "forecast", functools.partial(_measure, options))
    if found is None:
        return SKIPPED
    raw, path = found
    path.write_text(render(raw))
    _log.info("report: %s", path)
    return 1 if any(told["error"] for told in raw["runs"]) else 0


if __name__ == "__main__":
    raise SystemExit(main())

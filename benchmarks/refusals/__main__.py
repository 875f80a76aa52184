"""Read small objects over a link from stores that refuse some requests, by chance or beyond so many a second.

python -m benchmarks.refusals                    # some minutes; writes a dated report
python -m benchmarks.refusals --beside FOLDER    # the same by the package of another checkout as well, in the same run
python -m benchmarks.refusals --quick            # a smoke run
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import logging
import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import markdown, server
from benchmarks.common.machine import REPORTS
from benchmarks.common.processes import interleave, run, tail
from benchmarks.common.reporting import SKIPPED, measure
from benchmarks.feeds.cellspec import DataSpec
from benchmarks.feeds.plain import make_plain, write_listings
from benchmarks.refusals.reading import Reading
from benchmarks.stall.link import open_links

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1)
RATES = (100.0, 250.0)
MOST_SECONDS = 180
LOST = 0.9
"""Of the rate without refusals, below which a share of them by chance costs too much; others' work is in the rest."""

_log = logging.getLogger("benchmarks.refusals")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One store, read by one package.

    Attributes:
        share: of requests that are refused by chance.
        per_second: requests that are taken, 0 for all.
        side: whose package reads: "this" or "beside".
    """

    share: float
    per_second: float
    side: str


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refusals", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, a second each")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="a checkout whose package is measured as well")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8.0, help="that each training reads after its first batch")
    parser.add_argument("--latency", type=float, default=0.03, metavar="SECONDS")
    parser.add_argument("--link", type=float, default=8e6, metavar="BYTES", help="a second that the link lets through")
    parser.add_argument("--sample-bytes", type=int, default=16 << 10, metavar="BYTES")
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where objects and window lie: a tmpfs")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.seconds = 1, 1.0
    return found


def _cells(options: argparse.Namespace) -> list[Cell]:
    stores = [(share, 0.0) for share in SHARES] + [(0.0, rate) for rate in RATES]
    sides = ["this", "beside"] if options.beside else ["this"]
    return [Cell(share=share, per_second=rate, side=side) for share, rate in stores for side in sides]


def _read(options: argparse.Namespace, cell: Cell, data: DataSpec, port: int, work: Path, log: Path) -> dict[str, Any]:
    scratch, load = work / "cell", os.getloadavg()[0]
    asked = Reading(
        url=f"s3://bench/{data.name}/plain", endpoint=f"http://127.0.0.1:{port}", folder=str(data.folder / "plain"),
        window="32Mi", window_folder=str(scratch / "window"), seconds=options.seconds,
    )  # fmt: skip
    source = [f"PYTHONPATH={(options.beside / 'src').resolve()}"] if cell.side == "beside" else []
    program = [sys.executable, "-m", "benchmarks.refusals.reading", json.dumps(dataclasses.asdict(asked))]
    before = len(log.read_text().splitlines())
    done = run(["env", *source, *program], scratch, seconds=MOST_SECONDS)
    told: dict[str, Any] = {**dataclasses.asdict(cell), "load_average": load}
    if done.returncode:
        return told | {"result": None, "right": False, "error": tail(done.stderr) or f"code {done.returncode}"}
    result = json.loads(done.stdout.strip().splitlines()[-1])
    answered = [line.split()[0] for line in log.read_text().splitlines()[before:]]
    result |= {"answered": len(answered), "refused": answered.count("503")}
    # What was under way at the end may be counted by one side alone.
    unsure = result["in_flight"] or 0
    right = result["right"] and abs(result["sent"] - result["answered"]) <= unsure
    return told | {"result": result, "right": right, "error": ""}


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    # What the link lets through in that time, the window and a second.
    size = int(options.link * (options.seconds + 2)) + (48 << 20)
    data = make_plain(
        work / "objects", name="small", dataset_bytes=size, sample_bytes=options.sample_bytes, shard_bytes=1 << 20
    )
    write_listings(data)
    stores = list(dict.fromkeys((cell.share, cell.per_second) for cell in _cells(options)))
    runs = []
    with contextlib.ExitStack() as stack:
        logs, links = [], []
        for number, (share, rate) in enumerate(stores):
            logs.append(work / f"requests-{number}.log")
            folder, latencies = work / f"nginx-{number}", [options.latency]
            served = server.serve(
                folder, work / "objects", latencies, log=logs[-1], failing_share=share, per_second=rate
            )
            endpoint = stack.enter_context(served)[options.latency]
            links.append((int(endpoint.rpartition(":")[2]), options.link, 0))
        ports = stack.enter_context(open_links(links, work / "passed"))
        todo = list(interleave(_cells(options), num_rounds=options.rounds))
        for place, (number, cell) in enumerate(todo, 1):
            at = stores.index((cell.share, cell.per_second))
            runs.append({"round": number} | _read(options, cell, data, ports[at], work, logs[at]))
            _log.info("%d/%d %s", place, len(todo), json.dumps(runs[-1]))
    return {"runs": runs}


def _row(raw: dict[str, Any], cell: Cell, free: float) -> list[str]:
    runs = [
        run for run in raw["runs"] if all(run[name] == getattr(cell, name) for name in ("share", "per_second", "side"))
    ]
    results = [run["result"] for run in runs if run["result"]]
    if not results:
        return [_named(cell), "failed", "", "", "", "", "no"]
    middle = {name: statistics.median(result[name] or 0 for result in results) for name in results[0]}
    took = middle["answered"] - middle["refused"]
    return [
        _named(cell),
        f"{middle['bytes_per_second'] / 1e6:.2f}",
        f"{middle['bytes_per_second'] / free:.2f}" if free else "",
        f"{middle['refused'] / middle['answered']:.1%}",
        f"{middle['answered'] / took:.2f}",
        f"{middle['in_flight']:.0f}",
        "yes" if all(run["right"] for run in runs) else "no",
    ]


def _named(cell: Cell) -> str:
    return f"at most {cell.per_second:g} a second" if cell.per_second else f"{cell.share:.0%} by chance"


def _free(raw: dict[str, Any], side: str) -> float:
    """Return the rate without refusals, the median of the rounds."""
    rates = [
        run["result"]["bytes_per_second"]
        for run in raw["runs"]
        if run["result"] and (run["side"], run["share"], run["per_second"]) == (side, 0.0, 0.0)
    ]
    return statistics.median(rates) if rates else 0.0


def render(raw: dict[str, Any], options: argparse.Namespace) -> str:
    """Write the report."""
    head = ["refused", "MB/s", "of none refused", "503s", "answers a request served", "in flight at the end", "right"]
    text = ["# Stores that refuse some requests", ""]
    text += [
        f"Objects of {options.sample_bytes >> 10} KiB by `penstock.Stream`, each request answered after "
        f"{options.latency * 1000:g} ms, over a link of {options.link / 1e6:g} MB/s: "
        f"{options.link / options.sample_bytes:.0f} objects a second. nginx answers 503 by chance, or whatever comes "
        "faster than so many a second, but for what 50 ms save up; listings too. MB/s as downloaded, from the first "
        f"batch on, for {options.seconds:g} s; medians of {options.rounds} round(s), all stores once in each, in an "
        "order of chance. Right is: every sample once, with the bytes that lie there, no request given up, and as many "
        "requests in Penstock's meters as in the server's log, but for those under way at the end.",
        "",
    ]
    for side in dict.fromkeys(cell.side for cell in _cells(options)):
        text += [f"## {'This package' if side == 'this' else f'The package in {options.beside}'}", ""]
        free = _free(raw, side)
        text += [*markdown.table([head, *(_row(raw, cell, free) for cell in _cells(options) if cell.side == side)]), ""]
    return "\n".join([*text, *markdown.machine_words(raw)]) + "\n"


def main() -> int:
    """Measure and report."""
    options = _arguments()
    found = measure(options, "refusals", functools.partial(_measure, options))
    if found is None:
        return SKIPPED
    raw, path = found
    path.write_text(render(raw, options))
    _log.info("report: %s", path)
    mine, free = [run for run in raw["runs"] if run["side"] == "this"], _free(raw, "this")
    kept = [run for run in mine if not run["per_second"] and run["result"]]
    is_fast = all(run["result"]["bytes_per_second"] >= LOST * free for run in kept)
    return 0 if is_fast and all(run["right"] for run in mine) else 1


if __name__ == "__main__":
    raise SystemExit(main())

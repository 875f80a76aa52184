"""Measure whether keeping samples ever costs time: one epoch against each of four, in windows of several sizes.

python -m benchmarks.keeping             # everything, about 3 minutes; writes a dated report
python -m benchmarks.keeping --quick     # a smoke run
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import markdown, server
from benchmarks.common.machine import REPORTS
from benchmarks.common.processes import interleave, run, tail
from benchmarks.common.reporting import SKIPPED, measure
from benchmarks.feeds.cellspec import DataSpec
from benchmarks.feeds.contenders.penstock_manifest import make_manifest
from benchmarks.feeds.plain import make_plain

MIB = 1 << 20
READ_SECONDS = 120

_log = logging.getLogger("benchmarks.keeping")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keeping", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round, one window")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--latency", type=float, default=0.1, metavar="SECONDS", help="added to each answer")
    parser.add_argument("--windows", type=int, nargs="+", default=[8, 16, 32, 64, 256], metavar="MIB")
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--sample-bytes", type=int, default=100_000, metavar="BYTES")
    parser.add_argument("--batch-samples", type=int, default=16)
    parser.add_argument("--work", type=Path, default=Path("/dev/shm"), help="where dataset and window lie: a tmpfs")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.epochs, found.windows, found.samples, found.latency = 1, 2, [8], 100, 0.01
    return found


def _read(options: argparse.Namespace, manifest: Path, scratch: Path, cell: tuple[int, int]) -> dict[str, Any]:
    window_mib, num_epochs = cell
    spec = {
        "manifest": str(manifest),
        "window": str(scratch / "window"),
        "window_bytes": window_mib * MIB,
        "batch_samples": options.batch_samples,
        "num_epochs": num_epochs,
        "seed": 0,
    }
    about = {"window_mib": window_mib, "num_epochs": num_epochs}
    done = run([sys.executable, "-m", "benchmarks.keeping.reading", json.dumps(spec)], scratch, seconds=READ_SECONDS)
    if done.returncode:
        return about | {"right": False, "error": tail(done.stderr) or f"code {done.returncode}"}
    result = json.loads(done.stdout.strip().splitlines()[-1])
    right = result["num_samples"] == options.samples * num_epochs
    return about | result | {"right": right and result["high_water_bytes"] <= window_mib * MIB, "error": ""}


def _measure(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    data: DataSpec = make_plain(
        work / "objects",
        name="keeping",
        dataset_bytes=options.samples * options.sample_bytes,
        sample_bytes=options.sample_bytes,
        shard_bytes=MIB,
    )
    cells = [(window, epochs) for window in options.windows for epochs in (1, options.epochs)]
    runs = []
    with server.serve(work / "nginx", work / "objects", [options.latency]) as endpoints:
        manifest = work / "manifests" / "keeping.parquet"
        make_manifest(data, "plain", endpoints[options.latency], path=manifest)
        for number, cell in interleave(cells, num_rounds=options.rounds):
            runs.append(
                {"round": number, "load_average": os.getloadavg()[0], **_read(options, manifest, work / "cell", cell)}
            )
            _log.info("%s", json.dumps(runs[-1]))
    return {"runs": runs}


def figures(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Give, of each window, the median seconds of one epoch alone and of each of several, and what was kept."""
    found = []
    for window in dict.fromkeys(told["window_mib"] for told in raw["runs"]):
        good = [told for told in raw["runs"] if told["window_mib"] == window and told["right"]]
        alone = [told["seconds"][0] for told in good if told["num_epochs"] == 1]
        several = [told for told in good if told["num_epochs"] > 1]
        if alone and several:
            epochs = [statistics.median(times) for times in zip(*(told["seconds"] for told in several), strict=True)]
            found.append(
                {
                    "window_mib": window,
                    "alone": statistics.median(alone),
                    "alone_range": (min(alone), max(alone)),
                    "epochs": epochs,
                    "kept_bytes": statistics.median(told["kept_bytes"] for told in several),
                    "downloaded_bytes": statistics.median(told["bytes_downloaded"] for told in several),
                }
            )
    return found


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    options = raw["options"]
    rows = [["window", "one epoch alone (range)", "each of several", "slowest by alone", "kept", "downloaded"]]
    for cell in figures(raw):
        low, high = cell["alone_range"]
        rows.append(
            [
                f"{cell['window_mib']} MiB",
                f"{cell['alone']:.2f} s ({low:.2f} to {high:.2f})",
                ", ".join(f"{seconds:.2f}" for seconds in cell["epochs"]) + " s",
                f"{max(cell['epochs']) / cell['alone']:.2f}",
                f"{cell['kept_bytes'] / MIB:.1f} MiB",
                f"{cell['downloaded_bytes'] / MIB:.0f} MiB",
            ]
        )
    wrong = [told for told in raw["runs"] if not told["right"]]
    text = [
        "# Does keeping cost time?",
        "",
        f"{options['samples']} objects of {options['sample_bytes']} bytes, {options['latency']} s added to an answer, "
        f"batches of {options['batch_samples']}, {options['rounds']} interleaved rounds, medians. Seconds run from "
        "where the window is served; each row compares a run of one epoch, which keeps nothing, with the epochs of a "
        "longer one.",
        "",
        *markdown.table(rows),
        "",
        f"Runs that were not right: {len(wrong)}.",
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    options = _arguments()
    found = measure(options, "keeping", functools.partial(_measure, options))
    if found is None:
        return SKIPPED
    raw, path = found
    path.write_text(render(raw))
    _log.info("report: %s", path)
    return 0 if all(told["right"] for told in raw["runs"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())

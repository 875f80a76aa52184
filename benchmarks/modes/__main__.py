"""Run a job streamed, cached and preprocessed behind a slow link, by the command of docs/modes.md.

python -m benchmarks.modes     # some minutes on two cores; writes a dated report

The dataset is generated: EEG in the challenge's layout, from a server on this machine whose link is held at a rate.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine
from benchmarks.common.processes import usual_environment
from penstock.demo.generate import generate_dataset
from penstock.demo.server import BUCKET, serve_s3
from penstock.records import ModesComparison, read_record
from penstock.report.comparing_modes import modes_table, modes_verdict
from penstock.units import format_bytes

SIZE_BYTES, NUM_TRIALS = 175_000_000, 60
LINK_BYTES_PER_SECOND = 20_000_000
ASKED = [
    *("--task", "eeg-c2", "--split", "0.5,0.25,0.25", "--epochs", "4", "--window-size", "32Mi", "--threads", "1"),
    *("--instance-type", "g5.xlarge", "--source-prices", "s3"),
]


def write(folder: Path) -> str:
    """Generate the dataset; say what it is."""

    def put(key: str, data: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    made = generate_dataset(put, size_bytes=SIZE_BYTES, num_releases=1, num_trials=NUM_TRIALS)
    return f"{made.num_subjects} recordings of 129 channels, {format_bytes(made.size_bytes)}"


def compare(folder: Path) -> dict[str, Any]:
    """Run the command, and return what it told."""
    data = folder / "data"
    told = write(data)
    path = folder / "modes.json"
    with serve_s3(data, link_bytes_per_second=LINK_BYTES_PER_SECOND) as url:
        words = ["compare-modes", "--source", f"s3://{BUCKET}", "--endpoint-url", url, "--anonymous", *ASKED]
        out = ("--out", str(folder / "out"), "--json", str(path))
        subprocess.run(
            [sys.executable, "-m", "penstock", *words, *out],
            cwd=REPOSITORY, env=usual_environment(), check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    return {"data": told, "found": read_record(path, ModesComparison), "load_average": os.getloadavg()[0]}


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    [told] = raw["runs"]
    table = modes_table(told["found"])
    text = [
        "# A job streamed, cached and preprocessed",
        "",
        f"`penstock compare-modes {' '.join(ASKED)}` of generated EEG in the challenge's layout: {told['data']}, from "
        f"a server on the same machine whose link is held at {LINK_BYTES_PER_SECOND // 1_000_000} MB/s. Dollars are "
        "those of that node and of S3's requests, were they asked for there.",
        "",
        *markdown.table([list(table.header), *map(list, table.rows)]),
        "",
        *modes_verdict(told["found"]),
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.modes", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    options = parser.parse_args()
    about = machine("benchmarks.modes")
    with tempfile.TemporaryDirectory(prefix="penstock-modes-", dir=options.work) as made:
        raw = {"machine": about, "runs": [compare(Path(made))]}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"modes_{cpu_slug(str(about['cpu']))}_{day}.md"
    path.write_text(render(raw))
    sys.stderr.write(f"report: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

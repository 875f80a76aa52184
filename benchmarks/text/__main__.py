"""Train a small language model on the State of the Union addresses by the command of docs/language-models.md.

PENSTOCK_TEST_DATA=... python -m benchmarks.text     # two minutes on two cores; writes a dated report

PENSTOCK_TEST_DATA is a folder with ``text/sotu.jsonl.xz``: an address a line, as JSON with its ``text``.
"""

from __future__ import annotations

import argparse
import datetime
import lzma
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine
from benchmarks.common.processes import usual_environment
from penstock.records import Evaluation, RunRecord, read_record

ASKED = [
    *("--task", "text", "--option", "tokenizer=bpe", "--option", "vocab-size=1024", "--option", "length=128"),
    *("--model", "tiny", "--epochs", "1", "--batch-size", "32", "--learning-rate", "0.003", "--window-size", "64Mi"),
]


def train(data: Path, folder: Path) -> dict[str, Any]:
    """Run the command, and return what it reached."""
    (folder / "texts").mkdir()
    (folder / "texts" / "sotu.jsonl").write_bytes(lzma.decompress((data / "text" / "sotu.jsonl.xz").read_bytes()))
    words = [sys.executable, "-m", "penstock", "run", "--source", str(folder / "texts"), *ASKED]
    out = folder / "out"
    subprocess.run(
        [*words, "--out", str(out)], cwd=REPOSITORY, env=usual_environment(), check=True, stdin=subprocess.DEVNULL
    )
    run, found = read_record(out / "run.json", RunRecord), read_record(out / "evaluation.json", Evaluation)
    return {
        "wall_seconds": run.wall_seconds,
        "stall_share": run.stall_share,
        "num_samples": found.num_samples,
        "metrics": {
            each.label: (each.value, each.baseline.value if each.baseline else None) for each in found.metrics.values()
        },
        "load_average": os.getloadavg()[0],
    }


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    [told] = raw["runs"]
    rows = [["metric on the test split", "the model", "naming each token by its share, or the commonest"]]
    rows += [[name, f"{value:.4f}", f"{baseline:.4f}"] for name, (value, baseline) in told["metrics"].items()]
    text = [
        "# A small language model of the State of the Union addresses",
        "",
        f"`penstock run --source texts {' '.join(ASKED)}`: trained in {told['wall_seconds']:.0f} s, "
        f"{told['stall_share']:.1%} of it waiting for data; scored on {told['num_samples']:,} parts of texts that it "
        "was not trained on.",
        "",
        *markdown.table(rows),
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    options = parser.parse_args()
    data = os.environ.get("PENSTOCK_TEST_DATA")
    if not data:
        parser.error("PENSTOCK_TEST_DATA names no folder with text/sotu.jsonl.xz")
    about = machine("benchmarks.text")
    with tempfile.TemporaryDirectory(prefix="penstock-text-", dir=options.work) as made:
        raw = {"machine": about, "runs": [train(Path(data), Path(made))]}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"text_{cpu_slug(str(about['cpu']))}_{day}.md"
    path.write_text(render(raw))
    sys.stderr.write(f"report: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

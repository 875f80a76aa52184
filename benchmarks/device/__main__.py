"""Measure how training uses the device that there is, a GPU or the CPU, with each option that changes how it computes.

python -m benchmarks.device            # on a GPU: a few minutes for the data, a minute a cell; writes a dated report
python -m benchmarks.device --quick    # tiny: half a minute a cell on two cores, to see that it runs

Generated images are streamed from an S3 server on this machine through a window, into the same training each time:
plain, in bfloat16 and float16, channels last, compiled, and all together. On a GPU batches are pinned by themselves.
Samples a second, the share of waiting and the device's utilisation are of the epochs behind the first one, which
downloads, warms up and compiles.
"""

from __future__ import annotations

import argparse
import datetime
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine, plain_options
from benchmarks.common.processes import usual_environment
from penstock.demo.server import BUCKET, REGION, serve_s3
from penstock.records import RunRecord, read_record
from penstock.units import parse_bytes

CLASSES = 4
CELLS: dict[str, list[str]] = {
    "plain (float32)": ["--amp", "off"],
    "--amp bf16": ["--amp", "bf16"],
    "--amp fp16": ["--amp", "fp16"],
    "--channels-last": ["--amp", "off", "--channels-last"],
    "--compile": ["--amp", "off", "--compile"],
    "--amp bf16 --channels-last --compile --deterministic false": [
        *("--amp", "bf16", "--channels-last", "--compile", "--deterministic", "false"),
    ],
}
EVERY_SECONDS = 0.25
"""Between two looks at the device."""


def write_images(folder: Path, count: int, side: int) -> None:
    """Write JPEG files in folders of their classes, whose colours differ."""
    chance = np.random.default_rng(0)
    for number in range(count):
        label = number % CLASSES
        rough = chance.normal(110 + 15 * label, 40, (side // 8, side // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
        data = io.BytesIO()
        Image.fromarray(rough.clip(0, 255).astype(np.uint8)).save(data, "JPEG", quality=90)
        path = folder / f"class-{label}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.getvalue())


class Utilisation:
    """Looks at how busy a GPU is for as long as the block runs, by ``nvidia-smi``; at nothing where there is none."""

    def __init__(self, *, is_gpu: bool) -> None:
        self._ended, self.samples = threading.Event(), list[tuple[float, float]]()
        self._thread = threading.Thread(target=self._look, daemon=True) if is_gpu else None

    def __enter__(self) -> Utilisation:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        words = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while not self._ended.wait(EVERY_SECONDS):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                self.samples.append((time.time(), float(done.stdout.split()[0])))

    def mean(self, since: float, until: float) -> float | None:
        """Return the mean of what was seen in a time, in percent."""
        within = [share for at, share in self.samples if since <= at <= until]
        return statistics.fmean(within) if within else None


def penstock(*words: object) -> None:
    """Run a step."""
    done = subprocess.run(
        [sys.executable, "-m", "penstock", *map(str, words)], cwd=REPOSITORY, env=usual_environment(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"penstock {words[0]} ended with {done.returncode}: {done.stderr[-2000:]}")


def measure(what: str, more: list[str], files: list[str], options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train once, and return what the record and the device told."""
    record = folder / "run.json"
    words = [*("train", *files, "--model", options.model, "--epochs", options.epochs, "--checkpoint-minutes", 0)]
    words += ["--batch-size", options.batch_size, "--workers", options.workers, "--record", record, *more]
    words += ["--checkpoints", folder / "checkpoints"]
    words += ["--window", folder / "window", "--window-size", options.window_size]
    with Utilisation(is_gpu=torch.cuda.is_available()) as seen:
        penstock(*words)
        ended = time.time()
    run = read_record(record, RunRecord)
    later = run.epochs[1:]
    stall, compute = sum(each.stall_seconds for each in later), sum(each.compute_seconds for each in later)
    took = stall + compute + sum(each.valid_seconds for each in later)
    return {
        "what": what,
        "device": run.host.device,
        "samples_per_second": sum(each.num_samples for each in later) / (stall + compute),
        "stall_share": stall / (stall + compute),
        "utilisation": seen.mean(ended - took, ended),
        "first_epoch_seconds": run.epochs[0].stall_seconds + run.epochs[0].compute_seconds,
        "loss": run.epochs[-1].train_loss,
        "load_average": os.getloadavg()[0],
    }


def cells(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Measure each."""
    write_images(folder / "bucket", options.images, options.side)
    files = ["--manifest", str(folder / "m.parquet"), "--plan", str(folder / "plan.json")]
    with serve_s3(folder / "bucket", link_bytes_per_second=options.link) as url:
        source = ["--source", f"s3://{BUCKET}", "--endpoint-url", url, "--region", REGION, "--anonymous"]
        size = ["--option", f"size={options.side}", "--option", "augment=none", "--split", "0.9,0.1,0"]
        penstock("list", *source, "--task", "images", *size, *files)
        for number, (what, more) in enumerate(CELLS.items()):
            own = folder / str(number)
            own.mkdir()
            told = measure(what, more, files, options, own)
            sys.stderr.write(f"{what}: {told['samples_per_second']:.0f} samples/s\n")
            yield told


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    options = raw["options"]
    rows = [["options", "samples/s", "of plain", "stall", "utilisation", "first epoch", "loss at the end"]]
    plain = raw["runs"][0]["samples_per_second"]
    for told in raw["runs"]:
        busy = told["utilisation"]
        rows.append(
            [
                told["what"],
                f"{told['samples_per_second']:,.0f}",
                f"{told['samples_per_second'] / plain:.2f}",
                f"{told['stall_share']:.1%}",
                "–" if busy is None else f"{busy:.0f} %",
                f"{told['first_epoch_seconds']:.1f} s",
                f"{told['loss']:.3f}",
            ]
        )
    link = f"a link of {options['link'] / 1e6:g} MB/s" if options["link"] else "the loopback interface"
    text = [
        f"# Training on {raw['device']}",
        "",
        f"{options['images']:,} JPEG images of {options['side']} x {options['side']}, streamed from S3 over {link} "
        f"through a window of {options['window_size']}, into `{options['model']}` in batches of "
        f"{options['batch_size']}, {options['workers']} workers, {options['epochs']} epochs; figures are of all "
        "but the first.",
        "",
        *markdown.table(rows),
        "",
        f"torch: {torch.__version__}",
        f"device: {raw['device']}",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=224, help="pixels of each side")
    parser.add_argument("--model", default="small", help="like timm:resnet50, where timm is installed")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--workers", type=int, default=max(1, len(os.sched_getaffinity(0)) - 2))
    parser.add_argument("--window-size", default="256Mi")
    parser.add_argument("--link", type=parse_bytes, help="bytes a second of the source, like 100M (default: no bound)")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    options = parser.parse_args()
    if options.epochs < 2:
        parser.error("--epochs must be 2 or more: the first one is not counted")
    if options.quick:
        small = {"images": 240, "side": 32, "epochs": 2, "batch_size": 16, "workers": 1, "window_size": "2Mi"}
        vars(options).update(small)
    return options


def main() -> int:
    """Measure and report."""
    options, about = read_options(), machine("benchmarks.device")
    raw: dict[str, Any] = {"machine": about, "options": plain_options(vars(options)), "runs": []}
    with tempfile.TemporaryDirectory(prefix="penstock-device-", dir=options.work) as made:
        raw["runs"] = list(cells(options, Path(made)))
    raw["device"] = raw["runs"][0]["device"]
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    name = cpu_slug(raw["device"] if torch.cuda.is_available() else str(about["cpu"]))
    path = options.out / f"device_{name}_{day}.md"
    path.write_text(render(raw))
    sys.stderr.write(f"report: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

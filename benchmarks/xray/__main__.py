"""Measure the memory of the feed of NIH ChestX-ray14: listing an archive of 112,120 images, and streaming large ones.

python -m benchmarks.xray     # two minutes and 1 GB of scratch; writes a dated report

The archive is generated: as many images and patients as the dataset has, of small files, for the listing; and images of
1024 x 1024 pixels for the window. Both are read by range from a web server, as Kaggle's archive is.
"""

from __future__ import annotations

import argparse
import datetime
import io
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine, plain_options
from benchmarks.common.processes import usual_environment
from benchmarks.common.proctree import TreeSampler
from benchmarks.resume.server import Served, serving

IMAGES, PATIENTS = 112_120, 30_805
BOUND_BYTES = 500_000_000
"""Of all processes of the feed together."""
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
)


def make(path: Path, names: list[tuple[str, int]], side: int) -> None:
    """Write an archive of images, some files of which come again and again, and its table of labels."""
    chance = np.random.default_rng(0)
    files = [_png(chance, side) for _ in range(8)]
    rows = [f"{name},{'No Finding' if patient % 2 else 'Mass'},0,{patient},50,M,PA,1,1,1,1," for name, patient in names]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("Data_Entry_2017.csv", HEADER + "\n".join(rows) + "\n")
        for number, (name, _) in enumerate(names):
            folder = f"images_{1 + number * 12 // len(names):03}/images"
            with archive.open(zipfile.ZipInfo(f"{folder}/{name}"), "w", force_zip64=True) as member:
                member.write(files[number % len(files)])


def _png(chance: np.random.Generator, side: int) -> bytes:
    smooth = chance.normal(128, 40, (side // 16, side // 16)).repeat(16, axis=0).repeat(16, axis=1)
    pixels = (smooth + chance.normal(0, 2, smooth.shape)).clip(0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def names_of(count: int, patients: int) -> list[tuple[str, int]]:
    """Return file names and patients, as many images of each patient as of another, or one more."""
    return [
        (f"{number * patients // count + 1:08}_{number % 1000:03}.png", number * patients // count + 1)
        for number in range(count)
    ]


def measure(served: Served, what: str, *words: str, folder: Path) -> dict[str, Any]:
    """Run a step; return its time, and the memory of all its processes together."""
    served.sent.clear()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", *words], cwd=REPOSITORY, env=usual_environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with TreeSampler(process.pid, str(folder)) as sampler:
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{words[0]} ended with {process.returncode}")
    seconds = time.perf_counter() - begun
    return {
        "what": what,
        "seconds": seconds,
        "sent_bytes": served.sent_bytes(),
        "peak_bytes": sampler.peak_pss_bytes,
        "told": out.strip().splitlines()[0],
    }


def cells(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Measure each."""
    for name, count, side in (("whole", options.images, 64), ("large", options.large, 1024)):
        (folder / name).mkdir()
        make(folder / name / "archive.zip", names_of(count, max(8, count * PATIENTS // IMAGES)), side)
    with serving(folder) as served:
        for name in ("whole", "large"):
            files = ["--manifest", str(folder / f"{name}.parquet"), "--plan", str(folder / f"{name}.json")]
            source = ["--source", f"{served.url}/{name}/archive.zip", "--task", "xray"]
            yield measure(served, f"list, {name} archive", "list", *source, *files, folder=folder)
            window = ["--window", str(folder / f"window-{name}"), "--window-size", options.window_size]
            samples = ["--samples", str(options.samples)]
            yield measure(served, f"prefetch, {name} archive", "prefetch", *files, *window, *samples, folder=folder)


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    rows = [["step", "seconds", "read", "peak memory", "what it told"]]
    for told in raw["runs"]:
        rows.append(
            [
                told["what"],
                f"{told['seconds']:.1f}",
                f"{told['sent_bytes'] / 1e6:.1f} MB",
                f"{told['peak_bytes'] / 1e6:.0f} MB",
                told["told"],
            ]
        )
    options = raw["options"]
    text = [
        "# Memory of the feed of X-rays",
        "",
        f"Archives in ChestX-ray14's layout on a web server, read by range: *whole* has {options['images']:,} small "
        f"images, *large* {options['large']:,} of 1024 x 1024 pixels. Each step's processes together (PSS, with the "
        f"pages of the window of {options['window_size']} that they hold); the bound is {BOUND_BYTES / 1e6:.0f} MB. A "
        "trainer's own memory (torch, its network) comes on top.",
        "",
        *markdown.table(rows),
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.xray", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--large", type=int, default=1500, help="images of full size")
    parser.add_argument("--samples", type=int, default=1200, help="that are streamed of each")
    parser.add_argument("--window-size", default="256Mi")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    options = parser.parse_args()
    about = machine("benchmarks.xray")
    raw: dict[str, Any] = {"machine": about, "options": plain_options(vars(options)), "runs": []}
    with tempfile.TemporaryDirectory(prefix="penstock-xray-", dir=options.work) as made:
        for told in cells(options, Path(made)):
            raw["runs"].append(told | {"load_average": about["load_average_1_minute"]})
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"xray_{cpu_slug(str(about['cpu']))}_{day}.md"
    path.write_text(render(raw))
    sys.stderr.write(f"report: {path}\n")
    return 0 if all(told["peak_bytes"] < BOUND_BYTES for told in raw["runs"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Measure what a training that goes on in the middle of one large packed file reads of what lies before.

python -m benchmarks.resume             # files of 2 GB, about ten minutes and 2.5 GB of scratch; writes a dated report
python -m benchmarks.resume --quick     # files of 20 MB
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, cpu_slug, machine, plain_options
from benchmarks.common.processes import run, tail
from benchmarks.resume.making import LAYOUTS, make
from benchmarks.resume.server import Served, serving

READ_SECONDS = 3600
MOST_SHARE = 0.05
"""Of what lies before, that is read again; a block is more than that of a small file."""

_log = logging.getLogger("benchmarks.resume")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resume", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small files, of which a block is a large part")
    parser.add_argument("--bytes", type=int, default=2_000_000_000, help="of each file, packed")
    parser.add_argument("--layouts", nargs="+", default=list(LAYOUTS), choices=LAYOUTS)
    parser.add_argument("--window", default="256Mi")
    parser.add_argument("--more", type=int, default=20, metavar="BATCHES", help="read after going on")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="folder for scratch files")
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    found = parser.parse_args()
    if found.quick:
        found.bytes, found.window, found.more = 40_000_000, "64Mi", 5
    return found


def _read(asked: dict[str, Any], scratch: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.resume.reading", json.dumps(asked)]
    done = run(words, scratch, seconds=READ_SECONDS)
    if done.returncode:
        return {"right": False, "error": tail(done.stderr) or f"code {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found | {"error": ""}


def _measure(options: argparse.Namespace, layout: str, folder: Path, served: Served) -> dict[str, Any]:
    """Read to the middle, end, and go on in a new process."""
    load, name = os.getloadavg()[0], f"one.{layout}"
    marks = make(folder / "served" / name, layout, options.bytes)
    size = (folder / "served" / name).stat().st_size
    middle = min(marks, key=lambda mark: abs(mark[1] - size // 2))
    batch = 8 if layout.startswith("tar") else 256
    asked = {
        "url": f"{served.url}/{name}", "begin": 0, "batch": batch, "num_batches": max(middle[0] // batch, 1),
        "window": options.window, "manifests": str(folder / "manifests"), "state": str(folder / "state.json"),
    }  # fmt: skip
    served.sent.clear()
    before = _read(asked, folder / "run")
    told = {"layout": layout, "size_bytes": size, "load_average": load, "before": before}
    told["before_bytes"] = served.sent_bytes()
    begin = batch * int(asked["num_batches"])
    place = min(at for number, at in marks if number > begin)  # a little behind it, so that no less is counted
    served.sent.clear()
    after = _read(asked | {"begin": begin, "num_batches": options.more}, folder / "run")
    (folder / "served" / name).unlink()
    again = served.sent_bytes(place)
    right = before["right"] and after["right"] and (options.quick or again < MOST_SHARE * place)
    return told | {
        "after": after, "begin": begin, "place_bytes": place, "again_bytes": again,
        "after_bytes": served.sent_bytes(), "right": right,
    }  # fmt: skip


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    head = [
        "file",
        "size",
        "goes on at",
        "read again of what is before",
        "read in all",
        "first batch",
        "right",
    ]
    rows = [head]
    for told in raw["runs"]:
        share = told["again_bytes"] / told["place_bytes"]
        rows.append(
            [
                told["layout"],
                f"{told['size_bytes'] / 1e6:.0f} MB",
                f"sample {told['begin']}, byte {told['place_bytes'] / 1e6:.0f} MB",
                f"{told['again_bytes'] / 1e6:.1f} MB, {share:.2%}",
                f"{told['after_bytes'] / 1e6:.0f} MB",
                f"{told['after'].get('first_seconds', 0):.1f} s",
                "yes" if told["right"] else f"no {told['before']['error']}{told['after']['error']}",
            ]
        )
    text = [
        "# Going on in the middle of a packed file",
        "",
        "One object on a web server that counts what it sends. A process trains in the file's order, through "
        f"a window of {raw['options']['window']}, saves `state_dict()` in the middle and ends; a new one takes "
        f"the manifest kept, `load_state_dict()` and {raw['options']['more']} batches. gzip is one stream "
        "without any points of its own, Zstandard frames of 4 MiB. Right is: each sample is the next one, its "
        f"checksum is that of what was written, and less than {MOST_SHARE:.0%} of what lies before is read "
        "again. What is read beyond is ahead of training, up to the window.",
        "",
        *markdown.table(rows),
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


def main() -> int:
    """Measure and report."""
    options = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    raw: dict[str, Any] = {"machine": machine("benchmarks.resume"), "options": plain_options(vars(options)), "runs": []}
    with tempfile.TemporaryDirectory(prefix="penstock-resume-", dir=options.work) as made:
        folder = Path(made)
        (folder / "served").mkdir()
        with serving(folder / "served") as served:
            for layout in options.layouts:
                raw["runs"].append(_measure(options, layout, folder, served))
                _log.info("%s", json.dumps(raw["runs"][-1]))
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"resume_{cpu_slug(str(raw['machine']['cpu']))}_{day}.md"
    path.write_text(render(raw))
    _log.info("report: %s", path)
    return 0 if all(told["right"] for told in raw["runs"]) else 1


if __name__ == "__main__":
    raise SystemExit(main())

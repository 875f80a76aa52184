"""Fuzz every parser of bytes from outside, guided by coverage (atheris), each in a process of its own.

pip install -r benchmarks/requirements-fuzz.txt
python -m benchmarks.fuzz                                 # until each had 200,000 inputs, in rounds; a dated report
python -m benchmarks.fuzz --minutes 20 --jobs 2           # goes on where the last one ended; so does each later one
python -m benchmarks.fuzz --only 'format csv'             # one
python -m benchmarks.fuzz --list

It ends with 1 where anything was found. What was found, what inputs libFuzzer kept and what the runs told lies in the
folder --keep. Counts are a sum over runs as long as the fuzzer itself is not changed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine
from benchmarks.fuzz.report import render
from benchmarks.fuzz.running import fuzz, runs_of, told_of


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=200_000, help="of each parser, in all runs")
    parser.add_argument("--seconds", type=int, default=120, help="that each parser takes in a round at most")
    parser.add_argument("--minutes", type=float, default=600, help="in which rounds are begun")
    parser.add_argument("--jobs", type=int, default=1, help="parsers at once")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name the parsers")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next ones' follow it")
    parser.add_argument(
        "--keep", type=Path, default=REPOSITORY / "build/fuzz", help="folder for what is found and kept"
    )
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    return parser.parse_args()


def main() -> int:
    """Fuzz and report."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from benchmarks.fuzz.targets import NEEDS, TARGETS

    options = _arguments()
    if options.list:
        sys.stdout.write("".join(f"{name}\n" for name in TARGETS))
        return 0
    if unknown := [name for name in options.only if name not in TARGETS]:
        sys.stderr.write(f"no parser {unknown[0]!r}; --list names them\n")
        return 2
    keep = options.keep.resolve()
    lacking = [name for name, module in NEEDS.items() if importlib.util.find_spec(module) is None]
    names = [name for name in options.only or TARGETS if name not in lacking]
    about = machine("benchmarks.fuzz")
    _rounds(names, options, keep)
    told = [found for name in TARGETS if (found := told_of(name, keep)) is not None]
    runs = [run for name in TARGETS for run in runs_of(name, keep)]
    raw = {"machine": about, "runs": runs, "told": told, "lacking": lacking}
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    (options.out / f"fuzz_{cpu_slug(str(about['cpu']))}_{day}.md").write_text(render(raw))
    return int(any(each["found"] for each in told if each["name"] in names))


def _rounds(names: list[str], options: argparse.Namespace, keep: Path) -> None:
    """Run what had too few inputs, round by round."""
    end = time.monotonic() + 60 * options.minutes

    def one(name: str) -> None:
        left = end - time.monotonic()
        if left > 0:
            found = fuzz(
                name, inputs=options.inputs, seconds=min(options.seconds, int(left)), seed=options.seed, keep=keep
            )
            sys.stderr.write(json.dumps({key: found[key] for key in ("name", "inputs", "cpu_seconds", "found")}) + "\n")

    while time.monotonic() < end and (few := [name for name in names if _inputs(name, keep) < options.inputs]):
        before = sum(_inputs(name, keep) for name in few)
        with ThreadPoolExecutor(options.jobs) as jobs:
            list(jobs.map(one, few))
        if sum(_inputs(name, keep) for name in few) == before:
            break


def _inputs(name: str, keep: Path) -> int:
    told: dict[str, Any] = told_of(name, keep) or {"inputs": 0}
    return int(told["inputs"])


if __name__ == "__main__":
    raise SystemExit(main())

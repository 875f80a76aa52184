"""Fuzz every parser of bytes from outside, guided by coverage (atheris), each in a process of its own.

pip install -r benchmarks/requirements-fuzz.txt
python -m benchmarks.fuzz --inputs 200000                       # all, some hours; writes a dated report
python -m benchmarks.fuzz --inputs 200000 --only 'format csv'   # one; the report has what was run before, too
python -m benchmarks.fuzz --list

It ends with 1 where anything was found. What was found, and what inputs libFuzzer kept, lies in the folder --keep.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import markdown
from benchmarks.common.machine import REPORTS, REPOSITORY, cpu_slug, machine
from benchmarks.common.processes import tail, usual_environment
from benchmarks.common.proctree import TreeSampler

MOST_STARTS = 5
"""Of a parser whose process ends before its time."""
GRACE_SECONDS = 180
_DONE = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_SEEN = re.compile(r"#(\d+)\s+(INITED|NEW|REDUCE|DONE|pulse|RELOAD)\s+cov: (\d+) ft: (\d+) corp: (\d+)")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=200_000, help="of each parser")
    parser.add_argument("--seconds", type=int, default=900, help="that each parser takes at most")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name the parsers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=REPOSITORY / "build/fuzz", help="folder for what is found and kept"
    )
    parser.add_argument("--out", type=Path, default=REPORTS, help="folder of the report")
    return parser.parse_args()


def _told(text: str) -> dict[str, Any]:
    """Return what libFuzzer tells: inputs that were run, and lines reached by the examples and in the end."""
    seen = _SEEN.findall(text)
    first = next((each for each in seen if each[1] == "INITED"), None)
    done = _DONE.search(text)
    return {
        "inputs": int(done[1]) if done else int(seen[-1][0]) if seen else 0,
        "reached_first": int(first[2]) if first else 0,
        "reached": int(seen[-1][2]) if seen else 0,
        "kept": int(seen[-1][4]) if seen else 0,
    }


def fuzz(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one parser, again with another seed where its process ended before its time."""
    folder = options.keep / re.sub(r"[^a-z0-9]+", "-", name.lower())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "found.jsonl").unlink(missing_ok=True)
    begun, ended = time.monotonic(), []
    total = {"inputs": 0, "reached_first": 0, "reached": 0, "kept": 0}
    peak = 0
    for start in range(MOST_STARTS):
        left = options.inputs - total["inputs"]
        seconds = int(options.seconds - (time.monotonic() - begun))
        if left <= 0 or seconds <= 1:
            break
        asked = {"name": name, "inputs": left, "seconds": seconds, "seed": options.seed + start, "folder": str(folder)}
        words = ["nice", "-n", "15", sys.executable, "-m", "benchmarks.fuzz.one", json.dumps(asked)]
        log = folder / "log.txt"
        with log.open("w") as said:
            process = subprocess.Popen(
                words, cwd=REPOSITORY, env=usual_environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
            with TreeSampler(process.pid, str(folder / "none")) as sampler:
                try:
                    process.wait(timeout=seconds + GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        peak = max(peak, sampler.peak_rss_bytes)
        text = log.read_text(errors="replace")
        told = _told(text)
        total = told | {"inputs": total["inputs"] + told["inputs"]}
        total["reached_first"] = total["reached_first"] or told["reached_first"]
        if process.returncode:
            ended.append(
                {"kind": f"ended with {process.returncode}", "what": tail(text)[-600:], "input": "see the folder"}
            )
        if not told["inputs"]:
            break
    found = folder / "found.jsonl"
    kinds = [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []
    return {
        "name": name, **total, "seconds": time.monotonic() - begun, "peak_bytes": peak, "found": kinds + ended,
        "asked": options.inputs, "seed": options.seed, "load_average": os.getloadavg()[0],
    }  # fmt: skip


def _mended() -> list[tuple[str, int]]:
    folders = sorted((REPOSITORY / "tests/unit/fuzzed").iterdir())
    return [(folder.name, len(list(folder.iterdir()))) for folder in folders]


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    rows = [["parser", "inputs", "blocks reached by examples", "in the end", "kept", "seconds", "peak RSS", "found"]]
    for told in raw["runs"]:
        rows.append(
            [
                told["name"],
                f"{told['inputs']:,}" + ("" if told["inputs"] >= 200_000 else " (fewer)"),
                str(told["reached_first"]),
                str(told["reached"]),
                str(told["kept"]),
                f"{told['seconds']:.0f}",
                f"{told['peak_bytes'] / markdown.MIB:.0f} MiB",
                "; ".join(each["kind"] for each in told["found"]) or "nothing",
            ]
        )
    fewer = [told["name"] for told in raw["runs"] if told["inputs"] < 200_000]
    text = [
        "# Fuzzing",
        "",
        "Every parser of bytes from outside, fed by atheris (libFuzzer) with what it makes of small valid "
        "examples, guided by the lines of Penstock that an input reaches. Found is: an error that is none of "
        "Penstock's, more than 5 s of CPU or 30 s for an input, 1 GiB of memory more than the examples take, "
        "an extent that lies outside its object, or an end of the process (native code runs in it). A format "
        "is listed and all that is found is decoded. Where a row says fewer, time ended before 200,000 "
        "inputs.",
        "",
        f"Parsers: {len(raw['runs'])}, of which {len(raw['runs']) - len(fewer)} had 200,000 inputs or more; "
        f"{sum(told['inputs'] for told in raw['runs']):,} inputs in all.",
        "",
        *markdown.table(rows),
        "",
        f"Left out, since what reads them was not installed: {', '.join(raw['lacking']) or 'none'}.",
        "",
        "Found in runs before and mended; replayed by the unit tests, from `tests/unit/fuzzed`: "
        + (", ".join(f"{name} ({count})" for name, count in _mended()) or "nothing")
        + ".",
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


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
    options.keep.mkdir(parents=True, exist_ok=True)
    kept = options.keep / "runs.json"
    runs: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() and options.only else {}
    about = machine("benchmarks.fuzz")
    if options.only:
        about["command"] = "python -m benchmarks.fuzz, in several runs with --only and --seconds of their own"
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = options.out / f"fuzz_{cpu_slug(str(about['cpu']))}_{day}.md"
    lacking = [name for name, module in NEEDS.items() if importlib.util.find_spec(module) is None]
    for name in options.only or TARGETS:
        if name in lacking:
            sys.stderr.write(f"left out: {name}, which needs the module {NEEDS[name]}\n")
            continue
        runs[name] = fuzz(name, options)
        sys.stderr.write(json.dumps(runs[name]) + "\n")
        kept.write_text(json.dumps(runs, indent=1) + "\n")
        raw = {"machine": about, "runs": [runs[each] for each in TARGETS if each in runs]}
        raw["lacking"] = lacking
        path.write_text(render(raw))
    return int(any(runs[name]["found"] for name in options.only or TARGETS if name in runs))


if __name__ == "__main__":
    raise SystemExit(main())

"""Runs a parser's fuzzing in processes of its own, and keeps what each run told: several runs are counted as one.

Of each parser there is a folder: ``corpus`` (what libFuzzer kept), ``runs.jsonl`` (a line a run), ``found.jsonl`` with
``found`` (what was wrong as of the last run, and the inputs), and ``ended-*`` (inputs that ended the process).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.common.machine import REPOSITORY, machine
from benchmarks.common.processes import tail
from benchmarks.common.proctree import TreeSampler, tree_cpu_seconds

__all__ = ["fuzz", "revision", "runs_of", "slug", "told_of"]

MOST_STARTS = 5
"""Of a parser whose process ends before its time, in one run."""
GRACE_SECONDS = 120
LOOK_SECONDS = 0.2
_DONE = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_SEEN = re.compile(r"#(\d+)\s+(INITED|NEW|REDUCE|DONE|pulse|RELOAD)\s+cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, what it said, and the most memory that it and its children took."""

    code: int
    said: str
    peak_bytes: int
    cpu_seconds: float


@cache
def revision(name: str) -> str:
    """Return what tells one state of what feeds a parser from another: counts of several are not added up."""
    from benchmarks.fuzz import parsers, targets  # here: they take the modules of the unit tests

    made = targets.TARGETS[name]
    if isinstance(made, partial):
        found = [*map(_source, ("formats", "hdf5", "media", "recordings")), inspect.getsource(made.func)]
    elif made.__module__ == parsers.__name__:  # whose functions take nothing of one another
        found = [inspect.getsource(made)]
    else:
        found = [_source(made.__module__.rpartition(".")[2])]
    found += map(_source, ("aside", "one", "values"))
    return hashlib.sha256("".join(found).encode()).hexdigest()[:12]


def _source(stem: str) -> str:
    return Path(__file__).with_name(f"{stem}.py").read_text()


def slug(name: str) -> str:
    """Return a parser's name as that of its folder."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def runs_of(name: str, keep: Path) -> list[dict[str, Any]]:
    """Return what the runs of a parser by this state of the fuzzer told."""
    return [run for run in _lines(keep / slug(name) / "runs.jsonl") if run["revision"] == revision(name)]


def told_of(name: str, keep: Path) -> dict[str, Any] | None:
    """Return what all runs of a parser told together, and what is wrong with it as of the last; None where none was."""
    runs, folder = runs_of(name, keep), keep / slug(name)
    if not runs:
        return None
    ended = [{"kind": "ended the process", "what": path.name} for path in _that_ended(folder)]
    return {
        "name": name,
        "inputs": sum(run["inputs"] for run in runs),
        "runs": len(runs),
        "seconds": sum(run["seconds"] for run in runs),
        "cpu_seconds": sum(run["cpu_seconds"] for run in runs),
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "reached_first": runs[0]["reached_first"],
        "reached": max(run["reached"] for run in runs),
        "kept": runs[-1]["kept"],
        "commits": sorted({run["commit"] for run in runs}),
        "found": [*_lines(folder / "found.jsonl"), *ended],
    }


def fuzz(name: str, *, inputs: int, seconds: int, seed: int, keep: Path) -> dict[str, Any]:
    """Run a parser for some time, or until it had as many inputs, those of the runs before among them."""
    folder = keep / slug(name)
    folder.mkdir(parents=True, exist_ok=True)
    _replay(name, folder)
    begun = time.monotonic()
    for _ in range(MOST_STARTS):
        runs = runs_of(name, keep)
        left = inputs - sum(run["inputs"] for run in runs)
        time_left = int(seconds - (time.monotonic() - begun))
        if left <= 0 or time_left <= 1:
            break
        again = sum(1 for _ in (folder / "corpus").glob("*")) if runs else 0
        run = _run(name, folder, inputs=left + again, seconds=time_left, seed=seed + len(runs))
        if runs:  # what was kept is run anew at each start, and not counted again
            run["inputs"] = max(0, run["inputs"] - again)
        with (folder / "runs.jsonl").open("a") as file:
            file.write(json.dumps(run) + "\n")
        if not run["inputs"]:
            break
    told = told_of(name, keep)
    assert told is not None
    return told


def _run(name: str, folder: Path, **asked: int) -> dict[str, Any]:
    begun = time.monotonic()
    ended = _process({"name": name, "folder": str(folder), **asked}, folder / "log.txt", asked["seconds"])
    return _told(ended.said) | {
        "seconds": time.monotonic() - begun,
        "cpu_seconds": ended.cpu_seconds,
        "peak_bytes": ended.peak_bytes,
        "seed": asked["seed"],
        "code": ended.code,
        "said": tail(ended.said)[-600:] if ended.code else "",
        "revision": revision(name),
        "load_average": os.getloadavg()[0],
        "commit": machine("benchmarks.fuzz")["commit"],
    }


def _replay(name: str, folder: Path) -> None:
    """Forget inputs that once ended the process, and do so no more."""
    for path in _that_ended(folder):
        asked = {"name": name, "folder": str(folder), "inputs": 1, "seconds": 60, "seed": 1, "replay": str(path)}
        if _process(asked, folder / "replay.txt", 60).code == 0:
            path.unlink()


def _that_ended(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("ended-*") if not path.name.startswith("ended-slow-unit"))


def _process(asked: Mapping[str, Any], log: Path, seconds: int) -> Ended:
    """Run a process of the fuzzer."""
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="penstock-fuzz-", dir=in_memory) as scratch, log.open("w") as said:
        process = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "benchmarks.fuzz.one", json.dumps(asked)],
            cwd=REPOSITORY,
            env=_environment(scratch),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        with TreeSampler(process.pid, str(Path(scratch) / "none")) as sampler:
            cpu = _wait(process, seconds + GRACE_SECONDS)
    return Ended(process.returncode, log.read_text(errors="replace"), sampler.peak_rss_bytes, cpu)


def _wait(process: subprocess.Popen[bytes], seconds: int) -> float:
    """Wait for a process, and end it after a time; return the seconds of the processor that it took."""
    end, cpu = time.monotonic() + seconds, 0.0
    try:
        while process.poll() is None:
            cpu = max(cpu, tree_cpu_seconds(process.pid))
            if time.monotonic() > end:
                process.kill()
            time.sleep(LOOK_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return cpu


def _environment(scratch: str) -> dict[str, str]:
    """Return few variables, since errors are searched for the values of all; a secret is among them."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": scratch,
        "TMPDIR": scratch,
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "ARROW_IO_THREADS": "1",
    }


def _told(text: str) -> dict[str, int]:
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


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

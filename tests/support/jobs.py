"""Jobs as processes that tests stop."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from support.forked import Forked


def saved_step(checkpoints: Path) -> int:
    """Return the step of the last checkpoint; -1 where there is none."""
    pointer = checkpoints / "latest.json"
    step: int = json.loads(pointer.read_text())["step"] if pointer.exists() else -1
    return step


def run_until_saved(words: Sequence[object], out: Path, step: int) -> Forked:
    """Start a job and give it once its checkpoint of a step, or a later one, is there."""
    process = Forked(words)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if saved_step(out / "checkpoints") >= step:
            return process
        time.sleep(0.01)
    raise AssertionError(f"no checkpoint of step {step}: exit code {process.poll()}, {process.output()}")


def processes_of(folder: Path) -> dict[int, str]:
    """Return the processes that have to do with a folder: their command lines by their ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(folder) in line:
                found[int(entry.name)] = line
    return found


def all_gone(folder: Path, *, seconds: float = 20) -> bool:
    """Tell whether the processes that have to do with a folder end within some time."""
    deadline = time.monotonic() + seconds
    while processes_of(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True

"""Measurements in processes of their own: home and temporary files apart, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.common.machine import REPOSITORY

ERROR_CHARACTERS = 1500

Cell = TypeVar("Cell")


def tail(text: str) -> str:
    """Return the end of what a process said."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-12:])[-ERROR_CHARACTERS:]


def usual_environment() -> dict[str, str]:
    """Return this process's environment, but for a word that has each start of Python compile all modules anew."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextlib.contextmanager
def started(words: Sequence[str], scratch: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process whose home and temporary files are its own; what is left of it is killed in the end."""
    (scratch / "tmp").mkdir(parents=True, exist_ok=True)
    environment = usual_environment() | {
        "HOME": str(scratch),
        "TMPDIR": str(scratch / "tmp"),
        "HF_HOME": str(scratch / "hf"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "LITDATA_DISABLE_VERSION_CHECK": "1",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
    process = subprocess.Popen(
        words,
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish(process: subprocess.Popen[str], words: Sequence[str], *, seconds: float) -> subprocess.CompletedProcess[str]:
    """Wait for a process, and kill it and what it started after a time."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        err += f"\nkilled: it had not ended after {seconds:.0f} s"
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def run(words: Sequence[str], scratch: Path, *, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a process to its end, in a folder that is removed after it."""
    try:
        with started(words, scratch) as process:
            return finish(process, words, seconds=seconds)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def interleave(cells: Sequence[Cell], *, num_rounds: int) -> Iterator[tuple[int, Cell]]:
    """Return every cell once a round, in another order each round."""
    for number in range(num_rounds):
        order = list(cells)
        random.Random(number).shuffle(order)
        for cell in order:
            yield number, cell

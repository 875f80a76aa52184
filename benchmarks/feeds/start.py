"""What the start of a prefetcher takes: an interpreter of its own, and what it imports."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.common.processes import usual_environment

TRIES = 7
PROGRAMS = {
    "the interpreter": "pass",
    "the interpreter and numpy": "import numpy",
    "the interpreter, numpy, asyncio and pyarrow": "import numpy, asyncio, pyarrow.parquet",
    "all that `penstock prefetch` imports": "import penstock.cli, penstock.steps.prefetch",
}


def start_seconds(tries: int = TRIES) -> dict[str, float]:
    """Return the wall seconds from the start of each program to its end, the least of some tries."""
    return {name: min(_seconds(program) for _ in range(tries)) for name, program in PROGRAMS.items()}


def _seconds(program: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=usual_environment())
    return time.perf_counter() - began

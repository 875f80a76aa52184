"""The words that describe this machine and this code."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
REPORTS = REPOSITORY / "benchmarks" / "reports"


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _commit() -> str:
    words = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine(module: str) -> dict[str, str | int | float]:
    """Describe the machine and the code; ``module`` is the one that was run."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _commit(),
        "load_average_1_minute": os.getloadavg()[0],
        "command": " ".join([f"python -m {module}", *sys.argv[1:]]),
    }


def cpu_slug(cpu: str) -> str:
    """Return a processor's name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", cpu.lower().replace("(r)", "").replace("(tm)", "")).strip("-")


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as a report tells them: paths as text, those in the repository from its root on."""
    return {name: _told(value) if isinstance(value, Path) else value for name, value in options.items()}


def _told(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)

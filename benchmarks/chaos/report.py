"""The dated report of a chaos run."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos.scenarios import Scene
from benchmarks.chaos.setting import Outcome, Setting

__all__ = ["write_report"]

REPORTS = Path(__file__).parents[1] / "reports"


def write_report(runs: Sequence[tuple[Setting, Outcome]], scenes: Sequence[Scene], *, command: str) -> Path:
    """Write what was run and seen."""
    day = datetime.now(UTC).date().isoformat()
    of_files = runs and all(setting.layout != "window" for setting, _ in runs)
    path = REPORTS / f"{'chaos-files' if of_files else 'chaos'}_{platform.machine()}_{day}.md"
    machine = f"{os.cpu_count()} CPUs, load {os.getloadavg()[2]:.1f} over the last 15 minutes"
    lines = ["# Chaos run", "", f"{day}, {machine}, Python {platform.python_version()}.", "", f"    {command}"]
    for setting, outcome in runs:
        lines += [
            "",
            f"## {setting.layout}: {setting.kills} kills, {setting.num_ranks} rank(s), {setting.workers} worker(s)",
            "",
        ]
        lines += ["| setting | value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in _rows(setting)), ""]
        lines += ["| seen | value |", "|---|---:|", *(f"| {name} | {value} |" for name, value in _rows(outcome)), ""]
        lines += ["| the server answered with | times |", "|---|---:|"]
        lines += [f"| {name} | {count} |" for name, count in sorted(outcome.server.items())]
        lines += ["", "Every promise was kept." if outcome.kept else "**A promise was broken.**"]
        lines += [f"- {error.splitlines()[0]}" for error in outcome.errors]
    if scenes:
        lines += [
            "",
            "## Faults that do not pass",
            "",
            "| what happens | what is seen | as promised |",
            "|---|---|---|",
        ]
    lines += [f"| {scene.what} | {scene.seen} | {'yes' if scene.kept else '**no**'} |" for scene in scenes]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def _rows(record: Setting | Outcome) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in asdict(record).items():
        if isinstance(value, dict) and name == "checked":
            rows += value.items()
        elif name == "errors":
            rows.append((name, len(value)))
        elif name != "server":
            rows.append((name, round(value, 1) if name == "seconds" else value))
    return rows

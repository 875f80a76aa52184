"""Pieces of reports in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MIB = 1 << 20
QUIET_LOAD = 0.5


def size(size_bytes: float) -> str:
    """Write a size shortly."""
    return f"{size_bytes / MIB:g} MiB" if size_bytes >= MIB else f"{size_bytes / 1024:g} KiB"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; the first row is its head, the first column its names."""
    head, *body = rows
    return ["| " + " | ".join(row) + " |" for row in [head, ["---"] + ["---:"] * (len(head) - 1), *body]]


def machine_words(raw: dict[str, Any]) -> list[str]:
    """Describe the machine of a run, and how quiet it was.

    Args:
        raw: with ``machine``, and ``runs`` that each have their ``load_average``.
    """
    loads = [run["load_average"] for run in raw["runs"]]
    before = raw["machine"]["load_average_1_minute"]
    noise = (
        f"load average before the cells {min(loads):.1f} to {max(loads):.1f}, {before:.1f} before the run: "
        "the cells' own load shows in it"
    )
    if before > QUIET_LOAD:
        noise += "; **other work ran on this machine: absolute figures are noise, ratios are rough**"
    return [*(f"{name.replace('_', ' ')}: {value}" for name, value in raw["machine"].items()), noise]

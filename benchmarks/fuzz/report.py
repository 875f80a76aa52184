"""The report of what was fuzzed."""

from __future__ import annotations

from typing import Any

from benchmarks.common import markdown
from benchmarks.common.machine import REPOSITORY

__all__ = ["render"]

WANTED_INPUTS = 200_000
ABOUT = (
    "Every parser of bytes from outside, fed by atheris (libFuzzer) with what it makes of small valid examples, guided "
    "by the lines of Penstock that an input reaches. Found is: an error that is none of Penstock's, more than 5 s of "
    "CPU or 30 s for an input, 1 GiB of memory more than the examples take, an extent that lies outside its object, or "
    "an end of the process (native code runs in it; libhdf5 runs beside it, as in use). A format is listed and all "
    "that is found is decoded. Inputs are a sum of runs by one state of what feeds a parser, each with a seed of its "
    "own, which begin with what the ones before kept; what is wrong is as of the last run, which replays what was "
    "found before. A parser is run at the lowest priority: seconds of the processor are its own."
)


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    told = raw["told"]
    fewer = [each for each in told if each["inputs"] < WANTED_INPUTS]
    text = [
        "# Fuzzing",
        "",
        ABOUT,
        "",
        f"Parsers: {len(told)}, of which {len(told) - len(fewer)} had {WANTED_INPUTS:,} inputs or more; "
        f"{sum(each['inputs'] for each in told):,} inputs in all.",
        "",
        *markdown.table([_HEADS, *map(_row, told)]),
        "",
        f"Left out, since what reads them was not installed: {', '.join(raw['lacking']) or 'none'}.",
        "",
        "Found in this run and those before, and mended; replayed by the unit tests, from `tests/unit/fuzzed`: "
        + (", ".join(f"{name} ({count})" for name, count in _mended()) or "nothing")
        + ".",
        "",
        f"Penstock, as of each run: {', '.join(sorted({commit for each in told for commit in each['commits']}))}.",
        "",
        *markdown.machine_words(raw),
    ]
    return "\n".join(text) + "\n"


_HEADS = [
    "parser", "inputs", "runs", "blocks reached by examples", "in the end", "kept", "CPU seconds", "inputs/CPU s",
    "peak RSS", "found",
]  # fmt: skip


def _row(told: dict[str, Any]) -> list[str]:
    return [
        told["name"],
        f"{told['inputs']:,}" + ("" if told["inputs"] >= WANTED_INPUTS else " (fewer)"),
        str(told["runs"]),
        str(told["reached_first"]),
        str(told["reached"]),
        str(told["kept"]),
        f"{told['cpu_seconds']:.0f}",
        f"{told['inputs'] / max(told['cpu_seconds'], 0.1):,.0f}",
        f"{told['peak_bytes'] / markdown.MIB:.0f} MiB",
        "; ".join(each["kind"] for each in told["found"]) or "nothing",
    ]


def _mended() -> list[tuple[str, int]]:
    folders = sorted((REPOSITORY / "tests/unit/fuzzed").iterdir())
    return [(folder.name, len(list(folder.iterdir()))) for folder in folders]

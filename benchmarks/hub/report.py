"""The report of a run, in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.common.markdown import MIB, machine_words, table
from benchmarks.hub.examples import BY_NAME, EXAMPLES, PENSTOCK, SIDES, Example

RATE_GOAL = 2.0
"""Times the peer's rows in a second."""

Run = Mapping[str, Any]


def render(raw: dict[str, Any]) -> str:
    """Write the report."""
    lines = ["# Examples of other libraries' documentation, on a Hub far away", ""]
    lines += [f"- {words}" for words in machine_words(raw)]
    lines += [f"- date: {raw['started_at']}", f"- server: {raw['server']}, one worker", *_versions(raw), ""]
    lines += [*_method(raw), "", "## Beside each other", "", *_sides(raw), "", *_goals(raw), ""]
    lines += ["## What it took", "", *_costs(raw), "", "## Right", "", *_checks(raw), ""]
    return "\n".join(lines)


def _versions(raw: dict[str, Any]) -> list[str]:
    mine = raw["versions"]["penstock"].get("penstock", "unknown")
    peers = raw["versions"]["peers"]
    wanted = ("datasets", "pyarrow", "torch")
    told = ", ".join(f"{name} {peers[name]}" for name in wanted if name in peers) or str(peers)
    return [f"- Penstock {mine}; the peers' environment: {told}"]


def _method(raw: dict[str, Any]) -> list[str]:
    options = raw["options"]
    sizes = ", ".join(f"`{name}` {size / MIB:.0f} MiB" for name, size in raw["repositories"].items())
    return [
        f"Repositories: {sizes}; {options['files']} files each, of {options['rows']} rows, row groups of 1,000. Each "
        "request to the Hub and to the server that its links lead to waits "
        f"{options['latency'] * 1000:g} ms; connecting and bytes take what they take on this machine. "
        f"{options['rounds']} round(s), all examples once in each in an order of chance, a process each; medians, and "
        "the least and the most in brackets.",
        "",
        "The clock begins before the library is imported (torch is, on all sides) and ends with the last row: rows/s "
        "has the start in it. Each row's key and content are read once. Memory is the most at any moment of the "
        "process and all its children, pages that several map counted once (PSS, looked at four times a second); "
        "Penstock's window of 64 MiB (`webdataset-loader`: 16) lies on a tmpfs and counts; JSON lines and the TAR "
        "files of `webdataset-loader` are given while they are listed (`stream_listing=True`); `webdataset` and what "
        "is of shards need no window (`rows`, `open_shard`). `datasets` is asked as its documentation does it. "
        "EasyData is rewritten on what it stands on (fsspec, pyarrow, `json`), since EasyDeL itself needs JAX.",
    ]


def _of(raw: dict[str, Any], example: Example, side: str) -> list[Run]:
    return [run for run in raw["runs"] if (run["example"], run["side"]) == (example.name, side) and run["result"]]


def _middle(runs: Sequence[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(map(value, runs))


def _spread(runs: Sequence[Run], value: Callable[[Run], float], form: str) -> str:
    values = sorted(map(value, runs))
    middle = format(statistics.median(values), form)
    return middle if len(values) == 1 else f"{middle} ({values[0]:{form}}-{values[-1]:{form}})"


def _rate(run: Run) -> float:
    return float(run["result"]["num_rows"] / run["result"]["seconds"])


def _later_rate(run: Run) -> float:
    """Return the rows in a second behind the first one: it flatters who fetches much before that."""
    result = run["result"]
    return float((result["num_rows"] - 1) / max(result["seconds"] - result["first_seconds"], 1e-6))


def _first(run: Run) -> float:
    return float(run["result"]["first_seconds"])


def _memory(run: Run) -> float:
    return float(run["peak_pss_bytes"] / MIB)


def _pairs(raw: dict[str, Any]) -> list[tuple[Example, list[Run], list[Run]]]:
    asked = [example for example in EXAMPLES if example.name in raw["options"]["examples"]]
    found = [(example, _of(raw, example, PENSTOCK), _of(raw, example, example.peer)) for example in asked]
    return [each for each in found if each[1] and each[2]]


def _sides(raw: dict[str, Any]) -> list[str]:
    rows = [["example", "beside", "rows/s", "theirs", "times", "first row, s", "theirs", "memory, MiB", "theirs"]]
    for example, mine, theirs in _pairs(raw):
        times = _middle(mine, _rate) / _middle(theirs, _rate)
        row = [f"`{example.name}`: {example.told}", SIDES[example.peer]]
        row += [_spread(mine, _rate, ",.0f"), _spread(theirs, _rate, ",.0f"), f"{times:.2f}"]
        row += [_spread(mine, _first, ".2f"), _spread(theirs, _first, ".2f")]
        row += [_spread(mine, _memory, ".0f"), _spread(theirs, _memory, ".0f")]
        rows.append(row)
    return table(rows)


def missed(raw: dict[str, Any]) -> dict[str, list[str]]:
    """Return by example what falls short: twice the rows in a second, the first row no later, memory no more."""
    found: dict[str, list[str]] = {}
    for example, mine, theirs in _pairs(raw):
        times = _middle(mine, _rate) / _middle(theirs, _rate)
        short = [f"{times:.2f} times the rows/s"] if times < RATE_GOAL else []
        if (late := _middle(mine, _first) - _middle(theirs, _first)) > 0:
            short.append(f"first row {late:.2f} s later")
        if (more := _middle(mine, _memory) - _middle(theirs, _memory)) > 0:
            short.append(f"{more:.0f} MiB more")
        if short:
            found[example.name] = short
    return found


def _goals(raw: dict[str, Any]) -> list[str]:
    short, pairs = missed(raw), _pairs(raw)
    head = (
        f"Goal for each: {RATE_GOAL:g} times their rows/s, the first row no later, memory no more. Reached by "
        f"{len(pairs) - len(short)} of {len(pairs)}."
    )
    return [head, "", *(f"- `{name}`: {', '.join(what)}" for name, what in short.items())]


def _costs(raw: dict[str, Any]) -> list[str]:
    rows = [
        [
            "example",
            "rows/s from the first on",
            "theirs",
            "client CPU, s",
            "theirs",
            "requests",
            "theirs",
            "MiB sent",
            "theirs",
        ]
    ]
    rows[0] += ["RSS of all processes, MiB", "theirs", "processes", "theirs"]
    for example, mine, theirs in _pairs(raw):
        row = [f"`{example.name}`"]
        for value, form in (
            (_later_rate, ",.0f"),
            (lambda run: run["result"]["cpu_seconds"], ".2f"),
            (lambda run: run["num_requests"], ".0f"),
            (lambda run: run["num_bytes"] / MIB, ".0f"),
            (lambda run: run["peak_rss_bytes"] / MIB, ".0f"),
            (lambda run: run["peak_processes"], ".0f"),
        ):
            row += [_spread(mine, value, form), _spread(theirs, value, form)]
        rows.append(row)
    return table(rows)


def _checks(raw: dict[str, Any]) -> list[str]:
    runs = raw["runs"]
    right = sum(run["right"] for run in runs)
    lines = [
        f"{right} of {len(runs)} runs gave what they should: no row twice, and the same rows on both sides by a sum of "
        "hashes of keys and contents (but for `interleave`, where each side draws its own).",
        "",
    ]
    for run in runs:
        if not run["right"]:
            lines.append(
                f"- `{run['example']}`, {SIDES[run['side']]}: {run['problem'] or run['error'].splitlines()[-1]}"
            )
    for run in runs:
        if BY_NAME[run["example"]].leaves and run["right"] and run["round"] == 0:
            left, first = run["left_keys"], run["result"]["first_keys"]
            told = f"row {left[0]} was next where the position was left, {first[0]} came"
            lines.append(f"- `{run['example']}`, {SIDES[run['side']]}: {told}")
    return lines

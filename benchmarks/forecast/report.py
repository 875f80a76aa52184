"""The report of a run in Markdown, made from the raw figures alone."""

from __future__ import annotations

import itertools
from typing import Any

from benchmarks.common.markdown import MIB, machine_words, size, table
from benchmarks.forecast.figures import GOAL, QUANTITIES, Compared, compare, why

__all__ = ["line_of", "render"]

METHOD = """\
Every run is forecast by `penstock forecast ... --json`, way `window`, before it is made, then made, and compared by its
own records: the time of `run.json` and of `evaluation.json` (of a loop: from before Penstock is imported to the last
batch), bytes that came, requests of all kinds that went out, listings included. The dataset lies behind nginx, one
worker on loopback, each request waiting for the latency; a TCP proxy with a token bucket limits all connections
together (`benchmarks/stall/link.py`). Where there are faults, {share:.0%} of the requests are answered with 503, by
chance, and a connection is cut after each {cut}. Window and data lie on tmpfs.

- **W/D**: the window by the dataset. **E**: epochs. **computing**: Tc of the training samples, by the time that their
  bytes take over the link.
- **face**: `penstock run` with a network that sleeps for a stated time a sample, a third of it forward (list, train
  with validation each epoch, test split scored at the end), or a loop of one's own over
  `penstock.objects(...).loader(...)` that sleeps.
- **basis**: what the forecast stands on. *stated*: rate, latency and how fast it computes; *probe*: rate and latency
  by `--probe` over this link; *record*: all but the latency by the records of another run over this link. What starting
  takes here, imports, prefetchers, checkpoints, is stated as a run of nearly nothing took it: {run:.2f} s of
  `penstock run`, {loop:.2f} s of a loop; so is what a step of `penstock run` takes beside its samples: {step:.1f} ms.
- **held out**: runs that were added when the forecast was done; nothing was changed to meet them.
- datasets are so large that runs take some 13 to 45 s: what starting takes differs by some tenths of a second from run
  to run on one machine, and runs that are forecast for good take hours.
- handing samples over in the loop's own process is forecast as it is measured on this machine, with nothing beside it.
- what no forecast counts: a run's start that is not the one that was measured before the cells.
- **ratio**: forecast by actual; the goal is {goal:.0%} off."""

_HEAD = [
    "run", "face", "data", "W/D", "E", "MB/s", "ms", "computing", "faults", "basis", "wall s", "forecast", "ratio",
    "bytes MB", "forecast", "ratio", "requests", "forecast", "ratio",
]  # fmt: skip


def line_of(told: dict[str, Any]) -> str:
    """Return a run in a line, while others are made."""
    if told["error"]:
        return f"{told['cell']['name']}: failed: {told['error'].splitlines()[-1][:200]}"
    words = [f"{each.name} {each.actual:.6g} ({each.ratio:.3f})" for each in compare(told)]
    return f"{told['cell']['name']}: {', '.join(words)}"


def _row(told: dict[str, Any]) -> list[str]:
    cell = told["cell"]
    basis = f"{cell['basis']} of {cell['earlier']}" if cell["earlier"] else cell["basis"]
    row = [cell["name"], cell["face"], cell["data"], f"{cell['share']:g}", f"{cell['epochs']}"]
    row += [f"{cell['link_bytes_per_second'] / 1e6:g}", f"{cell['latency_seconds'] * 1000:g}"]
    row += [f"{cell['computing']:g}", "yes" if cell["has_faults"] else "no", basis]
    row[0] += " (held out)" if cell["is_held_out"] else ""
    if told["error"]:
        return [*row, *["failed"] * 9]
    for each in compare(told):
        scale, form = {"wall_seconds": (1, ".2f"), "bytes": (1e6, ".2f"), "requests": (1, ".0f")}[each.name]
        ratio = f"{each.ratio:.3f}" if each.is_right else f"**{each.ratio:.3f}**"
        row += [format(each.actual / scale, form), format(each.forecast / scale, form), ratio]
    return row


def _spread(data: dict[str, Any]) -> str:
    spread = data["spread"]
    return "" if spread == 1 else f" on average, the largest {spread:g} times the smallest"


def _goals(made: list[dict[str, Any]], failed: int) -> list[str]:
    rows = [["goal", "reached", "furthest off", ""]]
    held_out = [told for told in made if told["cell"]["is_held_out"]]
    for (told_of, runs), name in itertools.product([("", made), (", held out", held_out)], QUANTITIES):
        found = [each for told in runs for each in compare(told) if each.name == name]
        if not found:
            continue
        right = sum(each.is_right for each in found)
        furthest = max((each.ratio - 1 for each in found), key=abs, default=0.0)
        met = "met" if right == len(found) and not failed else "**missed**"
        label = name.replace("_seconds", "") + told_of
        rows.append([f"{label}: within {GOAL:.0%}", f"{right} of {len(found)} runs", f"{furthest:+.1%}", met])
    rows.append(["every run ends well", f"{failed} failed", "", "met" if not failed else "**missed**"])
    return ["", "## Goals", "", *table(rows)]


def _misses(made: list[dict[str, Any]]) -> list[str]:
    missed: list[tuple[dict[str, Any], Compared]] = [
        (told, each) for told in made for each in compare(told) if not each.is_right
    ]
    if not missed:
        return []
    lines = [
        f"- {told['cell']['name']}, {each.name.replace('_seconds', '')}, {each.ratio - 1:+.1%}: {why(told, each)}."
        for told, each in missed
    ]
    return ["", "## Misses, and what they come from", "", *lines]


def render(raw: dict[str, Any]) -> str:
    """Return the report.

    Args:
        raw: what the run left as JSON.
    """
    made = [told for told in raw["runs"] if not told["error"]]
    facts = [
        *machine_words(raw),
        f"server: {raw['server']}",
        *(
            f"dataset {data['name']}: {data['num_samples']} samples of {size(data['sample_bytes'])}"
            f"{_spread(data)}, {data['num_samples'] * data['sample_bytes'] / MIB:g} MiB; "
            f"batches of {data['batch_samples']}"
            for data in raw["datasets"]
        ),
        "options: " + ", ".join(f"{name} {value}" for name, value in raw["options"].items()),
    ]
    lines = [f"# Forecast and actual, {raw['date']}", "", *(f"- {fact}" for fact in facts)]
    lines += _goals(made, len(raw["runs"]) - len(made))
    lines += ["", "## Results", "", *table([_HEAD, *map(_row, raw["runs"])]), *_misses(made)]
    errors = [f"- {told['cell']['name']}: {told['error'].splitlines()[-1]}" for told in raw["runs"] if told["error"]]
    lines += [*(["", "## Failed", ""] if errors else []), *errors]
    method = METHOD.format(
        share=raw["faults"]["failing_share"],
        cut=size(raw["faults"]["cut_bytes"]),
        run=raw["starts"]["run"],
        loop=raw["starts"]["loop"],
        step=1000 * raw["starts"]["step"],
        goal=GOAL,
    )
    commands = [f"    {told['command']}" for told in made if told["round"] == 0]
    lines += ["", "## Method", "", method, "", "Commands of the forecasts, in the order of the runs:", "", *commands]
    return "\n".join(lines) + "\n"

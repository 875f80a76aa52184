"""The report of a run in Markdown, made from its raw figures alone."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import MIB, machine_words, size, table
from benchmarks.feeds.contenders import CONTENDERS, OWN_ENVIRONMENT, OWN_FEEDS
from benchmarks.feeds.figures import Figures, Group, bare_of, best_peer, figures, groups, verdicts

METHOD = """\
Every cell (feed, sample size, latency, limit) is a process of its own; all cells of a sample size run once a round, in
another order each round. All bytes come from one nginx worker on loopback (sendfile from tmpfs; GET, HEAD and ranges;
path-style keys); latency is added by the server before each answer, without holding other requests up. Its CPU time is
not counted, but it shares the cores. Caches and windows lie on tmpfs too. Every feed gives one epoch as uint8 batches,
and the trainer's process sums every batch; the sum over the epoch must equal the dataset's. A cell that takes longer
than the limit of time stops where it is, and counts with what it had by then.

- **samples/s**: the whole epoch, from the opening of the feed (prefetchers and workers not yet started, libraries
  imported) to the last batch; lowest and highest round in brackets. **from the 1st batch**: without the start, which
  flatters feeds that fetched much before they gave the first batch.
- **CPU s/GB**: user and system time of the trainer's process and its children (workers, prefetcher, curl), the start of
  helpers included, the trainer's own imports not. **cores**: how many it kept busy from the first batch to the last.
- **memory**: highest PSS of the process tree (a shared page counts once), window on tmpfs included; RSS in brackets.
- **disk**: highest use of the cell's folder (cache, temporary files, home), sampled every 30 ms.
- **of bare**: of the bare loop over the same layout.
- Figures are medians of the rounds; memory and disk are the highest of all rounds."""


def _title(group: Group) -> str:
    latency = f"{group.latency_seconds * 1000:g} ms added latency" if group.latency_seconds else "no added latency"
    return f"{size(group.sample_bytes)} samples, {latency}, limit {size(group.limit_bytes)}"


def _row(figure: Figures, group: Group, best: Figures | None, bare: Figures | None) -> list[str]:
    if not figure.rate:
        return [figure.contender, "failed", *[""] * 9]
    limited = CONTENDERS[figure.contender].limited
    return [
        figure.contender,
        f"{figure.rate:.0f} ({figure.lowest_rate:.0f} to {figure.highest_rate:.0f})",
        f"{figure.steady_rate:.0f}",
        f"{figure.rate * group.sample_bytes / 1e6:.0f}",
        f"{figure.rate / best.rate:.2f}" if best else "",
        f"{figure.rate / bare.rate:.2f}" if bare and bare.rate else "",
        f"{figure.cpu_per_gb:.2f}",
        f"{figure.cores:.2f}",
        f"{figure.first_seconds:.2f}",
        f"{figure.pss_bytes / MIB:.0f} ({figure.rss_bytes / MIB:.0f})",
        f"{figure.disk_bytes / MIB:.1f}" + (f" = {figure.disk_bytes / group.limit_bytes:.2f}" if limited else ""),
    ]


_HEAD = [
    "feed", "samples/s", "from the 1st batch", "MB/s", "of the best peer", "of bare", "CPU s/GB", "cores",
    "1st batch s", "memory MiB", "disk MiB, of the limit",
]  # fmt: skip


def _notes(found: dict[str, Figures]) -> list[str]:
    told = []
    for figure in found.values():
        if figure.failed:
            fence = "\n".join(f"  {line}" for line in figure.error.splitlines())
            told.append(
                f"- {figure.contender} failed in {figure.failed} of {figure.rounds} rounds:\n\n  ```\n{fence}\n  ```"
            )
        if figure.wrong:
            told.append(f"- {figure.contender} gave a wrong epoch (count or sum) in {figure.wrong} rounds")
        if figure.stopped:
            told.append(f"- {figure.contender} was stopped at the limit of time in {figure.stopped} rounds")
    return told


def _section(group: Group, found: dict[str, Figures]) -> list[str]:
    best = best_peer(found)
    rows = [_row(figure, group, best, bare_of(name, found)) for name, figure in found.items()]
    notes = _notes(found)
    return ["", f"### {_title(group)}", "", *table([_HEAD, *rows]), *([""] if notes else []), *notes]


def _why(figure: Figures, cores: int) -> str:
    """Say in numbers what kept a feed from being faster."""
    kept = f"{figure.cores:.2f} of {cores} cores busy, {figure.children_share:.0%} of the CPU time outside the trainer"
    cost = f"{figure.cpu_per_gb:.2f} CPU s/GB"
    return f"{kept}, {cost}, first batch after {figure.first_seconds:.2f} s"


def _goals(found: dict[Group, dict[str, Figures]], cores: int) -> list[str]:
    rows, missed = [["feed", "cell", "goal", "reached", ""]], []
    for group, mine in found.items():
        for name in (name for name in mine if CONTENDERS[name].module in OWN_FEEDS):
            told = verdicts(name, group, mine)
            rows += [[name, _title(group), each.goal, each.value, "met" if each.met else "**missed**"] for each in told]
            if not all(each.met for each in told):
                missed.append(f"- {name}, {_title(group)}: {_why(mine[name], cores)}.")
                missed += [
                    f"  - {each.goal}: {each.value}" + (f", for {each.reason}" if each.reason else "")
                    for each in told
                    if not each.met
                ]
    lines = ["", "## Goals", "", *table(rows)]
    return lines + (["", "### What was missed, and where the time went", "", *missed] if missed else [])


def _start(raw: dict[str, Any]) -> list[str]:
    rows = [[name, f"{1000 * seconds:.0f}"] for name, seconds in raw["start"].items()]
    return [
        "",
        "### The start",
        "",
        "From a program's start to its end, the least of some tries.",
        "",
        *table([["", "ms"], *rows]),
    ]


def _facts(raw: dict[str, Any]) -> list[str]:
    versions = [
        f"{place}: " + ", ".join(f"{name} {value}" for name, value in found.items())
        for place, found in raw["versions"].items()
    ]
    options = ", ".join(f"{name} {value}" for name, value in raw["options"].items())
    data = [
        f"dataset: {each['num_samples']} samples of {size(each['sample_bytes'])}, packed layouts in shards of "
        f"{size(each['shard_bytes'])}"
        for each in raw["datasets"]
    ]
    lines = [*machine_words(raw), f"server: {raw['server']}", *versions, *data, f"options: {options}"]
    return [f"- {line}" for line in lines]


def _configurations(raw: dict[str, Any]) -> list[str]:
    told: dict[str, str] = {}
    for run in raw["runs"]:
        if run["result"] is not None:
            told[run["contender"]] = run["result"]["config"]
    return [
        f"- **{name}** ({CONTENDERS[name].what}; layout {CONTENDERS[name].layout}; "
        f"{'Penstock' if name in OWN_ENVIRONMENT else 'peers'} environment): {told.get(name, 'never came to run')}"
        for name in CONTENDERS
        if any(run["contender"] == name for run in raw["runs"])
    ]


def render(raw: dict[str, Any]) -> str:
    """Return the report.

    Args:
        raw: what the run left as JSON.
    """
    found = {group: figures(runs) for group, runs in groups(raw["runs"]).items()}
    lines = [f"# Training feeds, {raw['date']}", "", *_facts(raw)]
    lines += _goals(found, int(raw["machine"]["cores"]))
    lines += _start(raw)
    lines += ["", "## Results", "", METHOD]
    for group, each in found.items():
        lines += _section(group, each)
    lines += ["", "## Configurations", "", *_configurations(raw)]
    return "\n".join(lines) + "\n"

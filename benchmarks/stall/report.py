"""The report of a run in Markdown, and its curve, made from the raw figures alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common.markdown import machine_words, size, table
from benchmarks.common.pictures import BLUE, MUTED, ORANGE, drawn, points
from benchmarks.stall.figures import GOAL_STALL, NOTICED_SECONDS, START_BATCHES, Stalls, goal_cells, stalls
from benchmarks.stall.link import BURST_SECONDS

METHOD = """\
A trainer takes a fixed time a batch (it sums the batch's bytes and sleeps until the time is over), and counts how long
it waits for the next. Its data comes over a link that is limited for all connections together: a TCP proxy with a token
bucket in front of nginx, that may make up for {burst_ms:g} ms. **Ratio** is the rate of the link by the rate at which
the trainer takes data. All links are trained over once a round, in another order each round, each training in a process
of its own. The window lies on tmpfs; one epoch is read, so that nothing is kept and every byte crosses the link.

- **stall**: 1 - steps / time, from the first batch to the end of the last step; median, lowest and highest round.
- **theory**: max(0, 1 - ratio), since the time is max(steps, bytes / rate) for a feed that never lets the link idle.
- **bound**: the same for this very training: what had not passed the link by the first batch (the window's start), and
  the headers of answers, at the rate set, then the last step. It is what no feed could be below.
- **start**: what the trainer waited for the {start_batches} batches after the first one: the window is empty yet. It is
  there once, however long the training is. **later**: the stall without it, of the time after them.
- **handover**: what the trainer waits for a batch that lies ready: the lower quartile of its waits.
- **waits**: of more than {noticed_ms:g} ms, median of rounds; **longest**: of all rounds, after the start.
- **1st batch**: from before the prefetcher was started; not part of the stall.
- **link**: what bodies of answers alone got through, asked for by 16 plain connections before the rounds, of the rate.
  With latency these 16 are the limit, not the link.
- **wasted**: of the bytes downloaded, those of requests that were made twice because they were late.
- **cores**: CPU seconds a second of trainer, worker and prefetcher."""

_HEAD = [
    "ratio", "steps", "stall %", "rounds %", "theory %", "bound %", "later %", "start ms", "handover ms", "waits",
    "longest ms", "1st batch s", "link", "wasted %", "cores",
]  # fmt: skip


def _row(each: Stalls) -> list[str]:
    latency = f", {each.latency_seconds * 1000:g} ms latency" if each.latency_seconds else ""
    return [
        f"{each.ratio:g}{latency}",
        f"{each.num_steps}",
        f"{each.stall * 100:.2f}",
        f"{min(each.stalls) * 100:.2f} to {max(each.stalls) * 100:.2f}",
        f"{each.theory * 100:.1f}",
        f"{each.bound * 100:.2f}",
        f"{each.later * 100:.2f}",
        f"{each.start_seconds * 1000:.0f}",
        f"{each.handover_seconds * 1000:.2f}",
        f"{each.num_noticed:g}",
        f"{each.longest_seconds * 1000:.0f}",
        f"{each.first_seconds:.2f}",
        f"{each.link_share:.3f}",
        f"{each.wasted * 100:.2f}",
        f"{each.cores:.2f}",
    ]


def _goals(found: list[Stalls]) -> list[str]:
    rows = [["goal", "reached", ""]]
    for each in goal_cells(found):
        where = f"ratio {each.ratio:g}" + (f", {each.latency_seconds * 1000:g} ms" if each.latency_seconds else "")
        met = each.stall < GOAL_STALL
        rows.append(
            [f"stall below {GOAL_STALL:.0%}, {where}", f"{each.stall * 100:.2f} %", "met" if met else "**missed**"]
        )
    failed, wrong = sum(each.failed for each in found), sum(each.wrong for each in found)
    rows.append(
        [
            "every sample, once, inside the window",
            f"{wrong} wrong, {failed} failed",
            "**missed**" if wrong or failed else "met",
        ]
    )
    excess = max(found, key=lambda each: each.stall - each.bound)
    near = f"{(excess.stall - excess.bound) * 100:.2f} points above it, at ratio {excess.ratio:g}"
    rows.append(["(no goal) furthest from the bound", near, ""])
    return ["", "## Goals", "", *table(rows)]


def render(raw: dict[str, Any], picture: str) -> str:
    """Return the report.

    Args:
        raw: what the run left as JSON.
        picture: file name of the curve.
    """
    found = stalls(raw)
    options = raw["options"]
    facts = [
        *machine_words(raw),
        f"server: {raw['server']}",
        f"trainer: batches of {options['batch_samples']} samples of {size(options['sample_bytes'])}, "
        f"{options['step_seconds'] * 1000:g} ms each, so {raw['consumer_bytes_per_second'] / 1e6:.1f} MB/s; "
        f"{options['steps']} batches, {options['goal_steps']} where the goal is; {options['num_workers']} workers, "
        f"{options['num_ahead']} batches held ready by a thread of the trainer",
        f"window: {size(options['window_bytes'])}",
        "options: " + ", ".join(f"{name} {value}" for name, value in options.items()),
    ]
    method = METHOD.format(
        burst_ms=BURST_SECONDS * 1000, noticed_ms=NOTICED_SECONDS * 1000, start_batches=START_BATCHES
    )
    lines = [f"# Stall as the link grows narrower, {raw['date']}", "", *(f"- {fact}" for fact in facts)]
    lines += _goals(found)
    lines += ["", "## Results", "", f"![Stall by the link's ratio]({picture})", "", *table([_HEAD, *map(_row, found)])]
    errors = [f"- ratio {each.ratio:g}: {each.error.splitlines()[-1]}" for each in found if each.error]
    lines += [*([""] if errors else []), *errors, "", method]
    return "\n".join(lines) + "\n"


def draw(raw: dict[str, Any], path: Path) -> None:
    """Write the curve: theory's line, and what was measured."""
    found = stalls(raw)
    plain = [each for each in found if not each.latency_seconds]
    late = [each for each in found if each.latency_seconds]
    with drawn(path) as (axes,):
        low, high = min(each.ratio for each in found), max(each.ratio for each in found)
        axes.plot(
            [low, 1.0, max(high, 1.0)],
            [100 * max(0.0, 1 - low), 0, 0],
            color=MUTED,
            linewidth=1.5,
            label="theory: 1 - r",
        )
        percent = [[stall * 100 for stall in each.stalls] for each in plain]
        points(
            axes, [each.ratio for each in plain], percent, color=BLUE, label="measured: median, lowest, highest round"
        )
        if late:
            label = f"measured, {late[0].latency_seconds * 1000:g} ms latency"
            percent = [[stall * 100 for stall in each.stalls] for each in late]
            points(axes, [each.ratio for each in late], percent, color=ORANGE, fmt="s", label=label)
        axes.invert_xaxis()
        axes.set_xlabel("r: rate of the link by the rate at which the trainer takes data")
        axes.set_ylabel("time the trainer waits (% of training time)")
        axes.set_ylim(bottom=-1)
        for each in goal_cells(plain):
            text = f"{each.stall * 100:.2f} % at r = {each.ratio:g}"
            axes.annotate(
                text,
                (each.ratio, each.stall * 100),
                xytext=(0, 34),
                textcoords="offset points",
                ha="center",
                arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.8},
            )
        axes.legend(loc="upper left")

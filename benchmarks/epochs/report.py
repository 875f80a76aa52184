"""The report of a run in Markdown, and its curves, made from the raw figures alone."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.common.markdown import MIB, machine_words, size, table
from benchmarks.common.pictures import BLUE, GREEN, MUTED, ORANGE, drawn, points
from benchmarks.epochs.figures import GOAL_KEPT, GOAL_TIME, Kept, is_streamed_whole, kept

METHOD = """\
Every sample is read {epochs} times, each epoch in another order, as fast as it comes, through windows of several sizes
on tmpfs, from one nginx worker on loopback. All cells run once a round, in another order each round, each in a process
of its own. The sum of all samples' bytes must be {epochs} times the dataset's.

- **served**: bodies of answers by the server's own log. **due**: E D - R, D being the dataset, E the epochs
  and R the bytes that were read from what the window kept, by the run's meters. **wasted**: what came of answers to
  requests that were made twice because they were late. **exact**: what the prefetcher's meter says it downloaded is
  due and wasted together in every round; so is what the server sent, where no such answer was cut. Bytes are those of
  the first round. R is (E - 1) K, K being the bytes of the samples that were kept at the end, where all were kept from
  the first on; of a source with latency it is decided later what is kept.
- **K**: of the window. Beside K lie the slots that the rest streams through and, of 64 KiB samples, 0.15 % for the
  index and alignment.
- **time**: keeping by streaming, from the first batch to the last, a round's two cells by each other; median, lowest
  and highest round. Streaming is one epoch of a manifest that lists {epochs} copies of each object: the same bytes
  through a window of the same size, in one session, none kept. Without latency and with the server on the same cores
  this is the least that keeping can win; over a link that is the bottleneck, the times are as the bytes.
- **CPU**: of trainer and prefetcher from the first batch on, keeping by streaming."""

_HEAD = [
    "window, of the dataset", "served MiB", "due MiB", "wasted MiB", "exact", "of streaming", "K of the window", "time",
    "rounds", "seconds kept, streamed", "CPU", "1st batch s kept, streamed",
]  # fmt: skip


def _name(each: Kept) -> str:
    latency = f", {each.latency_seconds * 1000:g} ms latency" if each.latency_seconds else ""
    return f"{each.window_bytes / MIB:.1f} MiB = {each.share:.3g}{latency}"


def _row(each: Kept, streamed_bytes: int) -> list[str]:
    return [
        _name(each),
        f"{each.served_bytes[0] / MIB:.3f}",
        f"{each.due_bytes[0] / MIB:.3f}",
        f"{each.wasted_bytes[0] / MIB:.3f}",
        "yes" if each.is_exact else "**no**",
        f"{each.served_bytes[0] / streamed_bytes:.3f}",
        f"{each.kept_share:.1%}",
        *(
            [
                f"{each.ratio:.2f}",
                f"{min(each.ratios):.2f} to {max(each.ratios):.2f}",
                f"{each.seconds[0]:.2f}, {each.seconds[1]:.2f}",
                f"{each.cpu_ratio:.2f}",
                f"{each.first_seconds[0]:.2f}, {each.first_seconds[1]:.2f}",
            ]
            if each.ratios
            else [""] * 5
        ),
    ]


def _goals(raw: dict[str, Any], found: list[Kept]) -> list[str]:
    asked = [each for each in found if not each.small]
    failed, wrong = sum(each.failed for each in found), sum(each.wrong for each in found)
    least = min(asked, key=lambda each: each.kept_share)
    slowest = max(asked, key=lambda each: each.ratio)
    inexact = [each for each in found if not each.is_exact]
    told = [
        ("every sample, once an epoch, inside the window", f"{wrong} wrong, {failed} failed", not wrong and not failed),
        (
            "bytes are E D - R, to the byte",
            f"{len(found) - len(inexact)} of {len(found)} windows",
            not inexact,
        ),
        (
            "without latency R is (E - 2) K at least: what the first epoch kept is never fetched again",
            f"{sum(each.is_reused for each in found)} of {len(found)} windows",
            all(each.is_reused for each in found),
        ),
        (
            f"K at least {GOAL_KEPT:.0%} of the window",
            f"{least.kept_share:.1%} at {_name(least)}",
            least.kept_share >= GOAL_KEPT,
        ),
        (
            "no slower than streaming everything",
            f"{slowest.ratio:.2f} of its time at {_name(slowest)}",
            slowest.ratio <= GOAL_TIME,
        ),
        ("(check) streaming everything is E times D, but for those", "", is_streamed_whole(raw)),
    ]
    return ["", "## Goals", "", *table([["goal", "reached", ""], *([*row, _met(met)] for *row, met in told)])]


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


def _small(found: list[Kept]) -> list[str]:
    small = [each for each in found if each.small]
    if not small:
        return []
    rows = [["window", "K of the window", "exact"]]
    rows += [
        [f"{each.window_bytes / MIB:.1f} MiB", f"{each.kept_share:.1%}", "yes" if each.is_exact else "**no**"]
        for each in small
    ]
    why = (
        "A window keeps only what it can spare beside the slots that the rest streams through, a few of at least one "
        "sample each with its description, and the control file: in windows of some sixty samples or less these take "
        "more than the 15 % that are left for them. Read twice."
    )
    return ["", "## Smallest windows", "", why, "", *table(rows)]


def _slower(found: list[Kept]) -> list[str]:
    """Say of each window in which keeping takes longer what it has left to stream through."""
    slower = [each for each in found if not each.small and each.ratios and statistics.median(each.ratios) > 1]
    lines = []
    for each in slower:
        left = each.window_bytes * (1 - each.kept_share)
        why = f"{left / MIB:.1f} MiB are left to stream through"
        if each.latency_seconds:
            most = left / each.latency_seconds / 1e6
            why += f": no more than {most:.0f} MB/s at that latency, less what waits for the samples before it"
        rounds = f"{min(each.ratios):.2f} to {max(each.ratios):.2f}"
        lines.append(
            f"- {_name(each)}: {statistics.median(each.ratios):.2f} of streaming's time, rounds {rounds}. {why}."
        )
    if not lines:
        return []
    told = (
        "Without latency, and with the server on the same cores, a byte that is not downloaded saves little time; what "
        "keeping costs is smaller slots, and so more packs to plan, and two looks at each kept sample."
    )
    return ["", "### Where keeping is slower, and why", "", told, "", *lines]


def render(raw: dict[str, Any], picture: str) -> str:
    """Return the report.

    Args:
        raw: what the run left as JSON.
        picture: file name of the curves.
    """
    found, data, options = kept(raw), raw["dataset"], raw["options"]
    dataset_bytes = data["num_samples"] * data["sample_bytes"]
    facts = [
        *machine_words(raw),
        f"server: {raw['server']}",
        f"dataset: {data['num_samples']} samples of {size(data['sample_bytes'])}, {size(dataset_bytes)}",
        "options: " + ", ".join(f"{name} {value}" for name, value in options.items()),
    ]
    rows = [_row(each, dataset_bytes * options["epochs"]) for each in found if not each.small]
    lines = [f"# Bytes over {options['epochs']} epochs, {raw['date']}", "", *(f"- {fact}" for fact in facts)]
    lines += _goals(raw, found)
    lines += _slower(found)
    lines += ["", "## Results", "", f"![Bytes and time by the window's size]({picture})", "", *table([_HEAD, *rows])]
    errors = [f"- {_name(each)}: {each.error.splitlines()[-1]}" for each in found if each.error]
    lines += [*([""] if errors else []), *errors, *_small(found), "", "## Method", ""]
    lines.append(METHOD.format(epochs=options["epochs"]))
    return "\n".join(lines) + "\n"


def draw(raw: dict[str, Any], path: Path) -> None:
    """Write the curves: bytes with theory's lines, and time beside streaming."""
    epochs = raw["options"]["epochs"]
    dataset_bytes = raw["dataset"]["num_samples"] * raw["dataset"]["sample_bytes"]
    asked = [each for each in kept(raw) if not each.small]
    plain = [each for each in asked if not each.latency_seconds]
    late = [each for each in asked if each.latency_seconds]
    with drawn(path, 2) as (left, right):
        ends = [0.0, 1.0]
        left.plot(ends, [epochs, epochs], color=MUTED, linestyle=":", linewidth=1.5, label="streaming everything: E")
        left.plot(
            ends,
            [epochs - (epochs - 1) * GOAL_KEPT * end for end in ends],
            color=ORANGE,
            linestyle="--",
            linewidth=1.3,
            label=f"theory, K = {GOAL_KEPT:.0%} of the window",
        )
        left.plot(ends, [epochs, 1.0], color=MUTED, linewidth=1.5, label="theory, K = the window: the least there is")
        served = [[each / dataset_bytes for each in mine.served_bytes] for mine in plain]
        points(left, [each.share for each in plain], served, color=BLUE, label="measured: sent by the server")
        left.set_xlabel("window (share of the dataset)")
        left.set_ylabel(f"downloaded over {epochs} epochs (times the dataset)")
        left.set_ylim(0, epochs + 0.4)
        left.set_xlim(0, 1)
        left.legend(loc="lower left")
        right.axhline(1.0, color=MUTED, linewidth=1.5, label="streaming everything")
        for cells, color, form, name in ((plain, BLUE, "o", "no latency"), (late, GREEN, "s", "latency")):
            mine = [each for each in cells if each.ratios]
            if mine:
                name = f"{mine[0].latency_seconds * 1000:g} ms latency" if mine[0].latency_seconds else name
                points(
                    right,
                    [each.share for each in mine],
                    [each.ratios for each in mine],
                    color=color,
                    fmt=form,
                    label=name,
                )
        right.set_xlabel("window (share of the dataset)")
        right.set_ylabel("time of keeping (times that of streaming)")
        right.set_ylim(bottom=0)
        right.set_xlim(0, 1)
        right.legend(loc="lower left")

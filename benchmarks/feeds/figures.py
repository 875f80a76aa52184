"""Medians over rounds, and what the goals make of them: everything that the report says in numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.feeds.contenders import CONTENDERS

GB = 1e9
RATE_GOALS = {0.0: 2.0}
RATE_GOAL_WITH_LATENCY = 3.0
BARE_GOAL = 0.9
FIRST_GOAL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells that are compared with each other."""

    sample_bytes: int
    latency_seconds: float
    limit_bytes: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Medians of one contender in one group; rates are 0 where no round gave any.

    Attributes:
        rate: samples a second, from the opening of the feed to the last batch.
        steady_rate: from the first batch to the last; what was fetched before the first flatters it.
        cpu_per_gb: CPU seconds per GB delivered, start of helpers included.
        cores: CPU seconds a second, from the first batch to the last.
        children_share: of the CPU time, what processes beside the trainer's used.
    """

    contender: str
    rounds: int
    rate: float = 0.0
    lowest_rate: float = 0.0
    highest_rate: float = 0.0
    steady_rate: float = 0.0
    cpu_per_gb: float = 0.0
    cores: float = 0.0
    children_share: float = 0.0
    first_seconds: float = 0.0
    pss_bytes: float = 0.0
    rss_bytes: float = 0.0
    disk_bytes: float = 0.0
    stopped: int = 0
    wrong: int = 0
    failed: int = 0
    error: str = ""


def groups(runs: Iterable[dict[str, Any]]) -> dict[Group, list[dict[str, Any]]]:
    """Sort runs into groups."""
    found: dict[Group, list[dict[str, Any]]] = {}
    for run in runs:
        key = Group(
            sample_bytes=run["sample_bytes"], latency_seconds=run["latency_seconds"], limit_bytes=run["limit_bytes"]
        )
        found.setdefault(key, []).append(run)
    return dict(
        sorted(found.items(), key=lambda item: (item[0].sample_bytes, item[0].latency_seconds, -item[0].limit_bytes))
    )


def figures(runs: Iterable[dict[str, Any]]) -> dict[str, Figures]:
    """Return a group's medians, by contender, in the order of the list of contenders."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        found.setdefault(run["contender"], []).append(run)
    return {name: _medians(name, found[name]) for name in CONTENDERS if name in found}


def _steady_rate(result: dict[str, Any]) -> float:
    seconds = result["seconds"] - result["first_seconds"]
    return float((result["num_samples"] - result["first_samples"]) / seconds) if seconds > 0 else 0.0


def _medians(name: str, runs: list[dict[str, Any]]) -> Figures:
    good = [run for run in runs if run["result"] is not None]
    errors = [run["error"] for run in runs if run["error"]]
    counts: dict[str, Any] = {"rounds": len(runs), "failed": len(errors), "error": errors[0] if errors else ""}
    if not good:
        return Figures(contender=name, **counts)
    results = [run["result"] for run in good]

    def median(value: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(value, results))

    rates = [result["num_samples"] / result["seconds"] for result in results]
    return Figures(
        contender=name,
        **counts,
        rate=statistics.median(rates),
        lowest_rate=min(rates),
        highest_rate=max(rates),
        steady_rate=median(_steady_rate),
        cpu_per_gb=median(lambda result: result["cpu_seconds"] / (result["num_bytes"] / GB)),
        cores=median(
            lambda result: result["steady_cpu_seconds"] / max(result["seconds"] - result["first_seconds"], 1e-9)
        ),
        children_share=median(lambda result: result["cpu_children_seconds"] / max(result["cpu_seconds"], 1e-9)),
        first_seconds=median(lambda result: result["first_seconds"]),
        pss_bytes=max(run["peak_pss_bytes"] for run in good),
        rss_bytes=max(run["peak_rss_bytes"] for run in good),
        disk_bytes=max(run["peak_disk_bytes"] for run in good),
        stopped=sum(result["stopped"] for result in results),
        wrong=sum(not run["right"] for run in good),
    )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One goal of one contender in one group.

    Attributes:
        reason: why it is missed, where it is.
    """

    goal: str
    value: str
    met: bool
    reason: str = ""


def _best(found: dict[str, Figures], value: Callable[[Figures], float]) -> Figures | None:
    peers = [figure for name, figure in found.items() if CONTENDERS[name].peer and figure.rate and not figure.wrong]
    return max(peers, key=value, default=None)


def best_peer(found: dict[str, Figures]) -> Figures | None:
    """Return the peer with the highest rate, None where no peer gave a right result."""
    return _best(found, lambda figure: figure.rate)


def bare_of(name: str, found: dict[str, Figures]) -> Figures | None:
    """Return the bare loop over the layout that a contender reads."""
    figure = found.get("bare-tar" if CONTENDERS[name].layout == "tar" else "bare")
    return figure if figure is not None and figure.rate else None


def _why_not_faster(name: str, best: Figures, found: dict[str, Figures]) -> str:
    """Say what the bare loop comes to, which does nothing but ask and throw away."""
    bare = bare_of(name, found)
    if name == "penstock-face-tar":
        return "the index is made within the clock: all of the files is read once more for it"
    if name == "penstock-stream" and bare is None:
        return "the listing, a page after the other, is within the clock; client and server share the cores"
    if bare is None or name.endswith("-inorder") or bare.rate >= RATE_GOAL_WITH_LATENCY * best.rate:
        return "client and server share the cores"
    ratio = bare.rate / best.rate
    return f"each sample is a request of its own, and the bare loop of such requests comes to {ratio:.2f}"


def verdicts(name: str, group: Group, found: dict[str, Figures]) -> list[Verdict]:
    """Hold one of Penstock's feeds against the goals."""
    mine = found[name]
    disk = Verdict(
        goal="disk within the limit",
        value=f"{mine.disk_bytes / group.limit_bytes:.2f} of it",
        met=mine.disk_bytes <= group.limit_bytes,
    )
    right = Verdict(
        goal="every sample, once",
        value=f"{mine.wrong} wrong, {mine.failed} failed",
        met=not mine.wrong and not mine.failed,
    )
    if not mine.rate:
        return [Verdict(goal="runs at all", value=mine.error.splitlines()[-1] if mine.error else "", met=False)]
    told = [right, disk]
    goal = RATE_GOALS.get(group.latency_seconds, RATE_GOAL_WITH_LATENCY)
    if best := best_peer(found):
        ratio = mine.rate / best.rate
        told.append(
            Verdict(
                goal=f"{goal:g} times the best peer ({best.contender})",
                value=f"{ratio:.2f}",
                met=ratio >= goal,
                reason=_why_not_faster(name, best, found),
            )
        )
        if not group.latency_seconds:
            told.append(
                Verdict(
                    goal=f"CPU per GB no more than {best.contender}'s",
                    value=f"{mine.cpu_per_gb / best.cpu_per_gb:.2f} of it",
                    met=mine.cpu_per_gb <= best.cpu_per_gb,
                )
            )
        quickest = _best(found, lambda figure: -figure.first_seconds)
        assert quickest is not None
        told.append(
            Verdict(
                goal=f"first batch within {FIRST_GOAL_SECONDS:g} s of the quickest peer's ({quickest.contender} "
                f"{quickest.first_seconds:.2f} s)",
                value=f"{mine.first_seconds:.2f} s",
                met=mine.first_seconds < quickest.first_seconds + FIRST_GOAL_SECONDS,
                reason="the prefetcher is a process that is started, not forked from a trainer that has imported all; "
                "until it has imported what it needs (see the start, below), nothing is asked for",
            )
        )
    if bare := bare_of(name, found):
        ratio = mine.rate / bare.rate
        steady = mine.steady_rate / bare.rate
        told.append(
            Verdict(
                goal=f"{BARE_GOAL:g} of the bare loop",
                value=f"{ratio:.2f}",
                met=ratio >= BARE_GOAL,
                reason="the loop throws the bytes away; here they are checked twice, lie in a window, are copied into "
                f"batches and summed, by the same cores; from the first batch on {steady:.2f} of it",
            )
        )
    return told

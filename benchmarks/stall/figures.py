"""Medians over rounds beside what theory says: everything that the report says in numbers."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

GOAL_RATIO = 1.3
GOAL_STALL = 0.01
START_BATCHES = 5
NOTICED_SECONDS = 0.005
"""A wait longer than this is more than handing a batch over."""


@dataclass(frozen=True, kw_only=True)
class Stalls:
    """What was seen over one link; shares are of the training's time.

    Attributes:
        ratio: what the link gives of what the trainer takes, as it was set.
        link_share: of the rate set, what bodies of answers alone got through, measured by plain requests.
        stalls: each round's share of time in which the trainer waited.
        theory: 1 - ratio, or 0.
        bound: the least that any feed could stall, the median of the rounds: the link passes at the rate set what had
            not passed by the first batch.
        wasted: bytes downloaded in vain, of those downloaded, the median.
        later: the median share after the start's batches.
        start_seconds: waits for the start's batches, the median.
        first_seconds: from before the window was opened to the first batch.
        handover_seconds: what the trainer waits for a batch that is there: the lower quartile of its waits.
        num_noticed: waits of more than ``NOTICED_SECONDS``.
        longest_seconds: the longest wait of all rounds after the start's batches.
        cores: CPU seconds a second of trainer, workers and prefetcher.
    """

    ratio: float
    latency_seconds: float
    link_share: float
    stalls: tuple[float, ...]
    theory: float
    bound: float
    num_steps: int
    wasted: float
    later: float
    start_seconds: float
    first_seconds: float
    handover_seconds: float
    num_noticed: float
    longest_seconds: float
    cores: float
    failed: int
    wrong: int
    error: str

    @property
    def stall(self) -> float:
        """The median share."""
        return statistics.median(self.stalls)


def stall_of(result: dict[str, Any]) -> float:
    """Return the share of a training's time in which the trainer waited."""
    return float(1 - result["compute_seconds"] / result["wall_seconds"])


def _bound(result: dict[str, Any], link_bytes_per_second: float) -> float:
    """Return the least stall: the bytes that were missing at the first batch came over the link, then the last step."""
    num_steps = len(result["waits_seconds"]) + 1
    missing_bytes = result["passed_bytes"] - result["wasted_bytes"] - result["first_bytes"]
    missing_seconds = missing_bytes / link_bytes_per_second
    least = missing_seconds + result["compute_seconds"] / num_steps
    return max(0.0, 1 - float(result["compute_seconds"] / least))


def _later(result: dict[str, Any]) -> float:
    """Return the share of waits in the time after the start's batches; steps take as long as one another."""
    waits = result["waits_seconds"]
    late = waits[START_BATCHES:]
    seconds = sum(late) + result["compute_seconds"] * (len(late) + 1) / (len(waits) + 1)
    return float(sum(late) / seconds)


def stalls(raw: dict[str, Any]) -> list[Stalls]:
    """Return figures of each link, those without latency first, the widest first; links that never worked are out."""
    found = []
    for link in raw["links"]:
        runs = [
            run
            for run in raw["runs"]
            if (run["ratio"], run["latency_seconds"]) == (link["ratio"], link["latency_seconds"])
        ]
        results = [run["result"] for run in runs if run["result"] is not None]
        if not results:
            continue
        rate = link["bytes_per_second"]
        waits = [sorted(result["waits_seconds"]) for result in results]
        found.append(
            Stalls(
                ratio=link["ratio"],
                latency_seconds=link["latency_seconds"],
                link_share=link["measured_bytes_per_second"] / rate,
                stalls=tuple(map(stall_of, results)),
                theory=max(0.0, 1 - link["ratio"]),
                bound=statistics.median(_bound(result, rate) for result in results),
                num_steps=len(waits[0]) + 1,
                wasted=statistics.median(result["wasted_bytes"] / result["bytes_downloaded"] for result in results),
                later=statistics.median(map(_later, results)),
                start_seconds=statistics.median(sum(result["waits_seconds"][:START_BATCHES]) for result in results),
                first_seconds=statistics.median(result["first_seconds"] for result in results),
                handover_seconds=statistics.median(each[len(each) // 4] for each in waits),
                num_noticed=statistics.median(sum(wait > NOTICED_SECONDS for wait in each) for each in waits),
                longest_seconds=max(max(result["waits_seconds"][START_BATCHES:], default=0.0) for result in results),
                cores=statistics.median(result["cpu_seconds"] / result["wall_seconds"] for result in results),
                failed=len(runs) - len(results),
                wrong=sum(not run["right"] for run in runs if run["result"] is not None),
                error=next((run["error"] for run in runs if run["error"]), ""),
            )
        )
    return sorted(found, key=lambda each: (each.latency_seconds, -each.ratio))


def goal_cells(found: list[Stalls]) -> list[Stalls]:
    """Return those that the goal is about."""
    return [each for each in found if each.ratio == GOAL_RATIO]

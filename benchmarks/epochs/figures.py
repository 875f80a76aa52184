"""Medians over rounds beside what theory says: everything that the report says in numbers."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

GOAL_KEPT = 0.85
GOAL_TIME = 1.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was seen of one window over one link.

    Attributes:
        share: the window, of the dataset.
        kept_bytes: K, of samples that the window kept; the lowest round.
        served_bytes: bodies that the server sent, in each round that kept.
        due_bytes: E D - R, R being read from what was kept, in each round.
        reused_bytes: R, in each round.
        num_epochs: E.
        metered_bytes: what the prefetcher said it downloaded, in each round.
        wasted_bytes: downloaded in vain, in each round: answers to requests that were made twice.
        most_bytes: that can have been sent in vain, in each round: such an answer is cut when the other one is there.
        ratios: time of keeping by time of streaming, from the first batch to the last, a round each.
        seconds: medians of that time, keeping and streaming.
        cpu_ratio: CPU time of keeping by that of streaming, medians.
        first_seconds: from before the window was opened to the first batch, keeping and streaming.
    """

    window_bytes: int
    latency_seconds: float
    share: float
    small: bool
    kept_bytes: int
    served_bytes: tuple[int, ...]
    due_bytes: tuple[int, ...]
    reused_bytes: tuple[int, ...]
    num_epochs: int
    metered_bytes: tuple[int, ...]
    wasted_bytes: tuple[int, ...]
    most_bytes: tuple[int, ...]
    ratios: tuple[float, ...]
    seconds: tuple[float, float]
    cpu_ratio: float
    first_seconds: tuple[float, float]
    failed: int
    wrong: int
    error: str

    @property
    def kept_share(self) -> float:
        """K, of the window."""
        return self.kept_bytes / self.window_bytes

    @property
    def is_exact(self) -> bool:
        """Whether server, meter and formula agree to the byte in every round, but for what came in vain."""
        return all(
            _agree(*sizes)
            for sizes in zip(
                self.served_bytes,
                self.metered_bytes,
                self.due_bytes,
                self.wasted_bytes,
                self.most_bytes,
                strict=True,
            )
        )

    @property
    def is_reused(self) -> bool:
        """Whether all that is kept was read again in each epoch after the one in which it was decided to keep it.

        Without latency that is the first; what of K passed before it was decided comes from the second on.
        """
        later = self.num_epochs - 2
        return bool(self.latency_seconds) or all(reused >= later * self.kept_bytes for reused in self.reused_bytes)

    @property
    def ratio(self) -> float:
        """The median of the ratios, 0 where nothing was compared."""
        return statistics.median(self.ratios) if self.ratios else 0.0


def _agree(served: int, metered: int, due: int, wasted: int, most: int) -> bool:
    """Tell whether bytes agree, where the server may have sent more of what came in vain than did come."""
    return metered - wasted == due and metered <= served <= due + most


def _steady(run: dict[str, Any]) -> float:
    return float(run["result"]["seconds"] - run["result"]["first_seconds"])


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return statistics.median(run["result"][name] for run in runs) if runs else 0.0


def _due(run: dict[str, Any], dataset_bytes: int) -> int:
    return int(run["num_epochs"]) * dataset_bytes - int(run["result"]["reused_bytes"])


def _most(run: dict[str, Any], sample_bytes: int, due_bytes: int) -> int:
    """Return what the answers can have held that were more than one a sample."""
    return int(run["num_answers"]) * sample_bytes - due_bytes


def _kept(runs: list[dict[str, Any]], dataset_bytes: int, sample_bytes: int) -> Kept | None:
    good = [run for run in runs if run["result"] is not None]
    keeping = [run for run in good if run["keeps"]]
    streaming = {run["round"]: run for run in good if not run["keeps"]}
    if not keeping:
        return None
    streamed = list(streaming.values())
    pairs = [(run, streaming[run["round"]]) for run in keeping if run["round"] in streaming]
    return Kept(
        window_bytes=keeping[0]["window_bytes"],
        latency_seconds=keeping[0]["latency_seconds"],
        share=keeping[0]["window_bytes"] / dataset_bytes,
        small=keeping[0]["small"],
        kept_bytes=min(run["result"]["kept_bytes"] for run in keeping),
        served_bytes=tuple(run["served_bytes"] for run in keeping),
        due_bytes=tuple(_due(run, dataset_bytes) for run in keeping),
        reused_bytes=tuple(run["result"]["reused_bytes"] for run in keeping),
        num_epochs=keeping[0]["num_epochs"],
        metered_bytes=tuple(run["result"]["bytes_downloaded"] for run in keeping),
        wasted_bytes=tuple(run["result"]["wasted_bytes"] for run in keeping),
        most_bytes=tuple(_most(run, sample_bytes, _due(run, dataset_bytes)) for run in keeping),
        ratios=tuple(_steady(mine) / _steady(other) for mine, other in pairs),
        seconds=(
            statistics.median(map(_steady, keeping)),
            statistics.median(map(_steady, streamed)) if streamed else 0.0,
        ),
        cpu_ratio=_median(keeping, "cpu_seconds") / _median(streamed, "cpu_seconds") if streamed else 0.0,
        first_seconds=(_median(keeping, "first_seconds"), _median(streamed, "first_seconds")),
        failed=len(runs) - len(good),
        wrong=sum(not run["right"] for run in good),
        error=next((run["error"] for run in runs if run["error"]), ""),
    )


def kept(raw: dict[str, Any]) -> list[Kept]:
    """Return the figures of each window, those without latency first, the smallest first."""
    dataset_bytes = raw["dataset"]["num_samples"] * raw["dataset"]["sample_bytes"]
    groups: dict[tuple[float, int, bool], list[dict[str, Any]]] = {}
    for run in raw["runs"]:
        groups.setdefault((run["latency_seconds"], run["window_bytes"], run["small"]), []).append(run)
    found = [_kept(groups[key], dataset_bytes, raw["dataset"]["sample_bytes"]) for key in sorted(groups)]
    return [each for each in found if each is not None]


def is_streamed_whole(raw: dict[str, Any]) -> bool:
    """Tell whether what is compared with did download every epoch wholly."""
    data = raw["dataset"]
    due = data["num_samples"] * data["sample_bytes"] * raw["options"]["epochs"]
    streamed = [run for run in raw["runs"] if not run["keeps"] and run["result"] is not None]
    return all(
        _agree(
            run["served_bytes"],
            run["result"]["bytes_downloaded"],
            due,
            run["result"]["wasted_bytes"],
            _most(run, data["sample_bytes"], due),
        )
        for run in streamed
    )

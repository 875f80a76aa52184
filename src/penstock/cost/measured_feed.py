"""What a run's own figures say of its data: bytes of an epoch, its link's rate, how long it computes.

Only measured quantities enter. Where neither the prefetcher measured a rate, nor the run while it waited for nothing
else, the run's average stands in; the link may do more, so a download's time is then the most that it can be, and
break-evens that depend on the rate mean little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.cost.breakeven import rate_without_stall, window_without_stall
from penstock.cost.waiting import rate_of_fetching, rate_while_waiting, waited_for_download
from penstock.records import RunRecord, StepRecord

__all__ = ["MeasuredFeed", "feed_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredFeed:
    """The epochs of a run, as they were fed.

    Attributes:
        epoch_bytes: D, bytes that one pass reads.
        kept_bytes: of them, that the window had from the epoch before, on average.
        rate_bytes_per_second: B, more than 0.
        rate_is_measured: whether that is the link's, as a probe told it or a run that waited for nothing else,
            or the run's average.
        num_epochs: whole epochs that were run; what follows is of them, and not of one that was not finished.
        compute_seconds: Tc of one epoch, validation included.
        stall_seconds: that all of them waited for data, in validation too.
        moved_bytes: that all of them downloaded.
        get_requests: for that.
    """

    epoch_bytes: float
    kept_bytes: float
    rate_bytes_per_second: float
    rate_is_measured: bool
    num_epochs: int
    compute_seconds: float
    stall_seconds: float
    moved_bytes: float
    get_requests: float

    @property
    def wall_seconds(self) -> float:
        """Time of the epochs, validation included."""
        return self.num_epochs * self.compute_seconds + self.stall_seconds

    @property
    def rate_without_stall(self) -> float:
        """B*, bytes per second that an epoch needs from a link when the window keeps nothing."""
        return rate_without_stall(self.epoch_bytes, self.compute_seconds)

    @property
    def window_without_stall_bytes(self) -> float:
        """W*, what the window must keep so that later epochs do not stall."""
        return window_without_stall(self.epoch_bytes, self.rate_bytes_per_second, self.compute_seconds)


def feed_of(run: RunRecord, *, steps: Sequence[StepRecord]) -> MeasuredFeed | None:
    """Return how a run was fed, or None where too little was measured: no whole epoch, or no bytes.

    Args:
        steps: records of the run's other steps, one of which may have measured the link.
    """
    meters, epochs = run.meters, len(run.epochs)
    if not epochs or not meters.sample_bytes or not meters.bytes_downloaded or not run.wall_seconds:
        return None
    passes = int(run.config.get("repeat") or 1)
    # What was handed over is of an unfinished epoch too, and of steps that were done again after a kill.
    epoch_bytes = meters.sample_bytes / epochs / passes if run.dataset is None else run.dataset.epoch_bytes
    finished_share = min(1.0, epoch_bytes * passes * epochs / meters.sample_bytes)
    # Of parts that are read several times, what the window had is of the passes, not of epochs before.
    kept = meters.reused_bytes / (epochs - 1) if epochs > 1 and passes == 1 else 0.0
    rates = [step.details.get("rate_bytes_per_second", 0.0) for step in steps]
    measured = max(rates, default=0.0) or _own_rate(run) or 0.0
    computed = (each.compute_seconds + max(0.0, each.valid_seconds - each.valid_stall_seconds) for each in run.epochs)
    gets = meters.count("GET", "HEAD", purpose="data").sent or meters.get_requests
    return MeasuredFeed(
        epoch_bytes=epoch_bytes,
        kept_bytes=min(kept, epoch_bytes, meters.window_bytes),
        rate_bytes_per_second=measured or meters.bytes_downloaded / run.wall_seconds,
        rate_is_measured=measured > 0,
        num_epochs=epochs,
        compute_seconds=math.fsum(computed) / epochs,
        stall_seconds=math.fsum(each.stall_seconds + each.valid_stall_seconds for each in run.epochs),
        moved_bytes=meters.bytes_downloaded * finished_share,
        get_requests=gets * finished_share,
    )


def _own_rate(run: RunRecord) -> float | None:
    """Return the rate that the run's own waiting tells; None where it tells none."""
    of_download = waited_for_download(run)
    if of_download is None:
        return rate_while_waiting(run.timeline)
    return rate_of_fetching(run) if of_download else None

"""Streaming beside a download first: the run as measured, and what its own figures say of the other way.

Only measured quantities enter: bytes handed over and downloaded, seconds of compute, and the rate of the link. Where
neither the prefetcher measured a rate, nor the run while it waited for nothing else, the run's average stands in; the
link may do more, so that break-evens that depend on the rate mean little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.breakeven import Feed, Rates, rate_without_stall, window_without_stall
from penstock.cost.storage_lines import WINDOW_DISK
from penstock.cost.waiting import rate_of_fetching, rate_while_waiting, waited_for_download
from penstock.records import CostLine, CostReport, RunRecord, StepRecord
from penstock.units import GIB

__all__ = ["Comparison", "compare_with_download", "rates_of"]

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The run as it was beside a download first.

    Attributes:
        feed: per-epoch quantities that the comparison stands on.
        rate_is_measured: whether the rate is the link's, as a probe told it or a run that waited for nothing else,
            or the run's average.
        num_epochs: whole epochs that were run.
        stream_seconds: measured time of those epochs, validation included.
        rate_without_stall: bytes per second that an epoch needs from a link when the window keeps nothing.
        window_without_stall_bytes: what the window must keep so that later epochs do not stall.
    """

    feed: Feed
    rate_is_measured: bool
    num_epochs: int
    stream_seconds: float
    rate_without_stall: float
    window_without_stall_bytes: float


def compare_with_download(run: RunRecord, *, steps: Sequence[StepRecord]) -> Comparison | None:
    """Compare, or give None where the run measured too little: no whole epoch, or no bytes."""
    epochs = len(run.epochs)
    if not epochs or not run.meters.sample_bytes or not run.meters.bytes_downloaded or not run.wall_seconds:
        return None
    feed, rate_is_measured = _measure(run, steps)
    stream_seconds = sum(epoch.stall_seconds + epoch.compute_seconds + epoch.valid_seconds for epoch in run.epochs)
    return Comparison(
        feed=feed,
        rate_is_measured=rate_is_measured,
        num_epochs=epochs,
        stream_seconds=stream_seconds,
        rate_without_stall=rate_without_stall(feed.epoch_bytes, feed.compute_seconds),
        window_without_stall_bytes=window_without_stall(
            feed.epoch_bytes, feed.rate_bytes_per_second, feed.compute_seconds
        ),
    )


def _own_rate(run: RunRecord) -> float | None:
    """Return the rate that the run's own waiting tells; None where it tells none."""
    of_download = waited_for_download(run)
    if of_download is None:
        return rate_while_waiting(run.timeline)
    return rate_of_fetching(run) if of_download else None


def _measure(run: RunRecord, steps: Sequence[StepRecord]) -> tuple[Feed, bool]:
    """Return the per-epoch quantities; W is what the later epochs had on average from what the window kept."""
    epochs, meters = len(run.epochs), run.meters
    passes = int(run.config.get("repeat") or 1)
    epoch_bytes = meters.sample_bytes / epochs / passes
    if run.dataset is not None:
        # What was handed over is of an unfinished epoch too, and of steps that were done again after a kill.
        epoch_bytes = run.dataset.epoch_bytes
    # Of parts that are read several times, what the window had is of the passes, not of epochs before.
    kept = meters.reused_bytes / (epochs - 1) if epochs > 1 and passes == 1 else 0.0
    rates = [step.details.get("rate_bytes_per_second", 0.0) for step in steps]
    measured = max(rates, default=0.0) or _own_rate(run) or 0.0
    validated = sum(max(0.0, epoch.valid_seconds - epoch.valid_stall_seconds) for epoch in run.epochs)
    feed = Feed(
        epoch_bytes=epoch_bytes,
        window_bytes=min(kept, epoch_bytes, meters.window_bytes),
        rate_bytes_per_second=measured or meters.bytes_downloaded / run.wall_seconds,
        compute_seconds=(run.compute_seconds + validated) / epochs,
    )
    return feed, measured > 0


def rates_of(run: RunRecord, cost: CostReport) -> Rates | None:
    """Take the prices from the lines of the run's bill, the training node's being the first; None where one lacks."""
    node = next((line for line in cost.lines if line.unit == "hour"), None)
    if node is None or node.usd is None:
        return None
    transfer_usd = _unit_usd([line for line in cost.lines if "transfer-" in line.item and line.unit == "GiB"])
    disk_usd = _unit_usd([line for line in cost.lines if line.what == WINDOW_DISK])
    if transfer_usd is None or disk_usd is None:
        return None
    return Rates(
        node_usd_per_second=float(node.usd) / run.wall_seconds,
        transfer_usd_per_byte=transfer_usd / GIB,
        disk_usd_per_byte_second=disk_usd / GIB / _SECONDS_PER_HOUR,
    )


def _unit_usd(lines: Sequence[CostLine]) -> float | None:
    """Return what a unit of some lines' quantity costs: legs of a way add up, tiers of one leg share it out."""
    if any(line.usd is None for line in lines):
        return None
    quantities: dict[str, Decimal] = {}
    for line in lines:
        quantities[line.item] = quantities.get(line.item, Decimal(0)) + line.quantity
    return float(sum(line.usd / quantities[line.item] for line in lines if line.usd and quantities[line.item]))

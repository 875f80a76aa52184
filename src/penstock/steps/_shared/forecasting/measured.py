"""What an earlier record tells of a training's computing, and of the link to its source."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.cost.forecasting.datasets import FORWARD_SHARE
from penstock.errors import PenstockError, RecordError
from penstock.records import Evaluation, Meters, RunRecord, StepRecord, read_record
from penstock.units import format_bytes, format_seconds

__all__ = ["Measured", "measured_by", "rate_of"]

_WAITED_SHARE = 0.1
"""Of a run's time, that it waited for data at least: one that waited less did not ask its link for all that it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What is known of a link and of computing; None where nothing is known of that.

    Attributes:
        latency: seconds from a request to the first byte of its answer.
        start_seconds: that a run took before its first epoch and behind its last one.
        again_share: of the requests, that were made once more.
        handing_seconds: that a sample took to be handed over, where a probe measured it.
    """

    sample_seconds: float | None = None
    epoch_seconds: float | None = None
    rate: float | None = None
    told: str = ""
    latency: float | None = None
    start_seconds: float = 0.0
    again_share: float = 0.0
    handing_seconds: float | None = None


def measured_by(path: Path | None) -> Measured:
    """Read what an earlier record tells.

    Raises:
        RecordError: it is none of a run or a probe.
    """
    if path is None:
        return Measured()
    scored = path / "evaluation.json" if path.is_dir() else None
    path = path / "run.json" if path.is_dir() else path
    try:
        return _with_scoring(_of_run(read_record(path, RunRecord)), scored)
    except RecordError as error:
        with contextlib.suppress(PenstockError):
            return rate_of(read_record(path, StepRecord), f"in {path.name}")
        raise RecordError(
            f"{path} is no record of a run, or of a probe with a rate ({error.what})",
            fix="name the run.json of `penstock run`, or the --record of `penstock forecast --probe` or `penstock "
            "prefetch`",
            about=str(path),
        ) from error


def rate_of(record: StepRecord, where: str = "just now") -> Measured:
    """Return what a probe measured.

    Raises:
        RecordError: the record holds no rate.
    """
    rate, latency = (record.details.get(name) for name in ("rate_bytes_per_second", "latency_seconds"))
    if not rate:
        raise RecordError("it is of a step that measured no rate", fix="name that of a probe")
    moved = record.meters.bytes_downloaded or record.meters.sample_bytes
    waited = "" if latency is None else f", {format_seconds(latency)} to the first byte"
    read = f"{format_bytes(moved)} in {record.meters.get_requests:,} requests" if moved else "what it read"
    told = f"as a probe measured it {where}: {read}{waited}"
    return Measured(
        rate=rate,
        told=told,
        latency=latency,
        again_share=_again(record.meters),
        handing_seconds=record.details.get("handing_seconds"),
    )


def _of_run(record: RunRecord) -> Measured:
    try:
        return _figures(record)
    except ArithmeticError as error:
        raise RecordError(f"its figures cannot be true ({error})", fix="name a record as it was written") from error


def _figures(record: RunRecord) -> Measured:
    samples = sum(epoch.num_samples for epoch in record.epochs)
    if not samples:
        raise RecordError("the run finished no epoch", fix="name the record of one that did")
    scored = math.fsum(epoch.valid_seconds - epoch.valid_stall_seconds for epoch in record.epochs)
    computed = math.fsum(epoch.compute_seconds for epoch in record.epochs) + scored
    busy = math.fsum(epoch.stall_seconds + epoch.compute_seconds + epoch.valid_seconds for epoch in record.epochs)
    rate = record.meters.bytes_downloaded / busy if record.stall_share > _WAITED_SHARE and busy else None
    return Measured(
        sample_seconds=computed / samples,
        epoch_seconds=computed / len(record.epochs),
        rate=rate,
        told="as a run got it",
        start_seconds=max(0.0, record.wall_seconds - busy) / (1 + record.num_resumes),
        again_share=_again(record.meters),
    )


def _again(meters: Meters) -> float:
    """Return the share of requests that were made once more."""
    again = meters.retried_requests + meters.hedged_requests
    return again / max(1, meters.get_requests - again)


def _with_scoring(found: Measured, path: Path | None) -> Measured:
    """Add to what a run takes beside its epochs what its scoring took beside its samples."""
    if path is None or not path.exists():
        return found
    scored = read_record(path, Evaluation)
    computed = scored.num_samples * (found.sample_seconds or 0.0) * FORWARD_SHARE
    read = scored.meters.bytes_downloaded / found.rate if found.rate else 0.0
    more = max(0.0, scored.wall_seconds - max(computed, read))
    return replace(found, start_seconds=found.start_seconds + more)

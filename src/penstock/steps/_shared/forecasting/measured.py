"""What an earlier record tells of a training's computing, and of the link to its source."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import PenstockError, RecordError
from penstock.records import RunRecord, StepRecord, read_record
from penstock.units import format_bytes, format_seconds

__all__ = ["Measured", "measured_by", "rate_of"]

_WAITED_SHARE = 0.1
"""Of a run's time, that it waited for data at least: one that waited less did not ask its link for all that it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What is known of a link and of computing; None where nothing is known of that."""

    sample_seconds: float | None = None
    epoch_seconds: float | None = None
    rate: float | None = None
    told: str = ""


def measured_by(path: Path | None) -> Measured:
    """Read what an earlier record tells.

    Raises:
        RecordError: it is none of a run or a probe.
    """
    if path is None:
        return Measured()
    path = path / "run.json" if path.is_dir() else path
    try:
        return _of_run(read_record(path, RunRecord))
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
    return Measured(rate=rate, told=f"as a probe measured it {where}: {read}{waited}")


def _of_run(record: RunRecord) -> Measured:
    try:
        return _figures(record)
    except ArithmeticError as error:
        raise RecordError(f"its figures cannot be true ({error})", fix="name a record as it was written") from error


def _figures(record: RunRecord) -> Measured:
    samples = sum(epoch.num_samples for epoch in record.epochs)
    if not samples:
        raise RecordError("the run finished no epoch", fix="name the record of one that did")
    computed = math.fsum(epoch.compute_seconds + epoch.valid_seconds for epoch in record.epochs)
    busy = math.fsum(epoch.stall_seconds + epoch.compute_seconds + epoch.valid_seconds for epoch in record.epochs)
    rate = record.meters.bytes_downloaded / busy if record.stall_share > _WAITED_SHARE and busy else None
    return Measured(
        sample_seconds=computed / samples,
        epoch_seconds=computed / len(record.epochs),
        rate=rate,
        told="as a run got it",
    )

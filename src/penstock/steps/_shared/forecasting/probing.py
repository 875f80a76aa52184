"""Probing the link to a source, and the record of that."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from penstock.cost.forecasting.datasets import reads_of
from penstock.manifest import ManifestReader, SourceSpec
from penstock.records import StepRecord
from penstock.sources import RequestMeter, object_of, open_source
from penstock.steps._shared import common
from penstock.steps._shared.forecasting.demands import Data
from penstock.steps._shared.forecasting.handing import handing_seconds
from penstock.window.probing import Range, Speed, probe_link, ranges_of

__all__ = ["probe"]


def probe(
    data: Data,
    manifest: Path | None,
    plan: Path | None,
    *,
    seconds: float,
    most_bytes: int,
    meter: RequestMeter,
) -> StepRecord:
    """Read from a dataset's source for some seconds.

    Args:
        manifest: of what is read; None reads the objects that were listed.
        plan: None reads its extents as they lie.
        meter: counts the requests; the record has what it counted.

    Raises:
        PenstockError: it could not be read.
    """
    assert data.source is not None
    started_at, began = common.now(), time.monotonic()
    ranges = _listed(data) if manifest is None else _of_manifest(manifest, plan)
    with contextlib.closing(ranges):
        speed = asyncio.run(_measure(data.source, meter, ranges, seconds=seconds, most_bytes=most_bytes))
    handed = {"handing_seconds": handing_seconds(data.sample_bytes)} if data.objects else {}
    return StepRecord(
        step="probe",
        started_at=started_at,
        wall_seconds=time.monotonic() - began,
        host=common.host_without_device(),
        meters=meter.read(),
        details={
            "rate_bytes_per_second": speed.bytes_per_second,
            "latency_seconds": speed.latency_seconds,
            "measured_seconds": speed.seconds,
            "read_all": float(speed.is_whole),
            **handed,
        },
    )


async def _measure(
    spec: SourceSpec, meter: RequestMeter, ranges: Iterator[Range], *, seconds: float, most_bytes: int
) -> Speed:
    with contextlib.closing(open_source(spec, meter=meter, purpose="probe")) as source:
        return await probe_link(source, ranges, seconds=seconds, most_bytes=most_bytes)


def _listed(data: Data) -> Generator[Range, None, None]:
    for each in data.objects:
        yield from ranges_of(each, 0, each.size_bytes)


def _of_manifest(manifest: Path, plan: Path | None) -> Generator[Range, None, None]:
    with ManifestReader(manifest) as reader:
        if plan is not None:
            for read in reads_of(reader, plan):
                yield read.info, read.offset, read.length_bytes
            return
        for extent in reader.rows("train"):
            for span in extent.spans:
                yield from ranges_of(object_of(span), span.offset, span.length_bytes)

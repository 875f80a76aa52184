"""A bare loop over obstore that asks for the same ranges and throws the bytes away: what no feed can outrun."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import obstore
from obstore.store import S3Store

from benchmarks.feeds.cellspec import BUCKET, REGION, CellSpec
from benchmarks.feeds.contenders import CONTENDERS
from benchmarks.feeds.contenders.spans import sample_spans

MAX_IN_FLIGHT = 256
MAX_IN_FLIGHT_BYTES = 128 << 20
CONFIG = "one event loop, obstore.get_range_async, at most 256 ranges and 128 MiB in flight, shuffled; no tensors made"


async def _run(cell: CellSpec) -> list[tuple[float, int, int]]:
    """Return (time, samples, bytes) at the start and after each batch."""
    store = S3Store(
        BUCKET,
        endpoint=cell.endpoint,
        region=REGION,
        skip_signature=True,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    spans = sample_spans(cell.data, CONTENDERS[cell.contender].layout)
    random.Random(0).shuffle(spans)
    work = iter(spans)
    started = time.perf_counter()
    deadline = started + cell.max_seconds
    marks = [(started, 0, 0)]
    done = done_bytes = 0

    async def fetch() -> None:
        nonlocal done, done_bytes
        for span in work:
            body = await obstore.get_range_async(store, span.key, start=span.offset, length=span.length_bytes)
            done += 1
            done_bytes += len(body)
            if done % cell.batch_size == 0 or done == len(spans):
                marks.append((time.perf_counter(), done, done_bytes))
            if time.perf_counter() > deadline:
                return

    in_flight = max(1, min(MAX_IN_FLIGHT, MAX_IN_FLIGHT_BYTES // cell.data.sample_bytes))
    await asyncio.gather(*(fetch() for _ in range(in_flight)))
    return marks


@contextmanager
def open_feed(cell: CellSpec) -> Iterator[Iterator[tuple[float, int, int]]]:
    """Return a mark for the start and one for each batch; all is done by the time the first is given."""
    yield iter(asyncio.run(_run(cell)))

"""When packing pays: requests that an epoch saves, against those that packing takes, and what storage costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.inspection.advice import GetPrice, requests_of
from penstock.sharding.records import ShardRecord
from penstock.texts import counted
from penstock.units import GIB, format_bytes, format_usd

__all__ = ["paying"]


def paying(
    records: Sequence[ShardRecord], get: GetPrice, put_usd: float | None, storage_usd: float | None
) -> list[str]:
    """Return the arithmetic in sentences.

    Args:
        get: price of a read at the source.
        put_usd: of a write at the place; None where it is not known, or nothing.
        storage_usd: of a GiB for a month there; the same.
    """
    before = sum(record.source_requests for record in records)
    sizes = [record.num_bytes for record in records]
    after, size = requests_of(sizes), sum(sizes)
    told = [f"An epoch takes {counted(after, 'request')} of these shards, {before:,} of what they were packed from."]
    saved, writes = before - after, 2 * len(records)
    if saved <= 0:
        told.append("No requests are saved: packing pays by faster listing and sequential reads, or not at all.")
    elif get.usd:
        cost = before * get.usd + writes * (put_usd or 0.0) + after * get.usd
        epochs = math.ceil(cost / (saved * get.usd))
        told.append(
            f"Packing cost {format_usd(cost)} in requests, an epoch saves {format_usd(saved * get.usd)} ({get.told}): "
            f"it pays from epoch {epochs:,} on."
        )
    else:
        epochs = math.ceil((before + writes + after) / saved)
        told.append(
            f"Packing took {before + writes + after:,} requests, an epoch saves {saved:,} ({get.told}): it pays from "
            f"epoch {epochs:,} on, counted in requests."
        )
    month = f", {format_usd(size / GIB * storage_usd)} a month" if storage_usd else ""
    told.append(f"The shards take {format_bytes(size)} of storage{month}.")
    return told

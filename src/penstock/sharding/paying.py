"""When packing pays: requests that an epoch saves, against those that packing takes, and what storage costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from penstock.inspection.advice import GetPrice, requests_of
from penstock.sharding.records import ShardRecord
from penstock.texts import counted
from penstock.units import GIB, format_bytes, format_usd

__all__ = ["Prices", "paying"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """Prices in US dollars; 0 where nobody is paid, None where they are not known.

    Attributes:
        source_get: of a read at the source, on average of its classes of storage.
        retrieval_usd: of reading the source once, besides requests, by its classes of storage.
        place_get: of a read at the place of the shards.
        place_put: of a write there.
        place_storage: of a GiB that is kept there for a month.
    """

    source_get: GetPrice
    place_get: GetPrice
    place_put: float | None
    place_storage: float | None
    retrieval_usd: float | None = 0.0


def paying(records: Sequence[ShardRecord], prices: Prices) -> list[str]:
    """Return the arithmetic in sentences."""
    before = sum(record.source_requests for record in records)
    sizes = [record.num_bytes for record in records]
    after, size = requests_of(sizes), sum(sizes)
    saved = _saved_usd(before, after, prices)
    return [
        f"An epoch takes {counted(after, 'request')} of these shards, {before:,} of what they were packed from.",
        *_of_requests(before, after, 2 * len(records), prices, saved),
        _of_storage(size, prices.place_storage, saved),
    ]


def _saved_usd(before: int, after: int, prices: Prices) -> float | None:
    """Return what an epoch saves, less than nothing where it costs more; None where a price is not known."""
    if prices.source_get.usd is None or prices.place_get.usd is None or prices.retrieval_usd is None:
        return None
    return before * prices.source_get.usd + prices.retrieval_usd - after * prices.place_get.usd


def _of_requests(before: int, after: int, writes: int, prices: Prices, saved: float | None) -> list[str]:
    """Tell what packing took, and when that is saved; what was written is read back once."""
    took = before + writes + after
    retrieval = prices.retrieval_usd
    if before <= after and (saved is None or not retrieval):
        return ["No requests are saved: packing pays by faster listing and sequential reads, or not at all."]
    source, place, put = prices.source_get, prices.place_get, prices.place_put
    if saved is None or put is None or source.usd is None or place.usd is None:
        told = [each.told for each in (source, place) if each.usd is None]
        told += ["what reading its classes of storage costs is not known"] if retrieval is None else []
        told += ["what writes cost there is not known"]
        why = told[0]
    elif not (source.usd or place.usd or put):
        why = source.told
    elif saved <= 0:
        return [
            f"An epoch of the shards costs {format_usd(-saved)} more in requests: packing pays by speed, or not at all."
        ]
    else:
        cost = before * source.usd + writes * put + after * place.usd + (retrieval or 0.0)
        paid = "requests and retrieval" if retrieval else "requests"
        return [
            f"Packing cost {format_usd(cost)} in {paid}, an epoch saves {format_usd(saved)} ({source.told}): it pays "
            f"from epoch {math.ceil(cost / saved):,} on."
        ]
    epochs = math.ceil(took / (before - after))
    return [
        f"Packing took {took:,} requests, an epoch saves {before - after:,} ({why}): it pays from epoch {epochs:,} on, "
        "counted in requests."
    ]


def _of_storage(size: int, month_usd: float | None, saved: float | None) -> str:
    told = f"The shards take {format_bytes(size)} of storage"
    if month_usd is None:
        return f"{told}, whose price is not known."
    if not month_usd:
        return f"{told}."
    cost = size / GIB * month_usd
    epochs = f", what {counted(math.ceil(cost / saved), 'epoch')} a month would save" if saved and saved > 0 else ""
    return f"{told}, {format_usd(cost)} a month{epochs}."

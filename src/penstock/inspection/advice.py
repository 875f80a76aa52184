"""Whether the objects suit training through a window, in figures: requests of an epoch, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from penstock.cost.prices import load_prices
from penstock.cost.restoring import restores_told
from penstock.cost.storage_classes import classes_of, classes_told
from penstock.errors import ConfigError
from penstock.inspection.found import Kind
from penstock.manifest import SourceSpec
from penstock.records import ClassSize
from penstock.sources import ObjectInfo, archived_told, find_scheme, sizes_by_class
from penstock.texts import counted
from penstock.units import GIB, MIB, format_bytes, format_usd

__all__ = [
    "RANGE_BYTES",
    "SHARD_BYTES",
    "GetPrice",
    "advise",
    "advise_on_classes",
    "get_price",
    "requests_of",
    "retrieval_usd",
]

RANGE_BYTES = 8 * MIB
"""That large objects are fetched by (``window/packing.py``)."""
SHARD_BYTES = 256 * MIB
"""Of the shards that are advised."""
SMALL_BYTES = 256 << 10
"""Mean of objects below which a request costs more time than its bytes, at usual latencies and bandwidths."""
FEW_OBJECTS = 1000
SMALL_SHARD_BYTES = 8 * MIB
LARGE_GROUP_BYTES = 256 * MIB
LARGE_OBJECT_BYTES = GIB
_SHARDS = ("parquet", "tar", "arrow", "zip")


class GetPrice:
    """US dollars of a request for an object; None where nobody is paid, or the price is not known."""

    def __init__(self, usd: float | None, told: str) -> None:
        self.usd, self.told = usd, told


def get_price(spec: SourceSpec, today: date, sizes: Mapping[str, ClassSize] | None = None) -> GetPrice:
    """Return what a GET costs at a source, on average of the classes of storage that its objects lie in."""
    payee, tariff = find_scheme(spec.uri).charged(spec)
    if payee == "nobody":
        return GetPrice(0.0, "requests are not billed here")
    if tariff is None:
        return GetPrice(None, "what requests cost here is not known")
    try:
        rates, classes = load_prices(today=today), classes_of(tariff, sizes or {})
        prices = [rates.find(each.get, unit="1000 requests", region=spec.text("region")) for each in classes]
    except ConfigError:
        return GetPrice(None, "what requests cost here is not known")
    usd = sum(float(price.usd) * each.requests_share for price, each in zip(prices, classes, strict=True))
    on_average = " on average" if len(classes) > 1 else ""
    oldest = min((price.as_of for price in prices if price.as_of is not None), default=None)
    return GetPrice(usd / 1000, f"at {format_usd(usd)} per 1,000 requests{on_average} ({oldest})")


def retrieval_usd(spec: SourceSpec, today: date, sizes: Mapping[str, ClassSize], read_bytes: float) -> float | None:
    """Return what reading so much of a source once costs besides requests; None where a class of it has no price."""
    _, tariff = find_scheme(spec.uri).charged(spec)
    if tariff is None:
        return 0.0
    rates, usd = load_prices(today=today), 0.0
    for each in classes_of(tariff, sizes):
        if each.retrieval:
            try:
                rate = rates.find(each.retrieval, unit="GiB", region=spec.text("region"))
            except ConfigError:
                return None
            usd += float(rate.usd) * read_bytes * each.bytes_share / GIB
    return usd


def advise_on_classes(
    spec: SourceSpec, objects: Sequence[ObjectInfo], sizes: Mapping[str, ClassSize], today: date
) -> tuple[str, ...]:
    """Say what reading classes of storage costs besides requests, and what cannot be read before it is restored."""
    archived, (_, tariff) = archived_told(objects), find_scheme(spec.uri).charged(spec)
    told = [f"{archived[0].upper()}{archived[1:]}: restore them, or leave them out when listing."] if archived else []
    if tariff is None:
        return tuple(told)
    prices, region = load_prices(today=today), spec.text("region")
    in_archives = sizes_by_class([each for each in objects if each.is_archived])
    told += restores_told(in_archives, tariff, prices, region=region)
    return (*told, *classes_told(sizes, tariff, prices, region=region))


def requests_of(sizes: Sequence[int]) -> int:
    """Return the requests that fetch objects of such sizes whole: ranges of ``RANGE_BYTES``, one at least."""
    return sum(max(1, -(-size // RANGE_BYTES)) for size in sizes)


def advise(
    sizes: Sequence[int], kinds: Sequence[Kind], largest_kept: int, price: GetPrice, *, is_whole: bool
) -> tuple[str, ...]:
    """Return advice in sentences.

    Args:
        sizes: of all objects that were listed.
        kinds: that there are.
        largest_kept: size of the largest object that is fetched and kept as one.
        is_whole: those are all objects that there are.
    """
    total, requests = sum(sizes), requests_of(sizes)
    of = "" if is_whole else " of what was listed"
    told = [f"An epoch{of} takes {counted(requests, 'request')}{_cost(requests, price)}."]
    told += _too_small(sizes, kinds, requests, total, price)
    told += [text for kind in kinds for text in _of_kind(kind)]
    if largest_kept > LARGE_OBJECT_BYTES:
        told.append(
            f"Too large: an object of {format_bytes(largest_kept)} is fetched whole: a window must hold several."
        )
    return tuple(told)


def _cost(requests: int, price: GetPrice) -> str:
    if price.usd is None or not price.usd:
        return f" ({price.told})"
    return f", {format_usd(requests * price.usd)} {price.told}"


def _too_small(sizes: Sequence[int], kinds: Sequence[Kind], requests: int, total: int, price: GetPrice) -> list[str]:
    mean = total // len(sizes)
    if mean >= SMALL_BYTES or len(sizes) < FEW_OBJECTS:
        return []
    shards = max(1, -(-total // SHARD_BYTES))
    packed = requests_of([total // shards] * shards)
    saved = f", {format_usd((requests - packed) * price.usd)} less" if price.usd else ""
    return [
        f"Too small: {counted(len(sizes), 'object')} of {format_bytes(mean)} on average. In {counted(shards, 'shard')} "
        f"of {format_bytes(total / shards)} (TAR or Parquet) an epoch would take "
        f"{counted(packed, 'request')} instead of {requests:,}{saved}."
    ]


def _of_kind(kind: Kind) -> list[str]:
    told = []
    mean = kind.total_bytes // kind.num_objects
    if kind.format in _SHARDS and kind.num_objects > 100 and mean < SMALL_SHARD_BYTES:
        told.append(
            f"Too small: {kind.extension} shards of {format_bytes(mean)} on average, {kind.num_objects:,} of them. "
            f"Some {format_bytes(SHARD_BYTES)} each ({max(1, -(-kind.total_bytes // SHARD_BYTES)):,} shards) are "
            "listed faster and read by fewer requests."
        )
    if kind.group_bytes > LARGE_GROUP_BYTES:
        told.append(
            f"Too large: {kind.example} has a row group or sample of {format_bytes(kind.group_bytes)}, which is "
            f"fetched and kept as one. Write row groups of {format_bytes(LARGE_GROUP_BYTES // 4)} or less, or "
            "read fewer columns."
        )
    return told

"""Classes of storage that data lies in: which part of a run's requests and bytes is of each, and what reading costs.

What a run reads is taken to be spread over its objects: bytes by theirs, requests by their number, where large objects
are fetched by ranges. Of the usual class reading is free besides requests and transfer; of others each GiB that is read
is paid for, each time that it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from penstock.cost.prices import Prices
from penstock.cost.values import in_money
from penstock.errors import ConfigError
from penstock.records import ClassSize
from penstock.sources import Tariff
from penstock.sources.classes import percent_told
from penstock.units import GIB, KIB, format_bytes, format_usd
from penstock.window.packing import RANGE_BYTES

__all__ = ["PricedClass", "classes_of", "classes_told", "parted"]

_LEAST: Mapping[str, tuple[int, int]] = {
    "s3-ia": (30, 128 * KIB),
    "s3-onezone-ia": (30, 128 * KIB),
    "s3-glacier-ir": (90, 128 * KIB),
    "gcs-nearline": (30, 0),
    "gcs-coldline": (90, 0),
    "gcs-archive": (365, 0),
    "azure-cool": (30, 0),
    "azure-cold": (90, 0),
    "r2-ia": (30, 0),
}
"""Days and bytes that an object of a class is billed for at least, by what items of it begin with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedClass:
    """A class of storage, or all those that are priced as the usual one.

    Attributes:
        name: as the store calls it; empty of the usual one.
        get: item of a price list, of 1000 requests for objects.
        retrieval: item of a GiB that is read; empty of the usual class.
        bytes_share: of what lies in the source, 0 to 1.
        requests_share: of the requests for it.
    """

    name: str
    get: str
    retrieval: str = ""
    bytes_share: float = 1.0
    requests_share: float = 1.0

    def of(self, what: str) -> str:
        """Return what a line is called of this class."""
        return f"{what} of {self.name}" if self.name else what


def classes_of(tariff: Tariff, sizes: Mapping[str, ClassSize]) -> tuple[PricedClass, ...]:
    """Return the classes of a tariff that data lies in, the usual one first where there is any; it alone of nothing."""
    all_bytes = sum(size.size_bytes for size in sizes.values())
    requests = {name: _requests(size) for name, size in sizes.items()}
    all_requests = sum(requests.values())
    if not (all_bytes and all_requests):
        return (PricedClass(name="", get=tariff.get),)
    usual = [name for name in sizes if not tariff.retrieval_of(name)]
    others = [name for name in sizes if tariff.retrieval_of(name)]
    found = [("", usual), *((name, [name]) for name in others)]
    return tuple(
        PricedClass(
            name=name,
            get=tariff.get_of(name) if name else tariff.get,
            retrieval=tariff.retrieval_of(name) if name else "",
            bytes_share=sum(sizes[each].size_bytes for each in of) / all_bytes,
            requests_share=sum(requests[each] for each in of) / all_requests,
        )
        for name, of in found
        if of
    )


def _requests(size: ClassSize) -> float:
    """Return about how many requests read all objects of a class whole."""
    return max(size.num_objects, size.size_bytes / RANGE_BYTES)


def parted(number: int, shares: Sequence[float]) -> list[int]:
    """Return a number in whole parts by shares, which add up to it."""
    ends = [0, *(round(number * sum(shares[:end])) for end in range(1, len(shares))), number]
    return [end - begin for begin, end in pairwise(ends)]


def classes_told(
    sizes: Mapping[str, ClassSize],
    tariff: Tariff,
    prices: Prices,
    *,
    region: str | None = None,
    read_bytes: float | None = None,
) -> list[str]:
    """Say of each class that is paid for by what is read what an epoch takes of it, and what to do.

    Args:
        read_bytes: of an epoch; None for all that there is.
    """
    total = sum(size.size_bytes for size in sizes.values())
    told = []
    for each in classes_of(tariff, sizes):
        lies = (
            f"{percent_told(sizes[each.name].size_bytes, total)} of the bytes lie in {each.name}" if each.name else ""
        )
        usd = _per_gib(each, prices, region) if each.retrieval else Decimal(0)
        if usd is None:
            told.append(f"{lies}: what reading them costs besides requests (retrieval) is not in the price list.")
        elif usd:
            amount = usd * Decimal((total if read_bytes is None else read_bytes) * each.bytes_share) / GIB
            told.append(
                f"{lies}: each epoch that reads them anew costs {format_usd(float(in_money(amount)))} of retrieval, at "
                f"{format_usd(float(usd))} per GiB. Pack them once into the usual class (penstock pack), or "
                f"keep them on disk (--mode cache), and it is paid once.{_least_told(each, sizes[each.name])}"
            )
    return told


def _least_told(each: PricedClass, size: ClassSize) -> str:
    """Say for how long, and as how large, objects of a class are billed at least; empty where nothing is said of it."""
    days, least_bytes = _LEAST.get(each.retrieval.removesuffix("-retrieval"), (0, 0))
    mean = size.size_bytes / size.num_objects
    small = f", and as {format_bytes(least_bytes)} each, where they are {format_bytes(mean)} on average"
    what = f" {each.name} is billed for {days} days at least{small if mean < least_bytes else ''}"
    return f"{what}: an object that is deleted or moved earlier is paid on until then." if days else ""


def _per_gib(each: PricedClass, prices: Prices, region: str | None) -> Decimal | None:
    try:
        return prices.find(each.retrieval, unit="GiB", region=region).usd
    except ConfigError:
        return None

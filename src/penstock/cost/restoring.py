"""Restores of archived objects: what they cost once, how long they take, and what the copies take that are read.

An object in an archive is read after a restore alone: a request for it, so much a GiB, and hours to wait, by the tier
that is asked for. The copy costs what the store's usual class does, for whole days; the object in the archive is paid
for as ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.prices import Prices
from penstock.cost.values import as_decimal, in_money
from penstock.errors import ConfigError
from penstock.records import ClassSize
from penstock.sources import Tariff
from penstock.units import GIB, format_usd

__all__ = ["RestoreTier", "copy_days", "is_archive", "item_of", "restores_told", "tier_of"]

_HOURS_PER_DAY, _DAYS_PER_MONTH = 24, 30


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreTier:
    """A way to have archived objects restored.

    Attributes:
        name: as the store calls it, in small letters.
        takes: how long, for people.
    """

    name: str
    takes: str


_TIERS: Mapping[tuple[str, str], tuple[RestoreTier, ...]] = {
    ("s3", "GLACIER"): (
        RestoreTier(name="standard", takes="3 to 5 hours"),
        RestoreTier(name="bulk", takes="5 to 12 hours"),
        RestoreTier(name="expedited", takes="1 to 5 minutes where there is capacity"),
    ),
    ("s3", "DEEP_ARCHIVE"): (
        RestoreTier(name="standard", takes="up to 12 hours"),
        RestoreTier(name="bulk", takes="up to 48 hours"),
    ),
    ("azure", "Archive"): (
        RestoreTier(name="standard", takes="up to 15 hours"),
        RestoreTier(name="high", takes="up to an hour for an object below 10 GB"),
    ),
}
"""By store and class; the first is asked for where none is named. Google reads its archive at once."""


def is_archive(tariff: Tariff | None, storage_class: str) -> bool:
    """Tell whether objects of a class must be restored before they can be read."""
    return tariff is not None and (tariff.store, storage_class) in _TIERS


def _tiers_of(tariff: Tariff, storage_class: str) -> tuple[RestoreTier, ...]:
    """Return the tiers of a class, the usual one first; none of a class that is no archive."""
    return _TIERS.get((tariff.store, storage_class), ())


def tier_of(tariff: Tariff, storage_class: str, name: str) -> RestoreTier:
    """Return a tier by its name, the usual one of the empty name.

    Raises:
        ConfigError: the class has no such tier.
    """
    tiers = _tiers_of(tariff, storage_class)
    if found := next((each for each in tiers if name in ("", each.name)), None):
        return found
    known = ", ".join(each.name for each in tiers) or "none, as it is read at once"
    raise ConfigError(
        f"{storage_class} of {tariff.seller} has no restores that are called {name!r}",
        fix=f"its tiers are: {known}",
        about=name,
    )


def item_of(tariff: Tariff, storage_class: str, tier: str) -> str:
    """Return the item of a GiB that is restored; that of 1000 requests has ``-request`` behind it."""
    return f"{tariff.store}-{storage_class.lower().replace('_', '-')}-restore-{tier}"


def copy_days(hours: float) -> int:
    """Return for how many days copies are kept that are read for so long."""
    return max(1, math.ceil(hours / _HOURS_PER_DAY))


def restores_told(
    sizes: Mapping[str, ClassSize], tariff: Tariff | None, prices: Prices, *, region: str | None = None
) -> list[str]:
    """Say of each archive what restoring all that lies in it costs and takes, tier by tier, and its copies a day."""
    if tariff is None:
        return []
    return [
        f"Restoring what lies in {name} costs {', or '.join(_tiers_told(tariff, name, size, prices, region))}. "
        f"{_copy_told(tariff, size, prices, region)}"
        for name, size in sizes.items()
        if is_archive(tariff, name) and size.size_bytes
    ]


def _tiers_told(tariff: Tariff, name: str, size: ClassSize, prices: Prices, region: str | None) -> Sequence[str]:
    told = []
    for tier in _tiers_of(tariff, name):
        usd = _usd(prices, item_of(tariff, name, tier.name), size, region)
        costs = "what is not in the price list" if usd is None else format_usd(float(usd)) if usd else "nothing"
        told.append(f"{costs} and takes {tier.takes} ({tier.name})")
    return told


def _usd(prices: Prices, item: str, size: ClassSize, region: str | None) -> Decimal | None:
    try:
        moved = prices.find(item, unit="GiB", region=region).cost(as_decimal(size.size_bytes) / GIB)
        asked = prices.find(f"{item}-request", unit="1000 requests", region=region)
    except ConfigError:
        return None
    return in_money(moved + asked.cost(as_decimal(size.num_objects) / 1000))


def _copy_told(tariff: Tariff, size: ClassSize, prices: Prices, region: str | None) -> str:
    try:
        rate = prices.find(tariff.storage, unit="GiB-month", region=region)
    except ConfigError:
        return "What its copies cost that are read is not in the price list."
    usd = rate.cost(as_decimal(size.size_bytes) / GIB / _DAYS_PER_MONTH)
    return f"The copies that are read cost {format_usd(float(in_money(usd)))} a day, beside the archive itself."

"""Which of an item's rows applies, what it comes to in US dollars after discounts, and which are old."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from penstock.cost.price_file import PriceFile
from penstock.cost.values import Discount, PriceRow, Rate, Tier
from penstock.errors import ConfigError

__all__ = ["ANYWHERE", "HOME", "STALE_AFTER_DAYS", "best_of", "elsewhere_told", "old_told", "rate_of"]

ANYWHERE = "auto"
"""The one region of a seller whose prices are the same everywhere."""

HOME = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus", "cloudflare": ANYWHERE}
"""Whose prices are taken where no region is named."""
STALE_AFTER_DAYS = 180


def best_of(rows: Sequence[PriceRow], region: str | None, today: date) -> PriceRow:
    """Return the row that applies: the nearest to the region, and of those the latest that is not of the future."""
    rows = [row for row in rows if row.as_of is None or row.as_of <= today] or rows
    first = min(_nearness(row, region) for row in rows)
    return max((row for row in rows if _nearness(row, region) == first), key=lambda row: row.as_of or date.max)


def rate_of(row: PriceRow, files: Sequence[PriceFile], today: date, region: str | None) -> Rate:
    """Return what a row comes to on a day, by the exchange rates and discounts of some files.

    Raises:
        ConfigError: what its currency is worth is not known.
    """
    usd, exchanged = _exchange(row, files)
    share, discounts = _share(row, files, today)
    return Rate(
        item=row.item,
        unit=row.unit,
        tiers=tuple(Tier(above=tier.above, price=tier.price * usd * share) for tier in row.tiers),
        list_usd=row.tiers[0].price * usd,
        provider=row.provider,
        region=row.region,
        lifecycle=row.lifecycle,
        as_of=row.as_of,
        source=row.source,
        told="; ".join([*([exchanged] if exchanged else []), *discounts]),
        wanted_region=region or "",
        paid_share=share,
    )


def old_told(used: Iterable[Rate], today: date) -> str:
    """Say in one line which prices are old and how old, the oldest first; empty where none is."""
    of_day: dict[date, dict[str, None]] = {}
    for rate in used:
        if rate.as_of is not None and (today - rate.as_of).days > STALE_AFTER_DAYS:
            name = f"{rate.item} (spot)" if rate.lifecycle == "spot" else rate.item
            of_day.setdefault(rate.as_of, {})[name] = None
    told = "; ".join(
        f"{', '.join(names)}: {(today - as_of).days} days (as of {as_of})" for as_of, names in sorted(of_day.items())
    )
    if not told:
        return ""
    return (
        f"Prices older than {STALE_AFTER_DAYS} days may be wrong: {told}. `penstock prices refresh` asks for most "
        "anew; a price file (--prices) gives others."
    )


def elsewhere_told(used: Iterable[Rate]) -> list[str]:
    """Say which prices are those of another region than was asked for, a line for each two regions."""
    taken: dict[tuple[str, str], dict[str, None]] = {}
    for rate in used:
        if rate.wanted_region and rate.region not in ("", ANYWHERE, rate.wanted_region):
            taken.setdefault((rate.wanted_region, rate.region), {})[rate.item] = None
    return [
        f"The list has no price for {wanted} of {', '.join(items)}: that of {region} is taken."
        for (wanted, region), items in taken.items()
    ]


def _nearness(row: PriceRow, region: str | None) -> int:
    """Return how far a row is from what is asked for: the least is taken."""
    is_home = row.region == HOME.get(row.provider, row.region)
    if region is None:
        return 0 if row.is_own else 1 if is_home or not row.region else 2
    if row.region == region:
        return 0 if row.is_own else 2
    if not row.region:
        return 1 if row.is_own else 3
    return 6 if row.is_own else 4 if is_home else 5


def _exchange(row: PriceRow, files: Sequence[PriceFile]) -> tuple[Decimal, str]:
    if row.currency == "USD":
        return Decimal(1), ""
    for each in (each for file in files for each in file.exchange):
        if each.currency == row.currency:
            dated = f" as of {each.as_of}" if each.as_of else ""
            return each.usd, f"{row.currency} at {each.usd} US dollars{dated}"
    raise ConfigError(
        f"the price of {row.item} is in {row.currency} ({row.place}), and what that is in US dollars is not known",
        fix=f"add to your price file: exchange: [{{currency: {row.currency}, usd: ..., as_of: YYYY-MM-DD}}]",
        about=row.item,
    )


def _share(row: PriceRow, files: Sequence[PriceFile], today: date) -> tuple[Decimal, list[str]]:
    """Return what is left of a price after the first discount of each kind that is on it, and their names."""
    share, told = Decimal(1), []
    for kind in ("committed", "negotiated"):
        fitting = (each for file in files for each in file.discounts if _is_on(each, row, kind, today))
        if found := next(fitting, None):
            share *= 1 - found.percent / 100
            told.append(f"{found.percent.normalize():f} % {kind}{f' ({found.why})' if found.why else ''}")
    return share, told


def _is_on(discount: Discount, row: PriceRow, kind: str, today: date) -> bool:
    return (
        discount.kind == kind
        and not (kind == "committed" and row.lifecycle == "spot")
        and fnmatchcase(row.item.lower(), discount.items.lower())
        and discount.provider in ("", row.provider)
        and discount.region in ("", row.region)
        and (discount.begins is None or discount.begins <= today)
        and (discount.ends is None or today <= discount.ends)
    )

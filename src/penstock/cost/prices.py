"""Dated prices: reading a price file and finding the row that applies.

A price is never made up: an item that the list does not have is an error that names what it has. Where a
list has several rows of one item, the latest one that is not of the future wins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from importlib import resources
from pathlib import Path

from penstock.errors import ConfigError, RecordError
from penstock.records import Price, PriceList, decode_record, read_record
from penstock.texts import did_you_mean

__all__ = ["STALE_AFTER_DAYS", "find_price", "load_prices", "node_items", "stale_prices"]

STALE_AFTER_DAYS = 180
UNITS = ("hour", "GiB", "1000 requests", "GiB-month")
"""What prices are per; all are US dollars."""

_PACKAGED = "prices.json"


def load_prices(path: Path | None = None) -> PriceList:
    """Read a price file; None reads the one that comes with Penstock.

    Raises:
        RecordError: it is not a price file, or a row has a date or a price that makes no sense.
    """
    if path is None:
        origin = f"Penstock's own {_PACKAGED}"
        found = decode_record(resources.files(__package__).joinpath(_PACKAGED).read_bytes(), PriceList, origin=origin)
    else:
        origin = str(path)
        found = read_record(path, PriceList)
    for price in found.prices:
        _check(price, origin)
    rows = Counter((price.item, price.unit, price.region, price.as_of) for price in set(found.prices))
    if twice := [row for row, count in rows.items() if count > 1]:
        item, unit, region, as_of = twice[0]
        raise RecordError(
            f"{origin}: there are {rows[twice[0]]} prices of {item} per {unit} in {region or 'any region'}, "
            f"each as of {as_of}",
            fix="keep the right one",
            about=origin,
        )
    return found


def _check(price: Price, origin: str) -> None:
    try:
        date.fromisoformat(price.as_of)
    except ValueError as error:
        raise RecordError(
            f"{origin}: the price of {price.item} is as of {price.as_of!r}, which is no date",
            fix="write it as YYYY-MM-DD",
            about=origin,
        ) from error
    if price.unit not in UNITS:
        raise RecordError(
            f"{origin}: the price of {price.item} is per {price.unit!r}",
            fix=f"write one of: {', '.join(UNITS)}",
            about=origin,
        )
    if not 0 <= price.usd < float("inf"):
        raise RecordError(
            f"{origin}: the price of {price.item} is {price.usd!r}",
            fix="write a number of US dollars that is not negative",
            about=origin,
        )


def node_items(prices: PriceList) -> tuple[str, ...]:
    """Name the instance types that have a price by the hour, sorted."""
    return tuple(sorted({price.item for price in prices.prices if price.unit == "hour"}))


def find_price(prices: PriceList, item: str, *, unit: str, region: str | None, today: date) -> Price:
    """Return the row of an item: in ``region`` if there is one, or else in another region.

    Args:
        prices: where to look.
        item: what is sold.
        unit: what the price must be per.
        region: the cloud's name of a region; None takes any.
        today: rows dated later are not looked at.

    Raises:
        ConfigError: the list does not have it by that unit.
    """
    rows = [price for price in prices.prices if price.item == item and price.unit == unit]
    rows = [price for price in rows if date.fromisoformat(price.as_of) <= today] or rows
    if not rows:
        names = sorted({price.item for price in prices.prices if price.unit == unit})
        meant = did_you_mean(item, names, quoted=False)
        by_hand = ", or pass --node-usd-per-hour" if unit == "hour" else ""
        raise ConfigError(
            f"there is no price per {unit} of {item!r}",
            fix=f"{meant}known per {unit}: {', '.join(names) or 'nothing'}; add a row to a price file of your "
            f"own{by_hand}",
            about=item,
        )
    here = [price for price in rows if price.region == region]
    return max(here or rows, key=lambda price: price.as_of)


def stale_prices(used: Sequence[Price], today: date) -> tuple[Price, ...]:
    """Return the prices that are older than ``STALE_AFTER_DAYS`` on the day ``today``."""
    return tuple(price for price in used if (today - date.fromisoformat(price.as_of)).days > STALE_AFTER_DAYS)

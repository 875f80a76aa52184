"""Azure's retail prices (https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices).

Anybody may ask. An answer has up to 100 prices and the address of the next page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from penstock.cost.meters import AZURE_METERS, AzureMeter
from penstock.cost.refreshing import Found, Wanted, ask_json, flat, not_told, number_of, rows_of
from penstock.cost.values import Tier
from penstock.errors import SourceError

__all__ = ["URL", "ask_azure"]

URL = "https://prices.azure.com/api/retail/prices"
_SOURCE = "Azure retail price API"
_MOST_PAGES = 50
_UNITS = {
    "10k": ("1000 requests", Decimal("0.1")),
    "1 gb": ("GiB", Decimal(1)),
    "1 gb/month": ("GiB-month", Decimal(1)),
    "1 gib/hour": ("GiB-month", Decimal(730)),
}
"""What Azure's units, in small letters, are in the list's, and how many of its prices one of the list's is. A month of
a volume is 730 hours, as Azure's own pages reckon."""


def ask_azure(wanted: Sequence[Wanted], *, url: str = URL) -> Iterable[Found]:
    """Ask for the prices of nodes and of what has a meter, a request for each kind of node or product, and region.

    Raises:
        SourceUnavailable: it did not answer.
    """

    @cache
    def rows(text: str, what: str) -> list[dict[str, Any]]:
        return _rows(url, text, what)

    for each in sorted(wanted, key=lambda one: (one.item, one.region)):
        if each.is_node:
            yield _found(each, rows(*_of_node(each)))
        else:
            meter = AZURE_METERS[each.item]
            yield _metered(each, meter, rows(*_of_product(each, meter)))


def _of_node(wanted: Wanted) -> tuple[str, str]:
    """Return the question for a kind of node, and what it is called."""
    name = wanted.item if wanted.item.lower().startswith(("standard_", "basic_")) else f"Standard_{wanted.item}"
    return f"{_of_service('Virtual Machines', wanted.region)} and armSkuName eq '{_quoted(name)}'", name


def _of_product(wanted: Wanted, meter: AzureMeter) -> tuple[str, str]:
    return f"{_of_service(meter.service, wanted.region)} and productName eq '{_quoted(meter.product)}'", meter.product


def _of_service(service: str, region: str) -> str:
    return f"serviceName eq '{service}' and priceType eq 'Consumption' and armRegionName eq '{_quoted(region)}'"


def _rows(url: str, text: str, what: str) -> list[dict[str, Any]]:
    answer = ask_json(url, query={"$filter": text}, of="Azure")
    rows = rows_of(answer.get("Items"))
    for _ in range(_MOST_PAGES):
        following = answer.get("NextPageLink")
        if not following:
            return rows
        if urlsplit(str(following)).hostname != urlsplit(url).hostname:
            raise SourceError("Azure's prices go on at another server", fix="ask with --endpoint-url of that server")
        answer = ask_json(str(following), of="Azure")
        rows += rows_of(answer.get("Items"))
    raise SourceError(f"Azure's prices of {what} have more than {_MOST_PAGES} pages", fix="report this as a bug")


def _metered(wanted: Wanted, meter: AzureMeter, rows: Sequence[dict[str, Any]]) -> Found:
    """Return a meter's price: the first above 0, or all its tiers."""
    found: dict[Decimal, set[Decimal]] = {}
    for row in rows:
        unit, factor = _UNITS.get(str(row.get("unitOfMeasure")).lower(), ("", Decimal(1)))
        above, price = number_of(row.get("tierMinimumUnits") or 0), number_of(row.get("retailPrice"))
        is_of = re.fullmatch(meter.meter, str(row.get("meterName"))) is not None
        fits = is_of and unit == meter.unit and row.get("currencyCode", "USD") == "USD"
        if fits and above is not None and price is not None and price >= 0:
            found.setdefault(above, set()).add((price * factor).normalize())
    count = max(map(len, found.values()), default=0)
    if count != 1:
        return _one(wanted, set(), count)
    tiers = [Tier(above=above, price=found[above].pop()) for above in sorted(found)]
    paid = [tier for tier in tiers if tier.price][:1]
    return _one(wanted, {tuple(tiers) if meter.is_tiered else flat(each.price) for each in paid}, 0)


def _one(wanted: Wanted, prices: set[tuple[Tier, ...]], count: int, more: str = "") -> Found:
    if len(prices) != 1:
        why = f"Azure tells {count} prices" if count > 1 else "Azure tells no such price"
        return not_told(wanted, _SOURCE, f"{why}{more}")
    return Found(wanted=wanted, tiers=prices.pop(), source=_SOURCE)


def _found(wanted: Wanted, rows: Sequence[dict[str, Any]]) -> Found:
    """Choose the price of Linux, of the lifecycle that was asked for; low priority and cloud services are others."""
    fitting = [
        row
        for row in rows
        if not any(
            word in str(row.get("productName")) for word in ("Windows", "CloudServices", "Cloud Services", "Dedicated")
        )
        and "Low Priority" not in str(row.get("skuName"))
        and ("Spot" in str(row.get("skuName"))) == (wanted.lifecycle == "spot")
        and str(row.get("unitOfMeasure")) == "1 Hour"
        and str(row.get("type", "Consumption")) == "Consumption"
    ]
    others = sorted({str(row.get("currencyCode", "USD")) for row in fitting} - {"USD"})
    fitting = [row for row in fitting if str(row.get("currencyCode", "USD")) == "USD"]
    prices = {price for row in fitting if (price := number_of(row.get("retailPrice"))) is not None and price > 0}
    more = f", but one in {' and '.join(others)}" if others and not prices else ""
    return _one(wanted, {flat(price) for price in prices}, len(prices), more)


def _quoted(text: str) -> str:
    return text.replace("'", "''")

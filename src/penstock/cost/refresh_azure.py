"""Azure's retail prices (https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices).

Anybody may ask. An answer has up to 100 prices and the address of the next page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from penstock.cost.refreshing import Found, Wanted, ask_json, number_of, rows_of
from penstock.errors import SourceError

__all__ = ["URL", "ask_azure"]

URL = "https://prices.azure.com/api/retail/prices"
_SOURCE = "Azure retail price API"
_MOST_PAGES = 50


def ask_azure(wanted: Sequence[Wanted], *, url: str = URL) -> Iterable[Found]:
    """Ask for the prices of nodes, a request for each kind of node and region.

    Raises:
        SourceUnavailable: it did not answer.
    """
    for item, region in sorted({(each.item, each.region) for each in wanted}):
        name = item if item.lower().startswith(("standard_", "basic_")) else f"Standard_{item}"
        rows = _rows(url, name, region)
        for each in wanted:
            if (each.item, each.region) == (item, region):
                yield _found(each, rows)


def _rows(url: str, name: str, region: str) -> list[dict[str, Any]]:
    text = f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{_quoted(region)}' "
    query = {"$filter": f"{text}and armSkuName eq '{_quoted(name)}'"}
    answer = ask_json(url, query=query, of="Azure")
    rows = rows_of(answer.get("Items"))
    for _ in range(_MOST_PAGES):
        following = answer.get("NextPageLink")
        if not following:
            return rows
        if urlsplit(str(following)).hostname != urlsplit(url).hostname:
            raise SourceError("Azure's prices go on at another server", fix="ask with --endpoint-url of that server")
        answer = ask_json(str(following), of="Azure")
        rows += rows_of(answer.get("Items"))
    raise SourceError(f"Azure's prices of {name} have more than {_MOST_PAGES} pages", fix="report this as a bug")


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
    if len(prices) != 1:
        why = "Azure tells no such price" if not prices else f"Azure tells {len(prices)} prices"
        why += f", but one in {' and '.join(others)}" if others and not prices else ""
        return Found(wanted=wanted, usd=None, source=_SOURCE, why=why)
    return Found(wanted=wanted, usd=prices.pop(), source=_SOURCE)


def _quoted(text: str) -> str:
    return text.replace("'", "''")

"""A bill as FOCUS 1.2, the FinOps Foundation's format of cost and usage: a row a line and month, with the run's tags.

Rows are an estimate by list prices, not an invoice: the issuer says so. A line without a price is in no row, since the
format allows no cost to be unknown; whoever writes the file tells of them. Source of the rules:
https://focus.finops.org/focus-specification/v1-2/.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from penstock.cost.values import in_money, in_units
from penstock.records import CostLine, CostReport, RunRecord

__all__ = ["COLUMNS", "ISSUER", "FocusRun", "as_focus", "focus_rows"]

ISSUER = "Penstock (estimate)"
COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit"),
    *("ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice"),
    *("PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName"),
    *("ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory"),
    *("SkuId", "SkuPriceId", "Tags", "x_PriceAsOf", "x_PriceSource"),
)
_PROVIDERS = (
    (("gcs-", "pd-", "a2-", "a3-", "g2-"), "Google Cloud"),
    (("azure-", "Standard_", "NC", "ND", "NV", "premium-"), "Microsoft"),
    (("r2-",), "Cloudflare"),
)
_UNITS = {
    "hour": "Hours",
    "GiB": "GiB",
    "GiB-month": "GiB-Months",
    "GiB-hour": "GiB-Hours",
    "1000 requests": "1000 Requests",
}
"""Units as the format writes them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FocusRun:
    """A run and its bill."""

    run: RunRecord
    cost: CostReport

    @property
    def period(self) -> tuple[datetime, datetime]:
        """From where its attempts, if they had followed each other, began, to its end; a second at least."""
        end = _time(self.run.ended_at)
        begin = min(_time(self.run.started_at), end - timedelta(seconds=self.run.wall_seconds))
        begin, end = begin.replace(microsecond=0), end.replace(microsecond=0)
        return begin, max(end, begin + timedelta(seconds=1))


def as_focus(runs: Sequence[FocusRun], *, account: str, tags: Mapping[str, str]) -> str:
    """Return the file as text.

    Args:
        account: id of the billing account that rows are told to be of.
        tags: of all rows, beside those of each run.
    """
    text = io.StringIO()
    written = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    written.writeheader()
    for each in runs:
        written.writerows(focus_rows(each, account=account, tags=tags))
    return text.getvalue()


def focus_rows(each: FocusRun, *, account: str, tags: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Return the rows of a run: they add up to the priced lines of its bill, to the last digit."""
    run = each.run
    own = {"penstock_run_id": run.run_id, "penstock_task": run.task, "penstock_model": run.model}
    told = json.dumps({**tags, **{key: value for key, value in own.items() if value}}, ensure_ascii=False)
    months = list(_months(*each.period))
    for line in each.cost.lines:
        if line.usd is not None:
            yield from _of_line(line, run, months, account=account, tags=told)


def _of_line(
    line: CostLine, run: RunRecord, months: Sequence[tuple[datetime, datetime]], *, account: str, tags: str
) -> Iterator[dict[str, str]]:
    whole = (months[-1][1] - months[0][0]).total_seconds()
    left_usd, left_quantity = line.usd or Decimal(0), line.quantity
    for number, (begin, end) in enumerate(months, 1):
        share = Decimal(repr((end - begin).total_seconds() / whole))
        usd, quantity = in_money((line.usd or Decimal(0)) * share), in_units(line.quantity * share)
        if number == len(months):
            usd, quantity = left_usd, left_quantity
        left_usd, left_quantity = left_usd - usd, left_quantity - quantity
        yield _row(line, run, usd, quantity, begin, end, account=account, tags=tags)


def _row(
    line: CostLine,
    run: RunRecord,
    usd: Decimal,
    quantity: Decimal,
    begin: datetime,
    end: datetime,
    *,
    account: str,
    tags: str,
) -> dict[str, str]:
    category, subcategory, service = _service(line)
    provider = _provider(line.item)
    unit, price, cost = _UNITS.get(line.unit, line.unit), _number(line.unit_usd or Decimal(0)), _number(usd)
    month = begin.replace(day=1, hour=0, minute=0, second=0)
    return {
        "BilledCost": cost,
        "BillingAccountId": account,
        "BillingAccountName": "",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": _told(_next_month(month)),
        "BillingPeriodStart": _told(month),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": line.what,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodEnd": _told(end),
        "ChargePeriodStart": _told(begin),
        "ConsumedQuantity": _number(quantity),
        "ConsumedUnit": unit,
        "ContractedCost": cost,
        "ContractedUnitPrice": price,
        "EffectiveCost": cost,
        "InvoiceIssuerName": ISSUER,
        "ListCost": cost,
        "ListUnitPrice": price,
        "PricingCategory": "Dynamic" if "spot" in line.source else "Standard",
        "PricingQuantity": _number(quantity),
        "PricingUnit": unit,
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": "",
        "RegionName": "",
        "ResourceId": run.run_id,
        "ResourceName": run.run_id,
        "ResourceType": "Training run",
        "ServiceCategory": category,
        "ServiceName": service,
        "ServiceSubcategory": subcategory,
        "SkuId": line.item,
        "SkuPriceId": f"{line.item}/{line.unit}",
        "Tags": tags,
        "x_PriceAsOf": line.as_of,
        "x_PriceSource": line.source,
    }


def _service(line: CostLine) -> tuple[str, str, str]:
    """Return the format's category and subcategory, and what is used."""
    if "transfer" in line.item:
        return "Networking", "Network Connectivity", "Data transfer"
    if line.unit == "1000 requests":
        return "Storage", "Object Storage", "Object storage requests"
    if line.unit == "hour":
        return "Compute", "Virtual Machines", "Virtual machines"
    if line.item.startswith("fsx"):
        return "Storage", "File Storage", "File storage"
    return "Storage", "Block Storage", "Block storage"


def _provider(item: str) -> str:
    return next((name for starts, name in _PROVIDERS if item.startswith(starts)), "AWS")


def _months(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut a period where months end."""
    while begin < end:
        until = min(end, _next_month(begin.replace(day=1, hour=0, minute=0, second=0)))
        yield begin, until
        begin = until


def _next_month(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(number: Decimal) -> str:
    return format(number, "f")

"""A bill as FOCUS 1.2, the FinOps Foundation's format of cost and usage: a row a line and month, with the run's tags.

Rows are an estimate by list prices, not an invoice: ``x_Origin`` says so. A line without a price is in no row, since
the format allows no cost to be unknown; whoever writes the file tells of them. What is null is null because nobody
knows it or there is none: invoices, sub accounts, commitments, capacity reservations. Source of the rules: the FOCUS
specification 1.2, https://focus.finops.org/focus-specification/v1-2/, which ``focus_rules`` checks.

Text that a spreadsheet would take for a formula has an apostrophe before it, as OWASP advises
(https://owasp.org/www-community/attacks/CSV_Injection), though the format would have text as it was: names of others
run nothing where the file is opened. Numbers have none, and tags are JSON, which begins with a brace.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from penstock.cost.focus_values import NUMBERS, TOGETHER
from penstock.cost.region_names import REGION_NAMES
from penstock.cost.storage_lines import CHECKPOINTS
from penstock.cost.values import in_money, in_units
from penstock.errors import RecordError
from penstock.records import CostLine, CostReport, RunRecord

__all__ = ["COLUMNS", "ORIGIN", "TAG_PREFIX", "FocusRun", "as_focus", "focus_rows", "kind_of_line", "tags_of"]

ORIGIN = "Penstock (estimate)"
"""Of every row, in a column of its own: the issuer is the one whose invoice the charge will be in."""
TAG_PREFIX = "penstock_"
"""Of the tags that rows have of their run; no other tag may begin with it."""
_NULL = (*TOGETHER["capacity reservations"], *TOGETHER["commitment discounts"], *TOGETHER["sub accounts"])
"""Columns that files of clouds have, and a bill of Penstock knows nothing of."""
COLUMNS = (
    "AvailabilityZone",
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", *TOGETHER["capacity reservations"], "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", *TOGETHER["commitment discounts"]),
    *("ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost"),
    *("InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory", "PricingQuantity"),
    *(
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "RegionId",
        "RegionName",
        "ResourceId",
        "ResourceName",
        "ResourceType",
    ),
    *("ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId"),
    *(*TOGETHER["sub accounts"], "Tags", "x_Origin", "x_PriceAsOf", "x_PriceSource"),
)
_PROVIDERS = {"aws": "AWS", "gcp": "Google Cloud", "azure": "Microsoft", "cloudflare": "Cloudflare"}
"""As their own files of this format call themselves."""
_OWN = "Own hardware"
_BY_ITEM = (
    (r"(gcs|gcp|pd)-|(a2|a3|a4|g2)-", "gcp"),
    (r"(azure|premium)-|(standard_)?n[cdv]\d", "azure"),
    (r"r2-", "cloudflare"),
    (r"(s3|ec2|aws|transfer|fsx|gp2|gp3|io1|io2)\b|[a-z]+\d+[a-z]*\.\w", "aws"),
)
"""Whose items are, in bills that do not say it."""
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""Beginnings of what spreadsheets reckon with, those of full width too."""
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
        """From where its attempts, if they had followed each other, began, to its end; a second at least.

        Of a run whose training never began: from its first attempt at a step to the end of the last.

        Raises:
            RecordError: nothing tells when it was.
        """
        if not self.run.ended_at:
            return self._of_attempts()
        end = _time(self.run.ended_at)
        begin = min(_time(self.run.started_at), end - timedelta(seconds=self.run.wall_seconds))
        return _whole_seconds(begin, end)

    def _of_attempts(self) -> tuple[datetime, datetime]:
        attempts = self.cost.attempts
        if not attempts:
            raise RecordError(
                "nothing tells when the run was", fix="leave the FOCUS file of a run out that never began"
            )
        return _whole_seconds(
            min(_time(one.started_at) for one in attempts), max(_time(one.ended_at) for one in attempts)
        )


def _whole_seconds(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
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
        written.writerows(map(_without_formulas, focus_rows(each, account=account, tags=tags)))
    return text.getvalue()


def focus_rows(each: FocusRun, *, account: str, tags: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Return the rows of a run: they add up to the priced lines of its bill, to the last digit."""
    run = each.run
    told = json.dumps(tags_of(run, tags), ensure_ascii=False)
    months = list(_months(*each.period))
    for line in each.cost.lines:
        if line.usd is not None:
            yield from _of_line(line, run, months, account=account, tags=told)


def tags_of(run: RunRecord, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run's rows: what they are given, and what the run says of itself."""
    own = {"run_id": run.run_id, "task": run.task, "model": run.model, "user": run.user}
    return {**tags, **{f"{TAG_PREFIX}{key}": value for key, value in own.items() if value}}


def _without_formulas(row: Mapping[str, str]) -> dict[str, str]:
    return {
        name: f"'{value}" if value.startswith(_FORMULA) and name not in NUMBERS else value
        for name, value in row.items()
    }


def kind_of_line(line: CostLine) -> str:
    """Return the category of what a line is for."""
    return _service(line)[0]


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
    provider, is_node = _provider(line, run), line.unit == "hour" and category == "Compute"
    region = _region(line, run)
    unit, price, cost = _UNITS.get(line.unit, line.unit), line.unit_usd or Decimal(0), _number(usd)
    list_price = price if line.list_unit_usd is None else line.list_unit_usd
    month = begin.replace(day=1, hour=0, minute=0, second=0)
    return dict.fromkeys(_NULL, "") | {
        "AvailabilityZone": (run.host.zone or "") if is_node else "",
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
        "ContractedUnitPrice": _number(price),
        "EffectiveCost": cost,
        "InvoiceId": "",
        "InvoiceIssuerName": provider,
        "ListCost": cost if list_price == price else _number(in_money(list_price * quantity)),
        "ListUnitPrice": _number(list_price),
        "PricingCategory": "Dynamic" if line.lifecycle == "spot" else "Standard",
        "PricingQuantity": _number(quantity),
        "PricingUnit": unit,
        "ProviderName": provider,
        "PublisherName": provider,
        "RegionId": region,
        "RegionName": REGION_NAMES.get(region, region),
        "ResourceId": run.run_id,
        "ResourceName": "",
        "ResourceType": "Training run",
        "ServiceCategory": category,
        "ServiceName": service,
        "ServiceSubcategory": subcategory,
        "SkuId": line.item,
        "SkuMeter": service,
        "SkuPriceDetails": json.dumps({"InstanceType": line.item}) if is_node else "",
        "SkuPriceId": "/".join(filter(None, (line.item, line.unit, line.region, line.lifecycle))),
        "Tags": tags,
        "x_Origin": ORIGIN,
        "x_PriceAsOf": line.as_of,
        "x_PriceSource": line.source,
    }


def _service(line: CostLine) -> tuple[str, str, str]:
    """Return the format's category and subcategory, and what is used."""
    if "transfer" in line.item:
        return "Networking", "Network Connectivity", "Data transfer"
    if line.unit == "1000 requests":
        return "Storage", "Object Storage", "Object storage requests"
    if line.item.endswith("-retrieval"):
        return "Storage", "Object Storage", "Object storage retrieval"
    if line.unit == "hour":
        return "Compute", "Virtual Machines", "Virtual machines"
    if line.item.startswith("fsx"):
        return "Storage", "File Storage", "File storage"
    if line.what == CHECKPOINTS:
        return "Storage", "Object Storage", "Object storage"
    return "Storage", "Block Storage", "Block storage"


def _provider(line: CostLine, run: RunRecord) -> str:
    """Return whose a line's price is: as the bill says, else the node's, else by the item's name."""
    said = line.provider or (run.host.provider if line.unit == "hour" else None)
    by_item = next((name for pattern, name in _BY_ITEM if re.match(pattern, line.item, re.IGNORECASE)), "")
    return _PROVIDERS.get(said or by_item, _OWN)


def _region(line: CostLine, run: RunRecord) -> str:
    """Return where a line's usage was: where the node stood, or, of another seller's, what its price is of."""
    is_nodes = not line.provider or run.host.provider in (None, line.provider)
    return (run.host.region if is_nodes else None) or line.region


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

"""What FOCUS 1.2 requires of a file, as far as it can be told from the file: columns, values, and sums of a row.

Source: the normative requirements of https://focus.finops.org/focus-specification/v1-2/. Rules of columns that a bill
of Penstock has no use for (capacity reservations, commitments, other currencies) are not looked at.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

__all__ = ["MANDATORY", "violations"]

MANDATORY = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity"),
    *("PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
)
NULLABLE = ("BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit")
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
NUMBERS = (*COSTS, "PricingQuantity", "ConsumedQuantity", "ListUnitPrice", "ContractedUnitPrice")
TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
ALLOWED = {
    "ChargeCategory": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "PricingCategory": ("Standard", "Dynamic", "Committed", "Other"),
    "ServiceCategory": (
        *("AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools"),
        *("Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media"),
        *("Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other"),
    ),
}
SUBCATEGORIES = {
    "Compute": (
        *("Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines"),
        "Other (Compute)",
    ),
    "Networking": (
        *("Application Networking", "Content Delivery", "Network Connectivity", "Network Infrastructure"),
        *("Network Routing", "Network Security", "Other (Networking)"),
    ),
    "Storage": (
        *("Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platform", "Other (Storage)"),
    ),
}
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_TIME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-([0-2]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")
_PASCAL = re.compile(r"(x_)?[A-Z][A-Za-z0-9]*")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CLOSE = Decimal("0.000001")
_MOST = 100


def violations(text: str) -> list[str]:
    """Return what a file breaks, each by its row; nothing where it keeps all rules."""
    rows = csv.DictReader(io.StringIO(text))
    columns = list(rows.fieldnames or [])
    found = [f"the column {name} is missing" for name in MANDATORY if name not in columns]
    found += [
        f"the column {name} is there twice" for name in sorted({each for each in columns if columns.count(each) > 1})
    ]
    found += [f"the column {name} is not in Pascal case" for name in columns if not _PASCAL.fullmatch(name)]
    for number, row in enumerate(rows, 1):
        found += [f"row {number}: {told}" for told in _of_row(row)]
        if len(found) > _MOST:
            break
    return found[:_MOST]


def _of_row(row: Mapping[str, str]) -> Iterator[str]:
    for name in MANDATORY:
        if name in row and name not in NULLABLE and not row[name]:
            yield f"{name} is empty"
    for name, allowed in ALLOWED.items():
        if row.get(name) and row[name] not in allowed:
            yield f"{name} {row[name]!r} is none of {', '.join(allowed)}"
    for name in NUMBERS:
        if row.get(name) and not _NUMBER.fullmatch(row[name]):
            yield f"{name} {row[name]!r} is no number"
    for name in TIMES:
        if row.get(name) and not _TIME.fullmatch(row[name]):
            yield f"{name} {row[name]!r} is not like 2026-11-28T00:00:00Z"
    if row.get("BillingCurrency") and not _CURRENCY.fullmatch(row["BillingCurrency"]):
        yield f"BillingCurrency {row['BillingCurrency']!r} is no code of three letters"
    yield from _of_periods(row)
    yield from _of_quantities(row)
    yield from _of_service(row)
    yield from _of_tags(row)


def _of_periods(row: Mapping[str, str]) -> Iterator[str]:
    times = [row.get(name, "") for name in TIMES]
    if not all(_TIME.fullmatch(each) for each in times):
        return
    first, last, begin, end = times
    if first >= last:
        yield "the billing period ends before it begins"
    if begin >= end:
        yield "the charge period ends before it begins"
    if not (first <= begin and begin < last):
        yield "the charge period begins outside the billing period"


def _of_quantities(row: Mapping[str, str]) -> Iterator[str]:
    is_used = row.get("ChargeCategory") in ("Usage", "Purchase") and row.get("ChargeClass") != "Correction"
    if is_used and not row.get("PricingQuantity"):
        yield "PricingQuantity is empty, of something that was used"
    for quantity, unit in (("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit")):
        if bool(row.get(quantity)) != bool(row.get(unit)):
            yield f"{quantity} and {unit} are not both there"
    if row.get("ConsumedQuantity") and row.get("ChargeCategory") != "Usage":
        yield "ConsumedQuantity is of something that was not used"
    for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
        unit_price, number, total = (_decimal(row.get(name, "")) for name in (price, "PricingQuantity", cost))
        if not is_used or unit_price is None or number is None or total is None:
            continue
        if abs(unit_price * number - total) > _CLOSE * max(Decimal(1), abs(total)):
            yield f"{price} times PricingQuantity is {unit_price * number}, and {cost} is {total}"


def _of_service(row: Mapping[str, str]) -> Iterator[str]:
    category, sub = row.get("ServiceCategory", ""), row.get("ServiceSubcategory", "")
    if sub and category in SUBCATEGORIES and sub not in SUBCATEGORIES[category]:
        yield f"ServiceSubcategory {sub!r} is none of {category}"
    for name, beside in (("ResourceName", "ResourceId"), ("RegionName", "RegionId"), ("SkuPriceId", "SkuId")):
        if row.get(name) and not row.get(beside):
            yield f"{name} is there without {beside}"


def _of_tags(row: Mapping[str, str]) -> Iterator[str]:
    if not row.get("Tags"):
        return
    try:
        tags = json.loads(row["Tags"])
    except json.JSONDecodeError:
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(each, str | bool | int | float) for each in tags.values()):
        yield "Tags is no JSON object of plain values"


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return None

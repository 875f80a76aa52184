"""What FOCUS 1.2 requires of a file, as far as it can be told from the file: columns, nulls, values, and sums of a row.

Source: the normative requirements of https://focus.finops.org/focus-specification/v1-2/, by the numbers of its
requirements model 1.2.0.1. Where that model and the specification's text differ (the values of
CommitmentDiscountStatus, when ConsumedQuantity may be null), the text is followed. What only an invoice or a provider
could tell is not looked at.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from penstock.cost.focus_nulls import NULLS, Row
from penstock.cost.focus_values import (
    ALLOWED,
    CURRENCIES,
    FOCUS_COLUMNS,
    KEY_VALUES,
    MANDATORY,
    NEVER_NULL,
    NUMBERS,
    SUBCATEGORIES,
    TIMES,
    TOGETHER,
    UNITS,
)

__all__ = ["violations"]

_NUMBER = re.compile(r"-?\d+(\.\d+)?(E-?\d+)?")
_LONGEST_NUMBER = 200
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_PASCAL = re.compile(r"(x_)?[A-Z][A-Za-z0-9]*")
_UNIT = re.compile(r"(\d+ )?[^\d\s/-][^/]*(/(\d+ )?[^/]+)?")
_SIZES = {f"{prefix}{unit}" for prefix in ("", *"KMGTPE", *(f"{each}i" for each in "KMGTPE")) for unit in "bB"}
_TERMS = {
    *(f"{each}{s}" for each in ("Year", "Month", "Day", "Hour", "Minute", "Second") for s in ("", "s")),
    *(f"{each}{s}" for each in ("Count", "Unit", "Request", "Token") for s in ("", "s")),
    *(f"{each}{s}" for each in ("Connection", "Certificate", "Domain", "Core") for s in ("", "s")),
    *_SIZES,
}
"""Parts of units whose capitals are given."""
_LOWERED = {each.lower() for each in _TERMS}
_CLOSE = Decimal("0.000001")
_MOST = 100


_PRODUCTS = (("ContractedUnitPrice", "ContractedCost"), ("ListUnitPrice", "ListCost"))
_NOT_NEGATIVE = ("ContractedUnitPrice", "ListUnitPrice", "PricingCurrencyListUnitPrice")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parents:
    """Values that have one value of another column in the whole file."""

    column: str
    parent: str
    seen: dict[str, str] = field(default_factory=dict)

    def breaks(self, row: Row) -> Iterator[str]:
        child, parent = row.get(self.column), row.get(self.parent)
        if child and parent and self.seen.setdefault(child, parent) != parent:
            yield f"{self.column} {child!r} is of the {self.parent} {self.seen[child]!r} above, and of {parent!r} here"


def violations(lines: Iterable[str]) -> list[str]:
    """Return what a file breaks, each by its row, the first hundred at most; nothing where it keeps all rules.

    Args:
        lines: of the file, read one by one.

    Raises:
        csv.Error: it is no CSV.
    """
    rows = csv.reader(lines, strict=True)
    columns = next(rows, [])
    found = list(_of_columns(columns))
    parents = [
        _Parents(column="SkuPriceId", parent="SkuId"),
        _Parents(column="ServiceName", parent="ServiceCategory"),
    ]
    for number, cells in enumerate(rows, 1):
        if len(found) >= _MOST:
            break
        if len(cells) != len(columns):
            found.append(f"row {number}: it has {len(cells)} cells, and the file {len(columns)} columns")
            continue
        row = dict(zip(columns, cells, strict=True))
        found += [f"row {number}: {told}" for told in _of_row(row)]
        found += [f"row {number}: {told}" for each in parents for told in each.breaks(row)]
    return found[:_MOST]


def _of_columns(columns: list[str]) -> Iterator[str]:
    yield from (f"the column {name} is missing" for name in MANDATORY if name not in columns)
    for what, names in TOGETHER.items():
        if any(name in columns for name in names if name != "ListUnitPrice"):
            yield from (f"the column {name} is missing, of {what}" for name in names if name not in columns)
    yield from (f"the column {name} is there twice" for name in sorted({n for n in columns if columns.count(n) > 1}))
    for name in columns:
        if not _PASCAL.fullmatch(name):
            yield f"the column {name} is not in Pascal case"
        elif not name.startswith("x_") and name not in FOCUS_COLUMNS:
            yield f"the column {name} is none of FOCUS 1.2, and has no x_ before it"


def _of_row(row: Row) -> Iterator[str]:
    yield from (f"{name} is null" for name in NEVER_NULL if name in row and not row[name].strip())
    for rule in NULLS:
        value = row.get(rule.column)
        if value and rule.must(row):
            yield f"{rule.column} is {value!r}, and must be null where {rule.why}"
        elif value == "" and rule.must_not(row):
            yield f"{rule.column} is null, and must not be where {rule.why_not}"
    for name, allowed in ALLOWED.items():
        if row.get(name) and row[name] not in allowed:
            yield f"{name} {row[name]!r} is none of {', '.join(allowed)}"
    yield from (
        f"{name} {row[name]!r} is no number" for name in NUMBERS if row.get(name) and _decimal(row[name]) is None
    )
    yield from (
        f"{name} {row[name]!r} is not like 2026-11-28T00:00:00Z"
        for name in TIMES
        if row.get(name) and not _time(row[name])
    )
    for name in ("BillingCurrency", "PricingCurrency"):
        if row.get(name) and row[name] not in CURRENCIES and (name == "BillingCurrency" or len(row[name]) == 3):
            yield f"{name} {row[name]!r} is no currency of ISO 4217, like USD"
    yield from (
        f"{name} {row[name]!r} is no unit like {_LIKE}" for name in UNITS if row.get(name) and not _unit(row[name])
    )
    yield from _of_periods(row)
    yield from _of_costs(row)
    yield from _of_names(row)
    for name in KEY_VALUES:
        if row.get(name) and (told := _of_pairs(row[name])):
            yield f"{name} {told}"


_LIKE = "Hours, GB-Hours or 1000 Requests"


def _of_periods(row: Row) -> Iterator[str]:
    first, last, begin, end = (_time(row.get(name, "")) for name in TIMES)
    if first is None or last is None or begin is None or end is None:
        return
    if first >= last:
        yield "the billing period ends before it begins"
    if begin >= end:
        yield "the charge period ends before it begins"
    if not first <= begin < last:
        yield "the charge period begins outside the billing period"


def _of_costs(row: Row) -> Iterator[str]:
    numbers = {name: number for name in NUMBERS if (number := _decimal(row.get(name, ""))) is not None}
    yield from (f"{name} {row[name]} is less than nothing" for name in _NOT_NEGATIVE if numbers.get(name, 0) < 0)
    quantity = numbers.get("PricingQuantity")
    for price, cost in _PRODUCTS:
        if quantity is None or price not in numbers or cost not in numbers or row.get("ChargeClass") == "Correction":
            continue
        product, total = numbers[price] * quantity, numbers[cost]
        if abs(product - total) > _CLOSE * max(Decimal(1), abs(total)):
            yield f"{price} times PricingQuantity is {product}, and {cost} is {total}"
    is_purchase = row.get("ChargeCategory") == "Purchase"
    if is_purchase and row.get("CommitmentDiscountId") and numbers.get("EffectiveCost", 0) != 0:
        yield "EffectiveCost of buying a commitment is not 0"
    if is_purchase and row.get("ChargeFrequency") == "Usage-Based":
        yield "ChargeFrequency of a purchase is 'Usage-Based'"


def _of_names(row: Row) -> Iterator[str]:
    category, sub = row.get("ServiceCategory", ""), row.get("ServiceSubcategory", "")
    if sub in ALLOWED["ServiceSubcategory"] and category in SUBCATEGORIES and sub not in SUBCATEGORIES[category]:
        yield f"ServiceSubcategory {sub!r} is none of {category}"


def _of_pairs(text: str) -> str:
    """Return what is wrong with a JSON object of plain values; empty where nothing is."""
    repeated: list[str] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(
        each is None or isinstance(each, str | bool | int | float) for each in found.values()
    ):
        return "is no JSON object of plain values"
    return f"has the key {repeated[0]!r} twice" if repeated else ""


def _unit(text: str) -> bool:
    """Tell whether a unit is written as the format has it: known terms in their capitals, whole numbers before them."""
    terms = re.findall(r"[^\s/\d-][^/-]*", text)
    return bool(_UNIT.fullmatch(text)) and all(each in _TERMS or each.lower() not in _LOWERED for each in terms)


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None


def _decimal(text: str) -> Decimal | None:
    """Return a number in the format's own notation, None where it is none."""
    return Decimal(text) if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) else None

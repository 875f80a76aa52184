"""When columns of FOCUS 1.2 must be null, and when they must not, by what else the row says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["NULLS", "Null", "Row"]

Row = Mapping[str, str]


def _is_used(row: Row) -> bool:
    """Tell whether a row is of something bought, and no correction."""
    return row.get("ChargeCategory") in ("Usage", "Purchase") and row.get("ChargeClass") != "Correction"


def _is_tax(row: Row) -> bool:
    return row.get("ChargeCategory") == "Tax"


def _is_unused_usage(row: Row) -> bool:
    return row.get("ChargeCategory") != "Usage" or row.get("CommitmentDiscountStatus") == "Unused"


def _is_commitment_used(row: Row) -> bool:
    return bool(row.get("CommitmentDiscountId")) and _is_used(row)


@dataclass(frozen=True, kw_only=True, slots=True)
class Null:
    """When a column must be null, and when it must not: in all other cases it may be either.

    Attributes:
        must, must_not: predicates of a row.
        why, why_not: what they ask, for people.
    """

    column: str
    must: Callable[[Row], bool]
    why: str
    must_not: Callable[[Row], bool]
    why_not: str


def _by_tax(column: str) -> Null:
    told = "the charge is of usage or a purchase, and no correction"
    return Null(column=column, must=_is_tax, why="the charge is a tax", must_not=_is_used, why_not=told)


def _beside(column: str, other: str, *, only: Callable[[Row], bool] = lambda _: True) -> Null:
    return Null(
        column=column,
        must=lambda row: other in row and not row[other],
        why=f"{other} is null",
        must_not=lambda row: bool(row.get(other)) and only(row),
        why_not=f"{other} is not null",
    )


def _follows(column: str, other: str) -> Null:
    return _beside(column, other, only=lambda _: False)


def _is_usage(row: Row) -> bool:
    return row.get("ChargeCategory") == "Usage"


NULLS = (
    *map(_by_tax, ("ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "PricingQuantity")),
    *map(_by_tax, ("PricingCurrencyListUnitPrice", "SkuId", "SkuPriceId")),
    Null(
        column="ConsumedQuantity",
        must=_is_unused_usage,
        why="the charge is not of usage",
        must_not=lambda row: not _is_unused_usage(row) and row.get("ChargeClass") != "Correction",
        why_not="the charge is of usage, and no correction",
    ),
    Null(
        column="CommitmentDiscountQuantity",
        must=lambda row: not row.get("CommitmentDiscountId") or row.get("ChargeCategory") not in ("Usage", "Purchase"),
        why="the charge has no commitment discount",
        must_not=_is_commitment_used,
        why_not="the charge has a commitment discount, and is no correction",
    ),
    _beside("BillingAccountType", "BillingAccountId"),
    _beside("CapacityReservationStatus", "CapacityReservationId", only=_is_usage),
    _beside("CommitmentDiscountCategory", "CommitmentDiscountId"),
    _follows("CommitmentDiscountName", "CommitmentDiscountId"),
    _beside("CommitmentDiscountStatus", "CommitmentDiscountId", only=_is_usage),
    _beside("CommitmentDiscountType", "CommitmentDiscountId"),
    _beside("CommitmentDiscountUnit", "CommitmentDiscountQuantity"),
    _beside("ConsumedUnit", "ConsumedQuantity"),
    _beside("PricingUnit", "PricingQuantity"),
    _beside("RegionName", "RegionId"),
    _follows("ResourceName", "ResourceId"),
    _beside("ResourceType", "ResourceId"),
    _follows("SkuMeter", "SkuId"),
    _follows("SkuPriceDetails", "SkuPriceId"),
    _beside("SubAccountName", "SubAccountId"),
    _beside("SubAccountType", "SubAccountId"),
)

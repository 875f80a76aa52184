"""Cost records: prices, and the bill of a run made with them."""

from __future__ import annotations

from typing import ClassVar

from penstock.records.codec import Part, Record

__all__ = ["CostLine", "CostReport", "Price", "PriceList"]


class Price(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One price, with where and when it was true.

    Attributes:
        item: what is sold, for example ``g5.xlarge`` or ``s3-get``.
        unit: what ``usd`` buys one of: ``hour``, ``GiB``, ``1000 requests``, ``GiB-month``.
        as_of: date, ``YYYY-MM-DD``.
        source: where the figure is from.
    """

    item: str
    unit: str
    usd: float
    region: str
    as_of: str
    source: str


class PriceList(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dated price file."""

    kind: ClassVar[str] = "prices"
    version: ClassVar[int] = 1

    prices: tuple[Price, ...]


class CostLine(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the bill: quantity times price."""

    item: str
    what: str
    quantity: float
    unit: str
    unit_usd: float
    usd: float
    as_of: str
    source: str


class CostReport(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bill of a run.

    Attributes:
        stall_usd: part of the node's line that was spent waiting for data.
        assumptions: what was taken for granted, for people.
        warnings: what makes the bill doubtful, such as old prices.
    """

    kind: ClassVar[str] = "cost"
    version: ClassVar[int] = 1

    run_id: str
    lines: tuple[CostLine, ...]
    total_usd: float
    stall_usd: float
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

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
    """One line of the bill: quantity times price.

    Attributes:
        unit_usd: None where no price is known, and so is ``usd``: the quantity stands, and is not in the total.
        as_of: empty where there is no price, as is ``source``.
    """

    item: str
    what: str
    quantity: float
    unit: str
    unit_usd: float | None
    usd: float | None
    as_of: str
    source: str


class CostReport(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bill of a run.

    Attributes:
        total_usd: of the lines that have a price.
        stall_usd: part of the node's line that was spent waiting for data, None where the node has no price.
        assumptions: what was taken for granted, for people.
        warnings: what makes the bill doubtful, such as old prices.
    """

    kind: ClassVar[str] = "cost"
    version: ClassVar[int] = 2

    run_id: str
    lines: tuple[CostLine, ...]
    total_usd: float
    stall_usd: float | None
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What was used and has no price, as its lines name it."""
        return tuple(line.what for line in self.lines if line.usd is None and line.quantity)

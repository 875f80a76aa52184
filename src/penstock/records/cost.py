"""The bill of a run. Its sums are decimals: the lines add up to the total to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from penstock.records.codec import Part, Record

__all__ = ["CostLine", "CostReport"]


class CostLine(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the bill: quantity times price.

    Attributes:
        unit_usd: None where no price is known, and so is ``usd``: the quantity stands, and is not in the total.
        as_of: empty where there is no price, as is ``source``.
        provider: whose price it is, as price lists call them (``aws``); empty where that is not known.
        region: that the price is of; empty where it is of none.
        lifecycle: whether a node was priced on demand or as spot; empty where there is no price.
        list_unit_usd: price of one unit before discounts, None where it is ``unit_usd``.
    """

    item: str
    what: str
    quantity: Decimal
    unit: str
    unit_usd: Decimal | None
    usd: Decimal | None
    as_of: str
    source: str
    provider: str = ""
    region: str = ""
    lifecycle: str = ""
    list_unit_usd: Decimal | None = None


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
    is_exact: ClassVar[bool] = True

    run_id: str
    lines: tuple[CostLine, ...]
    total_usd: Decimal
    stall_usd: Decimal | None
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def unpriced(self) -> tuple[str, ...]:
        """What was used and has no price, as its lines name it."""
        return tuple(line.what for line in self.lines if line.usd is None and line.quantity)

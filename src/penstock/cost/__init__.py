"""Prices, the bill and the report.

``penstock.report.page`` is not imported here: it needs Jinja2 and matplotlib, which a bill does not.
"""

from __future__ import annotations

from penstock.cost.breakeven import Feed, Rates, breakeven_epochs, rate_without_stall, window_without_stall
from penstock.cost.model import CostSetting, TransferKind, bill, total_meters
from penstock.cost.prices import find_price, load_prices, node_items

__all__ = [
    "CostSetting",
    "Feed",
    "Rates",
    "TransferKind",
    "bill",
    "breakeven_epochs",
    "find_price",
    "load_prices",
    "node_items",
    "rate_without_stall",
    "total_meters",
    "window_without_stall",
]

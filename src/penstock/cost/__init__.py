"""Prices, the bill and the report.

``penstock.report.page`` is not imported here: it needs Jinja2 and matplotlib, which a bill does not.
"""

from __future__ import annotations

from penstock.cost.breakeven import rate_without_stall, window_without_stall
from penstock.cost.disks import Disk
from penstock.cost.model import CostSetting, bill, total_meters
from penstock.cost.prices import Prices, load_prices
from penstock.cost.values import Charge, Machine, Rate, charge

__all__ = [
    "Charge",
    "CostSetting",
    "Disk",
    "Machine",
    "Prices",
    "Rate",
    "bill",
    "charge",
    "load_prices",
    "rate_without_stall",
    "total_meters",
    "window_without_stall",
]

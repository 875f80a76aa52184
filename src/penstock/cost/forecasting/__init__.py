"""What a run will take and cost, each way that its data could go, before anything is paid for."""

from __future__ import annotations

from penstock.cost.forecasting.breakevens import Breakevens
from penstock.cost.forecasting.inputs import Demand, Link, Node, Places
from penstock.cost.forecasting.market import Line, Market
from penstock.cost.forecasting.plan import Forecast, forecast_ways
from penstock.cost.forecasting.ways import Way, WayCost

__all__ = [
    "Breakevens",
    "Demand",
    "Forecast",
    "Line",
    "Link",
    "Market",
    "Node",
    "Places",
    "Way",
    "WayCost",
    "forecast_ways",
]

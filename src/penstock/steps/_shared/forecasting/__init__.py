"""What `penstock forecast` and a run's own forecast are made of: the demand, what was measured, nodes and prices."""

from __future__ import annotations

from penstock.steps._shared.forecasting.asking import as_planned, forecasts, over_budget

__all__ = ["as_planned", "forecasts", "over_budget"]

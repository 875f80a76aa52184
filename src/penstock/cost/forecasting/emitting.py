"""An estimate of the CO2 of each way of a forecast, by what its node draws and the grid's figure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from penstock.cost.carbon import Grid, Watts, node_watts
from penstock.cost.forecasting.plan import Forecast
from penstock.cost.forecasting.ways import WayCost
from penstock.cost.values import as_decimal, in_units
from penstock.units import format_grams

__all__ = ["with_co2"]

_SECONDS_PER_HOUR = 3600


def with_co2(found: Forecast, grid: Grid | None) -> Forecast:
    """Return a forecast that tells the CO2 of its ways too, or why it is not known.

    Args:
        grid: None where what a kWh emits is not known.
    """
    watts = node_watts(found.market.prices.machine(found.node.name))
    if watts is None or grid is None:
        lacks = f"what {found.node.name or 'the node'} draws" if watts is None else "what a kWh emits there"
        more = "" if watts is None else ": name --price-region, or --grid-gco2-per-kwh"
        return replace(found, co2_told=f"CO2e: not estimated, as {lacks} is not known{more}.")
    grams = {each.mid.way.name: _grams(each.mid, watts, grid) for each in found.outlooks}
    told = ", ".join(f"{name} {format_grams(each)}" for name, each in grams.items())
    sentence = (
        f"CO2e, estimated: {told}. Of the node alone, its GPUs in full while it computes and idle else, at "
        f"{grid.gco2_per_kwh:f} g a kWh ({grid.told})."
    )
    return replace(found, co2_grams=grams, co2_told=sentence)


def _grams(way: WayCost, watts: Watts, grid: Grid) -> Decimal:
    """Return the grams of a way; what is done before the node begins is done elsewhere."""
    waited, computed = way.stall_seconds, way.wall_seconds - way.stall_seconds - way.ahead_seconds
    idle, busy = (as_decimal(max(seconds, 0.0)) / _SECONDS_PER_HOUR for seconds in (waited, computed))
    return in_units((watts.idle * idle + watts.full * busy) / 1000 * grid.gco2_per_kwh)

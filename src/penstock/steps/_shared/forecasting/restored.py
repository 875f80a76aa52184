"""What of a dataset must be restored before it is read, in a forecast."""

from __future__ import annotations

from dataclasses import replace

from penstock.cost.forecasting import Demand, Market
from penstock.cost.restoring import is_archive, restores_told
from penstock.errors import ConfigError
from penstock.steps._shared.forecasting.demands import Data
from penstock.steps.options.forecast import ForecastOptions

__all__ = ["with_restores"]


def with_restores(demand: Demand, data: Data, args: ForecastOptions, market: Market) -> Demand:
    """Return the demand with what must be restored before it is read, or with what that would take of what is left out.

    Raises:
        ConfigError: it is said how to restore it, and nothing of it is archived.
    """
    listed = demand.storage_classes if data.source is None else data.archived
    found = {name: size for name, size in listed.items() if is_archive(market.tariff, name)}
    if args.restore and not found:
        raise ConfigError(
            f"--restore {args.restore} says how archived objects are restored, and none of these is archived",
            fix="leave it out, or state their class with --storage-class, like GLACIER, DEEP_ARCHIVE or Archive",
        )
    if data.source is None or args.restore:
        return replace(demand, archived=found, restore=args.restore)
    told = restores_told(found, market.tariff, market.prices, region=market.region) if market.is_priced else []
    return replace(demand, noted=(*demand.noted, *told))

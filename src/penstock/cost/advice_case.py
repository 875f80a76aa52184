"""A run that is advised on, and one piece of advice."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from penstock.cost.bottleneck import cause_of
from penstock.cost.breakeven import Feed, Rates
from penstock.cost.download_first import Comparison
from penstock.cost.forecasting import Forecast, WayCost
from penstock.cost.forecasting.market import Market
from penstock.cost.values import as_decimal, in_money
from penstock.records import CostAdvice, CostReport, RunRecord

__all__ = ["Case", "advised", "as_seconds"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A run that is advised on.

    Attributes:
        rates: None where a price is not known.
        measured: its epochs as they went.
        other: its other ways.
        market: that they are priced in.
    """

    cost: CostReport
    run: RunRecord
    compared: Comparison
    rates: Rates | None
    measured: WayCost
    other: Forecast
    market: Market

    @property
    def feed(self) -> Feed:
        """Its per-epoch quantities."""
        return self.compared.feed

    @property
    def cause(self) -> Literal["download", "decoding", "data"]:
        """What it waited for, as far as that is known."""
        return cause_of(self.run, self.compared)

    @property
    def epochs(self) -> int:
        """How many there were."""
        return self.compared.num_epochs

    @property
    def passes(self) -> int:
        """Times that each part of the data is read."""
        return int(self.run.config.get("repeat") or 1)

    @property
    def workers(self) -> int:
        """Processes that decode; 0 is the trainer's own."""
        return int(self.run.config.get("workers") or 0)


def advised(action: str, flag: str, told: str, *, seconds: float, usd: float | None) -> CostAdvice:
    """Return a piece of advice, its effect as decimals."""
    return CostAdvice(
        action=action,
        flag=flag,
        told=told,
        seconds_saved=as_seconds(seconds),
        usd_saved=None if usd is None else in_money(as_decimal(usd)),
    )


def as_seconds(seconds: float) -> Decimal:
    """Return seconds as they are written in a record."""
    return as_decimal(round(seconds, 3))

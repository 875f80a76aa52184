"""A run that is advised on, and one piece of advice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from penstock.cost.bottleneck import cause_of
from penstock.cost.forecasting import Forecast, Link, Market, Node, WayCost
from penstock.cost.forecasting.ways import cost_of
from penstock.cost.measured_feed import MeasuredFeed
from penstock.cost.values import as_decimal, in_money
from penstock.records import CostAdvice, CostReport, RunRecord

__all__ = ["Case", "advised", "as_seconds"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A run that is advised on.

    Attributes:
        feed: how it was fed.
        num_nodes: that it trained on.
        measured: its epochs as they went.
        other: its other ways.
    """

    cost: CostReport
    run: RunRecord
    feed: MeasuredFeed
    num_nodes: int
    measured: WayCost
    other: Forecast

    @property
    def market(self) -> Market:
        """Prices of all ways."""
        return self.other.market

    def streamed(self, *, epochs: int | None = None, link: Link | None = None, node: Node | None = None) -> WayCost:
        """Return what the forecast has for the way that the data went; how it went in truth is ``measured``.

        Args:
            epochs: None for those that were run, as it is for the link and the node.
        """
        other = self.other
        way, places, demand = other.outlook("stream").mid.way, other.places, other.demand
        if self.passes == 1 and places.window_bytes:
            way = other.outlook("window").mid.way
            if self.epochs > 1:  # what it kept is known
                way = replace(way, window_bytes=self.feed.kept_bytes)
                places = replace(places, kept_share=1.0, keeps_at_once=True)
        demand = replace(demand, epochs=epochs or demand.epochs)
        return cost_of(way, demand, link or other.link, node or other.node, places, other.market)

    @property
    def cause(self) -> Literal["download", "decoding", "data"]:
        """What it waited for, as far as that is known."""
        return cause_of(self.run, self.feed)

    @property
    def epochs(self) -> int:
        """How many there were."""
        return self.feed.num_epochs

    @property
    def passes(self) -> int:
        """Times that each part of the data is read."""
        return int(self.run.config.get("repeat") or 1)

    @property
    def workers(self) -> int:
        """Processes that decode; 0 is the trainer's own."""
        return int(self.run.config.get("workers") or 0)


def advised(
    case: Case, action: str, flag: str, told: str, *, wall_seconds: float, usd: Decimal | None, doubt: str = ""
) -> CostAdvice:
    """Return a piece of advice; it saves no more than what was waited.

    Args:
        wall_seconds: that the epochs would have taken.
        usd: that they would have cost; None where something has no price.
        doubt: what is added where it is not known what was waited for.
    """
    saved = min(case.measured.wall_seconds - wall_seconds, case.feed.stall_seconds)
    return CostAdvice(
        action=action,
        flag=flag,
        told=f"{told}; {doubt}" if doubt and case.cause == "data" else told,
        seconds_saved=as_seconds(saved),
        usd_saved=None if usd is None or case.measured.unpriced else in_money(case.measured.usd - usd),
    )


def as_seconds(seconds: float) -> Decimal:
    """Return seconds as they are written in a record."""
    return as_decimal(round(seconds, 3))

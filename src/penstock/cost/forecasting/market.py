"""Lines of dollars: what a store, a way from it and a disk take, by a price list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.forecasting.inputs import Demand, Link
from penstock.cost.model import HOURS_PER_MONTH
from penstock.cost.prices import Prices
from penstock.cost.restoring import copy_days, item_of, tier_of
from penstock.cost.seller import PROVIDERS
from penstock.cost.storage_classes import classes_of
from penstock.cost.values import Rate, as_decimal, in_money, paid
from penstock.errors import ConfigError
from penstock.records import ClassSize
from penstock.sources import Tariff
from penstock.texts import counted
from penstock.units import GIB

__all__ = ["Line", "Market"]

_THOUSAND = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of dollars; None where there is no price.

    Attributes:
        rate: the list's price that it is by; None where it is by none.
    """

    what: str
    quantity: Decimal
    unit: str
    usd: Decimal | None
    rate: Rate | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Market:
    """Prices of where the source and the node are.

    Attributes:
        tariff: what the store's items are called; None where it takes nothing.
        region: whose prices are taken: of where the node is.
        is_priced: whether the store's prices are those that are paid: else its lines stand without one.
        told: who takes them, for people; empty where that is the store itself.
    """

    prices: Prices
    tariff: Tariff | None
    region: str | None = None
    is_priced: bool = True
    told: str = ""

    def line(self, what: str, item: str, quantity: float, unit: str, *, per: str = "", divide: int = 1) -> Line:
        """Return a line of an item."""
        number = as_decimal(quantity)
        try:
            rate = self.prices.find(item, unit=per or unit, region=self.region)
        except ConfigError:
            return Line(what=what, quantity=number, unit=unit, usd=None)
        return Line(what=what, quantity=number, unit=unit, usd=in_money(paid(rate, number / divide)), rate=rate)

    def requests(self, what: str, item: str, number: float) -> Line:
        """Return a line of requests to the store."""
        return self._of_store(what, item, number, "requests", per="1000 requests", divide=_THOUSAND)

    def asked(self, demand: Demand, gets: float, moved_bytes: float, hours: float) -> list[Line]:
        """Return the lines of listing a demand's source and reading from it, class of storage by class.

        Args:
            hours: that it is read for.
        """
        if self.tariff is None:
            return []
        classes = classes_of(self.tariff, demand.storage_classes)
        return [
            *(line for name, size in demand.archived.items() for line in self._restored(name, size, demand, hours)),
            *(self.requests(each.of("GET requests"), each.get, gets * each.requests_share) for each in classes),
            self.requests("LIST requests", self.tariff.list, demand.pages),
            *(
                self._of_store(each.of("retrieval"), each.retrieval, moved_bytes * each.bytes_share / GIB, "GiB")
                for each in classes
                if each.retrieval
            ),
        ]

    def _restored(self, name: str, size: ClassSize, demand: Demand, hours: float) -> list[Line]:
        """Return the lines of restoring what lies in an archive once, and of its copies as long as they are read."""
        assert self.tariff is not None
        tier, gib, days = tier_of(self.tariff, name, demand.restore).name, size.size_bytes / GIB, copy_days(hours)
        item = item_of(self.tariff, name, tier)
        return [
            self._of_store(f"restore of {name} ({tier})", item, gib, "GiB"),
            self.requests(f"restore requests of {name} ({tier})", f"{item}-request", size.num_objects),
            self.stored(f"restored copies of {name}, {counted(days, 'day')}", gib * days * 24),
        ]

    def stored(self, what: str, gib_hours: float) -> Line:
        """Return a line of what is kept in the store."""
        item = (self.tariff.storage if self.tariff is not None else "") or "storage"
        return self._of_store(what, item, gib_hours, "GiB-hour", per="GiB-month", divide=HOURS_PER_MONTH)

    def disk(self, item: str, size_bytes: float, hours: float) -> list[Line]:
        """Return the line of a disk; an item without a name is the node's own, which takes nothing more."""
        if not item or not size_bytes:
            return []
        held = size_bytes / GIB * hours
        return [self.line(f"disk ({item})", item, held, "GiB-hour", per="GiB-month", divide=HOURS_PER_MONTH)]

    def _of_store(self, what: str, item: str, quantity: float, unit: str, *, per: str = "", divide: int = 1) -> Line:
        if not self.is_priced:
            return Line(what=what, quantity=as_decimal(quantity), unit=unit, usd=None)
        return self.line(what, item, quantity, unit, per=per, divide=divide)

    def transfer(self, link: Link, path: str, moved_bytes: float, hours: float) -> list[Line]:
        """Return a line a leg of the way from the source."""
        if self.tariff is None:
            return []
        provider = PROVIDERS.get(self.tariff.seller, "aws")
        what = f"transfer ({path})"
        if not self.is_priced:
            return [Line(what=what, quantity=as_decimal(moved_bytes / GIB), unit="GiB", usd=None)]
        try:
            rates: Sequence[Rate] = self.prices.transfer(
                path, provider=provider, region=link.region, to_region=self.region or ""
            )
        except ConfigError:
            return [Line(what=what, quantity=as_decimal(moved_bytes / GIB), unit="GiB", usd=None)]
        found = []
        for rate in rates:
            number = as_decimal(moved_bytes / GIB if rate.unit == "GiB" else hours)
            found.append(Line(what=what, quantity=number, unit=rate.unit, usd=in_money(paid(rate, number)), rate=rate))
        return found

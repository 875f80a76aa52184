"""The bill while it is made: its lines, the prices that they used, and what there is to say about them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from penstock.cost.prices import Prices
from penstock.cost.setting import CostSetting
from penstock.cost.values import Charge, Lifecycle, Rate, as_decimal, charges_of, in_money, in_units
from penstock.errors import ConfigError
from penstock.records import CostLine

__all__ = ["Book"]


class Book:
    """Lines of a bill and what they stand on."""

    def __init__(self, prices: Prices, setting: CostSetting, *, provider: str) -> None:
        self.setting = setting
        self.provider = provider
        self.prices = prices.on(setting.today)
        self.lines: list[CostLine] = []
        self.assumptions: list[str] = []
        self.warnings: list[str] = []
        self.used: list[Rate] = []
        self.has_priced_requests = False

    def warn(self, text: str) -> None:
        """Append a warning once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def assume(self, text: str) -> None:
        """Append an assumption once."""
        if text not in self.assumptions:
            self.assumptions.append(text)

    def find(
        self,
        item: str,
        unit: str,
        *,
        between: tuple[str, str] | None = None,
        region: str | None = None,
        lifecycle: Lifecycle | None = None,
    ) -> Rate | None:
        """Return a price, None where there is none, which is warned of.

        Args:
            between: regions, of transfer from one to the other; empty ones are not known.
            region: where it is looked for; None takes the bill's.
            lifecycle: of a node; None takes the bill's.
        """
        setting = self.setting
        region = region or setting.region
        is_node = unit == "hour" and not item.endswith("-hour")
        lifecycle = ((lifecycle or setting.lifecycle) if is_node else None) or "on-demand"
        try:
            if between:
                rate = self.prices.between(item, unit=unit, region=between[0] or None, to_region=between[1])
            else:
                rate = self.prices.find(item, unit=unit, region=region, lifecycle=lifecycle)
        except ConfigError as error:
            self.warn(f"{error.what[0].upper()}{error.what[1:]}: what it is for is not in the total. {error.fix}.")
            return None
        if rate not in self.used:
            self.used.append(rate)
        return rate

    def add_unpriced(self, item: str, unit: str, what: str, quantity: Decimal | float) -> None:
        """Append a line whose price is not known."""
        self.lines.append(
            CostLine(
                item=item,
                what=what,
                quantity=in_units(as_decimal(quantity)),
                unit=unit,
                unit_usd=None,
                usd=None,
                as_of="",
                source="",
            )
        )

    def buy(
        self,
        item: str,
        unit: str,
        what: str,
        quantity: Decimal | float,
        *,
        is_priced: bool = True,
        between: tuple[str, str] | None = None,
        region: str | None = None,
    ) -> None:
        """Append a line, with the price of an item where there is one; one a tier, where it has tiers."""
        rate = self.find(item, unit, between=between, region=region) if is_priced else None
        if rate is None:
            self.add_unpriced(item, unit, what, quantity)
        else:
            self.add(rate, what, quantity)

    def add(
        self, rate: Rate, what: str, quantity: Decimal | float, *, unit: str | None = None, per: int = 1
    ) -> Decimal:
        """Append lines and give their sum; ``per`` is how many of ``unit`` the price's own unit holds."""
        charges = charges_of(rate, in_units(as_decimal(quantity))) if per == 1 else _divided(rate, quantity, per)
        for each in charges:
            self._append(rate, f"{what}, {each.told}" if each.told else what, each, unit or rate.unit)
        return sum((each.usd for each in charges), Decimal(0))

    def _append(self, rate: Rate, what: str, each: Charge, unit: str) -> None:
        """Append a line; its source is told without an address, as pages have none but their own."""
        place = f", {rate.region}" if rate.region else ""
        told = f" ({rate.told})" if rate.told else ""
        self.lines.append(
            CostLine(
                item=rate.item,
                what=what,
                quantity=each.quantity,
                unit=unit,
                unit_usd=each.unit_usd,
                usd=each.usd,
                as_of=rate.as_of.isoformat() if rate.as_of else "",
                source=f"{rate.source.partition(', https://')[0]}{place}{told}",
                provider=rate.provider,
                region=rate.region,
                lifecycle=rate.lifecycle,
                list_unit_usd=rate.listed(each.unit_usd) if rate.paid_share != 1 else None,
            )
        )

    def total(self) -> Decimal:
        """Return the sum of the lines that have a price."""
        return sum((line.usd for line in self.lines if line.usd is not None), Decimal(0))


def _divided(rate: Rate, quantity: Decimal | float, per: int) -> Sequence[Charge]:
    unit_usd = rate.usd / per
    held = in_units(as_decimal(quantity))
    return [Charge(quantity=held, unit_usd=in_units(unit_usd), usd=in_money(held * unit_usd), told="")]

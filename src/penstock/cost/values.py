"""What a price list holds: machines, rows, discounts and exchange rates; and what is found in it: rates.

Money is ``Decimal`` from the file to the bill. GB is 2**30 bytes wherever something is billed by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

from penstock.cost.given import check_kind, check_number

__all__ = [
    "UNITS",
    "Charge",
    "Discount",
    "Exchange",
    "Lifecycle",
    "Machine",
    "PriceRow",
    "Provider",
    "Rate",
    "Tier",
    "as_decimal",
    "charge",
    "charges_of",
    "in_money",
    "in_units",
    "paid",
    "sum_of",
    "tiers_of",
]

Lifecycle = Literal["on-demand", "spot"]
Provider = Literal["aws", "gcp", "azure", "cloudflare", "own"]
UNITS = ("hour", "GiB", "1000 requests", "GiB-month", "IOPS-month", "MiB/s-month", "1000 objects-month")
"""What prices are per."""
_LEAST = Decimal("0.0000000001")
"""Fraction of a dollar that sums are kept to: a GET is 4000 times as much."""
_FINEST = Decimal("0.000000000000001")
_WIDE = Context(prec=100)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """A price that holds from a month's quantity on.

    Attributes:
        above: units bought before it holds.
        price: of one unit, in the row's currency.
    """

    above: Decimal
    price: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceRow:
    """One row of a price list.

    Attributes:
        item: what is sold, for example ``g5.xlarge`` or ``s3-get``.
        unit: what is bought one of (``UNITS``).
        tiers: the first from 0 on; most rows have one.
        region: where it is sold; empty for anywhere.
        to_region: of transfer from one region to another; empty for any.
        as_of: day on which it was read, None where the file does not say.
        source: where it was read.
        place: file and line, for messages.
        is_own: whether it is of somebody's own file, which comes before Penstock's.
    """

    item: str
    unit: str
    tiers: tuple[Tier, ...]
    currency: str
    provider: str
    region: str
    to_region: str
    lifecycle: Lifecycle
    as_of: date | None
    source: str
    place: str
    is_own: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A kind of node, without its price.

    Attributes:
        names: as clouds, nodes' labels and people write it; the first is the one in price rows.
        gpu: what it is called, empty where there is none.
        network_baseline_gbps: 10**9 bits per second that last; bursts end, so nothing may be planned with them.
        disk_baseline_mb_s: 10**6 bytes per second to block storage that last.
        local_nvme_gb: 10**9 bytes of the node's own disks, which cost nothing more.
        as_of: day on which its figures were read.
    """

    names: tuple[str, ...]
    provider: str
    vcpus: int | None
    memory_gib: Decimal | None
    gpu: str
    num_gpus: int
    gpu_memory_gib: Decimal | None
    network_baseline_gbps: Decimal | None
    network_burst_gbps: Decimal | None
    disk_baseline_mb_s: Decimal | None
    disk_burst_mb_s: Decimal | None
    disk_baseline_iops: int | None
    local_nvme_gb: Decimal | None
    as_of: date | None
    source: str
    place: str
    is_own: bool = False

    @property
    def name(self) -> str:
        """As price rows call it."""
        return self.names[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Discount:
    """What is taken off list prices.

    Attributes:
        items: pattern (``g5.*``) of what it is on.
        kind: ``negotiated`` takes from whatever is paid, ``committed`` from on demand alone.
        percent: taken off.
        begins, ends: first and last day that it holds.
        why: for people.
    """

    items: str
    kind: Literal["negotiated", "committed"]
    percent: Decimal
    provider: str
    region: str
    begins: date | None
    ends: date | None
    why: str
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """What one unit of a currency is worth.

    Attributes:
        usd: US dollars for one.
    """

    currency: str
    usd: Decimal
    as_of: date | None
    source: str
    place: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """A price as it was found, in US dollars.

    Attributes:
        tiers: prices by a month's quantity, after discounts and exchange.
        list_usd: of the first unit, before discounts.
        paid_share: part of the listed price that is paid after discounts, 0 to 1.
        told: what was done to the listed price, for people; empty where nothing was.
        wanted_region: where it was looked for; empty for anywhere.
    """

    item: str
    unit: str
    tiers: tuple[Tier, ...]
    list_usd: Decimal
    provider: str
    region: str
    lifecycle: Lifecycle
    as_of: date | None
    source: str
    told: str = ""
    wanted_region: str = ""
    paid_share: Decimal = Decimal(1)

    @property
    def usd(self) -> Decimal:
        """Of one unit, by the dearest tier: what is free at first is not free for long."""
        return max(tier.price for tier in self.tiers)

    def listed(self, unit_usd: Decimal) -> Decimal:
        """Return what a price after discounts was before them."""
        return in_units(unit_usd / self.paid_share) if self.paid_share else self.list_usd

    def cost(self, quantity: Decimal | float) -> Decimal:
        """Return what a quantity costs, tier by tier, from a month's first unit on.

        Raises:
            ConfigError: it is no quantity.
        """
        return sum((each.usd for each in charge(self, quantity)), Decimal(0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """What is paid for a quantity in one tier.

    Attributes:
        told: which tier it is, empty where there is but one.
    """

    quantity: Decimal
    unit_usd: Decimal
    usd: Decimal
    told: str


def charge(rate: Rate, quantity: Decimal | float, *, before: Decimal | float = 0) -> tuple[Charge, ...]:
    """Return what a quantity costs, a charge for each tier that it reaches; one of 0 where there is none of it.

    Args:
        before: units that the month has had already.

    Raises:
        ConfigError: one of both is no quantity.
    """
    check_kind(rate, Rate, "the rate")
    check_number(quantity, "the quantity")
    check_number(before, "before")
    return charges_of(rate, quantity, before=before)


def paid(rate: Rate, quantity: Decimal | float) -> Decimal:
    """Return what a quantity costs that was measured or reckoned: what is too large is an ArithmeticError."""
    return sum((each.usd for each in charges_of(rate, quantity)), Decimal(0))


def charges_of(rate: Rate, quantity: Decimal | float, *, before: Decimal | float = 0) -> tuple[Charge, ...]:
    """Return the charges for a quantity that was measured or reckoned."""
    start = as_decimal(before)
    end = start + as_decimal(quantity)
    ends = [tier.above for tier in rate.tiers[1:]] + [None]
    found = []
    for tier, upper in zip(rate.tiers, ends, strict=True):
        held = (end if upper is None else min(end, upper)) - max(start, tier.above)
        if held > 0:
            told = _told(tier, upper, rate.unit) if len(rate.tiers) > 1 else ""
            found.append(Charge(quantity=held, unit_usd=tier.price, usd=in_money(held * tier.price), told=told))
    return tuple(found) or (Charge(quantity=Decimal(0), unit_usd=rate.tiers[0].price, usd=Decimal(0), told=""),)


def tiers_of(price: Decimal) -> tuple[Tier, ...]:
    """Return the tiers of something that costs the same however much of it is bought."""
    return (Tier(above=Decimal(0), price=price),)


def as_decimal(number: Decimal | float) -> Decimal:
    """Return a number as it is written."""
    return (
        number if isinstance(number, Decimal) else Decimal(repr(float(number)) if isinstance(number, float) else number)
    )


def in_money(usd: Decimal) -> Decimal:
    """Round a sum to what sums are kept to: sums of such are exact, and in JSON too."""
    return _rounded(usd, _LEAST)


def sum_of(parts: Sequence[Decimal | None]) -> Decimal | None:
    """Add up dollars; None where some of them are not known."""
    known = [usd for usd in parts if usd is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None


def in_units(number: Decimal) -> Decimal:
    """Round a quantity, or the price of one unit, to what is more than anybody can measure."""
    return _rounded(number, _FINEST)


def _rounded(number: Decimal, least: Decimal) -> Decimal:
    text = format(number.quantize(least, rounding=ROUND_HALF_EVEN, context=_WIDE), "f").rstrip("0").rstrip(".")
    return Decimal(text if text not in ("", "-0") else 0)


def _told(tier: Tier, upper: Decimal | None, unit: str) -> str:
    if upper is None:
        return f"above {tier.above:,f} {unit} a month"
    return f"first {upper:,f} {unit} a month" if not tier.above else f"{tier.above:,f} to {upper:,f} {unit} a month"

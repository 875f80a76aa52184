"""The bill: what a run's measured hours, requests and bytes cost at dated prices.

``bill`` is a pure function of records, prices and setting: the same input gives the same bill. It prices
what was measured and nothing else; what it has no price for stands as a line without one, and is told: no bill
is refused for want of a price. Requests that failed are not billed (5xx answers are free). GB means 2**30 bytes,
as cloud providers bill it.

Whose traffic counts: the run's meters hold what its own prefetcher moved, so a step named ``train`` adds
nothing, nor does ``evaluate`` where an evaluation record is given. A ``prefetch`` step of its own does: it
moved its bytes beside the run's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from penstock.cost.prices import STALE_AFTER_DAYS, find_price, stale_prices
from penstock.cost.seller import seller_of
from penstock.errors import ConfigError
from penstock.options.cost import CostOptions, SourcePrices, TransferKind
from penstock.records import CostLine, CostReport, Evaluation, Meters, Price, PriceList, RunRecord, StepRecord
from penstock.sources import Tariff
from penstock.units import GIB, format_usd

__all__ = [
    "HOURS_PER_MONTH",
    "CostSetting",
    "TransferKind",
    "added_steps",
    "bill",
    "is_measured",
    "total_meters",
]

HOURS_PER_MONTH = 720
"""Hours in a month of 30 days, by which disks are billed."""

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CostSetting:
    """What the bill must be told, since no step can measure it.

    Attributes:
        today: day of the bill; prices older than 180 days by then are warned of.
        instance_type: the node's; None takes what the run recorded, and without that the node has no price.
        node_usd_per_hour: price of one node, instead of the price file's.
        num_nodes: nodes of the training step.
        region: where the prices are looked for; None takes those that the price file has.
        transfer: the way from the source to the node.
        source_prices: ``auto`` takes the prices of the store that the run read from, none where it read from a folder
            of the node's own, and leaves those of another server open; ``s3`` takes S3's whatever it read from.
        disk: item that the window's disk is billed as; None: it is the node's own disk or memory.
        disk_bytes: size of that disk; None takes the window's bound.
        put_requests: PUT requests of checkpoints and records; None takes those that were counted.
    """

    today: date
    instance_type: str | None = None
    node_usd_per_hour: float | None = None
    num_nodes: int = 1
    region: str | None = None
    transfer: TransferKind = CostOptions.transfer
    source_prices: SourcePrices = CostOptions.source_prices
    disk: str | None = "gp3"
    disk_bytes: int | None = None
    put_requests: int | None = None

    def __post_init__(self) -> None:
        if self.node_usd_per_hour is not None and not 0 <= self.node_usd_per_hour < math.inf:
            raise ConfigError(
                f"{self.node_usd_per_hour} is no price per hour",
                fix="pass US dollars per node and hour, like 1.006",
            )
        if self.num_nodes < 1:
            raise ConfigError(f"{self.num_nodes} nodes cannot be billed", fix="pass 1 or more")


def bill(
    run: RunRecord,
    *,
    steps: Sequence[StepRecord],
    evaluation: Evaluation | None,
    prices: PriceList,
    setting: CostSetting,
) -> CostReport:
    """Price a run.

    Args:
        run: the training run.
        steps: records of the run's other steps.
        evaluation: the run's evaluation, if it got that far.
        prices: where unit prices are from.
        setting: what cannot be measured.
    """
    book = _Book(prices, setting)
    traffic = total_meters(run, steps=steps, evaluation=evaluation)
    hours = (run.wall_seconds + (evaluation.wall_seconds if evaluation else 0.0)) / _SECONDS_PER_HOUR
    stall_usd = _add_nodes(book, run, added_steps(steps, evaluation=evaluation), evaluation)
    if is_measured(traffic):
        _add_traffic(book, run, traffic)
        _add_disk(book, traffic, hours)
    if hours and not is_measured(run.meters):
        book.warn("What the training moved was not measured, since it ended without a word: it is not in the total.")
    _explain(book, traffic)
    return CostReport(
        run_id=run.run_id,
        lines=tuple(book.lines),
        total_usd=math.fsum(line.usd for line in book.lines if line.usd is not None),
        stall_usd=stall_usd,
        assumptions=tuple(book.assumptions),
        warnings=tuple(book.warnings),
    )


def added_steps(steps: Sequence[StepRecord], *, evaluation: Evaluation | None) -> list[StepRecord]:
    """Return the steps whose traffic and hours no other record holds already."""
    elsewhere = {"train", "report"} | ({"evaluate"} if evaluation else set())
    return [step for step in steps if step.step not in elsewhere]


def total_meters(run: RunRecord, *, steps: Sequence[StepRecord], evaluation: Evaluation | None) -> Meters:
    """Add up the traffic of a run, counting nothing twice."""
    total = run.meters
    for step in added_steps(steps, evaluation=evaluation):
        total = total.plus(step.meters)
    return total.plus(evaluation.meters) if evaluation else total


class _Book:
    """The bill while it is made: lines, the prices they used, and what there is to say about them."""

    def __init__(self, prices: PriceList, setting: CostSetting) -> None:
        self.setting = setting
        self.lines: list[CostLine] = []
        self.assumptions: list[str] = []
        self.warnings: list[str] = []
        self.used: list[Price] = []
        self.has_priced_requests = False
        self._prices = prices

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def find(self, item: str, unit: str) -> Price | None:
        """Return a price, None where there is none, which is warned of."""
        try:
            price = find_price(self._prices, item, unit=unit, region=self.setting.region, today=self.setting.today)
        except ConfigError as error:
            self.warn(f"{error.what[0].upper()}{error.what[1:]}: what it is for is not in the total. {error.fix}.")
            return None
        if price not in self.used:
            self.used.append(price)
        return price

    def add_unpriced(self, item: str, unit: str, what: str, quantity: float) -> None:
        """Append a line whose price is not known."""
        self.lines.append(
            CostLine(item=item, what=what, quantity=quantity, unit=unit, unit_usd=None, usd=None, as_of="", source="")
        )

    def buy(self, item: str, price_unit: str, what: str, quantity: float, *, is_priced: bool = True) -> None:
        """Append a line, with the price of an item where there is one."""
        price = self.find(item, price_unit) if is_priced else None
        if price is None:
            self.add_unpriced(item, price_unit, what, quantity)
        else:
            self.add(price, what, quantity)

    def add(self, price: Price, what: str, quantity: float, *, unit: str | None = None, per: float = 1.0) -> float:
        """Append a line and give its sum; ``per`` is how many of ``unit`` the price's own unit holds."""
        unit_usd = price.usd / per
        line = CostLine(
            item=price.item,
            what=what,
            quantity=quantity,
            unit=unit or price.unit,
            unit_usd=unit_usd,
            usd=quantity * unit_usd,
            as_of=price.as_of,
            source=f"{price.source}, {price.region}" if price.region else price.source,
        )
        self.lines.append(line)
        return quantity * unit_usd


def _node_price(book: _Book, instance_type: str | None, *, any_hours: bool) -> Price | None:
    setting = book.setting
    if setting.node_usd_per_hour is not None:
        return Price(
            item=instance_type or "node",
            unit="hour",
            usd=setting.node_usd_per_hour,
            region="",
            as_of=setting.today.isoformat(),
            source="given by hand for this report",
        )
    if instance_type:
        return book.find(instance_type, "hour")
    if not any_hours:
        return None
    book.warn(
        "The node's hours have no price, since its instance type is not known: "
        "name it with --instance-type or its price with --node-usd-per-hour."
    )
    return None


def _add_nodes(book: _Book, run: RunRecord, steps: Sequence[StepRecord], evaluation: Evaluation | None) -> float | None:
    """Add hours of nodes and give the part of them that was stall, None where they have no price."""
    setting = book.setting
    kind = setting.instance_type or run.host.instance_type
    any_hours = bool(run.wall_seconds or evaluation or steps)
    price = _node_price(book, kind, any_hours=any_hours)
    nodes = setting.num_nodes

    def add(item: str | None, price: Price | None, what: str, hours: float) -> float | None:
        if price is not None:
            return book.add(price, what, hours)
        if hours:
            book.add_unpriced(item or "node", "hour", what, hours)
        return None

    what = "Training node" if nodes == 1 else f"Training nodes ({nodes})"
    train_usd = add(kind, price, f"{what}, stall included", run.wall_seconds / _SECONDS_PER_HOUR * nodes)
    for step in steps:
        own = step.host.instance_type
        is_same = own in (None, run.host.instance_type)
        step_price = price if is_same else book.find(str(own), "hour")
        hours = step.wall_seconds / _SECONDS_PER_HOUR
        add(kind if is_same else own, step_price, f"Node of the {step.step} step", hours)
    if evaluation:
        add(kind, price, "Node of the evaluate step", evaluation.wall_seconds / _SECONDS_PER_HOUR)
    if price is None or train_usd is None:
        return None
    return min(train_usd, run.stall_seconds / _SECONDS_PER_HOUR * nodes * price.usd)


def is_measured(meters: Meters) -> bool:
    """Tell whether a step got to tell its traffic: one that was killed, or never began, did not."""
    return meters != Meters()


def _add_traffic(book: _Book, run: RunRecord, traffic: Meters) -> None:
    seller = seller_of(run, prices=book.setting.source_prices)
    book.warnings += [seller.warning] if seller.warning else []
    book.assumptions += [seller.assumption] if seller.assumption else []
    if seller.tariff is not None:
        book.has_priced_requests = seller.is_priced
        _add_requests(book, traffic, seller.tariff, is_priced=seller.is_priced)
        _add_transfer(book, traffic, seller.tariff, is_priced=seller.is_priced)


def _add_requests(book: _Book, traffic: Meters, tariff: Tariff, *, is_priced: bool) -> None:
    unit = "1000 requests"
    gets, lists, puts = (traffic.count(*kinds).billed for kinds in (("GET", "HEAD"), ("LIST",), ("PUT", "POST")))
    book.buy(tariff.get, unit, "GET and HEAD requests", gets / 1000, is_priced=is_priced)
    book.buy(tariff.list, unit, "LIST requests", lists / 1000, is_priced=is_priced)
    puts = puts if book.setting.put_requests is None else book.setting.put_requests
    if puts:
        book.buy(tariff.put, unit, "PUT requests (checkpoints, records)", puts / 1000, is_priced=is_priced)


def _add_transfer(book: _Book, traffic: Meters, tariff: Tariff, *, is_priced: bool) -> None:
    kind = book.setting.transfer
    what = f"Transfer from the source ({kind})"
    book.buy(f"{tariff.transfer}-{kind}", "GiB", what, traffic.bytes_downloaded / GIB, is_priced=is_priced)


def _add_disk(book: _Book, traffic: Meters, hours: float) -> None:
    setting = book.setting
    if setting.disk is None:
        book.assumptions.append("The window lies on the node's own disk or in its memory, which is not billed apart.")
        return
    size_bytes = setting.disk_bytes if setting.disk_bytes is not None else traffic.window_bytes
    if not size_bytes:
        return
    price = book.find(setting.disk, "GiB-month")
    gib_hours = size_bytes / GIB * hours
    if price is None:
        book.add_unpriced(setting.disk, "GiB-hour", "Disk of the window", gib_hours)
        return
    book.add(price, "Disk of the window", gib_hours, unit="GiB-hour", per=HOURS_PER_MONTH)
    book.assumptions.append(f"A month of disk is {HOURS_PER_MONTH} hours; only the window's size is billed.")


def _explain(book: _Book, traffic: Meters) -> None:
    setting = book.setting
    book.assumptions.append("A GB of a price list is taken as 1 GiB; hours are billed by the second.")
    total, free = traffic.count(), traffic.count("DELETE").sent
    if total.answers_5xx or total.answers_4xx:
        book.assumptions.append(
            f"{total.answers_5xx:,} requests that were answered with 5xx are not billed, "
            f"{total.answers_4xx:,} with 4xx are."
        )
    if total.unanswered:
        book.assumptions.append(f"{total.unanswered:,} requests that got no answer are billed as if they had.")
    if free:
        book.assumptions.append(f"{free:,} DELETE requests are free.")
    if book.has_priced_requests:
        book.assumptions.append(
            "Requests and transfer are priced as if the reader paid; for a public bucket without requester pays its "
            "owner does."
        )
    regions = sorted({price.region for price in book.used if price.region})
    if setting.region is None and regions:
        book.assumptions.append(f"No region was named: prices are those of {', '.join(regions)}.")
    elif setting.region is not None:
        for price in book.used:
            if price.region not in ("", setting.region):
                book.warnings.append(
                    f"There is no price of {price.item} for {setting.region}: that of {price.region} "
                    f"({format_usd(price.usd)} per {price.unit}) is used."
                )
    for price in stale_prices(book.used, setting.today):
        age_days = (setting.today - date.fromisoformat(price.as_of)).days
        book.warnings.append(
            f"The price of {price.item} is {age_days} days old (as of {price.as_of}; prices older than "
            f"{STALE_AFTER_DAYS} days may be wrong): check it, or pass a newer price file."
        )

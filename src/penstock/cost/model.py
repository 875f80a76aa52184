"""The bill: what a run's measured hours, requests and bytes cost at dated prices.

``bill`` is a pure function of records, prices and setting: the same input gives the same bill. It prices
what was measured and nothing else; what it has no price for stands as a line without one, and is told: no bill
is refused for want of a price. Requests that failed are not billed (5xx answers are free). GB means 2**30 bytes,
as cloud providers bill it. Sums are decimals: the lines add up to the total to the last digit.

Whose traffic counts: the run's meters hold what its own prefetcher moved, so a step named ``train`` adds
nothing, nor does ``evaluate`` where an evaluation record is given. A ``prefetch`` step of its own does: it
moved its bytes beside the run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from penstock.cost.book import Book
from penstock.cost.carbon import assumptions_of, emissions_of
from penstock.cost.prices import DISKS, Prices
from penstock.cost.seller import PROVIDERS, seller_of
from penstock.cost.setting import USUAL_DISK, CostSetting
from penstock.cost.values import Rate, as_decimal, in_money, tiers_of
from penstock.options.paths import LEGS
from penstock.records import CostReport, Emissions, Evaluation, Meters, RunRecord, StepRecord
from penstock.sources import Tariff
from penstock.units import GIB, format_usd

__all__ = [
    "HOURS_PER_MONTH",
    "CostSetting",
    "added_steps",
    "bill",
    "is_measured",
    "total_meters",
]

HOURS_PER_MONTH = 720
"""Hours in a month of 30 days, by which disks are billed."""

_SECONDS_PER_HOUR = 3600


def bill(
    run: RunRecord,
    *,
    steps: Sequence[StepRecord],
    evaluation: Evaluation | None,
    prices: Prices,
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
    host = run.host
    setting = replace(
        setting, region=setting.region or host.region, lifecycle=setting.lifecycle or host.lifecycle or "on-demand"
    )
    kind = setting.instance_type or _known_by_name(prices, host.node) or host.instance_type
    setting = replace(setting, instance_type=kind)
    book = Book(prices, setting, provider=prices.provider_of(kind) or host.provider or "")
    traffic = total_meters(run, steps=steps, evaluation=evaluation)
    hours = _hours(run.wall_seconds) + _hours(evaluation.wall_seconds if evaluation else 0.0)
    stall_usd = _add_nodes(book, run, added_steps(steps, evaluation=evaluation), evaluation)
    if is_measured(traffic):
        provider = _add_traffic(book, run, traffic, hours)
        _add_disk(book, traffic, hours, provider=book.provider or provider)
    if hours and not is_measured(run.meters):
        book.warn("What the training moved was not measured, since it ended without a word: it is not in the total.")
    _explain(book, traffic)
    co2 = _co2(book, run) if setting.co2 else None
    return CostReport(
        run_id=run.run_id,
        lines=tuple(book.lines),
        total_usd=book.total(),
        stall_usd=stall_usd,
        assumptions=tuple(book.assumptions),
        warnings=tuple(book.warnings),
        co2=co2,
    )


def _co2(book: Book, run: RunRecord) -> Emissions:
    found = emissions_of(run, book.lines, prices=book.prices, setting=book.setting)
    for text in found.unknown:
        book.warn(text)
    for text in assumptions_of(found):
        book.assume(text)
    return found


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


def _known_by_name(prices: Prices, node: str | None) -> str | None:
    """Return a node's name where a price of it is known, as a cluster's own books tell it."""
    return node if node and any(row.is_own and row.unit == "hour" and row.item == node for row in prices.rows) else None


def _hours(seconds: float) -> Decimal:
    return as_decimal(seconds) / _SECONDS_PER_HOUR


def _node_price(book: Book, instance_type: str | None, *, any_hours: bool) -> Rate | None:
    setting = book.setting
    if setting.node_usd_per_hour is not None:
        return by_hand(instance_type or "node", as_decimal(setting.node_usd_per_hour), setting)
    if instance_type:
        return book.find(instance_type, "hour")
    if not any_hours:
        return None
    book.warn(
        "The node's hours have no price, since its instance type is not known: "
        "name it with --instance-type or its price with --node-usd-per-hour."
    )
    return None


def by_hand(item: str, usd: Decimal, setting: CostSetting) -> Rate:
    """Return a price per hour that somebody gave."""
    return Rate(
        item=item,
        unit="hour",
        tiers=tiers_of(usd),
        list_usd=usd,
        provider="",
        region="",
        lifecycle=setting.lifecycle or "on-demand",
        as_of=setting.today,
        source="given by hand for this report",
    )


def _add_nodes(
    book: Book, run: RunRecord, steps: Sequence[StepRecord], evaluation: Evaluation | None
) -> Decimal | None:
    """Add hours of nodes and give the part of them that was stall, None where they have no price."""
    setting = book.setting
    kind = setting.instance_type or run.host.instance_type
    any_hours = bool(run.wall_seconds or evaluation or steps)
    price = _node_price(book, kind, any_hours=any_hours)
    nodes = setting.num_nodes

    def add(item: str | None, price: Rate | None, what: str, hours: Decimal) -> Decimal | None:
        if price is not None:
            return book.add(price, what, hours)
        if hours:
            book.add_unpriced(item or "node", "hour", what, hours)
        return None

    what = "Training node" if nodes == 1 else f"Training nodes ({nodes})"
    train_usd = add(kind, price, f"{what}, stall included", _hours(run.wall_seconds) * nodes)
    for step in steps:
        own = _known_by_name(book.prices, step.host.node) or step.host.instance_type
        is_same = own in (None, kind, run.host.instance_type)
        step_price = price if is_same else book.find(str(own), "hour")
        add(kind if is_same else own, step_price, f"Node of the {step.step} step", _hours(step.wall_seconds))
    if evaluation:
        add(kind, price, "Node of the evaluate step", _hours(evaluation.wall_seconds))
    if price is None or train_usd is None:
        return None
    return min(train_usd, in_money(_hours(run.stall_seconds) * nodes * price.usd))


def is_measured(meters: Meters) -> bool:
    """Tell whether a step got to tell its traffic: one that was killed, or never began, did not."""
    return meters != Meters()


def _add_traffic(book: Book, run: RunRecord, traffic: Meters, hours: Decimal) -> str:
    """Add requests and transfer; give the provider that sells them, empty where that is not known."""
    seller = seller_of(run, prices=book.setting.source_prices)
    book.warnings += [seller.warning] if seller.warning else []
    book.assumptions += [seller.assumption] if seller.assumption else []
    if seller.tariff is None:
        return ""
    book.has_priced_requests = seller.is_priced
    _add_requests(book, traffic, seller.tariff, is_priced=seller.is_priced)
    between = (str(run.config.get("region") or ""), book.setting.region or "")
    _add_transfer(book, traffic, seller.tariff, hours=hours, between=between, is_priced=seller.is_priced)
    return PROVIDERS.get(seller.tariff.seller, "") if seller.is_priced else ""


def _add_requests(book: Book, traffic: Meters, tariff: Tariff, *, is_priced: bool) -> None:
    unit = "1000 requests"
    gets, lists, puts = (traffic.count(*kinds).billed for kinds in (("GET", "HEAD"), ("LIST",), ("PUT", "POST")))
    book.buy(tariff.get, unit, "GET and HEAD requests", Decimal(gets) / 1000, is_priced=is_priced)
    book.buy(tariff.list, unit, "LIST requests", Decimal(lists) / 1000, is_priced=is_priced)
    puts = puts if book.setting.put_requests is None else book.setting.put_requests
    if puts:
        book.buy(tariff.put, unit, "PUT requests (checkpoints, records)", Decimal(puts) / 1000, is_priced=is_priced)


def _add_transfer(
    book: Book, traffic: Meters, tariff: Tariff, *, hours: Decimal, between: tuple[str, str], is_priced: bool
) -> None:
    """Add a line for each leg of the way; legs by the hour are there as long as the node is."""
    path = book.setting.transfer
    moved = Decimal(traffic.bytes_downloaded) / GIB
    for name in path.split("+"):
        for leg in LEGS[name]:
            what = f"Transfer from the source ({name})" if leg.unit == "GiB" else f"Way from the source ({name})"
            quantity = moved if leg.unit == "GiB" else hours
            far = between if leg.is_far else None
            book.buy(f"{tariff.transfer}-{leg.item}", leg.unit, what, quantity, is_priced=is_priced, between=far)
    if is_priced and any(rate.item.endswith("-internet") and len(rate.tiers) > 1 for rate in book.used):
        book.assume("What is free or cheaper by the month's quantity is counted as if this run were the month's first.")
    if is_priced and "nat" in path.split("+"):
        book.assume(
            "The hours of the NAT gateway are not billed, as it stands without the run too: nat+nat-hour adds them."
        )


def _add_disk(book: Book, traffic: Meters, hours: Decimal, *, provider: str) -> None:
    setting = book.setting
    if setting.disk is None:
        book.assume("The window lies on the node's own disk or in its memory, which is not billed apart.")
        return
    size_bytes = setting.disk_bytes if setting.disk_bytes is not None else traffic.window_bytes
    if not size_bytes:
        return
    item = DISKS.get(provider, "disk") if setting.disk == USUAL_DISK else setting.disk
    gib_hours = Decimal(size_bytes) / GIB * hours
    if item == "disk":
        book.warn("Whose disk the window lay on is not known, so it is not in the total: name the node's type.")
    price = None if item == "disk" else book.find(item, "GiB-month")
    if price is None:
        book.add_unpriced(item, "GiB-hour", "Disk of the window", gib_hours)
        return
    book.add(price, "Disk of the window", gib_hours, unit="GiB-hour", per=HOURS_PER_MONTH)
    book.assume(f"A month of disk is {HOURS_PER_MONTH} hours; only the window's size is billed.")


def _explain(book: Book, traffic: Meters) -> None:
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
    regions = sorted({rate.region for rate in book.used if rate.region})
    if setting.region is None and regions:
        book.assume(f"No region was named: prices are those of {', '.join(regions)}.")
    elif setting.region is not None:
        for rate in book.used:
            if rate.region not in ("", setting.region, rate.wanted_region):
                book.warn(
                    f"There is no price of {rate.item} for {setting.region}: that of {rate.region} "
                    f"({format_usd(rate.usd)} per {rate.unit}) is used."
                )
    for warning in book.prices.warnings(book.used):
        book.warn(warning)

"""The bill: what a run's measured hours, requests and bytes cost at dated prices.

``bill`` is a pure function of records, prices and setting: the same input gives the same bill. It prices
what was measured and nothing else; what it has no price for stands as a line without one, and is told: no bill
is refused for want of a price. GB means 2**30 bytes,
as cloud providers bill it. Sums are decimals: the lines add up to the total to the last digit.

Whose traffic counts: the run's meters hold what its own prefetcher moved, so a step named ``train`` adds
nothing, nor does ``evaluate`` where an evaluation record is given. A ``prefetch`` step of its own does: it
moved its bytes beside the run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from penstock.cost.book import Book
from penstock.cost.carbon import assumptions_of, emissions_of
from penstock.cost.given import check_kind
from penstock.cost.in_vain import num_epochs, per, refetched_usd, retries_usd
from penstock.cost.node_lines import add_nodes, hours_of, known_by_name
from penstock.cost.node_time import STOPPED_EVALUATION, added_steps, odd_clocks, spans_of, untold_steps
from penstock.cost.prices import Prices
from penstock.cost.rating import ANYWHERE, old_told
from penstock.cost.seller import PROVIDERS, Seller
from penstock.cost.setting import CostSetting
from penstock.cost.storage_lines import HOURS_PER_MONTH, add_checkpoints, add_disk
from penstock.cost.traffic_lines import add_traffic
from penstock.records import (
    AttemptRecord,
    CostReport,
    Emissions,
    Evaluation,
    Host,
    Meters,
    RunRecord,
    StepRecord,
    joined_attempts,
)
from penstock.units import GIB, format_usd

__all__ = [
    "HOURS_PER_MONTH",
    "CostSetting",
    "added_steps",
    "bill",
    "is_measured",
    "total_meters",
]


def bill(
    run: RunRecord,
    *,
    steps: Sequence[StepRecord],
    evaluation: Evaluation | None,
    prices: Prices,
    setting: CostSetting,
    attempts: Sequence[AttemptRecord] = (),
) -> CostReport:
    """Price a run.

    Args:
        run: the training run.
        steps: records of the run's other steps.
        evaluation: the run's evaluation, if it got that far.
        prices: where unit prices are from.
        setting: what cannot be measured.
        attempts: at all of its steps, beside those that its record has.

    Raises:
        ConfigError: something of it is no record, price list or setting.
    """
    _check(run, steps, evaluation)
    check_kind(prices, Prices, "the price list")
    check_kind(setting, CostSetting, "the setting")
    host, asked = run.host, setting
    setting = replace(
        setting, region=setting.region or host.region, lifecycle=setting.lifecycle or host.lifecycle or "on-demand"
    )
    kind = setting.instance_type or known_by_name(prices, host.node) or host.instance_type
    setting = replace(setting, instance_type=kind)
    book = Book(prices, setting, provider=_whose(prices, kind, asked.instance_type or host.instance_type, host))
    attempts = joined_attempts(run.attempts, attempts)
    spans = spans_of(run, steps=steps, evaluation=evaluation, attempts=attempts)
    hours = hours_of(sum(span.seconds for span in spans if span.step in ("train", "evaluate")))
    nodes = add_nodes(book, run, asked=asked, spans=spans, evaluation=evaluation, attempts=attempts)
    traffic = total_meters(run, steps=steps, evaluation=evaluation)
    moved, monthly_usd = None, None
    if is_measured(traffic):
        moved = add_traffic(book, run, traffic, hours=hours)
        add_disk(book, run, traffic, hours, provider=book.provider or _provider(moved.seller))
        monthly_usd = add_checkpoints(book, run, moved.of_run, hours)
    if hours and not is_measured(run.meters):
        book.warn("What the training moved was not measured, since it ended without a word: it is not in the total.")
    for step in untold_steps(steps, evaluation=evaluation, attempts=attempts):
        book.warn(
            f"The {step} step left no record of what it requested: its requests and transfer are not in the total."
        )
    for text in odd_clocks(attempts):
        book.warn(text)
    _explain(book, traffic, monthly_usd)
    co2 = _co2(book, run) if setting.co2 else None
    made = CostReport(
        run_id=run.run_id,
        lines=tuple(book.lines),
        total_usd=book.total(),
        stall_usd=nodes.stall_usd,
        assumptions=tuple(book.assumptions),
        warnings=tuple(book.warnings),
        co2=co2,
        attempts=nodes.attempts,
        idle_seconds=nodes.idle,
        retries_usd=retries_usd(traffic, moved),
        refetched_usd=refetched_usd(traffic, moved),
        failed_attempts_usd=nodes.failed_usd,
        monthly_usd=monthly_usd,
    )
    return msgspec.structs.replace(
        made,
        epoch_usd=per(made.known_usd, num_epochs(run)),
        thousand_samples_usd=per(made.known_usd, Decimal(run.num_trained_samples) / 1000),
        gib_usd=per(made.known_usd, Decimal(traffic.sample_bytes) / GIB),
    )


def _co2(book: Book, run: RunRecord) -> Emissions:
    found = emissions_of(run, book.lines, prices=book.prices, setting=book.setting)
    for text in found.unknown:
        book.warn(text)
    for text in assumptions_of(found):
        book.assume(text)
    return found


def total_meters(run: RunRecord, *, steps: Sequence[StepRecord], evaluation: Evaluation | None) -> Meters:
    """Add up the traffic of a run, counting nothing twice.

    Raises:
        ConfigError: something of it is no record.
    """
    _check(run, steps, evaluation)
    total = run.meters
    for step in added_steps(steps, evaluation=evaluation):
        if evaluation is None or step.step != STOPPED_EVALUATION:
            total = total.plus(step.meters)
    return total.plus(evaluation.meters) if evaluation else total


def _whose(prices: Prices, kind: str | None, machine: str | None, host: Host) -> str:
    """Return whose a node is, and so its disks: by its type, as a name in a cluster's own books does not tell it."""
    return prices.provider_of(machine) or host.provider or prices.provider_of(kind)


def _check(run: object, steps: Sequence[object], evaluation: object) -> None:
    check_kind(run, RunRecord, "the run")
    for each in steps:
        check_kind(each, StepRecord, "a step")
    if evaluation is not None:
        check_kind(evaluation, Evaluation, "the evaluation")


def _provider(seller: Seller) -> str:
    return PROVIDERS.get(seller.tariff.seller, "") if seller.tariff is not None and seller.is_priced else ""


def is_measured(meters: Meters) -> bool:
    """Tell whether a step got to tell its traffic: one that was killed, or never began, did not."""
    return meters != Meters()


def _explain(book: Book, traffic: Meters, monthly_usd: Decimal | None) -> None:
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
    if monthly_usd:
        book.assumptions.append(f"Checkpoints that are kept on cost {format_usd(monthly_usd)} a month from then on.")
    regions = sorted({rate.region for rate in book.used} - {"", ANYWHERE})
    if setting.region is None and regions:
        book.assume(f"No region was named: prices are those of {', '.join(regions)}.")
    for rate in book.used:
        if rate.usd and rate.wanted_region and rate.region not in ("", ANYWHERE, rate.wanted_region):
            book.warn(
                f"There is no price of {rate.item} for {rate.wanted_region}: that of {rate.region} "
                f"({format_usd(rate.usd)} per {rate.unit}) is used."
            )
    if told := old_told(book.used, book.prices.today):
        book.warn(told)

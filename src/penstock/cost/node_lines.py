"""Lines of nodes: each step's hours by the price of the node that it ran on, and what of them was in vain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from penstock.cost.book import Book
from penstock.cost.node_time import NodeSpan, idle_seconds, training_nodes
from penstock.cost.prices import Prices
from penstock.cost.setting import CostSetting
from penstock.cost.values import Rate, as_decimal, in_money, sum_of, tiers_of
from penstock.records import JOB, AttemptCost, AttemptRecord, Evaluation, Host, RunRecord
from penstock.units import format_seconds

__all__ = ["NodeCosts", "add_nodes", "hours_of", "known_by_name"]

_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeCosts:
    """What the time of nodes came to.

    Attributes:
        stall_usd: of waiting for data; None where a node that waited has no price.
        attempts: what each one's time cost.
        failed_usd: of those that ended ill; None where one of them has no price, or attempts are not known.
        idle: seconds between attempts, None where those are not known.
    """

    stall_usd: Decimal | None
    attempts: tuple[AttemptCost, ...]
    failed_usd: Decimal | None
    idle: Decimal | None


def hours_of(seconds: float) -> Decimal:
    """Return hours, as they are billed."""
    return as_decimal(seconds) / _SECONDS_PER_HOUR


def known_by_name(prices: Prices, node: str | None) -> str | None:
    """Return a node's name where a price of it is known, as a cluster's own books tell it."""
    return node if node and any(row.is_own and row.unit == "hour" and row.item == node for row in prices.rows) else None


def add_nodes(
    book: Book,
    run: RunRecord,
    *,
    asked: CostSetting,
    spans: Sequence[NodeSpan],
    evaluation: Evaluation | None,
    attempts: Sequence[AttemptRecord],
) -> NodeCosts:
    """Add a line for each step's time on nodes of a kind.

    Args:
        asked: what was said of the nodes, before what the run found filled it up.
        spans: that time.
        attempts: that it is of, as far as they are known.
    """
    rates = _Rates(book, run, asked)
    paid: dict[str, list[tuple[Decimal | None, float]]] = {}
    for span in _by_price(rates, spans):
        usd = _add_span(book, rates, span)
        paid.setdefault(span.step, []).append((usd, span.seconds))
    idle = idle_seconds(attempts)
    if idle:
        _add_idle(book, rates, run, idle)
    costs = tuple(_attempt_cost(rates, each) for each in attempts)
    lost = [cost.usd for cost, each in zip(costs, attempts, strict=True) if each.is_lost]
    return NodeCosts(
        stall_usd=_stall_usd(run, evaluation, paid),
        attempts=costs,
        failed_usd=sum_of(lost) if attempts else None,
        idle=None if idle is None else as_decimal(round(idle, 3)),
    )


class _Rates:
    """Prices of nodes, each looked for once.

    The node of the training is what the bill was told that it is, or what was found; others are what was found of
    them. One of which nothing is known is the training's where both are in one place, as far as that is told.
    """

    def __init__(self, book: Book, run: RunRecord, asked: CostSetting) -> None:
        self._book, self._run, self._asked = book, run, asked
        self._found: dict[tuple[str | None, str | None, str | None], Rate | None] = {}
        self.kind = book.setting.instance_type

    def item(self, host: Host | None) -> str | None:
        """Return what a node is billed as, None where it is not known."""
        if host is None:
            return self.kind
        own = known_by_name(self._book.prices, host.node) or host.instance_type
        if own is None:
            return self.kind if host.node in (None, self._run.host.node) else None
        return self.kind if own == self._run.host.instance_type else own

    def of(self, host: Host | None) -> Rate | None:
        """Return the price of an hour."""
        item, asked, book = self.item(host), self._asked, self._book
        if asked.node_usd_per_hour is not None and item in (None, self.kind):
            return _by_hand(item or "node", as_decimal(asked.node_usd_per_hour), book.setting)
        if item is None:
            return None
        region = asked.region or (host.region if host else None) or book.setting.region
        lifecycle = asked.lifecycle or (host.lifecycle if host else None) or book.setting.lifecycle
        key = (item, region, lifecycle)
        if key not in self._found:
            self._found[key] = book.find(item, "hour", region=region, lifecycle=lifecycle)
        return self._found[key]

    def nodes(self, number: int) -> int:
        """Return how many nodes train."""
        return self._asked.num_nodes or number


def _by_hand(item: str, usd: Decimal, setting: CostSetting) -> Rate:
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


def _by_price(rates: _Rates, spans: Sequence[NodeSpan]) -> list[NodeSpan]:
    """Join spans of one step whose nodes cost the same: another attempt is mostly on another node of that kind."""
    totals: dict[tuple[object, ...], NodeSpan] = {}
    for span in spans:
        key = (span.step, span.num_nodes, rates.item(span.host), rates.of(span.host))
        before = totals.get(key)
        totals[key] = span if before is None else replace(before, seconds=before.seconds + span.seconds)
    return list(totals.values())


def _add_span(book: Book, rates: _Rates, span: NodeSpan) -> Decimal | None:
    item, rate = rates.item(span.host), rates.of(span.host)
    nodes = rates.nodes(span.num_nodes) if span.step == "train" else span.num_nodes
    hours, what = hours_of(span.seconds) * nodes, _told(span.step, nodes)
    if rate is not None:
        return book.add(rate, what, hours)
    if hours:
        book.add_unpriced(item or "node", "hour", what, hours)
    if hours and item is None:
        book.warn(
            "The node's hours have no price, since its instance type is not known: "
            "name it with --instance-type or its price with --node-usd-per-hour."
            if span.step == "train" or rates.kind is None
            else f"The node of the {span.step} step is another one than the training's and its type is not known: it "
            "has no price."
        )
    return None


def _told(step: str, nodes: int) -> str:
    if step == "train":
        return f"{'Training node' if nodes == 1 else f'Training nodes ({nodes})'}, stall included"
    return "Node while the job began and ended" if step == JOB else f"Node of the {step} step"


def _add_idle(book: Book, rates: _Rates, run: RunRecord, seconds: float) -> None:
    """Bill the time between attempts where the node was kept, and say so; else say that it is not billed."""
    if not book.setting.bill_idle:
        book.assume(
            f"Nothing ran for {format_seconds(seconds)} between attempts and steps, which is not billed: --bill-idle "
            "bills it, where the node was kept."
        )
        return
    what, rate = "Training node, kept while nothing ran", rates.of(run.host)
    hours = hours_of(seconds) * rates.nodes(training_nodes(run, None))
    if rate is None:
        book.add_unpriced(rates.kind or "node", "hour", what, hours)
    else:
        book.add(rate, what, hours)


def _attempt_cost(rates: _Rates, attempt: AttemptRecord) -> AttemptCost:
    rate, host = rates.of(attempt.host), attempt.host
    nodes = rates.nodes(attempt.num_nodes) if attempt.step in ("train", JOB) else attempt.num_nodes
    seconds = attempt.lasted_seconds
    return AttemptCost(
        step=attempt.step,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        ended=attempt.ended,
        node=rates.item(host) or host.node or "",
        seconds=as_decimal(round(seconds, 3)),
        usd=None if rate is None else in_money(hours_of(seconds) * nodes * rate.usd),
    )


def _stall_usd(
    run: RunRecord, evaluation: Evaluation | None, paid: dict[str, list[tuple[Decimal | None, float]]]
) -> Decimal | None:
    """Return the part of the nodes' lines in which data was waited for."""
    waited = {"train": run.stall_seconds + run.valid_stall_seconds}
    if evaluation is not None:
        waited["evaluate"] = evaluation.stall_seconds
    found = []
    for step, seconds in waited.items():
        lines = paid.get(step, [])
        usd, lasted = sum_of([usd for usd, _ in lines]), sum(seconds for _, seconds in lines)
        if usd is None or (step == "train" and not lines):
            return None
        share = min(as_decimal(seconds) / as_decimal(lasted), Decimal(1)) if lasted else Decimal(0)
        found.append(in_money(usd * share))
    return sum(found, Decimal(0))

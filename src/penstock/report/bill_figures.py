"""What a bill comes to by what was made, what was paid for nothing, and its attempts: rows of text."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.records import JOB, AttemptCost, CostReport
from penstock.report.tables import DASH, Table
from penstock.units import format_seconds, format_usd

__all__ = ["attempts_table", "bill_figures", "figures_table", "told_total"]

MAX_ATTEMPTS = 60


def told_total(cost: CostReport) -> str:
    """Return the total as it may be told: with a sign where it lacks something, a dash where it lacks everything."""
    if not cost.has_price:
        return DASH
    return f"{format_usd(cost.total_usd)}{' + ?' if cost.unpriced else ''}"


def bill_figures(cost: CostReport) -> Iterator[tuple[str, str]]:
    """Return names and sums; a dash stands for what has no price, and what there was none of is left out."""
    if not cost.has_price or not any(line.quantity for line in cost.lines):
        return
    sign = " + ?" if cost.unpriced else ""
    for name, usd in (
        ("An epoch", cost.epoch_usd),
        ("1,000 samples", cost.thousand_samples_usd),
        ("A GiB of samples", cost.gib_usd),
    ):
        if usd is not None:
            yield name, f"{format_usd(usd)}{sign}"
    is_known = bool(cost.attempts)
    for name, usd, is_told in (
        ("Of it, waiting for data", cost.stall_usd, True),
        ("Of it, requests made again", cost.retries_usd, True),
        ("Of it, bytes downloaded again after a restart", cost.refetched_usd, True),
        ("Of it, attempts that failed or were killed", cost.failed_attempts_usd, is_known),
    ):
        if is_told:
            yield name, DASH if usd is None else format_usd(usd)
    if cost.monthly_usd is not None:
        yield "Checkpoints that are kept on, a month", format_usd(cost.monthly_usd)
    if cost.idle_seconds:
        yield "Time between attempts, in which nothing ran", format_seconds(float(cost.idle_seconds))


def figures_table(cost: CostReport) -> Table | None:
    """Return the figures of a bill, None of an empty one."""
    rows = tuple(bill_figures(cost))
    return Table(caption="What it came to", header=("Figure", "Value"), rows=rows, wide=False) if rows else None


def attempts_table(cost: CostReport) -> Table | None:
    """Return the attempts at the steps, None where they are not known or there was but one."""
    if len(cost.attempts) < 2:
        return None
    shown = cost.attempts[-MAX_ATTEMPTS:]
    number = f"the last {len(shown)} of {len(cost.attempts)}" if len(shown) < len(cost.attempts) else f"{len(shown)}"
    return Table(
        caption=f"Attempts: {number}, each from its start to its last sign of life",
        header=("Step", "Began", "Ended", "How", "Node", "Time", "Cost"),
        rows=tuple(_attempt(each) for each in shown),
        text_columns=(0, 1, 2, 3, 4),
    )


def _attempt(each: AttemptCost) -> tuple[str, ...]:
    return (
        "whole job" if each.step == JOB else each.step,
        _moment(each.started_at),
        _moment(each.ended_at),
        each.ended,
        each.node or DASH,
        format_seconds(float(each.seconds)),
        DASH if each.usd is None else format_usd(each.usd),
    )


def _moment(text: str) -> str:
    return text[:19].replace("T", " ")

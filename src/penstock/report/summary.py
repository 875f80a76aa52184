"""Headline figures of a run, as text, for the page and for Markdown: whoever puts them into a page escapes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.model import is_measured, total_meters
from penstock.observe.labels import metric_text
from penstock.records import CostReport, Evaluation, Meters, RunRecord, StepRecord
from penstock.report.judging import choose_score, judge
from penstock.report.tables import DASH, lower
from penstock.texts import counted
from penstock.units import format_bytes, format_grams, format_seconds, format_usd, plain_number

__all__ = ["Card", "cards"]

_LEAST_USD = 0.0001


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One headline figure.

    Attributes:
        note: what it is measured against.
        tone: ``good``, ``bad`` or ``plain``.
        share: 0 to 1, drawn as a meter; None draws none.
    """

    label: str
    value: str
    note: str
    tone: str = "plain"
    share: float | None = None


def cards(
    run: RunRecord, *, evaluation: Evaluation | None, cost: CostReport | None, steps: Sequence[StepRecord]
) -> tuple[Card, ...]:
    """Return the headline figures, the score first, then what it cost."""
    traffic = total_meters(run, steps=steps, evaluation=evaluation)
    return (
        _score_card(run, evaluation),
        _cost_card(cost),
        *_training_cards(run),
        _download_card(run, traffic),
        _window_card(run.meters),
        _wall_card(run),
        *_left_out_cards(steps),
        *_skipped_cards(traffic),
        *_saves_cards(run),
        *_co2_cards(cost),
    )


def _training_cards(run: RunRecord) -> tuple[Card, ...]:
    trained, part = run.num_trained_samples, run.unfinished_samples
    if not run.epochs:
        steps = f"{counted(run.losses[-1].step, 'step')}; " if run.losses else ""
        note = f"{steps}no epoch was finished"
        return (
            Card(label="Samples trained on", value=f"{trained:,}" if trained else DASH, note=note),
            Card(label="Stall", value=DASH, note="no epoch was finished"),
        )
    stall = run.stall_share
    within = f"in {counted(len(run.epochs), 'epoch')}{f' and {part:,} of one that was not finished' if part else ''}"
    told = f"{format_seconds(run.stall_seconds)} waiting for data"
    return (
        Card(label="Samples trained on", value=f"{trained:,}", note=within),
        Card(label="Stall", value=f"{stall:.1%}", note=told, share=stall),
    )


def _download_card(run: RunRecord, traffic: Meters) -> Card:
    if not is_measured(traffic):
        return Card(label="Downloaded", value=DASH, note="nothing was measured")
    without = "" if is_measured(run.meters) else "; the training's are not known"
    note = f"{traffic.get_requests:,} GET, {traffic.list_requests:,} LIST requests{without}"
    return Card(label="Downloaded", value=format_bytes(traffic.bytes_downloaded), note=note)


def _window_card(meters: Meters) -> Card:
    bound, peak = meters.window_bytes, meters.window_high_water_bytes
    if not bound:
        return Card(label="Peak window", value=DASH, note="no window was measured")
    kept = peak <= bound
    note = f"of {format_bytes(bound)} allowed{'' if kept else ': bound broken'}"
    if meters.kept_bytes or meters.ahead_bytes:
        need = f", {format_bytes(meters.ahead_bytes)} is what reading ahead needs" if meters.ahead_bytes else ""
        rest = ", the rest is slots that stand ready for more" if meters.stands_ready else ""
        note += f"; {format_bytes(meters.kept_bytes)} kept at the end{need}{rest}"
    tone = "plain" if kept else "bad"
    return Card(label="Peak window", value=format_bytes(peak), note=note, tone=tone, share=min(1.0, peak / bound))


def _wall_card(run: RunRecord) -> Card:
    first = run.seconds_to_first_batch
    note = f"first batch after {format_seconds(first)}" if first else "no first batch was measured"
    if run.num_resumes:
        note = f"of the trainer's {run.num_resumes + 1} attempts, without what lay between; in the last one, {note}"
    return Card(label="Wall time", value=format_seconds(run.wall_seconds) if run.wall_seconds else DASH, note=note)


def _left_out_cards(steps: Sequence[StepRecord]) -> tuple[Card, ...]:
    """Tell how much the listing left out, where it did."""
    number = sum(step.details.get("left_out", 0.0) for step in steps)
    if not number:
        return ()
    value = f"{number:,.0f} {'entry' if number == 1 else 'entries'}"
    note = "The manifest names each, which may be many samples, and says why."
    return (Card(label="Left out by the listing", value=value, note=note),)


def _skipped_cards(traffic: Meters) -> tuple[Card, ...]:
    """Tell of samples that were left out, where there are any: they were asked for, and not learnt from."""
    if not traffic.num_skipped:
        return ()
    note = f"times, each epoch counted; {traffic.skipped[0].key} for one" if traffic.skipped else "times"
    return (Card(label="Bad samples left out", value=f"{traffic.num_skipped:,}", note=note, tone="bad"),)


def _saves_cards(run: RunRecord) -> tuple[Card, ...]:
    """Tell what checkpoints took, where any were saved."""
    saves = run.saves
    if not saves.count:
        return ()
    share = f", {saves.seconds / run.wall_seconds:.1%} of the wall time" if run.wall_seconds else ""
    size = format_bytes(saves.size_bytes)
    note = f"{format_seconds(saves.seconds)} to save them{share}; {saves.writes:,} writes, {size}"
    return (Card(label="Checkpoints", value=f"{saves.count:,}", note=note),)


def _score_card(run: RunRecord, evaluation: Evaluation | None) -> Card:
    name = choose_score(run, evaluation)
    if evaluation is not None and name in evaluation.metrics:
        metric = evaluation.metrics[name]
        note, tone = judge(metric)
        note = "; ".join([note, *evaluation.notes])
        label = f"{metric.label}, {evaluation.split} split"
        return Card(label=label, value=metric_text(metric, 3), note=note, tone=tone)
    valid = run.best_valid
    if valid is not None and name in valid:
        metric = valid[name]
        note, tone = judge(metric)
        return Card(label=f"{metric.label}, validation", value=metric_text(metric, 3), note=note, tone=tone)
    return Card(label="Score", value=DASH, note="the run was not evaluated")


def _cost_card(cost: CostReport | None) -> Card:
    if cost is None:
        return Card(label="Cost", value=DASH, note="no bill was made")
    if not any(line.quantity for line in cost.lines):
        return Card(label="Cost", value=DASH, note="nothing was measured that could be billed")
    if not cost.has_price:
        note = f"nothing of it has a price: {'; '.join(map(lower, cost.unpriced))}"
        return Card(label="Cost", value=DASH, note=note)
    if cost.unpriced:
        note = f"without what has no price: {'; '.join(map(lower, cost.unpriced))}"
        return Card(label="Cost, in part", value=_in_short(cost.total_usd), note=note)
    stall = "" if cost.stall_usd is None else f"{_in_short(cost.stall_usd)} of it waiting for data"
    return Card(label="Cost", value=_in_short(cost.total_usd), note=stall)


def _co2_cards(cost: CostReport | None) -> tuple[Card, ...]:
    if cost is None or cost.co2 is None:
        return ()
    found = cost.co2
    if found.gco2 is None:
        return (Card(label="CO2e", value=DASH, note=" ".join(found.unknown)),)
    note = f"{plain_number(found.kwh or 0, digits=2)} kWh, estimated"
    return (Card(label="CO2e", value=format_grams(found.gco2), note=note),)


def _in_short(usd: float | Decimal) -> str:
    """Write a sum so that it fits a card: what is next to nothing takes as much room as any other."""
    return f"< {format_usd(_LEAST_USD)}" if 0 < usd < _LEAST_USD else format_usd(usd)

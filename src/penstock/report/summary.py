"""Headline figures and tables of a run, as text, for the page and for Markdown.

Everything here is plain text: whoever puts it into a page escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from penstock.cost.download_first import Comparison
from penstock.cost.model import added_steps, is_measured, total_meters
from penstock.observe.labels import metric_text
from penstock.records import CostLine, CostReport, Evaluation, Meters, MetricValue, RunRecord, StepRecord
from penstock.report.judging import choose_score, format_score, judge
from penstock.units import format_bytes, format_seconds, format_usd, plain_number

__all__ = [
    "Card",
    "Table",
    "cards",
    "comparison_table",
    "cost_table",
    "epoch_table",
    "metric_table",
    "mix_table",
    "skipped_table",
    "traffic_table",
]

MAX_EPOCH_ROWS = 120
DASH = metric_text(None)
"""Stands for what is not known: a zero would be read as measured."""
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table: the first cell of a row names it.

    Attributes:
        text_columns: columns of text, from 0; all others are numbers.
        total: whether the last row is the sum.
        wide: whether it takes the whole width.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)
    total: bool = False
    wide: bool = True


def cards(
    run: RunRecord, *, evaluation: Evaluation | None, cost: CostReport | None, steps: Sequence[StepRecord]
) -> tuple[Card, ...]:
    """Return the headline figures, the score first."""
    traffic = total_meters(run, steps=steps, evaluation=evaluation)
    return (
        _score_card(run, evaluation),
        *_training_cards(run),
        _download_card(run, traffic),
        _window_card(run.meters),
        _wall_card(run),
        *_left_out_cards(steps),
        *_skipped_cards(traffic),
        *_saves_cards(run),
        _cost_card(cost),
    )


def _training_cards(run: RunRecord) -> tuple[Card, ...]:
    trained, part = run.num_trained_samples, run.unfinished_samples
    if not run.epochs:
        steps = f"{_plural(run.losses[-1].step, 'step')}; " if run.losses else ""
        note = f"{steps}no epoch was finished"
        return (
            Card(label="Samples trained on", value=f"{trained:,}" if trained else DASH, note=note),
            Card(label="Stall", value=DASH, note="no epoch was finished"),
        )
    stall = run.stall_share
    within = f"in {_plural(len(run.epochs), 'epoch')}{f' and {part:,} of one that was not finished' if part else ''}"
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
    if cost.unpriced:
        note = f"without what has no price: {'; '.join(map(_lower, cost.unpriced))}"
        return Card(label="Cost, in part", value=_in_short(cost.total_usd), note=note)
    stall = "" if cost.stall_usd is None else f"{_in_short(cost.stall_usd)} of it for stall"
    return Card(label="Cost", value=_in_short(cost.total_usd), note=stall)


def _in_short(usd: float | Decimal) -> str:
    """Write a sum so that it fits a card: what is next to nothing takes as much room as any other."""
    return f"< {format_usd(_LEAST_USD)}" if 0 < usd < _LEAST_USD else format_usd(usd)


def _lower(text: str) -> str:
    """Return a name as it is within a sentence: abbreviations keep their capitals."""
    return text if text[:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def metric_table(evaluation: Evaluation) -> Table:
    """Return the evaluation's metrics beside what learning nothing scores."""
    rows = []
    for metric in evaluation.metrics.values():
        baseline = metric.baseline
        against = f"{format_score(baseline.value)} ({baseline.meaning})" if baseline else ""
        against = f"undefined: {metric.undefined}" if metric.value is None else against
        rows.append((metric.label, _with_interval(metric), against))
    intervals = [metric.interval.meaning for metric in evaluation.metrics.values() if metric.interval is not None]
    caption = (
        f"Metrics on the {evaluation.split} split: {evaluation.num_samples:,} samples, "
        f"{_plural(evaluation.num_groups, 'group')}{f'; in brackets {intervals[0]}' if intervals else ''}"
    )
    return Table(
        caption=caption, header=("Metric", "Value", "Baseline"), rows=tuple(rows), text_columns=(0, 2), wide=False
    )


def _with_interval(metric: MetricValue) -> str:
    """Write a metric's value, with the interval that it may well lie in."""
    text, interval = metric_text(metric), metric.interval
    return text if interval is None else f"{text} ({interval.low:.3f} to {interval.high:.3f})"


def traffic_table(run: RunRecord, *, evaluation: Evaluation | None, steps: Sequence[StepRecord]) -> Table:
    """Return bytes and requests by step."""
    parts = [(step.step, step.meters) for step in added_steps(steps, evaluation=evaluation)]
    parts.append(("train (with its prefetcher)", run.meters))
    if evaluation:
        parts.append(("evaluate", evaluation.meters))
    parts.append(("total", total_meters(run, steps=steps, evaluation=evaluation)))
    sizes = ("Downloaded", "Fetched again", "Wasted", "Handed over", "From window")
    header = ("Step", *sizes, "GET", "LIST", "PUT", "DELETE", "Retried", "Failed", "4xx", "5xx", "No answer")
    return Table(
        caption="Bytes and requests", header=header, rows=tuple(_traffic_row(*part) for part in parts), total=True
    )


def mix_table(run: RunRecord) -> Table | None:
    """Return what was drawn of each member of a mix, None where there is none."""
    if not run.mix:
        return None
    given, planned = (sum(getattr(each, name) for each in run.mix) for name in ("given", "planned"))
    rows = [
        (name, f"{each.share:.1%}", f"{each.planned:,}", f"{each.given:,}", f"{each.given / max(given, 1):.1%}")
        for name, each in zip(run.mix_names, run.mix, strict=True)
    ]
    rows.append(("total", f"{sum(each.share for each in run.mix):.0%}", f"{planned:,}", f"{given:,}", ""))
    header = ("Source", "By weight", "Of the last epoch", "Drawn", "Of all drawn")
    return Table(caption="What was drawn of the mix", header=header, rows=tuple(rows), total=True)


def skipped_table(run: RunRecord, *, evaluation: Evaluation | None, steps: Sequence[StepRecord]) -> Table | None:
    """Name the samples that were left out, None where there are none."""
    traffic = total_meters(run, steps=steps, evaluation=evaluation)
    if not traffic.num_skipped:
        return None
    rows = tuple((sample.key, sample.reason) for sample in traffic.skipped)
    caption = f"Bad samples, left out {traffic.num_skipped:,} times; the first {len(rows)} by name"
    return Table(caption=caption, header=("Sample", "Why"), rows=rows, text_columns=(0, 1))


def _traffic_row(name: str, meters: Meters) -> tuple[str, ...]:
    sizes = (meters.bytes_downloaded, meters.refetched_bytes, meters.wasted_bytes, meters.sample_bytes)
    kinds = (meters.get_requests, meters.list_requests, meters.count("PUT", "POST").sent, meters.count("DELETE").sent)
    counts = (*kinds, meters.retried_requests, meters.failed_requests)
    total = meters.count()
    answers = (total.answers_4xx, total.answers_5xx, total.unanswered)
    if not is_measured(meters):
        return (name, *[DASH] * (len(sizes) + 1 + len(counts) + len(answers)))
    hits = f"{meters.hit_ratio:.0%}" if meters.sample_bytes else DASH
    return (name, *(format_bytes(size) for size in sizes), hits, *(f"{count:,}" for count in (*counts, *answers)))


def epoch_table(run: RunRecord) -> Table:
    """Return the figures of each epoch, or of evenly taken ones where there are very many."""
    each = max(1, -(-len(run.epochs) // MAX_EPOCH_ROWS))
    metrics = {name: metric.label for epoch in run.epochs for name, metric in epoch.valid.items()}
    names = tuple(metrics)[:4]
    rows = []
    for epoch in run.epochs[::each]:
        valid = (metric_text(epoch.valid.get(name)) for name in names)
        times = (epoch.compute_seconds, epoch.stall_seconds, epoch.valid_seconds)
        best = " (best)" if epoch.epoch == run.best_epoch and run.best_step is None else ""
        rows.append(
            (f"{epoch.epoch + 1}{best}", f"{epoch.train_loss:.4f}", *valid, *(format_seconds(time) for time in times))
        )
    header = (
        "Epoch",
        "Training loss",
        *(f"Valid. {metrics[name]}" for name in names),
        "Compute",
        "Stall",
        "Validation",
    )
    caption = f"Every {each}th epoch" if each > 1 else "Every epoch"
    return Table(caption=caption, header=header, rows=tuple(rows))


def cost_table(cost: CostReport) -> Table:
    """Return the lines of the bill, its total last."""
    rows = [
        (
            line.what,
            DASH if line.usd is None else _sum(line.usd, cost.total_usd),
            _quantity(line),
            "unpriced" if line.unit_usd is None else f"${plain_number(line.unit_usd, digits=5)}",
            line.item,
            line.as_of,
            line.source,
        )
        for line in cost.lines
    ]
    without = f", without: {'; '.join(map(_lower, cost.unpriced))}" if cost.unpriced else ""
    rows.append((f"total{without}", _sum(cost.total_usd, cost.total_usd), "", "", "", "", ""))
    header = ("What", "Cost", "Quantity", "Unit price", "Item", "Price of", "Source")
    return Table(caption="Cost in US dollars", header=header, rows=tuple(rows), text_columns=(0, 4, 5, 6), total=True)


def _quantity(line: CostLine) -> str:
    """Write a quantity with its unit: ``0.0809 hours``, ``104.8 x 1000 requests``."""
    number = f"{line.quantity:,.0f}" if line.quantity >= 1000 else plain_number(line.quantity, digits=4)
    if line.unit[0].isdigit():
        return f"{number} \N{MULTIPLICATION SIGN} {line.unit}"
    return f"{number} {line.unit}s" if line.unit.endswith("hour") else f"{number} {line.unit}"


def _sum(usd: Decimal, total_usd: Decimal) -> str:
    """Write a sum so that a column of them can be compared: all with as many decimals."""
    decimals = 2 if total_usd >= 100 else 4
    least = 10.0**-decimals
    return f"< ${least:.{decimals}f}" if 0 < usd < least else f"${usd:,.{decimals}f}"


def comparison_table(run: RunRecord, compared: Comparison) -> Table:
    """Return streaming as it was beside a download first."""
    most = "" if compared.rate_is_measured else "at most "
    rows = [
        ("Time of the epochs", format_seconds(compared.stream_seconds),
         f"{most}{format_seconds(compared.download_seconds)}"),
        ("Disk needed", format_bytes(run.meters.window_high_water_bytes),
         f"at least {format_bytes(compared.feed.epoch_bytes)}"),
        ("Downloaded", format_bytes(run.meters.bytes_downloaded),
         f"at least {format_bytes(compared.feed.epoch_bytes)}"),
    ]  # fmt: skip
    if compared.stream_usd is not None and compared.download_usd is not None:
        rows.append(
            ("Node, transfer and disk", format_usd(compared.stream_usd), f"{most}{format_usd(compared.download_usd)}")
        )
    header = ("Figure", "Streamed, as measured", "Downloaded first, as computed")
    return Table(caption="The same epochs after a download", header=header, rows=tuple(rows))


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

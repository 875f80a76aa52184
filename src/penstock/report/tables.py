"""Tables of a run, as text: whoever puts them into a page escapes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.cost.model import added_steps, is_measured, total_meters
from penstock.observe.labels import metric_text
from penstock.records import Evaluation, Meters, MetricValue, RunRecord, StepRecord
from penstock.report.judging import format_score
from penstock.texts import counted
from penstock.units import format_bytes, format_seconds

__all__ = ["DASH", "Table", "epoch_table", "lower", "metric_table", "mix_table", "skipped_table", "traffic_table"]

MAX_EPOCH_ROWS = 120
DASH = metric_text(None)
"""Stands for what is not known: a zero would be read as measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table: the first cell of a row names it.

    Attributes:
        text_columns: columns of text, from 0; all others are numbers.
        total: whether the last row is the sum.
        wide: whether it takes the whole width.
        side_by_side: whether its columns are runs, of which there may be more than a page is wide.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)
    total: bool = False
    wide: bool = True
    side_by_side: bool = False


def lower(text: str) -> str:
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
        f"{counted(evaluation.num_groups, 'group')}{f'; in brackets {intervals[0]}' if intervals else ''}"
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
    feeding = [run.meters, *([evaluation.meters] if evaluation else [])]
    rows = [_traffic_row(name, meters, [meters]) for name, meters in parts]
    rows.append(_traffic_row("total", total_meters(run, steps=steps, evaluation=evaluation), feeding))
    sizes = ("Downloaded", "Fetched again", "Wasted", "Handed over", "From window")
    header = ("Step", *sizes, "GET", "LIST", "PUT", "DELETE", "Retried", "Failed", "4xx", "5xx", "No answer")
    return Table(caption="Bytes and requests", header=header, rows=tuple(rows), total=True)


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


def _traffic_row(name: str, meters: Meters, feeding: Sequence[Meters]) -> tuple[str, ...]:
    """Return a row of the traffic.

    Args:
        feeding: those of what handed samples over: what a listing reads is no miss of the window.
    """
    sizes = (meters.bytes_downloaded, meters.refetched_bytes, meters.wasted_bytes, meters.sample_bytes)
    kinds = (meters.get_requests, meters.list_requests, meters.count("PUT", "POST").sent, meters.count("DELETE").sent)
    counts = (*kinds, meters.retried_requests, meters.failed_requests)
    total = meters.count()
    answers = (total.answers_4xx, total.answers_5xx, total.unanswered)
    if not is_measured(meters):
        return (name, *[DASH] * (len(sizes) + 1 + len(counts) + len(answers)))
    handed = sum(each.sample_bytes for each in feeding)
    hits = f"{sum(each.hit_ratio * each.sample_bytes for each in feeding) / handed:.0%}" if handed else DASH
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

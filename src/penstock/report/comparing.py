"""Several runs side by side: which scores best, and whether that can be said at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.observe.labels import metric_text
from penstock.records import (
    CostReport,
    Evaluation,
    LineFigure,
    MetricValue,
    PictureFigure,
    PictureRow,
    RunRecord,
    Series,
)
from penstock.report.progress import Progress
from penstock.units import format_seconds

__all__ = [
    "Compared",
    "compared_rows",
    "named",
    "overlaid",
    "same_pictures",
    "scored",
    "scores_by_epoch",
    "warnings_of",
]

MOST_SAME = 12
"""Samples that are shown by all runs beside one another."""
MOST_BESIDE = 4
"""Runs whose pictures fit beside one another."""
_DASH = "–"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A run that is compared.

    Attributes:
        label: what it is called beside the others.
        place: where its records lie.
        evaluation: None where it was not evaluated: what is told of scores leaves it out.
        run: of its training, None where that is not known.
        cost: its bill, None where there is none.
    """

    label: str
    place: str
    evaluation: Evaluation | None
    run: RunRecord | None
    cost: CostReport | None = None

    @property
    def scores(self) -> Evaluation:
        """The evaluation of a run that has one."""
        assert self.evaluation is not None
        return self.evaluation

    @property
    def model(self) -> str:
        """What was trained; empty where that is not known."""
        return self.evaluation.model if self.evaluation else self.run.model if self.run else ""


def named(runs: Sequence[Compared]) -> list[Compared]:
    """Name runs by their models, else by their folders, whichever tells them apart; else by their places."""
    models = [each.model for each in runs]
    folders = [Path(each.place).name for each in runs]
    labels = next((labels for labels in (models, folders) if len(set(labels)) == len(runs)), None)
    if labels is None:
        labels = [f"{number}: {each.place}" for number, each in enumerate(runs, 1)]
    return [replace(each, label=label) for each, label in zip(runs, labels, strict=True)]


def scored(runs: Sequence[Compared]) -> list[Compared]:
    """Return the runs that were evaluated."""
    return [each for each in runs if each.evaluation is not None]


def warnings_of(runs: Sequence[Compared]) -> tuple[str, ...]:
    """Tell what makes scores that cannot be compared."""
    runs, found = scored(runs), []
    for what, values in (
        ("splits", [each.scores.split for each in runs]),
        ("numbers of samples", [f"{each.scores.num_samples:,}" for each in runs]),
        ("numbers of groups", [f"{each.scores.num_groups:,}" for each in runs]),
    ):
        if len(set(values)) > 1:
            found.append(
                f"they were scored on other {what} ({', '.join(values)}): their scores say little of each other"
            )
    prints = {each.scores.manifest_fingerprint for each in runs}
    if len(prints) > 1 and not found:
        found.append("their manifests differ, as those of stages do: see that what they were scored on is the same")
    return tuple(found)


def compared_rows(runs: Sequence[Compared]) -> list[tuple[str, ...]]:
    """Return rows of a name and a cell a run: what each is, then each metric, with ``*`` at the best of it.

    Args:
        runs: each with an evaluation.
    """
    evaluations = [each.scores for each in runs]
    rows: list[tuple[str, ...]] = [
        ("model", *(each.model for each in evaluations)),
        ("parameters", *(_DASH if each.run is None else f"{each.run.num_parameters:,}" for each in runs)),
        ("samples trained on", *(_DASH if each.run is None else f"{each.run.num_trained_samples:,}" for each in runs)),
        ("training time", *(_DASH if each.run is None else format_seconds(each.run.wall_seconds) for each in runs)),
        ("scored on", *(f"{each.num_samples:,} of {each.split}" for each in evaluations)),
    ]
    names = dict.fromkeys(name for each in evaluations for name in each.metrics)
    for name in names:
        metrics = [each.metrics.get(name) for each in evaluations]
        best = _best(metrics)
        label = next(metric.label for metric in metrics if metric is not None)
        rows.append(
            (label, *(f"{_cell(metric)}{' *' if number in best else ''}" for number, metric in enumerate(metrics)))
        )
    return rows


def _cell(metric: MetricValue | None) -> str:
    if metric is None or metric.interval is None:
        return metric_text(metric)
    return f"{metric_text(metric)} ({metric.interval.low:.3f} to {metric.interval.high:.3f})"


def _best(metrics: Sequence[MetricValue | None]) -> set[int]:
    """Return the places of the best; none where all are the same, or one alone has a value."""
    values = {number: metric.value for number, metric in enumerate(metrics) if metric and metric.value is not None}
    if len(set(values.values())) < 2:
        return set()
    higher = next(metric.higher_is_better for metric in metrics if metric is not None)
    best = (max if higher else min)(values.values())
    return {number for number, value in values.items() if value == best}


def overlaid(runs: Sequence[Compared]) -> list[LineFigure]:
    """Return the figures of lines that two runs or more have, the first line of each over one another."""
    titles = dict.fromkeys(
        figure.title for each in runs for figure in each.scores.figures if isinstance(figure, LineFigure)
    )
    found = []
    for title in titles:
        having = [(each, figure) for each in runs if (figure := _titled(each, title)) is not None and figure.series]
        if len(having) < 2:
            continue
        first = having[0][1]
        series = tuple(
            Series(name=f"{each.label}{_number_of(figure.series[0].name)}", points=figure.series[0].points)
            for each, figure in having
        )
        described = f"{first.series[0].name.rpartition(' (')[0] or first.series[0].name}, of {len(having)} runs."
        found.append(LineFigure(
            title=title, description=described, x_label=first.x_label, y_label=first.y_label, series=series,
            reference=first.reference, is_unit=first.is_unit,
        ))  # fmt: skip
    return found


def _number_of(name: str) -> str:
    """Return the number in brackets that a line's name ends with."""
    _, bracket, number = name.rpartition(" (")
    return f" ({number}" if bracket and number.endswith(")") else ""


def _titled(each: Compared, title: str) -> LineFigure | None:
    figures = (figure for figure in each.scores.figures if isinstance(figure, LineFigure))
    return next((figure for figure in figures if figure.title == title), None)


def same_pictures(runs: Sequence[Compared]) -> PictureFigure | None:
    """Return rows of the samples that all runs show: the first run's first picture, then the other ones of each run."""
    shown = [_rows_by_key(each) for each in runs]
    keys = [key for key in shown[0] if all(key in rows for rows in shown)][:MOST_SAME]
    if not keys or len(runs) > MOST_BESIDE:
        return None
    return PictureFigure(
        title="The same samples",
        description=f"Left to right: {', '.join(each.label for each in runs)}. Maps of other runs are of other scales.",
        heads=(*_heads_of(runs[0])[:1], *(head for each in runs for head in _heads_of(each)[1:])),
        rows=tuple(
            PictureRow(
                caption="\n\n".join(
                    f"{each.label}\n{rows[key].caption}" for each, rows in zip(runs, shown, strict=True)
                ),
                pictures=(
                    shown[0][key].pictures[0],
                    *(picture for rows in shown for picture in rows[key].pictures[1:]),
                ),
                key=key,
            )
            for key in keys
        ),
    )


def _rows_by_key(each: Compared) -> dict[str, PictureRow]:
    figures = (figure for figure in each.scores.figures if isinstance(figure, PictureFigure))
    return {row.key: row for figure in figures for row in figure.rows if row.key and row.pictures}


def _heads_of(each: Compared) -> Sequence[str]:
    figures = (figure for figure in each.scores.figures if isinstance(figure, PictureFigure))
    return next((figure.heads for figure in figures), ())


def scores_by_epoch(runs: Sequence[Compared]) -> LineFigure | None:
    """Return the validation score of each run by epoch, or by step; None where none is known."""
    score = runs[0].scores.score
    progress = Progress.of([each.run for each in runs if each.run is not None])
    series, label = [], score
    for each in runs:
        if each.run is None:
            continue
        label = next((valid[score].label for _, valid in progress.evaluated(each.run) if score in valid), label)
        if points := progress.scores(each.run, score):
            series.append(Series(name=each.label, points=tuple(points)))
    if not series:
        return None
    return LineFigure(
        title=f"Validation {label} by {progress.noun}",
        description=f"Validation {label} of {len(series)} runs.",
        x_label=progress.label,
        y_label=label,
        series=tuple(series),
    )

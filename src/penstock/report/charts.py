"""Charts of a run as SVG text for the report: loss, score, stall, truth against prediction, confusion.

The same record gives the same bytes. Text stays text (selectable, any language), nothing is read as
mathematics, and what would make a picture too heavy is thinned out, which its description then says.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from penstock.records import Evaluation, RunRecord
from penstock.report.progress import Progress
from penstock.report.svg import THEME, clean_text, to_inline_svg
from penstock.texts import counted

__all__ = [
    "CHART_INCHES",
    "chart",
    "confusion_chart",
    "legend",
    "loss_chart",
    "panels",
    "score_chart",
    "stall_chart",
    "truth_chart",
]

MAX_LINE_POINTS = 400
MAX_BARS = 60
MAX_DOTS = 1500
MAX_CLASSES = 24
MAX_NAME = 18
"""Characters of a class's name that an axis shows."""

_INK, _GRID, _MUTED, _BLUE, _ORANGE, *_ = THEME
_WIDTH_INCHES, CHART_INCHES = 5.4, 3.3
_SVG_DPI = 72
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "font.size": 11,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "text.color": _INK,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
}


def loss_chart(run: RunRecord) -> str:
    """Draw training loss by step, and training and validation loss by epoch where they are known."""
    progress = Progress.of([run])
    steps = [(progress.of_point(point), point.loss) for point in run.losses]
    thin, bucket = _thin(np.array(steps, dtype=np.float64).reshape(-1, 2))
    ends = np.array(progress.ends(run), dtype=np.float64)
    valid = np.array(progress.scores(run, "loss"), dtype=np.float64).reshape(-1, 2)

    def draw(axes: Axes) -> None:
        axes.plot(thin[:, 0], thin[:, 1], color=_BLUE, linewidth=0.9, alpha=0.45, label="training, by step")
        means = [epoch.train_loss for epoch in run.epochs]
        axes.plot(ends, means, color=_BLUE, linewidth=1.8, marker=_marker(ends), label="training, epoch mean")
        if len(valid):
            axes.plot(valid[:, 0], valid[:, 1], color=_ORANGE, linewidth=1.8, marker=_marker(valid), label="validation")
        axes.set_xlabel(progress.label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylabel("loss")
        legend(axes)

    last = f"; the last epoch's mean is {run.epochs[-1].train_loss:.4g}" if run.epochs else ""
    thinned = f" Each point of the line is the mean of {bucket} recorded points." if bucket > 1 else ""
    return chart("loss", "Loss", f"Training loss over {counted(len(run.epochs), 'epoch')}{last}.{thinned}", draw)


def score_chart(run: RunRecord, score: str) -> str:
    """Draw a validation metric by epoch, with the line of a model that learnt nothing, and the best one."""
    progress = Progress.of([run])
    found = [valid[score] for _, valid in progress.evaluated(run) if score in valid]
    points = progress.scores(run, score)
    best = _best_point(run, score, progress)
    baseline = next((metric.baseline.value for metric in found if metric.baseline is not None), None)
    epochs = np.array([point[0] for point in points], dtype=np.float64)
    values = np.array([point[1] for point in points], dtype=np.float64)
    label = clean_text(found[0].label if found else score)

    def draw(axes: Axes) -> None:
        if baseline is not None:
            axes.axhline(baseline, color=_MUTED, linewidth=1.4, linestyle=(0, (4, 3)), label="learnt nothing")
        axes.plot(epochs, values, color=_ORANGE, linewidth=1.8, marker=_marker(epochs), label="validation")
        if best:
            axes.plot([best[0]], [best[1]], "o", markersize=9, markeredgewidth=1.6, fillstyle="none",
                      color=_INK, label=f"best: {best[1]:.3f}")  # fmt: skip
        axes.set_xlabel(progress.label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylabel(label)
        legend(axes)

    shown = f"Best, at {progress.noun} {best[0]:,.6g}: {best[1]:.4g}." if best else f"{counted(len(points), 'epoch')}."
    against = f" A model that learnt nothing has {baseline:g}." if baseline is not None else ""
    return chart("score", f"Validation {label} by {progress.noun}", shown + against, draw)


def _best_point(run: RunRecord, score: str, progress: Progress) -> tuple[float, float] | None:
    """Return how far the run was when the best weights were taken, and their score; None where there are none.

    By the step and not by the place: of samples that make many steps, several evaluations have one place.
    """
    if run.best_step is not None:
        found = [(progress.of_point(each), each.valid) for each in run.evaluations if each.step == run.best_step]
    else:
        ended = zip(progress.ends(run), run.epochs, strict=True)
        found = [(place, each.valid) for place, each in ended if each.epoch == run.best_epoch]
    values = [(place, valid[score].value) for place, valid in found if score in valid]
    return next(((place, value) for place, value in values if value is not None), None)


def stall_chart(run: RunRecord) -> str:
    """Draw each epoch's training pass as a bar: compute, and on top of it stall."""
    each = max(1, math.ceil(len(run.epochs) / MAX_BARS))
    groups = [run.epochs[start : start + each] for start in range(0, len(run.epochs), each)]
    compute = [sum(e.compute_seconds for e in group) / len(group) for group in groups]
    stall = [sum(e.stall_seconds for e in group) / len(group) for group in groups]
    middles = [sum(e.epoch + 1 for e in group) / len(group) for group in groups]

    def draw(axes: Axes) -> None:
        axes.bar(middles, compute, width=0.8 * each, color=_BLUE, label="compute")
        axes.bar(middles, stall, width=0.8 * each, bottom=compute, color=_ORANGE, label="stall (waiting for data)")
        axes.set_xlabel("epoch")
        axes.set_ylabel("seconds")
        axes.grid(visible=False, axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(1 - 0.7 * each, len(run.epochs) + 0.7 * each)
        legend(axes)

    busy = run.stall_seconds + run.compute_seconds
    share = f"{run.stall_seconds / busy:.1%}" if busy else "no part"
    grouped = f" Each bar is the mean of {each} epochs." if each > 1 else ""
    return chart("stall", "Compute and stall by epoch", f"Stall took {share} of the training passes.{grouped}", draw)


def truth_chart(evaluation: Evaluation) -> str:
    """Draw each predicted value over its true one, with the line of equality."""
    pairs = np.array([(p.truth, p.predicted) for p in evaluation.predictions], dtype=np.float64).reshape(-1, 2)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    known = len(pairs)
    if known > MAX_DOTS:
        pairs = pairs[np.linspace(0, known - 1, MAX_DOTS).astype(np.intp)]

    def draw(axes: Axes) -> None:
        ends = (float(pairs.min()), float(pairs.max())) if known else (0.0, 1.0)
        axes.plot(ends, ends, color=_MUTED, linewidth=1.4, linestyle=(0, (4, 3)), label="prediction = truth")
        axes.plot(pairs[:, 0], pairs[:, 1], linestyle="", marker="o", markersize=3.6, markeredgewidth=0,
                  color=_BLUE, alpha=0.45, label="sample")  # fmt: skip
        axes.set_xlabel("truth")
        axes.set_ylabel("prediction")
        legend(axes)

    shown = f"{len(pairs):,} of {evaluation.num_samples:,} samples of the {evaluation.split} split."
    return chart("truth", "Truth against prediction", shown, draw)


def confusion_chart(evaluation: Evaluation) -> str:
    """Draw the confusion matrix: a row a true class, a column a predicted one, counts in the cells.

    Of many classes those are drawn that are mistaken most often.
    """
    whole = np.array(evaluation.confusion, dtype=np.float64).reshape(len(evaluation.classes), -1)
    drawn = _most_mistaken(whole)
    counts = whole[np.ix_(drawn, drawn)]
    shares = counts / np.maximum(whole.sum(axis=1)[drawn, np.newaxis], 1)
    named = [evaluation.classes[number] for number in drawn]
    names = [clean_text(name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…") for name in named]

    def draw(axes: Axes) -> None:
        for (row, column), count in np.ndenumerate(counts):
            alpha = 0.04 + 0.5 * float(shares[row, column])
            axes.bar(column, 0.94, bottom=row - 0.47, width=0.94, color=_BLUE, alpha=alpha)
            if len(names) <= 12:
                axes.text(column, row, f"{count:.0f}", ha="center", va="center")
        axes.set_xticks(range(len(names)), names, rotation=0 if len(names) <= 4 else 45)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")

    right = float(np.trace(whole)) / max(float(whole.sum()), 1.0)
    shown = f"{right:.1%} of {whole.sum():,.0f} samples lie on the diagonal, where truth and prediction agree."
    if len(drawn) < len(whole):
        shown += f" Of {len(whole):,} classes the {len(drawn)} are drawn that are mistaken most often."
    return chart("confusion", "Confusion matrix", shown, draw)


def _most_mistaken(counts: NDArray[np.float64]) -> list[int]:
    """Return the classes to draw, in their order: all of few, else those with most samples off the diagonal."""
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    ranked: list[int] = np.argsort(-mistakes, kind="stable")[:MAX_CLASSES].tolist()
    return sorted(ranked)


def chart(name: str, title: str, description: str, draw: Callable[[Axes], None]) -> str:
    """Draw a chart in the page's style, as SVG text.

    Args:
        name: unique in the page.
        title: what a screen reader says it is.
        description: what it shows.
        draw: draws on its axes.
    """
    return panels(name, title, description, [draw])


def panels(
    name: str,
    title: str,
    description: str,
    draws: Sequence[Callable[[Axes], None]],
    *,
    height_inches: float = CHART_INCHES,
    width_inches: float = _WIDTH_INCHES,
) -> str:
    """Draw charts over one another that share their horizontal axis, as SVG text.

    Args:
        name: unique in the page.
        title: what a screen reader says it is.
        description: what they show.
        draws: draw on the axes of each, from the top.
        height_inches: of all together.
        width_inches: of each.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update({**_STYLE, "svg.hashsalt": f"penstock-{name}"})
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width_inches, height_inches), dpi=_SVG_DPI)
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        for axes, draw in zip(figure.subplots(len(draws), sharex=True, squeeze=False)[:, 0], draws, strict=True):
            axes.patch.set_visible(False)
            axes.tick_params(length=3)
            draw(axes)
        ConstrainedLayoutEngine().execute(figure)  # as its layout this would draw all of it once more, for nothing
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return to_inline_svg(written.getvalue(), name=f"chart-{name}", title=title, description=description)


def legend(axes: Axes, *, columns: int = 3) -> None:
    """Name the lines above the axes."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderpad=0.2, columnspacing=1.2,
                handlelength=1.4, handletextpad=0.5)  # fmt: skip


def _marker(points: Sequence[float] | NDArray[np.float64]) -> str:
    """Mark the points of short lines, so that a single epoch is seen at all."""
    return "o" if len(points) <= 3 else ""


def _thin(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Average runs of points, shape (points, 2), so that at most ``MAX_LINE_POINTS`` are left."""
    bucket = max(1, math.ceil(len(points) / MAX_LINE_POINTS))
    starts = range(0, len(points), bucket)
    means = [points[start : start + bucket].mean(axis=0) for start in starts]
    return np.array(means, dtype=np.float64).reshape(-1, 2), bucket

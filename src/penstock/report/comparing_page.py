"""The page of several runs side by side: a table, curves over one another, and each run's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from penstock.records import Figure
from penstock.report.comparing import (
    Compared,
    compared_rows,
    overlaid,
    same_pictures,
    scored,
    scores_by_epoch,
    warnings_of,
)
from penstock.report.figures import MOST_SERIES, ShownPictures, charts_of, pictures_of
from penstock.report.page import environment
from penstock.report.tables import Table

__all__ = ["render_comparison"]


def render_comparison(
    runs: Sequence[Compared],
    *,
    title: str,
    tables: Sequence[tuple[str, Table]] = (),
    warnings: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Write the page, as a whole HTML document.

    Args:
        runs: named; those with an evaluation of one task. Curves are drawn of the first ``MOST_SERIES``.
        title: heading of the page.
        tables: shown before that of the scores, with their headings.
        warnings: in place of those that follow from the runs; None has those.
        notes: what else is said of the scores.
    """
    with_scores = scored(runs)
    figures, pictures = _figures(with_scores), _pictures(with_scores)
    charts = [(heading, Markup(svg)) for heading, svg in charts_of(figures)]  # noqa: S704 - ElementTree escapes
    return environment().get_template("compare.html").render(
        title=title,
        tasks=sorted({name for each in runs if (name := _task(each))}),
        places=[(each.label, each.place) for each in runs],
        warnings=warnings_of(runs) if warnings is None else warnings,
        tables=tables,
        notes=(*notes, *_left_out(with_scores)) if charts else notes,
        charts=charts,
        table_of_runs=_table(with_scores),
        pictures=pictures,
    )  # fmt: skip


def _left_out(runs: Sequence[Compared]) -> list[str]:
    left = len(runs) - MOST_SERIES
    return (
        [f"Curves are those of the first {MOST_SERIES} runs: {left} more would not be told apart."] if left > 0 else []
    )


def _task(each: Compared) -> str:
    return each.evaluation.task if each.evaluation else each.run.task if each.run else ""


def _table(runs: Sequence[Compared]) -> Table | None:
    if not runs:
        return None
    return Table(
        caption=f"{runs[0].scores.task}, {runs[0].scores.split} split; * is the best of a row",
        header=("", *(each.label for each in runs)),
        rows=tuple(compared_rows(runs)),
        side_by_side=True,
    )


def _figures(runs: Sequence[Compared]) -> list[Figure]:
    drawn = runs[:MOST_SERIES]
    by_epoch = scores_by_epoch(drawn) if drawn else None
    return [*overlaid(drawn), *([by_epoch] if by_epoch is not None else [])]


def _pictures(runs: Sequence[Compared]) -> list[ShownPictures]:
    same = same_pictures(runs) if runs else None
    of_each = [
        replace(shown, title=f"{each.label}: {shown.title}")
        for each in runs
        for shown in pictures_of(each.scores.figures)
    ]
    return [*pictures_of([same] if same is not None else []), *of_each]

"""The page of several runs side by side: a table, curves over one another, and each run's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from penstock.records import Figure
from penstock.report.comparing import Compared, compared_rows, overlaid, same_pictures, scores_by_epoch, warnings_of
from penstock.report.figures import charts_of, pictures_of
from penstock.report.page import environment
from penstock.report.summary import Table
from penstock.report.svg import SERIES

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
        runs: named, of one task; curves are drawn of as many as there are colours.
        title: heading of the page.
        tables: shown before that of the scores, with their headings.
        warnings: in place of those that follow from the runs; None has those.
        notes: what else is said of the scores.
    """
    drawn = runs[: len(SERIES)]
    by_epoch = scores_by_epoch(drawn)
    figures: list[Figure] = [*overlaid(drawn), *([by_epoch] if by_epoch is not None else [])]
    table = Table(
        caption=f"{runs[0].evaluation.task}, {runs[0].evaluation.split} split; * is the best of a row",
        header=("", *(each.label for each in runs)),
        rows=tuple(compared_rows(runs)),
    )
    same = same_pictures(runs)
    pictures = pictures_of([same] if same is not None else [])
    pictures += [
        replace(shown, title=f"{each.label}: {shown.title}")
        for each in runs
        for shown in pictures_of(each.evaluation.figures)
    ]
    charts = [(heading, Markup(svg)) for heading, svg in charts_of(figures)]  # noqa: S704 - ElementTree escapes
    return environment().get_template("compare.html").render(
        title=title,
        task=runs[0].evaluation.task,
        places=[(each.label, each.place) for each in runs],
        warnings=warnings_of(runs) if warnings is None else warnings,
        tables=tables,
        notes=notes,
        charts=charts,
        table_of_runs=table,
        pictures=pictures,
    )  # fmt: skip

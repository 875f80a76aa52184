"""An evaluation's figures as the report's page shows them: charts, tables, and rows of pictures.

Pictures are PNG files within the page (``data:``), so that it needs nothing beside itself.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from penstock.records import Figure, LineFigure, PictureFigure, ScatterFigure, Series, TableFigure
from penstock.report.charts import CHART_INCHES, legend, panels
from penstock.report.svg import SERIES, THEME, clean_text
from penstock.report.tables import Table

__all__ = ["MOST_SERIES", "ShownPictures", "ShownRow", "charts_of", "figure_chart", "pictures_of", "tables_of"]

_MUTED = tuple(THEME)[2]
_DASHES: tuple[Any, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)))
_MARKS = ("o", "s", "^")
MOST_SERIES = len(SERIES) * len(_DASHES)
"""That are told apart: by their colours, then by their dashes or marks."""
_MOST_OF_TWO = 22
"""Characters of the longest name, up to which two of them stand in a row of a legend."""
_LEGEND_INCHES = 0.19
"""Of a row of a legend, beyond the three that a chart has room for."""
_MAX_NAME = 36
"""Characters of a name in a legend."""
_MAX_LABEL = 50
"""Characters of an axis' name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownRow:
    """A row of pictures: what each shows, and where it lies, which is within the page."""

    caption: str
    tone: str
    pictures: tuple[tuple[str, Markup], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPictures:
    """Rows of pictures, with names of their columns."""

    title: str
    description: str
    heads: tuple[str, ...]
    rows: tuple[ShownRow, ...]


def charts_of(figures: Sequence[Figure]) -> list[tuple[str, str]]:
    """Return headings and SVG pictures of the figures that are charts."""
    return [
        (figure.title, figure_chart(figure, f"figure-{number}"))
        for number, figure in enumerate(figures)
        if isinstance(figure, LineFigure | ScatterFigure)
    ]


def tables_of(figures: Sequence[Figure]) -> list[Table]:
    """Return the figures that are tables."""
    return [
        Table(
            caption=figure.title,
            header=figure.header,
            rows=figure.rows,
            text_columns=(0, *figure.text_columns),
            wide=len(figure.header) > 4,
        )
        for figure in figures
        if isinstance(figure, TableFigure) and figure.rows
    ]


def pictures_of(figures: Sequence[Figure]) -> list[ShownPictures]:
    """Return the figures that are rows of pictures."""
    return [
        ShownPictures(
            title=figure.title,
            description=figure.description,
            heads=figure.heads,
            rows=tuple(
                ShownRow(
                    caption=row.caption,
                    tone=row.tone if row.tone in ("good", "bad") else "plain",
                    pictures=tuple((picture.told, _within(picture.png)) for picture in row.pictures),
                )
                for row in figure.rows
            ),
        )
        for figure in figures
        if isinstance(figure, PictureFigure) and figure.rows
    ]


def figure_chart(figure: LineFigure | ScatterFigure, name: str) -> str:
    """Draw lines or points as SVG text.

    Args:
        name: unique in the page.
    """

    several = len(figure.series) > 1
    columns = 1 if several and max(len(_name(each)) for each in figure.series) > _MOST_OF_TWO else 2

    def draw(axes: Axes) -> None:
        if isinstance(figure, LineFigure):
            _draw_lines(axes, figure)
        else:
            _draw_points(axes, figure)
        axes.set_xlabel(_short(figure.x_label, _MAX_LABEL))
        axes.set_ylabel(_short(figure.y_label, _MAX_LABEL))
        legend(axes, columns=columns if several else 3)

    height = CHART_INCHES + _LEGEND_INCHES * max(0, math.ceil((len(figure.series) + 1) / columns) - 3)
    title, description = clean_text(figure.title), clean_text(figure.description)
    return panels(name, title, description, [draw], height_inches=height)


def _draw_lines(axes: Axes, figure: LineFigure) -> None:
    if figure.reference is not None:
        line = _columns(figure.reference)
        axes.plot(*line, color=_MUTED, linewidth=1.4, linestyle=(0, (4, 3)), label=_name(figure.reference))
    for number, series in enumerate(figure.series[:MOST_SERIES]):
        colour, dash, sign = _style(number)
        mark = sign if len(series.points) <= 3 else ""
        axes.plot(*_columns(series), color=colour, linewidth=1.8, linestyle=dash, marker=mark, label=_name(series))
    if all(x == int(x) for series in figure.series for x, _ in series.points) and not figure.is_unit:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if figure.is_unit:
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.02)


def _draw_points(axes: Axes, figure: ScatterFigure) -> None:
    values = [value for series in figure.series for point in series.points for value in point]
    if figure.with_equality and values:
        ends = (min(values), max(values))
        axes.plot(ends, ends, color=_MUTED, linewidth=1.4, linestyle=(0, (4, 3)), label="both equal")
    for number, series in enumerate(figure.series[:MOST_SERIES]):
        colour, _, sign = _style(number)
        axes.plot(*_columns(series), linestyle="", marker=sign, markersize=4, markeredgewidth=0, color=colour,
                  alpha=0.6, label=_name(series))  # fmt: skip


def _style(number: int) -> tuple[str, Any, str]:
    """Return the colour, the dashes and the mark of a series."""
    turn, colour = divmod(number, len(SERIES))
    return SERIES[colour], _DASHES[turn], _MARKS[turn]


def _columns(series: Series) -> tuple[list[float], list[float]]:
    return [x for x, _ in series.points], [y for _, y in series.points]


def _name(series: Series) -> str:
    """Return a name for the legend, which leaves out those that begin with an underscore."""
    text = clean_text(" ".join(series.name.split()))
    if len(text) > _MAX_NAME:  # runs are mostly told apart by how their names end
        text = f"{text[: _MAX_NAME // 2]}…{text[-(_MAX_NAME // 2) + 1 :]}"
    return text.lstrip("_") or "–"


def _short(text: str, most: int) -> str:
    text = clean_text(" ".join(text.split()))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _within(png: bytes) -> Markup:
    return Markup("data:image/png;base64,") + base64.b64encode(png).decode()

"""The figures of an evaluation, made fit for its record: bounded in number, points and bytes, and all finite.

What is too much is left out evenly, or from the end on, and the figure then says so: a record of a few hundred
kilobytes is written however large the split was, and whatever a task or a recipe gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from penstock.errors import ConfigError
from penstock.recipes.protocols import Watcher
from penstock.records import Figure, LineFigure, Picture, PictureFigure, PictureRow, ScatterFigure, Series, TableFigure
from penstock.secrets import redact
from penstock.tasks.figures import usual_figures
from penstock.tasks.protocols import Answers, Illustrates, Task

__all__ = ["MAX_PICTURE_BYTES", "bounded", "figures_of"]

Plotted = TypeVar("Plotted", LineFigure, ScatterFigure)

MAX_FIGURES: Final = 24
MAX_SERIES: Final = 6
"""Lines or clouds of one figure: as many as there are colours."""
MAX_POINTS: Final = 500
"""Of one line or cloud."""
MAX_TABLE_ROWS: Final = 200
MAX_COLUMNS: Final = 16
"""Of a table, or pictures of a row."""
MAX_PICTURE_ROWS: Final = 32
MAX_PICTURE_BYTES: Final = 2 << 20
"""Of all PNG files together."""
MAX_TEXT: Final = 1_000
"""Characters of one text."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"


def figures_of(task: Task, watcher: Watcher | None, answers: Answers) -> tuple[Figure, ...]:
    """Return what there is to draw of an evaluation: of the recipe, then of the task, else the usual.

    Raises:
        ConfigError: a picture of theirs is no PNG file.
    """
    seen = () if watcher is None else watcher.figures(answers)
    drawn = task.figures(answers) if isinstance(task, Illustrates) else usual_figures(answers)
    return bounded((*drawn, *seen))


def bounded(figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """Return figures that are within the bounds of a record.

    Raises:
        ConfigError: a picture is no PNG file.
    """
    left = MAX_PICTURE_BYTES
    found: list[Figure] = []
    for figure in figures[:MAX_FIGURES]:
        if isinstance(figure, LineFigure):
            found.append(_lines(figure))
        elif isinstance(figure, ScatterFigure):
            found.append(_plotted(figure, "groups"))
        elif isinstance(figure, TableFigure):
            found.append(_table(figure))
        else:
            pictures = _pictures(figure, left)
            left -= sum(len(picture.png) for row in pictures.rows for picture in row.pictures)
            found.append(pictures)
    return tuple(found)


def _lines(figure: LineFigure) -> LineFigure:
    reference = None if figure.reference is None else _series(figure.reference)
    return msgspec.structs.replace(_plotted(figure, "lines"), reference=reference)


def _plotted(figure: Plotted, noun: str) -> Plotted:
    """Return a figure with axes, its texts and its series bounded."""
    return msgspec.structs.replace(
        figure,
        title=_text(figure.title),
        description=_told(figure.description, len(figure.series), MAX_SERIES, noun),
        x_label=_text(figure.x_label),
        y_label=_text(figure.y_label),
        series=tuple(map(_series, figure.series[:MAX_SERIES])),
    )


def _series(series: Series) -> Series:
    points = [(float(x), float(y)) for x, y in series.points if math.isfinite(x) and math.isfinite(y)]
    if len(points) > MAX_POINTS:
        last = len(points) - 1
        points = [points[round(number * last / (MAX_POINTS - 1))] for number in range(MAX_POINTS)]
    return Series(name=_text(series.name), points=tuple(points))


def _table(figure: TableFigure) -> TableFigure:
    width = min(len(figure.header), MAX_COLUMNS)
    rows = [tuple(_text(cell) for cell in row[:width]) for row in figure.rows[:MAX_TABLE_ROWS]]
    return TableFigure(
        title=_told(figure.title, len(figure.rows), MAX_TABLE_ROWS, "rows"),
        header=tuple(_text(name) for name in figure.header[:width]),
        rows=tuple(row + ("",) * (width - len(row)) for row in rows),
        text_columns=tuple(column for column in figure.text_columns if 0 <= column < width),
    )


def _pictures(figure: PictureFigure, most_bytes: int) -> PictureFigure:
    rows: list[PictureRow] = []
    for row in _fitting(figure, most_bytes):
        pictures = tuple(Picture(png=picture.png, told=_text(picture.told)) for picture in row.pictures[:MAX_COLUMNS])
        rows.append(PictureRow(caption=_text(row.caption), pictures=pictures, tone=row.tone, key=_text(row.key)))
    return PictureFigure(
        title=_text(figure.title),
        description=_told(figure.description, len(figure.rows), len(rows), "rows"),
        rows=tuple(rows),
        heads=tuple(_text(head) for head in figure.heads[:MAX_COLUMNS]),
    )


def _fitting(figure: PictureFigure, most_bytes: int) -> Iterator[PictureRow]:
    """Return rows from the first on, while they fit."""
    for row in figure.rows[:MAX_PICTURE_ROWS]:
        for picture in row.pictures:
            if not picture.png.startswith(_PNG):
                raise ConfigError(
                    f"a picture of the figure {figure.title!r} is no PNG file",
                    fix="let the task or recipe make it with penstock.tasks.pictures.png(array)",
                )
        most_bytes -= sum(len(picture.png) for picture in row.pictures[:MAX_COLUMNS])
        if most_bytes < 0:
            return
        yield row


def _told(text: str, number: int, most: int, noun: str) -> str:
    """Say, beside a text, that not all is shown."""
    short = _text(text)
    return short if number <= most else f"{short} (the first {most} of {number:,} {noun})"


def _text(text: str) -> str:
    """Cut a text that is very long; secrets in it, and what is no Unicode text, are replaced."""
    text = redact(text).encode(errors="replace").decode()
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"

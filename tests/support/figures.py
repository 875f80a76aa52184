"""Figures of every kind, for pages that show them."""

from __future__ import annotations

import numpy as np

from penstock.records import (
    Figure,
    LineFigure,
    Picture,
    PictureFigure,
    PictureRow,
    ScatterFigure,
    Series,
    TableFigure,
)
from penstock.tasks.pictures import png

__all__ = ["every_figure"]


def every_figure(text: str = "No Finding", *, frames: int = 10) -> tuple[Figure, ...]:
    """Return a figure of each kind, with a text in every place that takes one."""
    chance = np.random.default_rng(0)
    x = np.linspace(0, 1, 30)
    lines = tuple(
        Series(name=f"{text} {power}", points=tuple(zip(x.tolist(), (x**power).tolist(), strict=True)))
        for power in (0.2, 0.4, 0.6)
    )
    clouds = tuple(
        Series(name=f"{text} {number}", points=tuple((a, b) for a, b in chance.normal(size=(40, 2)).tolist()))
        for number in range(2)
    )
    pictures = tuple(
        Picture(png=png(chance.integers(40, 255, size=(48, 48)).astype(np.uint8)), told=f"{text} {number}")
        for number in range(frames)
    )
    labels = {"title": text, "description": text, "x_label": text, "y_label": text}
    return (
        LineFigure(**labels, series=lines, reference=Series(name=text, points=((0.0, 0.0), (1.0, 1.0))), is_unit=True),
        ScatterFigure(**labels, series=clouds, with_equality=True),
        TableFigure(title=text, header=(text, "AUROC", "AUPRC"), rows=((text, "0.812", "0.4"), (text, "0.7", "0.3"))),
        PictureFigure(
            title=text,
            description=text,
            heads=(text, "reconstruction", "anomaly map"),
            rows=tuple(
                PictureRow(
                    caption=f"{text}\nscore 0.{number}",
                    pictures=pictures[:3],
                    tone=("good", "bad", "plain")[number % 3],
                )
                for number in range(5)
            ),
        ),
        PictureFigure(title=text, description=text, rows=(PictureRow(caption=text, pictures=pictures),) * 2),
    )

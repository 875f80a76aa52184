"""Figures of an evaluation, as values: what a task or a recipe has drawn in the report, and not how.

They cross a step inside the evaluation record, so they are bounded (``evaluate.figures`` sees to it). All text may be
anything: the page escapes it.
"""

from __future__ import annotations

from penstock.records.codec import Part

__all__ = [
    "Figure",
    "LineFigure",
    "Picture",
    "PictureFigure",
    "PictureRow",
    "ScatterFigure",
    "Series",
    "TableFigure",
]

Point = tuple[float, float]


class Series(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line or one cloud of points, with its name in the legend."""

    name: str
    points: tuple[Point, ...]


class LineFigure(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="figure", tag="lines"):
    """Lines over one another, such as ROC curves.

    Attributes:
        description: a sentence that says what is seen, for those who do not see it too.
        reference: a dashed line of what learning nothing gives; None draws none.
        is_unit: both axes go from 0 to 1.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    reference: Series | None = None
    is_unit: bool = False


class ScatterFigure(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="figure", tag="scatter"):
    """Points, such as truth against prediction by subject.

    Attributes:
        description: see ``LineFigure``.
        with_equality: draw the line on which both are equal.
    """

    title: str
    description: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    with_equality: bool = False


class TableFigure(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="figure", tag="table"):
    """A table of text, such as scores by class, or prompts with what was answered.

    Attributes:
        text_columns: indices of columns that are no numbers, which are aligned left; the first column always is.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: tuple[int, ...] = (0,)


class Picture(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A picture.

    Attributes:
        png: bytes of the file; see ``penstock.tasks.pictures.png``.
        told: what it shows, for those who do not see it.
    """

    png: bytes
    told: str


class PictureRow(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pictures that belong together, side by side: an image with its maps, or the frames of a clip.

    Attributes:
        caption: a sentence of them; empty has none.
        tone: whether what is shown is right or wrong, where it is one of both: ``good``, ``bad`` or ``plain``.
        key: of the sample that they are of, by which rows of several runs are put together; empty where it is none.
    """

    caption: str
    pictures: tuple[Picture, ...]
    tone: str = "plain"
    key: str = ""


class PictureFigure(Part, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="figure", tag="pictures"):
    """Rows of pictures.

    Attributes:
        description: see ``LineFigure``.
        heads: what each column is, such as image, reconstruction, anomaly map; empty where they need no names.
    """

    title: str
    description: str
    rows: tuple[PictureRow, ...]
    heads: tuple[str, ...] = ()


Figure = LineFigure | ScatterFigure | TableFigure | PictureFigure

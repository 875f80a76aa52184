"""The table of boxes, BBox_List_2017.csv: where on an image a finding is, in pixels of the image.

Its header parts one column's name at commas and ends in empty ones (``Bbox [x,y,w,h],,,``), so columns go by place:
image, finding, x, y, width and height.
"""

from __future__ import annotations

import csv
import io
import math
from typing import Final

from penstock.errors import DataError
from penstock.tasks.xray.labels import mask_of, unpacked

__all__ = ["MOST_BOXES", "Boxes", "read_boxes"]

MOST_BOXES: Final = 8
"""Of an image that are scored; the dataset has 3 at most of one."""
PARTS: Final = 64
"""Of a pixel that a box's numbers are kept in."""

Boxes = dict[str, list[tuple[int, int, int, int]]]
"""By image: x, y, width and height, in ``PARTS`` of a pixel."""


def read_boxes(data: bytes, *, name: str) -> Boxes:
    """Read the table.

    Raises:
        DataError: it is no such table; names the line.
    """
    try:
        text = unpacked(data, name).decode("utf-8-sig")
        lines = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text, newline="")), 1) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name} is no table of text ({error})", fix="save it again as UTF-8", about=name) from error
    boxes: Boxes = {}
    for line, row in lines[1:]:
        image = row[0].strip().replace("\\", "/").rpartition("/")[2]
        box = _box(row)
        if box is None or not image:
            raise DataError(
                f"{name}, line {line}: {','.join(row)[:80]!r} is no box",
                fix="write image, finding, x, y, width, height, as BBox_List_2017.csv has them",
                about=name,
            )
        boxes.setdefault(image, []).append(box)
    return boxes


def _box(row: list[str]) -> tuple[int, int, int, int] | None:
    try:
        mask_of(row[1])
        x, y, width, height = (float(cell) for cell in row[2:6])
    except (ValueError, IndexError):
        return None
    if not all(math.isfinite(number) and 0 <= number < 1e6 for number in (x, y, width, height)) or not width * height:
        return None
    whole = [round(number * PARTS) for number in (x, y, width, height)]
    return whole[0], whole[1], max(whole[2], 1), max(whole[3], 1)

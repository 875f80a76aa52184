"""An inspection as lines for a terminal, or for a file: never wider than they may be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from penstock.inspection.found import Inspection, Kind, Picture, SizeClass
from penstock.inspection.pictures import half_blocks
from penstock.inspection.words import (
    KIND_HEADS,
    headline,
    kind_cells,
    notes,
    sizes_told,
    spent_told,
    splits_told,
)
from penstock.units import format_bytes

__all__ = ["as_lines"]

_PICTURE_COLUMNS = 40
_BAR = 24
_GAP = 2
_NARROWEST = 16
"""Of a column that would be cut further: the last ones are left out instead."""
_FEWEST_COLUMNS = 3


def as_lines(found: Inspection, pictures: Sequence[Picture], *, width: int) -> str:
    """Return what is to be written, with a line end.

    Args:
        pictures: that are shown by half blocks in true colours.
        width: columns of the terminal.
    """
    lines = [*_wrapped(found.source, width), *_wrapped(headline(found), width)]
    lines += _wrapped(f"sizes: {sizes_told(found)}", width)
    if len(found.figures.classes) > 1:
        lines += _histogram(found.figures.classes, width=width)
    for line in splits_told(found):
        lines += _wrapped(line, width)
    lines += ["", *_table(KIND_HEADS, [kind_cells(kind) for kind in found.kinds], width=width)]
    for kind in found.kinds:
        lines += _of_kind(kind, width)
    lines.append("")
    for line in (*notes(found), *found.advice, spent_told(found)):
        lines += _wrapped(f"- {line}", width, indent="  ")
    for picture in pictures:
        shown = half_blocks(picture.png, width=min(width, _PICTURE_COLUMNS))
        lines += ["", *_wrapped(f"{picture.name}: {picture.told}", width), *shown]
    return "\n".join([*lines, ""])


def _of_kind(kind: Kind, width: int) -> list[str]:
    told = [line for note in kind.mismatches for line in _wrapped(f"! {note}", width, indent="  ")]
    if kind.note:
        told += _wrapped(f"{kind.example}: {kind.note}", width, indent="  ")
    if not kind.columns:
        return ["", *told] if told else []
    num_values = max(len(column.values) for column in kind.columns)
    heads = ("column", "type", *(f"sample {number}" for number in range(num_values)))
    rows = [
        (column.name, column.type, *column.values, *[""] * (num_values - len(column.values))) for column in kind.columns
    ]
    return ["", *told, *_wrapped(f"{kind.example}:", width), *_table(heads, rows, width=width)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[str]:
    """Return lines of a table; its last columns are left out where all would be too narrow, long cells are cut."""
    natural = [max(cell_len(text) for text in column) for column in zip(heads, *rows, strict=True)]
    while len(natural) > _FEWEST_COLUMNS and sum(min(each, _NARROWEST) + _GAP for each in natural) > width:
        natural.pop()
    widths = _fitted(natural, width)
    return [
        (" " * _GAP).join(_cell(text, each) for text, each in zip(row, widths, strict=False)).rstrip()
        for row in (heads, *rows)
    ]


def _fitted(natural: Sequence[int], width: int) -> list[int]:
    """Return widths of columns of which the widest are cut until all fit."""
    room = max(width - _GAP * (len(natural) - 1), len(natural))
    most = max(natural, default=0)
    while most > 1 and sum(min(each, most) for each in natural) > room:
        most -= 1
    return [min(each, most) for each in natural]


def _cell(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else f"{set_cell_size(text, width - 1)}…"


def _histogram(classes: Sequence[SizeClass], *, width: int) -> list[str]:
    most = max(each.num_objects for each in classes)
    rows = [
        (
            f"up to {format_bytes(each.up_to_bytes)}",
            f"{each.num_objects:,}",
            "#" * max(1, round(_BAR * each.num_objects / most)),
        )
        for each in classes
    ]
    return _table(("", "", ""), rows, width=width)[1:]


def _wrapped(text: str, width: int, *, indent: str = "") -> list[str]:
    return textwrap.wrap(text, max(width, 10), subsequent_indent=indent) or [""]

"""Options of the task ``table``."""

from __future__ import annotations

from typing import Final

from penstock.tasks.protocols import TaskOption

__all__ = ["OPTIONS"]


def _text(name: str, default: str | None, text: str, metavar: str) -> TaskOption:
    return TaskOption(name=name, kind=str, default=default, help=text, metavar=metavar)


OPTIONS: Final = (
    _text("target", None, "column to predict", "COLUMN"),
    _text("predict", "auto", "what it is: class, number, or auto, by what is in it", "{auto,class,number}"),
    _text("columns", None, "columns to learn from, joined by commas (default: all that can be)", "COLUMNS"),
    _text("categorical", None, "columns whose numbers are names of categories", "COLUMNS"),
    _text("group_column", None, "column of what stays whole in a split, like patients", "COLUMN"),
    _text("split_column", None, "column that says train, valid or test", "COLUMN"),
    _text(
        "split_unit",
        "auto",
        "what is split where there is no group-column: rows, blocks (what is fetched as one), or auto, by size",
        "{auto,rows,blocks}",
    ),
    _text("format", "auto", "format of the tables, like csv, parquet, jsonl, arrow; auto is by their names", "NAME"),
    _text("match", None, "take the objects that fit this pattern for tables (default: by their endings)", "PATTERN"),
    _text("delimiter", None, "between a CSV's cells: comma, tab, semicolon, bar (default: as in its header)", "NAME"),
    _text("names", None, "names of all columns, of CSV without a header", "COLUMNS"),
    _text("block", "4Mi", "about how many bytes of rows of CSV or JSON are fetched as one", "SIZE"),
    _text("memory", "2Gi", "what a row group of Parquet, or a batch of Arrow, may take unpacked", "SIZE"),
    TaskOption(
        name="max_values",
        kind=int,
        default=64,
        help="values of a category that are told apart, 2 to 4096; rarer ones are one",
        metavar="N",
    ),
    _text("like", None, "manifest of an earlier listing, whose columns, means and classes are taken", "FILE"),
    _text("statistics", "256Mi", "about how much of Parquet is read for means and categories", "SIZE"),
)

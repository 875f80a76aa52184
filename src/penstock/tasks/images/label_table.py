"""A table of labels: which class, group and split an image is of, by its path.

A path fits an image whose key is the same, or ends with it at a folder's border, with or without the file's ending:
``00001_000.png`` and ``images/00001_000`` fit ``images_001/images/00001_000.png``. The longest that fits is taken.
A path may begin with the source's URI; slashes may be backslashes, endings
capitals (``.JPG``), and letters composed or not (Unicode NFC).

The table is held in memory: some 300 bytes a row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from penstock.errors import ConfigError, DataError
from penstock.formats.group_text import group_text, merged
from penstock.formats.tables import COLUMNS_SHOWN, Row, open_table
from penstock.tasks.images.naming import IMAGE_ENDINGS, Meaning
from penstock.tasks.split_names import split_of
from penstock.texts import did_you_mean

__all__ = ["LabelColumns", "LabelTable", "read_label_table"]

_MISSING: Final = frozenset({"", "n/a", "nan"})
"""Cells without a label. ``none`` and ``NA`` are names that a class may have."""
_NOT_TEXT: Final = ("parquet", "xlsx", "xls", "json", "jsonl", "gz", "zip", "xz", "bz2", "zst")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelColumns:
    """Names of a table's columns; those that are None are not used."""

    path: str
    label: str
    group: str | None
    split: str | None


@dataclass(slots=True)
class _Entry:
    path: str
    meaning: Meaning | str
    line: int
    key: str = ""
    """Of the image that it is of, once one was seen."""


class LabelTable:
    """Says what images are by their paths; made by ``read_label_table``."""

    def __init__(self, name: str, *, source_uri: str = "") -> None:
        self.name = name
        self._source_uri = f"{source_uri.rstrip('/')}/"
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, row: Row, columns: LabelColumns) -> None:
        """Take a row in.

        Raises:
            DataError: it has no path, says another thing of an image than an earlier one, or of a split that is none.
        """
        path = _plain(row[columns.path].removeprefix(self._source_uri))
        if not path:
            raise row.error(f"the column {columns.path} is empty", fix="write the image's path there")
        meaning = _meaning(row, columns)
        known = self._entries.setdefault(path, _Entry(row[columns.path], meaning, row.line))
        if known.meaning != meaning:
            raise row.error(
                f"{row[columns.path]} comes twice, and line {known.line} says another thing of it",
                fix="leave one row for each image",
            )

    def has(self, key: str) -> bool:
        """Tell whether a row is of this image."""
        return self._find(key) is not None

    def meaning(self, key: str) -> Meaning | str:
        """Return what the table says of an image.

        Raises:
            DataError: its row is of another image too.
        """
        entry = self._find(key)
        if entry is None:
            return f"not in {self.name}"
        if entry.key not in ("", key):
            raise DataError(
                f"{self.name}, line {entry.line}: {entry.path} is both {entry.key} and {key}",
                fix="write more of the path, from the source on",
                about=self.name,
            )
        entry.key = key
        return entry.meaning

    def end(self) -> None:
        """Make classes of labels, when all rows were added."""
        told = [(entry, entry.meaning) for entry in self._entries.values() if isinstance(entry.meaning, Meaning)]
        classes = merged({meaning.label for _, meaning in told})
        for entry, meaning in told:
            if classes[meaning.label] != meaning.label:
                entry.meaning = replace(meaning, label=classes[meaning.label])

    def is_at(self, key: str) -> bool:
        """Tell whether an object of the source is the table itself."""
        return self.name in (key, f"{self._source_uri}{key}")

    def without_image(self) -> Iterator[str]:
        """Return the paths of rows that no image was asked for by."""
        return (entry.path for entry in self._entries.values() if not entry.key)

    def _find(self, key: str) -> _Entry | None:
        rest = _plain(key)
        while rest:
            for path in (rest, _without_ending(rest)):
                if (entry := self._entries.get(path)) is not None:
                    return entry
            rest = rest.partition("/")[2]
        return None


def read_label_table(data: bytes, *, name: str, columns: LabelColumns, source_uri: str = "") -> LabelTable:
    """Read a table: tabs, commas or semicolons between its cells, whichever its header has most of.

    Args:
        name: of the file, for messages.
        source_uri: that paths may begin with.

    Raises:
        DataError: it is no table, or says two things of one image.
        ConfigError: it lacks a column.
    """
    if (ending := name.rpartition(".")[2].lower()) in _NOT_TEXT:
        raise DataError(
            f"the labels {name} are a .{ending} file", fix="give a table of text: .csv or .tsv, not packed", about=name
        )
    header = data.partition(b"\n")[0]
    delimiter = max("\t,;", key=lambda mark: header.count(mark.encode()))
    have, rows = open_table(data, name=name, delimiter=delimiter)
    _check_columns(have, columns, name)
    table = LabelTable(name, source_uri=source_uri)
    for row in rows:
        table.add(row, columns)
    table.end()
    if not len(table):
        raise DataError(f"{name} has no rows below its header", fix="write a row for each image", about=name)
    return table


def _check_columns(have: Sequence[str], columns: LabelColumns, name: str) -> None:
    there = [column for column in have if column]
    for option in ("path", "label", "group", "split"):
        wanted = getattr(columns, option)
        if wanted is not None and wanted not in there:
            shown = ", ".join(there[:COLUMNS_SHOWN]) + (", …" if len(there) > COLUMNS_SHOWN else "")
            raise ConfigError(
                f"{name} has no column {wanted!r} of --option {option}-column= (it has {shown or 'no columns'})",
                fix=f"{did_you_mean(wanted, there)}name it with --option {option}-column=",
                about=name,
            )


def _meaning(row: Row, columns: LabelColumns) -> Meaning | str:
    label = row[columns.label]
    if label.lower() in _MISSING:
        return f"no {columns.label} in {row.table}"
    group = group_text(row[columns.group]) if columns.group is not None else ""
    if columns.group is not None and not group:
        raise row.error(f"the column {columns.group} is empty", fix="write the image's group, as of other rows")
    split = split_of(row[columns.split]) if columns.split is not None else ""
    if columns.split is not None and not split:
        raise row.error(
            f"{columns.split} is {row[columns.split]!r}, which is no split", fix="write train, valid or test"
        )
    return Meaning(label=label, group=group, split=split)


def _plain(path: str) -> str:
    path = path.replace("\\", "/")
    while path.startswith(("./", "/")):
        path = path.removeprefix(".").removeprefix("/")
    stem, dot, ending = path.rpartition(".")
    if dot and ending.lower() in IMAGE_ENDINGS:
        path = f"{stem}.{ending.lower()}"
    return path if unicodedata.is_normalized("NFC", path) else unicodedata.normalize("NFC", path)


def _without_ending(path: str) -> str:
    stem, dot, ending = path.rpartition(".")
    return stem if dot and "/" not in ending else path

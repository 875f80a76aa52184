"""What a cloud's own export has for tags, beside what bills have: read row by row, however large the export.

A row of the export is of a tag by its value; keys are taken as they are and as AWS writes them (``user_...``,
``user:...``). Only sums are kept: memory grows with the tags that are asked for, not with the export.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from penstock.cost.export_columns import ExportColumns, columns_for, kind_of
from penstock.errors import RecordError
from penstock.texts import printable

__all__ = ["Theirs", "read_export", "together"]

_BATCH_ROWS = 8192
_MOST_USD = 10**15
"""Of a row: sums of as many rows as there may be are exact."""
_LONGEST_CELL = 1 << 20
_PREFIXES = ("", "user_", "user:")
_WANTED = "pass an export in FOCUS (BilledCost, ServiceName, Tags) or of AWS CUR 2.0 (line_item_unblended_cost, "
_WANTED += "line_item_product_code, resource_tags), as .csv, .csv.gz or .parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Theirs:
    """Sums of exports, in US dollars.

    Attributes:
        by_tag: by the tag's value, then by what it was for.
        other_usd: of rows with other values of the tag.
        untagged_usd: of rows without the tag.
        num_rows: that were read.
        title: of the formats.
    """

    by_tag: Mapping[str, Mapping[str, Decimal]]
    other_usd: Decimal
    untagged_usd: Decimal
    num_rows: int
    title: str


@dataclass(kw_only=True, slots=True)
class _Sums:
    by_tag: dict[str, dict[str, Decimal]]
    other_usd: Decimal = Decimal(0)
    untagged_usd: Decimal = Decimal(0)
    num_rows: int = 0

    def add(self, value: str, usd: Decimal, what: str) -> None:
        if not value:
            self.untagged_usd += usd
        elif value in self.by_tag:
            self.by_tag[value][what] += usd
        else:
            self.other_usd += usd


def read_export(path: Path, *, tag_key: str, values: Sequence[str]) -> Theirs:
    """Sum up an export by the values of a tag.

    Args:
        values: those that are asked for.

    Raises:
        RecordError: the file cannot be read or is no such export; the message names the row.
    """
    sums = _Sums(by_tag={value: defaultdict(Decimal) for value in values})
    with _rows_of(path, tag_key) as (columns, rows):
        try:
            for row in rows:
                sums.num_rows += 1
                if usd := _usd(row, columns):
                    what = kind_of(_text(row, columns.service), _text(row, columns.kind))
                    sums.add(_tag(row, columns, tag_key), usd, printable(what))
        except ValueError as error:
            raise RecordError(f"{path}, row {sums.num_rows}: {error}", fix=_WANTED, about=str(path)) from error
    return Theirs(
        by_tag={value: dict(found) for value, found in sums.by_tag.items()},
        other_usd=sums.other_usd,
        untagged_usd=sums.untagged_usd,
        num_rows=sums.num_rows,
        title=columns.title,
    )


def together(exports: Sequence[Theirs]) -> Theirs:
    """Return the sums of several exports by the same values of a tag; of one at least."""
    by_tag: dict[str, dict[str, Decimal]] = {value: defaultdict(Decimal) for value in exports[0].by_tag}
    for value, sums in by_tag.items():
        for what, usd in (each for export in exports for each in export.by_tag[value].items()):
            sums[what] += usd
    return Theirs(
        by_tag={value: dict(found) for value, found in by_tag.items()},
        other_usd=sum((each.other_usd for each in exports), Decimal(0)),
        untagged_usd=sum((each.untagged_usd for each in exports), Decimal(0)),
        num_rows=sum(each.num_rows for each in exports),
        title=" and ".join(dict.fromkeys(each.title for each in exports)),
    )


@contextmanager
def _rows_of(path: Path, tag_key: str) -> Iterator[tuple[ExportColumns, Iterator[Mapping[str, Any]]]]:
    try:
        if path.name.lower().endswith(".parquet"):
            with _parquet(path, tag_key) as found:
                yield found
        else:
            with path.open("rb") as raw, gzip.open(raw) if _is_gzip(path) else raw as data:
                yield _csv_rows(io.TextIOWrapper(data, encoding="utf-8-sig", newline=""), path, tag_key)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise RecordError(f"{path} cannot be read ({error})", fix=_WANTED, about=str(path)) from error


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _csv_rows(lines: io.TextIOWrapper, path: Path, tag_key: str) -> tuple[ExportColumns, Iterator[Mapping[str, Any]]]:
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(lines)
    names = next(rows, [])
    columns = _columns(names, path, tag_key)
    wanted = [(name, names.index(name)) for name in columns.wanted]

    def read() -> Iterator[Mapping[str, Any]]:
        for number, cells in enumerate(rows, 1):
            if len(cells) != len(names):
                told = f"{path}, row {number}: it has {len(cells)} cells, and the file {len(names)} columns"
                raise RecordError(told, fix=_WANTED, about=str(path))
            yield {name: cells[place] for name, place in wanted}

    return columns, read()


@contextmanager
def _parquet(path: Path, tag_key: str) -> Iterator[tuple[ExportColumns, Iterator[Mapping[str, Any]]]]:
    import pyarrow as pa  # here: `--help` does without it
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise RecordError(f"{path} is no Parquet file ({error})", fix=_WANTED, about=str(path)) from error
    with file:
        columns = _columns(file.schema_arrow.names, path, tag_key)
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns.wanted))
        yield columns, (row for batch in batches for row in batch.to_pylist())


def _columns(names: Sequence[str], path: Path, tag_key: str) -> ExportColumns:
    found = columns_for(names, tag_key)
    if found is None:
        shown = printable(", ".join(names[:8]))
        raise RecordError(
            f"{path} is no export that can be compared: it has no column of costs, services or tags (it begins "
            f"{shown or 'with nothing'})",
            fix=_WANTED,
            about=str(path),
        )
    return found


def _usd(row: Mapping[str, Any], columns: ExportColumns) -> Decimal:
    cost = row[columns.cost]
    try:
        usd = Decimal(str(cost).strip()) if cost not in (None, "") else Decimal(0)
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or abs(usd) > _MOST_USD:
        raise ValueError(f"{columns.cost} {str(cost)[:40]!r} is no number")
    currency = _text(row, columns.currency)
    if usd and currency not in ("", "USD"):
        raise ValueError(f"its cost is in {currency[:40]!r}, and bills are in USD: export it in US dollars")
    return usd


def _tag(row: Mapping[str, Any], columns: ExportColumns, tag_key: str) -> str:
    if columns.tag is not None:
        return _text(row, columns.tag)
    tags = row[str(columns.tags)]
    if isinstance(tags, str):
        if tag_key not in tags and "\\" not in tags:  # most rows: their JSON need not be read
            return ""
        try:
            tags = json.loads(tags)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{columns.tags} is no JSON object") from error
    try:
        pairs = dict(tags or ())
    except (TypeError, ValueError) as error:
        raise ValueError(f"{columns.tags} is no JSON object") from error
    found = (pairs.get(f"{prefix}{tag_key}") for prefix in _PREFIXES)
    return next((str(value) for value in found if value not in (None, "")), "")


def _text(row: Mapping[str, Any], name: str | None) -> str:
    value = row[name] if name is not None else None
    return "" if value is None else str(value)

"""The table of labels, Data_Entry_2017*.csv: whose an image is, and what was found on it.

Columns are known by name whatever their case and signs: ``Image Index``, ``Finding Labels``, ``Patient ID``, and where
views are chosen ``View Position``. Others are not read; that commas within the brackets of the header
(``OriginalImage[Width,Height]``) part a column in two, in header and rows alike, does no harm. The table is held in
memory: some 200 bytes a row. Read are CSV and Parquet, CSV also packed by gzip or xz.

Findings are a set, held as bits in the order of ``FINDINGS``; 0 is a normal image.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from penstock.errors import ConfigError, DataError
from penstock.formats.tables import open_table
from penstock.texts import did_you_mean
from penstock.units import MIB

__all__ = ["FINDINGS", "NORMAL", "LabelBook", "Labelled", "findings_of", "mask_of", "read_labels", "unpacked"]

NORMAL: Final = "No Finding"
FINDINGS: Final = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
MOST_BYTES: Final = 512 * MIB
"""Of a table, unpacked."""

_PLACES: Final = {name.lower(): number for number, name in enumerate(FINDINGS)} | {"infiltrate": 8}
"""BBox_List_2017.csv calls infiltration so."""
_COLUMNS: Final = {"imageindex": "Image Index", "findinglabels": "Finding Labels", "patientid": "Patient ID"}
_VIEW: Final = "viewposition"


class Labelled(NamedTuple):
    """What is known of an image: its patient, its findings as bits, and its view where views are read."""

    patient: str
    findings: int
    view: str


class LabelBook(dict[str, Labelled]):
    """Images by their file names, without folders."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def findings_of(mask: int) -> tuple[str, ...]:
    """Return the names of findings that are bits of a number."""
    return tuple(name for number, name in enumerate(FINDINGS) if mask >> number & 1)


def mask_of(text: str) -> int:
    """Return findings as bits, of text like ``Mass|Nodule`` or ``No Finding``.

    Raises:
        ValueError: it names what is no finding of this dataset, or none and some; it says which.
    """
    mask, is_normal = 0, False
    for name in text.split("|"):
        name = name.strip()
        if name.lower() == NORMAL.lower():
            is_normal = True
        elif (place := _PLACES.get(name.lower().replace(" ", "_"))) is not None:
            mask |= 1 << place
        else:
            raise ValueError(name)
    if is_normal and mask:
        raise ValueError(text)
    return mask


def read_labels(data: bytes, *, name: str, with_views: bool) -> LabelBook:
    """Read the table.

    Args:
        name: of the file, for messages, and for how it is packed.
        with_views: views are chosen, so the column must be there.

    Raises:
        DataError: it is no such table, or says two things of one image.
    """
    book = LabelBook(name)
    for where, cells in _rows(data, name, with_views=with_views):
        image = str(cells["imageindex"]).strip().replace("\\", "/").rpartition("/")[2]
        if not image:
            raise _wrong(where, "the column Image Index is empty", name)
        patient = str(cells["patientid"]).strip()
        if not patient:
            raise _wrong(where, "the column Patient ID is empty, and patients must not straddle splits", name)
        try:
            findings = mask_of(str(cells["findinglabels"]))
        except ValueError as error:
            meant = did_you_mean(str(error), (*FINDINGS, NORMAL))
            raise DataError(
                f"{where}: Finding Labels is {str(cells['findinglabels'])[:80]!r}, of which {str(error)[:80]!r} is no "
                "finding of ChestX-ray14",
                fix=f"{meant}write findings joined by |, or {NORMAL}",
                about=name,
            ) from error
        found = Labelled(patient, findings, str(cells.get(_VIEW, "")).strip().upper())
        if book.setdefault(image, found) != found:
            raise _wrong(where, f"{image} comes twice, and an earlier row says another thing of it", name)
    if not book:
        raise DataError(f"{name} has no rows below its header", fix="pass the whole table", about=name)
    return book


def _wrong(where: str, what: str, name: str) -> DataError:
    return DataError(f"{where}: {what}", fix="correct the table", about=name)


def _rows(data: bytes, name: str, *, with_views: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return rows by the plain names of their columns, each with where it is."""
    if name.lower().endswith(".parquet"):
        yield from _parquet_rows(data, name, with_views=with_views)
        return
    text = unpacked(data, name)
    header = text.partition(b"\n")[0]
    delimiter = max("\t,;", key=lambda mark: header.count(mark.encode()))
    columns, rows = open_table(text, name=name, delimiter=delimiter)
    plain = _wanted(columns, name, with_views=with_views)
    for row in rows:
        yield f"{name}, line {row.line}", {short: row[column] for short, column in plain.items()}


def _parquet_rows(data: bytes, name: str, *, with_views: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow as pa  # here: it takes a while, and most tables are text
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(io.BytesIO(data))
        plain = _wanted(table.schema_arrow.names, name, with_views=with_views)
        done = 0
        for batch in table.iter_batches(columns=[*plain.values()]):
            batch.validate(full=True)  # of texts, that they are some
            for number, row in enumerate(batch.to_pylist()):
                cells = {short: "" if row[column] is None else row[column] for short, column in plain.items()}
                yield f"{name}, row {done + number + 1}", cells
            done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{name} is no Parquet file that can be read ({error})", fix="save it again", about=name
        ) from error


def _wanted(columns: Any, name: str, *, with_views: bool) -> dict[str, str]:
    """Return the columns that are read, by their plain names."""
    there = {"".join(sign for sign in column.lower() if sign.isalnum()): column for column in columns}
    wanted = _COLUMNS | ({_VIEW: "View Position"} if with_views else {})
    missing = [shown for plain, shown in wanted.items() if plain not in there]
    if missing:
        shown = ", ".join([column for column in columns if column][:12])
        raise ConfigError(
            f"{name} has no column {', '.join(missing)} (it has {shown or 'none'})",
            fix="name the dataset's Data_Entry_2017*.csv with --option labels=",
            about=name,
        )
    return {plain: there[plain] for plain in wanted}


def unpacked(data: bytes, name: str) -> bytes:
    """Return the text of a file that may be packed, by its first bytes.

    Raises:
        DataError: it is damaged, or takes too much unpacked.
    """
    try:
        if data.startswith(b"\x1f\x8b"):
            made = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, MOST_BYTES + 1)
        elif data.startswith(b"\xfd7zXZ\x00"):
            made = lzma.LZMADecompressor(memlimit=MOST_BYTES).decompress(data, MOST_BYTES + 1)
        else:
            return data
    except (zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{name} cannot be unpacked ({error})", fix="save it again", about=name) from error
    if len(made) > MOST_BYTES:
        raise DataError(f"{name} takes more than {MOST_BYTES >> 20} MiB unpacked", fix="check what it is", about=name)
    return made

"""What decodes the rows of an extent that one split has."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from penstock.formats.codec import Codec
from penstock.formats.csv.format import csv_table
from penstock.formats.parquet.rows import read_rows
from penstock.formats.values import some_rows
from penstock.tasks.table.encoding import Encoding
from penstock.tasks.table.row_tables import decoded_rows

__all__ = ["EncodedRows", "RowsCodec", "pack_rows"]


class RowsCodec(Codec, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An extent's codec.

    Attributes:
        format: its name.
        codec: the format's own.
        num_rows: of the format's extent.
        options: that the format is made with, as JSON; empty for none.
        first_row: number of its first row in its table, from 0; None is not known.
        rows: which of them there are, by ``pack_rows``; empty for all.
        encoding: how they become numbers.
    """

    kind: ClassVar[str] = "rows of tables"

    format: str
    codec: str
    num_rows: int
    rows: str
    encoding: str
    first_row: int | None = None
    options: str = ""

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return which of the extent's rows some samples are, by their n-ths, shape (samples,)."""
        if not self.rows:
            return numbers
        packed = np.frombuffer(zlib.decompress(base64.b85decode(self.rows)), np.uint8)
        return np.flatnonzero(np.unpackbits(packed, count=self.num_rows))[numbers]

    def matrix(self, data: bytes, key: str, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some rows as numbers, shape (samples, width).

        Args:
            data: the extent's bytes.
            key: of it, for messages.
            places: of the rows in the extent.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        encoding = Encoding.read(self.encoding)
        if self.format == "csv":
            table = csv_table(data, self.codec, encoding.names, key=key, num_rows=self.num_rows)
        elif self.format == "parquet":
            table = read_rows(data, self.codec, key=key, num_rows=self.num_rows)
        else:
            names = encoding.names
            return encoding.matrix(
                decoded_rows(data, self.codec, places, names, format_name=self.format, options=self.options)
            )
        return encoding.matrix(some_rows(table, places))


class EncodedRows(Sequence[dict[str, Any]]):
    """Rows with their targets, each a dictionary that is made when it is asked for.

    Args:
        matrix: numbers of the rows, shape (rows, width).
        targets: of all samples of the extent.
        numbers: which of them the rows are, shape (rows,).
        table: name of the table.
        rows: numbers of the rows in their table, from 0, shape (rows,); None where they are not known.
    """

    def __init__(
        self,
        matrix: NDArray[np.float32],
        targets: Sequence[float | None],
        numbers: NDArray[np.int64],
        *,
        table: str,
        rows: NDArray[np.int64] | None,
    ) -> None:
        self._matrix, self._targets, self._numbers = matrix, targets, numbers
        self._table, self._rows = table, rows

    def key_of(self, row: int) -> str:
        """Name a row as people find it in its table; the empty text where that is not known."""
        return "" if self._rows is None else f"{self._table}#{int(self._rows[row])}"

    def __len__(self) -> int:
        return len(self._matrix)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[each] for each in range(*row.indices(len(self)))]
        return {"inputs": self._matrix[row], "targets": self._targets[int(self._numbers[row])]}


def pack_rows(chosen: NDArray[np.bool_]) -> str:
    """Write which rows are chosen, a bit each, packed; the empty text for all."""
    return "" if chosen.all() else base64.b85encode(zlib.compress(np.packbits(chosen).tobytes())).decode()

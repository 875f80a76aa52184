"""The rows of a row group's chosen columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.errors import DataError
from penstock.formats.parquet.footer import as_file, decode_codec

__all__ = ["read_rows"]

_UNREADABLE = (pa.ArrowException, OSError, ValueError, UnicodeDecodeError, KeyError, NotImplementedError)


def read_rows(data: bytes | memoryview, codec: str, *, key: str, num_rows: int | None) -> pa.Table:
    """Return the rows of an extent.

    Args:
        key: of the extent, for messages.
        num_rows: that it has; None where they are not counted.

    Raises:
        DataError: they cannot be read.
    """
    try:
        whole = as_file([data], decode_codec(codec))
        table = pq.ParquetFile(pa.BufferReader(pa.py_buffer(whole)), page_checksum_verification=True).read(
            use_threads=False
        )
        if num_rows is not None and table.num_rows != num_rows:
            raise ValueError(f"it has {table.num_rows} rows, not {num_rows}")
        table.validate(full=True)  # texts that are no UTF-8 are told of nowhere else
    except _UNREADABLE as error:
        raise DataError(
            f"the rows of {key} cannot be read: {' '.join(str(error).split())[:300]}",
            fix="write the file again, or leave it out",
            about=key,
        ) from error
    return table

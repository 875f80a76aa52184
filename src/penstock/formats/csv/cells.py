"""Cells of whole rows as Arrow columns of text, and columns of text as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.formats.tables import MISSING, number

__all__ = ["missing_cells", "read_cells", "to_numbers"]

_MISSING: Final = sorted(MISSING)


def read_cells(data: bytes, header: Sequence[str], delimiter: str, columns: Sequence[str]) -> pa.Table:
    """Return some columns of whole rows, as text.

    Raises:
        pa.ArrowException: they are no such rows.
    """
    from pyarrow import csv as arrow_csv  # here: most datasets have no such tables

    # Names of the places, since columns without a name may be many.
    places = {name: str(place) for place, name in enumerate(header)}
    chosen = [places[name] for name in columns]
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=len(data) + 1, column_names=[str(place) for place in range(len(header))]
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in chosen}, include_columns=chosen, strings_can_be_null=False
        ),
    )
    return table.rename_columns(list(columns))


def missing_cells(cells: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Tell which cells say that there is no value (``n/a``, empty)."""
    import pyarrow.compute as pc  # here, likewise

    plain = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    found: NDArray[np.bool_] = pc.is_in(plain, value_set=pa.array(_MISSING)).to_numpy(zero_copy_only=False)
    return found


def to_numbers(cells: pa.ChunkedArray, *, infinite: bool = False) -> tuple[NDArray[np.float64], int | None]:
    """Return cells as numbers, NaN where there is none, and the place of the first that is neither; None for none.

    Args:
        infinite: whether what is infinite is a number.
    """
    import pyarrow.compute as pc  # here, likewise

    missing = missing_cells(cells)
    plain = pc.utf8_trim_whitespace(cells)
    try:
        values: NDArray[np.float64] = (
            pc.if_else(pa.array(missing), "nan", plain).cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
        )
        known = values[~missing]
        if not np.isnan(known).any() if infinite else np.isfinite(known).all():
            return values, None
    except pa.ArrowInvalid:
        pass  # it reads fewer ways of writing a number than Python does
    found = np.full(len(missing), np.nan)
    for place, cell in enumerate(plain.to_pylist()):
        if missing[place]:
            continue
        value = number(cell, infinite=infinite)
        if value is None:
            return found, place
        found[place] = value
    return found, None

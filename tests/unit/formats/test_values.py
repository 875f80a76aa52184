"""Some rows of a table are those rows, of every type that Arrow has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from penstock.formats.values import Rows, some_rows

COLUMNS = {
    "view": pa.array(["a", None, "c" * 40, "d"], pa.string_view()),
    "bytes view": pa.array([b"a", None, b"c" * 40, b"d"], pa.binary_view()),
    "views in lists": pa.array([["a"], None, ["c" * 40], []], pa.list_(pa.string_view())),
    "list view": pa.array([[1], None, [3, 4], []], pa.list_view(pa.int64())),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int32()), pa.array(["x", None, "z"])),
    "union": pa.UnionArray.from_sparse(
        pa.array([0, 1, 0, 1], pa.int8()), [pa.array([1, 2, 3, 4]), pa.array(["a", "b", "c", "d"])]
    ),
    "null": pa.nulls(4),
    "text": pa.array(["a", "b", None, "d"]).dictionary_encode(),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("numbers", [[0, 1, 2, 3], [0], [1, 3], [0, 1, 3], [2, 3], []])
def test_some_rows_are_those_rows_whatever_their_type(name: str, numbers: list[int]) -> None:
    table = pa.table({"x": COLUMNS[name], "n": range(4)})
    rows = Rows(some_rows(table, np.array(numbers, np.int64)))
    assert [dict(row) for row in rows] == [table.slice(number, 1).to_pylist()[0] for number in numbers]

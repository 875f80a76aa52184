"""Some rows of a table are those rows, of every type that Arrow has."""

from __future__ import annotations

import subprocess
import sys

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


LONG = {
    "truths": pa.array([None if n % 7 == 3 else n % 3 == 0 for n in range(40)]),
    "whole truths": pa.array([n % 3 == 0 for n in range(40)]),
    "numbers": pa.array([None if n % 5 == 2 else n for n in range(40)], pa.int16()),
    "bytes": pa.array([None if n % 5 == 2 else bytes([n]) * n for n in range(40)]),
    "large bytes": pa.array([bytes([n]) * 5000 for n in range(40)], pa.large_binary()),
    "texts": pa.array([None if n % 5 == 2 else str(n) * n for n in range(40)], pa.large_string()),
    "names": pa.array([None if n % 5 == 2 else str(n % 3) for n in range(40)]).dictionary_encode(),
    "structs": pa.array([None if n % 5 == 2 else {"a": n, "b": {"c": str(n)}} for n in range(40)]),
    "lists": pa.array([None if n % 5 == 2 else [str(n)] * (n % 4) for n in range(40)]),
    "fixed lists": pa.array([None if n % 5 == 2 else [str(n), None] for n in range(40)], pa.list_(pa.string(), 2)),
    "maps": pa.array(
        [None if n % 5 == 2 else [(str(n), n > 9)] * (n % 3) for n in range(40)], pa.map_(pa.string(), pa.bool_())
    ),
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize(("begin", "end"), [(0, 39), (3, 24), (13, 23), (29, 40), (39, 40)])
def test_rows_that_follow_each_other_are_those_rows_whatever_their_type(name: str, begin: int, end: int) -> None:
    table = pa.table({"x": LONG[name]})
    some = Rows(some_rows(table, np.arange(begin, end)))
    assert list(some) == list(Rows(table))[begin:end]
    assert [_plain(row["x"]) for row in some] == LONG[name].to_pylist()[begin:end]


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def test_tensors_that_follow_each_other_are_those_tensors() -> None:
    numbers = pa.array(list(range(40 * 6)), pa.int32())
    storage = pa.FixedSizeListArray.from_arrays(numbers, 6)
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.int32(), (2, 3)), storage)
    rows = Rows(some_rows(pa.table({"x": tensors}), np.arange(13, 29)))
    for number, row in enumerate(rows, 13):
        assert row["x"].tolist() == np.arange(number * 6, number * 6 + 6).reshape(2, 3).tolist()


def test_rows_that_follow_each_other_need_no_functions_of_arrow() -> None:
    code = """
import sys
import numpy as np
import pyarrow as pa
from penstock.formats.values import Rows, some_rows
table = pa.table({"n": [1, None, 3], "t": [True, None, False], "s": ["a", None, "c"], "l": [[1], None, [2]]})
assert [row["n"] for row in Rows(some_rows(table, np.arange(1, 3)))] == [None, 3]
assert [row["t"] for row in Rows(some_rows(table, np.arange(0, 2)))] == [True, None]
assert "pyarrow.compute" not in sys.modules, "it takes longer than several requests"
"""
    subprocess.run([sys.executable, "-c", code], check=True)

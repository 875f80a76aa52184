"""What keeps values from one batch is told, and no column is lost without a word."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import DataError
from penstock.loader.collate import ReusingCollate
from penstock.loader.unlike import dropped_columns, unlike


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([{"a": 1}, {"b": 1}], "value 0 of the batch is a dictionary of 'a', value 1 is a dictionary of 'b'"),
        ([{"a": 1}, {"a": 2}, {"a": None}], "value 0 of the batch at ['a'] is a number, value 2 is missing (None)"),
        ([None, None], "value 0 of the batch is missing (None)"),
        ([{"a": [1]}, {"a": [1, 2]}], "value 0 of the batch at ['a'] is a list of 1, value 1 is a list of 2"),
        ([{"a": {"b": 1}}, {"a": {"b": "x"}}], "value 0 of the batch at ['a']['b'] is a number, value 1 is str"),
        ([{"a": 1}, [1]], "value 0 of the batch is a dictionary of 'a', value 1 is a list of 1"),
        (
            [(np.ones(2),), (np.ones(3),)],
            "value 0 of the batch at [0] is of shape (2,), value 1 is of shape (3,)",
        ),
        ([torch.zeros(1), torch.zeros(())], "value 0 of the batch is of shape (1,), value 1 is of shape ()"),
        ([object(), object()], ""),
        ([{"a": 1, "b": "x"}, {"b": "y", "a": 2.5}], ""),
    ],
)
def test_the_first_difference_is_told(values: list[Any], told: str) -> None:
    assert unlike(values) == told


@pytest.mark.parametrize("values", [[{"a": 1}, {"a": 2, "b": 3}], [{"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}]])
def test_columns_that_the_first_value_lacks_are_not_dropped(values: list[Any]) -> None:
    with pytest.raises(DataError, match="have not the same columns: value 0 of the batch"):
        ReusingCollate()(values)
    assert not dropped_columns(values[1:])
    assert not dropped_columns(values[::-1])  # torch refuses these itself


def _rows(folder: Path, rows: list[Any]) -> penstock.Dataset:
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return penstock.jsonl(folder)


def test_a_loader_says_which_column_of_which_value_keeps_rows_apart(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "rows", [{"a": 1}, {"a": None}])
    with rows.loader(2, shuffle=False) as loader, pytest.raises(RuntimeError) as caught:
        next(iter(loader))
    assert any("at ['a'] is a number, value 1 is missing (None)" in note for note in caught.value.__notes__)

    mixed = penstock.mix([rows.where("*"), rows])
    with mixed.loader(4, shuffle=False) as loader, pytest.raises((RuntimeError, TypeError)) as caught:
        next(iter(loader))
    assert any("missing (None)" in note for note in caught.value.__notes__)

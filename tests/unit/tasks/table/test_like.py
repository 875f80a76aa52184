"""Listing other tables as an earlier listing did: the same numbers mean the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.errors import ConfigError, DataError, PenstockError
from support.tables import list_tables, people, write_csv, write_parquet

Write = Callable[..., Path]


@pytest.fixture(params=["parquet", "csv"])
def write(request: pytest.FixtureRequest) -> Write:
    return write_parquet if request.param == "parquet" else write_csv


def older(pace: float, count: int = 200) -> pa.Table:
    """Return people who are older, some of them of a town that is new."""
    table = people(count, seed=5)
    ages = [None if age is None else age * pace for age in table["age"].to_pylist()]
    cities = ["Rom" if row % 5 == 0 else city for row, city in enumerate(table["city"].to_pylist())]
    return table.set_column(1, "age", pa.array(ages)).set_column(2, "city", pa.array(cities))


@pytest.mark.parametrize("target", ["label", "price"])
def test_means_categories_and_classes_are_the_earlier_ones(tmp_path: Path, write: Write, target: str) -> None:
    first = list_tables(write(tmp_path / "a" / "in", people(400)), target=target, columns="age,city")
    manifest = str(tmp_path / "a" / "manifest.parquet")
    folder = write(tmp_path / "b" / "in", older(2.0))
    own = list_tables(folder, fractions=(1, 0, 0), target=target, columns="age,city")
    same = list_tables(folder, fractions=(1, 0, 0), target=target, like=manifest)
    assert same.info.classes == first.info.classes
    assert same.info.values == first.info.values != own.info.values
    assert same.info.meaning == first.info.meaning != own.info.meaning
    inputs, targets = same.of("train")
    assert inputs.shape == (200, 5)
    assert inputs[:, 0].mean() > 3
    assert (inputs[:, 2:].sum(axis=1) == 0).sum() == 40
    assert sorted(targets) == sorted(own.of("train")[1])
    assert same.read_bytes <= own.read_bytes


@pytest.mark.parametrize(
    ("values", "told"),
    [([0, 1], ""), ([1, 1], ""), ([0, 2], "the target y has '2', which is none of the 2 classes"),
     ([0.5, 1], "the target y has '0.5', which is none of the 2 classes")],
)  # fmt: skip
def test_classes_that_are_not_known_are_refused(tmp_path: Path, write: Write, values: list[Any], told: str) -> None:
    def table(targets: list[Any]) -> pa.Table:
        return pa.table({"x": np.arange(80.0), "y": pa.array(targets * (80 // len(targets)))})

    list_tables(write(tmp_path / "a" / "in", table([0, 1])), target="y")
    options = {"target": "y", "like": str(tmp_path / "a" / "manifest.parquet"), "fractions": (0.5, 0.5, 0)}
    folder = write(tmp_path / "b" / "in", table(values))
    if told or values == [1, 1]:
        with pytest.raises(PenstockError) as caught:
            list_tables(folder, **options)
        assert told in caught.value.what
        assert isinstance(caught.value, DataError)
    else:
        assert list_tables(folder, **options).info.classes == ("0", "1")


def test_what_the_earlier_listing_says_is_not_asked_for_again(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "in", people(100))
    list_tables(folder, target="label", columns="age")
    like = {"like": str(tmp_path / "manifest.parquet")}
    for options, told in (
        ({"target": "label", "columns": "age"}, "the option columns means nothing beside like"),
        ({"target": "price"}, "is of the target 'label', not 'price'"),
    ):
        with pytest.raises(ConfigError) as caught:
            list_tables(folder, **options, **like)
        assert told in caught.value.what
    with pytest.raises(PenstockError, match=r"gone\.parquet"):
        list_tables(folder, target="label", like=str(tmp_path / "gone.parquet"))

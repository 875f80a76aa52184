"""Whole numbers are told apart by all their digits: as classes, categories, groups; and what is infinite is missing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from penstock.errors import DataError, MissingLabel
from support.tables import list_tables, people, write_csv, write_parquet

Write = Callable[[Path, pa.Table], Path]
NEAR = [2**53, 2**53 + 1, 2**53 + 3]
LONG = [1234567890123456, 1234567890123457, 1234567890123458]
IDS = [-1234567890123456789, 1234567890123456788, 1234567890123456789]
VAST = [2**64 - 3, 2**64 - 2, 2**64 - 1]


@pytest.fixture(params=["parquet", "csv"])
def write(request: pytest.FixtureRequest) -> Write:
    return write_parquet if request.param == "parquet" else write_csv


def with_column(name: str, values: object, count: int = 150) -> pa.Table:
    return people(count).append_column(name, values)


@pytest.mark.parametrize("predict", ["auto", "class"])
@pytest.mark.parametrize("values", [NEAR, LONG, IDS, VAST], ids=["near", "long", "ids", "vast"])
def test_classes_are_told_apart_by_all_digits(tmp_path: Path, write: Write, values: list[int], predict: str) -> None:
    kind = pa.uint64() if values is VAST else pa.int64()
    table = with_column("y", pa.array([values[row % 3] for row in range(150)], kind))
    listed = list_tables(write(tmp_path / "in", table), target="y", columns="age", predict=predict)
    assert sorted(listed.info.classes, key=int) == [str(each) for each in values]
    counts = np.bincount(np.concatenate([listed.of(each)[1] for each in ("train", "valid", "test")]).astype(int))
    assert counts.tolist() == [50, 50, 50]


@pytest.mark.parametrize("kind", [pa.decimal128(20, 1), pa.timestamp("ns")], ids=str)
def test_classes_of_other_types_are_exact(tmp_path: Path, kind: pa.DataType) -> None:
    near = [each * 10**9 for each in (1, 2)] if pa.types.is_timestamp(kind) else [Decimal(each) for each in LONG]
    table = with_column("y", pa.array([near[row % len(near)] for row in range(150)], kind))
    listed = list_tables(write_parquet(tmp_path / "in", table), target="y", columns="age")
    assert listed.info.classes == (("1", "2") if pa.types.is_timestamp(kind) else tuple(map(str, LONG)))


@pytest.mark.parametrize("step", [1, 10**9])
def test_many_large_numbers_are_numbers(tmp_path: Path, write: Write, step: int) -> None:
    folder = write(tmp_path / "in", with_column("y", pa.array([10**17 + step * row for row in range(200)]), 200))
    if step > 1:
        assert list_tables(folder, target="y", columns="age").info.classes == ()
        return
    with pytest.raises(MissingLabel, match=r"have the target about 1e\+17, as far as floats of 64 bits tell"):
        list_tables(folder, target="y", columns="age")


def test_numbers_that_were_whole_at_first_are_as_they_are(tmp_path: Path, write: Write) -> None:
    values = [float(row % 3) for row in range(120)] + [row / 4 for row in range(80)]
    listed = list_tables(write(tmp_path / "in", with_column("y", pa.array(values), 200)), target="y", columns="age")
    assert listed.info.classes == ()
    found = np.concatenate([listed.of(each)[1] for each in ("train", "valid", "test")])
    split = listed.info.split("train")
    assert split.target_std
    np.testing.assert_allclose(sorted(found), sorted(values))


def test_one_class_is_told_by_its_name(tmp_path: Path, write: Write) -> None:
    folder = write(tmp_path / "in", with_column("y", pa.array([IDS[1]] * 150)))
    with pytest.raises(DataError, match=f"the target y is '{IDS[1]}' in every row"):
        list_tables(folder, target="y", columns="age")


def test_categories_and_groups_are_told_apart_by_all_digits(tmp_path: Path, write: Write) -> None:
    table = with_column("code", pa.array([NEAR[row % 3] for row in range(150)]))
    table = table.append_column("ward", pa.array([2**53 + row // 4 for row in range(150)]))
    folder = write(tmp_path / "in", table)
    listed = list_tables(folder, target="label", columns="code", categorical="code", group_column="ward")
    assert all(str(each) in listed.extents[0].codec for each in NEAR)
    assert {group for extent in listed.extents for group in extent.groups} == set(
        map(str, set(table["ward"].to_pylist()))
    )


def test_whole_floats_are_named_as_whole_numbers_are(tmp_path: Path) -> None:
    values = [(1e15, 9007199254740992.0, 0.5)[row % 3] for row in range(150)]
    folder = write_parquet(tmp_path / "in", with_column("y", pa.array(values)))
    listed = list_tables(folder, target="y", columns="age", predict="class")
    assert set(listed.info.classes) == {"1000000000000000", "9007199254740992", "0.5"}


@pytest.mark.parametrize("cell", [float("inf"), float("-inf"), 1e200])
def test_what_is_infinite_is_missing(tmp_path: Path, write: Write, cell: float) -> None:
    table = with_column("x", pa.array([cell if row % 5 == 0 else float(row) for row in range(150)]))
    listed = list_tables(write(tmp_path / "in", table), target="price", columns="x")
    assert listed.info.shape == (2,)
    inputs, _ = listed.of("train")
    assert (inputs[inputs[:, 1] == 1, 0] == 0).all()
    assert inputs[:, 1].any()


def test_rows_of_an_infinite_target_are_left_out(tmp_path: Path, write: Write) -> None:
    table = with_column("y", pa.array([float("inf") if row < 10 else row / 2 for row in range(150)]))
    listed = list_tables(write(tmp_path / "in", table), target="y", columns="age")
    assert sum(extent.num_samples for extent in listed.extents) == 140


@pytest.mark.parametrize(("target", "is_told"), [("patient", True), ("label", False)])
def test_classes_of_few_rows_are_told(tmp_path: Path, write: Write, target: str, is_told: bool) -> None:
    listed = list_tables(write(tmp_path / "in", people(300)), target=target, columns="age")
    assert any("too few to learn from" in note for note in listed.info.notes) == is_told


def test_classes_of_an_earlier_listing_are_told_apart_by_all_digits(tmp_path: Path, write: Write) -> None:
    def listed(name: str, numbers: int, **options: str) -> tuple[str, ...]:
        folder = write(
            tmp_path / name / "in", with_column("y", pa.array([2**53 + row % numbers for row in range(150)]))
        )
        return list_tables(folder, target="y", **options).info.classes

    classes = listed("first", 3, columns="age")
    like = str(tmp_path / "first" / "manifest.parquet")
    assert listed("same", 3, like=like) == classes
    for number in (4, 150):
        with pytest.raises(DataError, match="has '9007199254740995', which is none of the 3 classes"):
            listed(f"other{number}", number, like=like)

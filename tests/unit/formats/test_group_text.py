"""One text a value, whatever type it is stored in."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.formats.group_text import group_text, group_texts
from penstock.formats.values import Rows
from penstock.tasks.images.label_table import LabelColumns, read_label_table
from penstock.tasks.protocols import Splitting
from penstock.tasks.table.splitting import Splitter

NOON = datetime.datetime(2024, 1, 2, 12, 0, 0, 500_000)
MIDNIGHT = datetime.datetime(2024, 1, 2)
DAY = datetime.date(2024, 1, 2)


@pytest.mark.parametrize(
    ("values", "kinds", "text"),
    [
        ([3], [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 3)], "3"),
        ([Decimal("2.5")], [pa.decimal128(9, 2), pa.decimal256(40, 9)], "2.5"),
        ([2.5], [pa.float16(), pa.float32(), pa.float64()], "2.5"),
        ([0.1], [pa.float32(), pa.float64()], "0.1"),
        ([1e20], [pa.float64(), pa.decimal128(38, 2)], "100000000000000000000"),
        ([-0.0], [pa.float64(), pa.decimal128(3, 1)], "0"),
        ([NOON], [pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns", "UTC")], "2024-01-02T12:00:00.5"),
        ([MIDNIGHT], [pa.timestamp("s"), pa.timestamp("ns"), pa.date32(), pa.date64()], "2024-01-02"),
        ([NOON.time()], [pa.time32("ms"), pa.time64("us"), pa.time64("ns")], "12:00:00.5"),
        ([datetime.timedelta(seconds=90)], [pa.duration("s"), pa.duration("ms"), pa.duration("ns")], "90 seconds"),
        (["päd"], [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()], "päd"),
        (["p"], [pa.dictionary(pa.int8(), pa.string()), pa.binary(1)], "p"),
        ([True], [pa.bool_()], "true"),
    ],
)
def test_types_of_one_value_have_one_text(values: Sequence[Any], kinds: Sequence[pa.DataType], text: str) -> None:
    for kind in kinds:
        given = made(values, kind)
        found = group_texts(row["x"] for row in Rows(pa.table({"x": given})))
        assert found == [text], kind


def made(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        return pa.array([Decimal(str(value)) for value in values], kind)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([value.encode() for value in values], kind)
    if pa.types.is_float16(kind):
        return pa.array(np.array(values, np.float16))
    if pa.types.is_date(kind):
        return pa.array([value.date() for value in values], kind)
    return pa.array(values, kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", "3"),
        ("3.0", "3"),
        (" 3.000 ", "3"),
        ("-0.0", "0"),
        ("007", "007"),
        ("1.10", "1.10"),
        ("2024-01-02 12:00:00.500", "2024-01-02T12:00:00.5"),
        ("2024-01-02T00:00:00Z", "2024-01-02"),
        ("2024-01-02", "2024-01-02"),
        ("True", "true"),
        ("", ""),
        ("1e3", "1e3"),
    ],
)
def test_texts_that_say_a_value_are_its_text(text: str, expected: str) -> None:
    assert group_text(text) == group_text(text.encode()) == expected


def test_what_is_missing_has_none_and_what_has_parts_is_refused() -> None:
    assert [group_text(value) for value in (None, float("nan"), np.float32("nan"), np.datetime64("NaT"))] == [""] * 4
    assert group_text(b"\xff") == "b'\\xff'"
    with pytest.raises(TypeError, match="a value of the type dict"):
        group_texts([{}])


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.decimal128(5, 2)])
def test_tables_have_the_same_texts(kind: pa.DataType) -> None:
    splitter = Splitter(Splitting(), unit="groups", group="patient", split=None)
    values = [b"3", b"14"] if pa.types.is_binary(kind) else ["3", "14"]
    column = pa.array(values) if pa.types.is_binary(kind) else pa.array(values).cast(kind)
    assert splitter.read(pa.table({"patient": column}), str).groups == ("3", "14")


def test_tables_of_labels_have_the_same_texts() -> None:
    columns = LabelColumns(path="path", label="label", group="patient", split=None)
    table = read_label_table(b"path,label,patient\na.png,x,3.0\nb.png,x,3\n", name="t.csv", columns=columns)
    assert {table._entries[name].meaning.group for name in ("a.png", "b.png")} == {"3"}

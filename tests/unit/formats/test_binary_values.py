"""Binary values of any size, in any place of a table, are the bytes that Arrow gives."""

from __future__ import annotations

import pyarrow as pa
import pytest

from penstock.formats.values import Rows


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
@pytest.mark.parametrize("size", [0, 3, 4_096, 20_000])
def test_binary_values_are_those_of_arrow(kind: pa.DataType, size: int) -> None:
    values = [bytes([number]) * size for number in range(6)]
    for found in (values, [*values[:2], None, *values[2:]], [None, None], []):
        whole = pa.array(found, kind)
        columns = {
            "plain": whole,
            "struct": pa.StructArray.from_arrays([whole], names=["bytes"]),
            "list": pa.array([[each] if each else [] for each in found], pa.list_(kind)),
        }
        table = pa.table(columns)
        for part in (table, table.slice(1), table.slice(1, 1), pa.concat_tables([table, table.slice(2)])):
            rows = Rows(part)
            assert [rows[at] for at in range(len(rows))] == part.to_pylist()


def test_a_large_value_is_made_when_it_is_asked_for_and_is_its_own() -> None:
    rows = Rows(pa.table({"data": pa.array([b"a" * 9_000, b"b" * 9_000])}))
    first = rows[0]["data"]
    assert first == b"a" * 9_000
    assert first is not rows[0]["data"]


def test_lists_that_are_all_empty_have_no_bytes_behind_them() -> None:
    assert list(Rows(pa.table({"x": pa.array([[], []], pa.list_(pa.binary()))}))) == [{"x": []}, {"x": []}]

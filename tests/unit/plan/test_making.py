"""The plan of a manifest follows from what its extents take."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.options.plan import ShuffleOptions
from penstock.plan.making import make_plan
from penstock.plan.order import DECODED_BYTES

ROWS = 1 << 18


@pytest.mark.parametrize(("width", "mix"), [(8, 64), (256, 16)])
def test_row_groups_that_unpack_to_much_are_opened_a_few_at_a_time(tmp_path: Path, width: int, mix: int) -> None:
    table = pa.table({"a": pa.nulls(ROWS, pa.binary(width))})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=ROWS)
    info = penstock.parquet(tmp_path).manifest()
    assert info.max_extent_bytes < 10_000
    assert info.max_decoded_bytes >= ROWS * width
    plan = make_plan(info, ShuffleOptions(), seed=0, num_lanes=64)
    assert plan.mix == mix
    assert plan.mix * info.max_decoded_bytes <= 1.2 * DECODED_BYTES

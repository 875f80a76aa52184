"""Files of inventories that would unpack to more than any store writes."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from penstock.sources.inventory import tables
from penstock.sources.inventory.report import BadInventory, Report
from penstock.sources.s3.inventory import INVENTORY


def test_a_row_group_that_unpacks_to_too_much_is_refused_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_GROUP_BYTES", 1 << 20)
    columns = {"key": ["x" * 1000] * 2000, "size": [1] * 2000, "e_tag": ["e"] * 2000, "owner": ["y" * 5000] * 2000}
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="zstd", use_dictionary=False, row_group_size=1000)
    assert file.tell() < 100_000
    report = Report(made=datetime(2026, 11, 1, tzinfo=UTC), files_in="", files=[], file_format="parquet")
    assert sum(batch.num_rows for batch in tables.read_tables(file, report, INVENTORY)) == 2000
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="zstd", use_dictionary=False, row_group_size=2000)
    with pytest.raises(BadInventory, match=r"row group of 1\.9 MiB unpacked"):
        list(tables.read_tables(file, report, INVENTORY))


@pytest.mark.parametrize("kind", ["parquet", "orc"])
def test_no_batch_is_as_large_as_a_row_group_or_stripe(kind: Literal["parquet", "orc"]) -> None:
    keys = [f"folder/{number:060d}" for number in range(100_000)]
    table = pa.table({"key": keys, "size": range(100_000), "e_tag": keys, "owner": keys})
    file = io.BytesIO()
    if kind == "orc":
        orc.write_table(table, file, compression="zstd", stripe_size=1 << 30)
        assert orc.ORCFile(file).nstripes == 1
    else:
        pq.write_table(table, file, compression="zstd", row_group_size=100_000)
    report = Report(made=datetime(2026, 11, 1, tzinfo=UTC), files_in="", files=[], file_format=kind)
    held = []
    found: list[str] = []
    for batch in tables.read_tables(file, report, INVENTORY):
        held.append(batch.get_total_buffer_size())  # a slice's holds what it is a slice of
        found += batch.column("key").to_pylist()
    assert found == keys
    assert max(held) < 4 << 20 < 100_000 * 67


def test_orc_that_is_not_read_to_its_end_leaves_its_file_open_for_others() -> None:
    file = io.BytesIO()
    orc.write_table(pa.table({"key": ["a"] * 50_000, "size": [1] * 50_000, "e_tag": ["e"] * 50_000}), file)
    report = Report(made=datetime(2026, 11, 1, tzinfo=UTC), files_in="", files=[], file_format="orc")
    batches = tables.read_tables(file, report, INVENTORY)
    next(batches)
    del batches
    assert sum(batch.num_rows for batch in tables.read_tables(file, report, INVENTORY)) == 50_000

"""Files of inventories that would unpack to more than any store writes."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pyarrow as pa
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

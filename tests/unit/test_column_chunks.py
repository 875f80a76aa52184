"""What footers tell of column chunks is what pyarrow tells; what makes pyarrow end the process is read or refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.column_chunks import column_chunks
from penstock.sources.inventory import tables
from penstock.sources.inventory.report import BadInventory, Report
from penstock.sources.s3.inventory import INVENTORY
from penstock.thrift import BINARY, I64, LIST, STRUCT, Struct, decode_struct, encode_struct
from support.cli import succeed

TABLE = pa.table(
    {
        "key": ["a", "b", "c"],
        "size": [1, 2, 3],
        "e_tag": ["x", "y", "z"],
        "deep.er": [{"l": [1, 2]}, {"l": []}, None],
    }
)
Change = Callable[[Struct], None]


def written(change: Change = lambda chunk: None) -> bytes:
    """Return a file whose chunks are described otherwise."""
    out = io.BytesIO()
    pq.write_table(TABLE, out, row_group_size=2)
    data = out.getvalue()
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = decode_struct(data[at:-8])
    for group in footer[4][1][1]:
        for chunk in group[1][1][1]:
            change(chunk)
    told = encode_struct(footer)
    return data[:at] + told + len(told).to_bytes(4, "little") + b"PAR1"


def lie_about_levels(chunk: Struct) -> None:
    chunk[3][1][16] = (STRUCT, {3: (LIST, (I64, [1, 2, 3, 4, 5, 6]))})


def lie_about_repeats(chunk: Struct) -> None:
    chunk[3][1][16] = (STRUCT, {2: (LIST, (I64, [1, 2, 3, 4, 5, 6]))})


def say_that_it_is_encrypted(chunk: Struct) -> None:
    chunk[8] = (STRUCT, {1: (STRUCT, {})})
    chunk[9] = (BINARY, b"x" * 40)


LIES = [lie_about_levels, lie_about_repeats, say_that_it_is_encrypted]


def test_it_is_what_pyarrow_tells() -> None:
    data = written()
    meta = pq.read_metadata(io.BytesIO(data))
    found = column_chunks(data[-8 - int.from_bytes(data[-8:-4], "little") : -8])
    assert [[(".".join(each.path), each.packed_bytes, each.unpacked_bytes) for each in group] for group in found] == [
        [
            (each.path_in_schema, each.total_compressed_size, each.total_uncompressed_size)
            for each in (meta.row_group(group).column(number) for number in range(meta.num_columns))
        ]
        for group in range(meta.num_row_groups)
    ]


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"\xff" * 20,
        encode_struct({4: (LIST, (I64, [1]))}),
        encode_struct({4: (I64, 1)}),
        encode_struct({4: (LIST, (STRUCT, [{1: (LIST, (STRUCT, [{3: (I64, 1)}]))}]))}),
        encode_struct({4: (LIST, (STRUCT, [{1: (LIST, (STRUCT, [{3: (STRUCT, {3: (LIST, (I64, [1]))})}]))}]))}),
        encode_struct({4: (LIST, (STRUCT, [{1: (LIST, (STRUCT, [{3: (STRUCT, {6: (BINARY, b"x")})}]))}]))}),
    ],
)
def test_what_is_no_footer_is_refused(footer: bytes) -> None:
    with pytest.raises(ValueError):
        column_chunks(footer)


@pytest.mark.parametrize("lie", LIES)
def test_an_inventory_whose_footer_contradicts_itself_is_refused(lie: Change) -> None:
    report = Report(made=datetime(2026, 11, 1, tzinfo=UTC), files_in="", files=[], file_format="parquet")
    assert len(list(tables.read_tables(io.BytesIO(written()), report, INVENTORY))) == 1
    with pytest.raises(BadInventory, match="has a file that is no parquet or is damaged"):
        list(tables.read_tables(io.BytesIO(written(lie)), report, INVENTORY))


def test_a_footer_of_an_inventory_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(made=datetime(2026, 11, 1, tzinfo=UTC), files_in="", files=[], file_format="parquet")
    monkeypatch.setattr(tables, "MOST_FOOTER_BYTES", 100)
    with pytest.raises(BadInventory, match=r"has a file with a footer of [\d.]+ "):
        list(tables.read_tables(io.BytesIO(written()), report, INVENTORY))


def test_inspect_goes_on_where_a_footer_contradicts_itself(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(written(lie_about_levels))
    (tmp_path / "b.txt").write_bytes(b"text\n")
    found = json.loads(succeed("inspect", tmp_path, "--json"))
    assert sorted(kind["extension"] for kind in found["kinds"]) == [".parquet", ".txt"]

"""Arrow files and streams: rows are those that pyarrow reads, columns are read alone, and what lies is named."""

from __future__ import annotations

import datetime
import io
import pickle
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.registry import open_format
from support.ranges import Ranges

ROWS = 100
TABLE = pa.table(
    {
        "n": pa.array(range(ROWS)),
        "text": [f"row {n}" if n % 7 else None for n in range(ROWS)],
        "kind": pa.array([f"k{n % 3}" for n in range(ROWS)]).dictionary_encode(),
        "list": [[n] * (n % 4) for n in range(ROWS)],
        "struct": [{"a": n, "b": [f"{n}"]} for n in range(ROWS)],
        "map": pa.array([[("k", n)] for n in range(ROWS)], pa.map_(pa.string(), pa.int64())),
        "pair": pa.array([[n, n] for n in range(ROWS)], pa.list_(pa.int32(), 2)),
        "none": pa.nulls(ROWS),
        "flag": [n % 2 == 0 for n in range(ROWS)],
        "raw": pa.array([b"%02d" % n for n in range(ROWS)], pa.binary(2)),
        "money": pa.array([Decimal(n) for n in range(ROWS)], pa.decimal128(9, 2)),
        "day": pa.array([datetime.date(2020, 1, 1)] * ROWS),
        "big": pa.array([f"x{n}" for n in range(ROWS)], pa.large_string()),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(ROWS * 4.0).reshape(ROWS, 2, 2)),
    }
)
WRITERS: dict[str, Callable[..., Any]] = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}


def written(table: pa.Table, kind: str = "file", packed: str | None = None, rows: int = 30) -> bytes:
    file = io.BytesIO()
    with WRITERS[kind](file, table.schema, options=pa.ipc.IpcWriteOptions(compression=packed)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return file.getvalue()


def values(data: bytes, **options: Any) -> list[dict[str, Any]]:
    return Ranges(data, "t").values(pickle.loads(pickle.dumps(open_format("arrow", options))))


def plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", list(WRITERS))
@pytest.mark.parametrize("packed", [None, "zstd", "lz4"])
def test_rows_and_each_column_alone_are_those_that_pyarrow_reads(kind: str, packed: str | None) -> None:
    data = written(TABLE, kind, packed)
    assert len(Ranges(data, "t").index(open_format("arrow", {}))[0]) == 4
    found = values(data)
    told = TABLE.drop_columns(["tensor"]).to_pylist()
    assert [plain({name: row[name] for name in row if name != "tensor"}) for row in found] == told
    assert plain(found[3]["tensor"]) == [[12, 13], [14, 15]]
    for name in TABLE.column_names:
        alone = values(data, columns=name)
        assert [plain(row) for row in alone] == [{name: plain(row[name])} for row in found]
    assert list(values(data, columns=["text", "n"])[5]) == ["text", "n"]


@pytest.mark.parametrize("kind", list(WRITERS))
def test_chosen_columns_alone_are_read_and_the_heads_at_once(kind: str) -> None:
    rows = 40_000
    table = pa.table({"a": np.arange(rows), "wide": [b"x" * 100] * rows, "b": np.arange(rows) / 2})
    source = Ranges(written(table, kind, rows=4_000), "t")
    extents, _ = source.index(open_format("arrow", {"columns": ["a", "b"]}))
    assert (len(extents), sum(extent.num_samples for extent in extents)) == (10, rows)
    assert sum(extent.size_bytes for extent in extents) <= 1.05 * rows * 16
    assert source.read_bytes <= 13 * (64 << 10)
    assert [row["b"] for row in source.values(open_format("arrow", {"columns": ["b"]}))][-1] == (rows - 1) / 2


def test_feather_and_types_without_a_fixed_layout() -> None:
    file = io.BytesIO()
    feather.write_feather(TABLE, file, compression="zstd")
    assert len(values(file.getvalue(), columns=["n"])) == ROWS
    views = pa.table({"v": pa.array(["a" * 20, "b"], pa.string_view()), "n": [1, 2]})
    assert values(written(views), columns=["n"]) == [{"n": 1}, {"n": 2}]
    assert values(written(views)) == [{"v": "a" * 20, "n": 1}, {"v": "b", "n": 2}]


def test_dictionaries_may_grow_and_be_replaced_in_a_stream() -> None:
    schema = pa.schema({"k": pa.dictionary(pa.int32(), pa.string())})
    for deltas in (False, True):
        file = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(file, schema, options=options) as writer:
            for words in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]):
                writer.write_batch(pa.record_batch([pa.array(words).dictionary_encode()], schema=schema))
        assert [row["k"] for row in values(file.getvalue())] == list("ababcabcd")


def test_rows_tell_their_groups() -> None:
    extents, _ = Ranges(written(TABLE), "t").index(open_format("arrow", {"columns": ["n"], "group_by": "kind"}))
    assert [group for extent in extents for group in extent.groups] == [f"k{n % 3}" for n in range(ROWS)]
    with pytest.raises(ConfigError, match="t has in the column 'struct' a value of the type dict"):
        values(written(TABLE), group_by="struct")


def test_what_has_no_rows_is_told() -> None:
    for kind in WRITERS:
        extents, (skipped,) = Ranges(written(TABLE.slice(0, 0), kind), "t").index(open_format("arrow", {}))
        assert (extents, skipped.reason) == ([], "has no rows")


FILE, STREAM = written(TABLE), written(TABLE, "stream")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"no arrow", HeaderMismatch, "t is no Arrow IPC: it begins with b'no arrow'"),
        (b"FEA1" + bytes(20), HeaderMismatch, "t is no Arrow IPC: it begins as Feather of version 1 does"),
        (b"PAR1" + bytes(20), HeaderMismatch, "t is no Arrow IPC: it begins as Parquet does"),
        (FILE[:-3], TruncatedObject, f"t has {len(FILE) - 3} bytes and does not end as an Arrow file does"),
        (b"ARROW1\0\0\0\0\0\0ARROW1", HeaderMismatch, "that can be read: its footer is said to have 0 by"),
        (FILE[:-10] + b"\xff\xff\xff\x7f" + FILE[-6:], HeaderMismatch, "its footer is said to have 2147483647 bytes"),
        (STREAM[:-2000], TruncatedObject, r"t has \d+ bytes and ends within the message at byte \d+"),
        (STREAM[:200], TruncatedObject, "ends within the message at byte 0"),
        (b"\xff\xff\xff\xff\0\0\0\0", HeaderMismatch, "t is no Arrow IPC that can be read"),
    ],
)  # fmt: skip
def test_what_lies_is_an_error(data: bytes, error: type[PenstockError], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        values(data)
    assert raised.value.about == "t"


def test_columns_that_are_not_there_or_twice() -> None:
    with pytest.raises(ConfigError, match=r"t has no column 'txt': did you mean 'text'\? its columns are: n, text"):
        values(FILE, columns="txt")
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(HeaderMismatch, match="it has two columns 'a'"):
        values(written(twice))


def test_what_takes_more_memory_is_refused() -> None:
    with pytest.raises(DataError, match=r"record batch 0 of t takes .* more than memory=1.0 KiB"):
        values(FILE, memory="1Ki")
    zeros = pa.table({"z": np.zeros(1 << 20)})
    with pytest.raises(DataError, match=r"record batch 0 of t takes 8.0 MiB, more than memory=1.0 MiB"):
        values(written(zeros, packed="zstd", rows=1 << 20), memory="1Mi")
    texts = pa.table({"z": ["x" * 100_000] * 100})  # how much they are is told by what is packed alone
    with pytest.raises(DataError, match=r"the rows of t/0 cannot be read: they take 9.5 MiB unpacked, more than"):
        values(written(texts, packed="zstd", rows=100), memory="1Mi")
    assert len(values(written(zeros, packed="zstd", rows=1 << 20))) == 1 << 20


def test_a_batch_of_more_rows_than_its_bytes_can_hold_is_refused() -> None:
    rows = (100).to_bytes(8, "little")
    data = written(pa.table({"n": np.arange(100)}), rows=100)
    assert data.count(rows) == 2  # of the batch and of its column
    for many in (2**62, 2**31, 801 * 8):
        with pytest.raises(HeaderMismatch, match=rf"a record batch of {many} rows in 800 bytes at byte \d+"):
            values(data.replace(rows, many.to_bytes(8, "little"), 1))
    for column in ([1], [{"name": 1}], [[{"name": 1}]]):
        name = written(pa.table({"name": column})).replace(b"name", b"n\xffme")
        with pytest.raises(HeaderMismatch, match="t is no Arrow IPC that can be read"):
            values(name)
    assert len(values(written(pa.table({"z": pa.nulls(1000)}), rows=1000))) == 1000
    empty = pa.table({"flag": [True] * 100_000})
    for packed in (None, "lz4", "zstd"):
        assert len(values(written(empty, packed=packed, rows=100_000))) == 100_000


def test_damage_anywhere_is_an_error_or_seen_by_nobody() -> None:
    chance = random.Random(0)
    for data in (FILE, STREAM, written(TABLE, packed="lz4")):
        for _ in range(120):
            place = chance.randrange(len(data))
            byte = bytes([chance.randrange(256)])
            for damaged in (data[:place] + byte + data[place + 1 :], data[:place], data[place:]):
                try:
                    assert len(values(damaged or b"x", columns=chance.choice([None, ["n", "list"]]))) <= 2 * ROWS
                except PenstockError:
                    continue


@pytest.mark.parametrize("options", [{"columns": []}, {"memory": "x"}, {"group_by": 3}, {"batch": 1}])
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        open_format("arrow", options)

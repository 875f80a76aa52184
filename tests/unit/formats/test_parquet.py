"""Parquet: what is read is what pyarrow reads, from the chunks of the chosen columns and nothing else."""

from __future__ import annotations

import contextlib
import io
import math
import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
from penstock.formats.parquet.footer import decode_codec
from penstock.formats.registry import open_format
from penstock.manifest import SkippedObject
from penstock.thrift import BINARY, decode_struct, encode_struct
from support.ranges import Ranges

PLAIN: list[tuple[pa.DataType, Any]] = [
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint16(), st.integers(0, 2**16 - 1)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(max_size=4)),
    (pa.large_string(), st.text(max_size=4)),
    (pa.binary(), st.binary(max_size=4)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", "ä"])),
    (pa.timestamp("us", tz="Europe/Paris"), st.integers(0, 2**40)),
    (pa.timestamp("ns"), st.integers(0, 2**50).map(lambda n: n * 1000)),
    (pa.date32(), st.integers(0, 30_000)),
    (pa.time64("us"), st.integers(0, 86_399_999_999)),
    (pa.decimal128(9, 2), st.integers(-(10**6), 10**6).map(lambda n: Decimal(n) / 100)),
    (pa.duration("ms"), st.integers(-(2**40), 2**40)),
]
NAMES = st.text(alphabet="abä.", min_size=1, max_size=3)


@st.composite
def kinds(draw: st.DrawFn, depth: int = 0) -> tuple[pa.DataType, Any]:
    """A type, and a strategy of its values."""
    which = draw(st.sampled_from(["plain"] * 3 + (["list", "large", "fixed", "struct", "map"] if depth < 3 else [])))
    if which == "plain":
        kind, values = draw(st.sampled_from(PLAIN))
        return kind, st.none() | values
    if which == "map":
        kind, values = draw(kinds(depth + 1))
        return pa.map_(pa.string(), kind), st.none() | st.lists(st.tuples(st.text(max_size=2), values), max_size=2)
    if which == "struct":
        fields = draw(st.dictionaries(NAMES, kinds(depth + 1), min_size=1, max_size=3))
        made = pa.struct([pa.field(name, kind) for name, (kind, _) in fields.items()])
        return made, st.none() | st.fixed_dictionaries({name: values for name, (_, values) in fields.items()})
    kind, values = draw(kinds(depth + 1))
    if which == "fixed":
        return pa.list_(kind, 2), st.lists(values, min_size=2, max_size=2)
    return (pa.list_ if which == "list" else pa.large_list)(kind), st.none() | st.lists(values, max_size=3)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    columns = draw(st.dictionaries(NAMES, kinds(), min_size=1, max_size=4))
    num_rows = draw(st.integers(0, 12))
    arrays = [
        pa.array(draw(st.lists(values, min_size=num_rows, max_size=num_rows)), kind)
        for kind, values in columns.values()
    ]
    how = {
        "row_group_size": draw(st.integers(1, 6)),
        "compression": draw(st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4", "brotli"])),
        "use_dictionary": draw(st.booleans()),
        "data_page_version": draw(st.sampled_from(["1.0", "2.0"])),
        "data_page_size": draw(st.sampled_from([16, None])),
        "write_page_index": draw(st.booleans()),
        "write_page_checksum": draw(st.booleans()),
        "store_schema": draw(st.booleans()),
        "write_statistics": draw(st.booleans()),
        "version": draw(st.sampled_from(["1.0", "2.4", "2.6"])),
        "use_compliant_nested_type": draw(st.booleans()),
    }
    try:
        return written(pa.table(arrays, names=list(columns)), **how)
    except pa.ArrowException:  # it cannot write some pages of nested dictionaries
        reject()


def written(table: pa.Table, **how: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


def plain(value: Any, kind: pa.DataType) -> Any:
    """Return a value of ours as pyarrow's ``as_py`` does, so that both can be compared."""
    if value is None:
        return None
    if isinstance(kind, pa.BaseExtensionType):
        return plain(value, kind.storage_type)
    if pa.types.is_dictionary(kind):
        return plain(value, kind.value_type)
    if pa.types.is_struct(kind):
        return {
            kind.field(n).name: plain(value[kind.field(n).name], kind.field(n).type) for n in range(kind.num_fields)
        }
    if pa.types.is_map(kind):
        return [(plain(key, kind.key_type), plain(item, kind.item_type)) for key, item in value]
    if pa.types.is_nested(kind):
        return [plain(each, kind.value_type) for each in value]
    if pa.types.is_temporal(kind) and isinstance(value, np.generic):
        return int(value.astype(np.int64))
    if isinstance(value, np.generic):
        assert value.dtype == kind.to_pandas_dtype()
        return value.item()
    return value


def raw(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return points in time as the numbers that they are held by, wherever they lie in the type."""
    kind = _raw_type(array.type)
    return array if kind == array.type else array.cast(kind)


def _raw_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_date32(kind):
        return pa.int32()
    if pa.types.is_struct(kind):
        return pa.struct([kind.field(n).with_type(_raw_type(kind.field(n).type)) for n in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, kind.item_field.with_type(_raw_type(kind.item_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_raw_type(kind.value_type)), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_raw_type(kind.value_type)))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_raw_type(kind.value_type)))
    return kind


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and one == other


def check(data: bytes, columns: list[str] | None) -> None:
    """Compare all rows with those of pyarrow."""
    source, kind = Ranges(data), open_format("parquet", {} if columns is None else {"columns": columns})
    try:
        expected = pq.ParquetFile(io.BytesIO(data)).read(columns=columns)
    except pa.ArrowException:  # it cannot read all that it writes
        reject()
    # Where pyarrow's writer made pages without values its reader stops there, without a word or with one.
    assume(expected.num_rows == pq.read_metadata(io.BytesIO(data)).num_rows)
    found = source.values(pickle.loads(pickle.dumps(kind)))
    try:
        rows = [raw(column).to_pylist() for column in expected.columns]
    except pa.ArrowNotImplementedError:  # of some nested dictionaries beside points in time
        reject()
    types = dict(zip(expected.schema.names, expected.schema.types, strict=True))
    assert len(found) == expected.num_rows
    for number, row in enumerate(found):
        assert list(row) == list(types)
        mine = [plain(row[name], kind) for name, kind in types.items()]
        assert same(mine, [column[number] for column in rows]), (mine, [column[number] for column in rows])


@settings(max_examples=40, deadline=None)
@given(data=files())
def test_every_row_of_any_file_is_what_pyarrow_reads(data: bytes) -> None:
    check(data, None)


@settings(max_examples=40, deadline=None)
@given(data=files(), pick=st.data())
def test_any_columns_are_what_pyarrow_reads_of_them(data: bytes, pick: st.DataObject) -> None:
    leaves = sorted({column.path for column in pq.read_metadata(io.BytesIO(data)).schema})
    chosen = pick.draw(st.lists(st.sampled_from(leaves), min_size=1, unique=True))
    # pyarrow gives a part of a map as a list; here keys and values come together.
    check(data, list(dict.fromkeys(path.partition(".key_value.")[0] for path in chosen)))


@pytest.mark.parametrize("asked", [["b", "a"], ["..", "."], ["a.b", "a"], ["b", "..", "a"]])
def test_columns_come_in_the_order_in_which_they_are_asked_for(asked: list[str]) -> None:
    """A name may have dots, and look like a place in another."""
    data = written(pa.table({name: [name] for name in ("a", ".", "..", "b", "a.b")}))
    assert list(row(data, columns=asked).items()) == [(name, name) for name in asked]


def row(data: bytes, **options: Any) -> dict[str, Any]:
    return Ranges(data).values(open_format("parquet", options))[0]


def test_values_are_what_they_are_in_the_file() -> None:
    """Of every kind that arrays, text and what is missing come in."""
    table = pa.table(
        {
            "whole": pa.array([7], pa.int16()),
            "missing": pa.array([None], pa.int64()),
            "text": ["ä"],
            "ragged": pa.array([[1.5, 2.5]], pa.list_(pa.float32())),
            "fixed": pa.array([[1, 2, 3]], pa.list_(pa.int8(), 3)),
            "holes": pa.array([[1, None]]),
            "words": [["a", "b"]],
            "nested": [[[1], []]],
            "inside": [{"a": 1, "b": {"c": b"x"}}],
            "when": pa.array([1], pa.timestamp("s", tz="UTC")),
            "picture": pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6, dtype=np.uint8).reshape(1, 2, 3)),
        }
    )
    found = row(written(table))
    assert found["whole"] == 7
    assert type(found["whole"]) is np.int16
    assert found["missing"] is None
    assert found["text"] == "ä"
    assert (found["ragged"].dtype, found["ragged"].tolist()) == (np.dtype(np.float32), [1.5, 2.5])
    assert (found["fixed"].dtype, found["fixed"].tolist()) == (np.dtype(np.int8), [1, 2, 3])
    assert found["holes"] == [1, None]
    assert found["words"] == ["a", "b"]
    assert [each.tolist() for each in found["nested"]] == [[1], []]
    assert found["inside"] == {"a": 1, "b": {"c": b"x"}}
    assert found["when"] == np.datetime64(1, "s")
    assert found["picture"].tolist() == [[0, 1, 2], [3, 4, 5]]
    found["fixed"][0] = 9  # a transform may write to what it is given
    found["ragged"][0] = 9


def test_rows_that_are_asked_for_come_in_their_order() -> None:
    data = written(pa.table({"a": range(10), "b": [str(n) for n in range(10)]}))
    source, kind = Ranges(data), open_format("parquet", {})
    (extent,), _ = source.index(kind)
    found = kind.decode(memoryview(source.joined(extent)), extent, extent.codec, np.array([2, 3, 7]))
    assert [(item["a"], item["b"]) for item in found] == [(2, "2"), (3, "3"), (7, "7")]
    assert found[-1] == found[2]
    assert found[1:] == [found[1], found[2]]
    with pytest.raises(IndexError):
        found[3]


def test_the_bytes_may_be_a_file(tmp_path: Path) -> None:
    source, kind = Ranges(written(pa.table({"a": [1, 2]}))), open_format("parquet", {})
    (extent,), _ = source.index(kind)
    (tmp_path / "x").write_bytes(source.joined(extent))
    assert kind.decode(tmp_path / "x", extent, extent.codec, np.arange(2))[1] == {"a": 2}


def test_one_column_of_many_is_read_alone() -> None:
    """Footer included, at most a tenth more than its chunks."""
    rng = np.random.default_rng(0)
    data = written(pa.table({f"c{n}": rng.random(20_000) for n in range(11)}), row_group_size=5_000)
    source, kind = Ranges(data), open_format("parquet", {"columns": "c4"})
    extents, _ = source.index(kind)
    meta = pq.read_metadata(io.BytesIO(data))
    wanted = sum(meta.row_group(n).column(4).total_compressed_size for n in range(meta.num_row_groups))
    assert len(source.reads) == 1
    assert sum(extent.size_bytes for extent in extents) == wanted
    assert wanted + source.read_bytes <= 1.1 * wanted
    assert [extent.num_samples for extent in extents] == [5_000] * 4
    assert max(len(extent.codec) for extent in extents) < 400


def test_a_footer_longer_than_was_guessed_takes_a_second_read() -> None:
    source = Ranges(written(pa.table({f"a{n:0200}": [n] for n in range(60)}), store_schema=False))
    assert len(source.values(open_format("parquet", {}))[0]) == 60
    assert len(source.reads) == 2
    assert sum(length for _, length in source.reads) <= len(source.data)


def test_columns_that_touch_are_one_span() -> None:
    source = Ranges(written(pa.table({"a": [1], "b": [2], "c": [3]})))
    (together,), _ = source.index(open_format("parquet", {"columns": ["a", "b"]}))
    (apart,), _ = source.index(open_format("parquet", {"columns": ["c", "a"]}))
    assert (len(together.spans), len(apart.spans)) == (1, 2)
    assert list(row(source.data, columns=["c", "a"])) == ["c", "a"]


def test_a_file_without_rows_is_left_out() -> None:
    assert Ranges(written(pa.table({"a": pa.array([], pa.int8())}))).index(open_format("parquet", {})) == (
        [],
        [SkippedObject(object="one", reason="has no rows")],
    )


def test_a_column_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"one has no column 'lable': did you mean 'label'\? its columns are: label, x"
    ):
        row(written(pa.table({"label": [1], "x": [2]})), columns=["x", "lable"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": []}, r"columns \[\]: give a list of names"),
        ({"columns": 3}, "columns 3: give a list of names"),
        ({"memory": "much"}, "memory 'much' is not a size: give bytes"),
        ({"memory": 0}, "memory 0: give bytes"),
        ({"colums": ["a"]}, "the format 'parquet' has no option 'colums': did you mean 'columns'"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_format("parquet", options)


def test_a_row_group_larger_than_memory_says_what_to_do() -> None:
    data = written(pa.table({"a": np.random.default_rng(0).random(1_000), "b": range(1_000)}))
    with pytest.raises(
        DataError, match=r"row group 0 of one takes .* unpacked, more than memory=4.0 KiB: choose fewer"
    ):
        row(data, memory="4Ki")


@pytest.mark.parametrize(
    ("column", "least"),
    [
        (np.zeros(100_000), 800_000),
        (pa.nulls(100_000, pa.int32()), 400_000),
        (pa.array([b"four"] * 100_000, pa.binary(4)), 400_000),
        (["text " * 20] * 100_000, 10_000_000),
        ([[1, 1, 1]] * 100_000, 2_400_000),
    ],
)
def test_values_that_repeat_take_what_they_take_all_the_same(column: Any, least: int) -> None:
    data = written(pa.table({"a": column}))
    assert len(data) < least / 20
    (extent,), _ = Ranges(data).index(open_format("parquet", {}))
    assert least <= extent.decoded_bytes <= 1.2 * least
    with pytest.raises(DataError, match=r"row group 0 of one takes .* unpacked, more than memory=100.0 KiB"):
        row(data, memory="100Ki")


def footer_at(data: bytes) -> int:
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def lying(change: str) -> bytes:
    """Return a file that says what is not so."""
    data = written(pa.table({"a": range(100)}), compression="none", use_dictionary=False)
    at = footer_at(data)
    meta = pq.read_metadata(io.BytesIO(data)).row_group(0).column(0)
    struct = decode_struct(data[at:-8])
    group = struct[4][1][1][0]
    chunk = group[1][1][1][0][3][1]
    if change == "offset beyond the end":
        chunk[9] = (chunk[9][0], at + 5)
    elif change == "negative offset":
        chunk[9] = (chunk[9][0], -5)
    elif change == "length beyond the end":
        chunk[7] = (chunk[7][0], meta.total_compressed_size + 1_000)
    elif change == "no length":
        chunk[7] = (chunk[7][0], 0)
    elif change == "more rows":
        group[3] = (group[3][0], 200)
    elif change == "negative rows":
        group[3] = (group[3][0], -1)
    elif change == "unknown compression":
        chunk[4] = (chunk[4][0], 77)
    elif change == "another file":
        group[1][1][1][0][1] = (BINARY, b"other.parquet")
    footer = encode_struct(struct)
    return data[:at] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("offset beyond the end", "column 'a' of row group 0 is said to have"),
        ("negative offset", "the offset of column 'a' of row group 0 is -5"),
        ("length beyond the end", "column 'a' of row group 0 is said to have"),
        ("no length", "column 'a' of row group 0 is said to have 0 bytes"),
        ("more rows", "column 'a' of row group 0 has 100 values for 200 rows"),
        ("negative rows", "the number of rows of row group 0 is -1"),
        ("unknown compression", "compression 77, unknown here"),
        ("another file", "lies in another file, b'other.parquet'"),
    ],
)
def test_a_footer_that_lies_names_the_object(change: str, message: str) -> None:
    with pytest.raises(HeaderMismatch, match=message) as raised:
        row(lying(change))
    assert raised.value.about == "one"
    assert str(raised.value).startswith("one: ")


def test_hadoops_lz4_is_told_from_unknown_compressions() -> None:
    data = written(pa.table({"a": range(100)}), compression="none", use_dictionary=False)
    at = footer_at(data)
    struct = decode_struct(data[at:-8])
    struct[4][1][1][0][1][1][1][0][3][1][4] = (5, 5)
    footer = encode_struct(struct)
    source = Ranges(data[:at] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    (extent,), _ = source.index(open_format("parquet", {}))
    assert decode_struct(decode_codec(extent.codec))[4][1][1][0][1][1][1][0][3][1][4][1] == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PAR1", "one: it is no Parquet file: it has 4 bytes"),
        (b"a,b\n1,2\n3,4\n5,6\n", "one: it is no Parquet file: it ends with b'5,6"),
        (b"PAR1" + b"\xff\xff\xff\x7fPAR1", "one: its footer is said to have 2147483647 bytes, of 12"),
        (b"PAR1" + b"\x00\x00\x00\x00PAR1", "one: its footer cannot be read: it ends too early"),
        (b"PAR1" + b"x" * 40 + b"\x20\x00\x00\x00PAR1", "one: its footer cannot be read"),
        (b"PARE" + b"x" * 40 + b"\x20\x00\x00\x00PARE", "one: its footer is encrypted: decrypt it first"),
    ],
)
def test_what_is_no_parquet_file(data: bytes, message: str) -> None:
    with pytest.raises(HeaderMismatch, match=message):
        row(data)


BAD_TEXTS = pa.array([b"ok", b"gr\xfcn"]).view(pa.string())


@pytest.mark.parametrize(
    "column",
    [
        BAD_TEXTS,
        pa.array([b"gr\xfcn"], pa.large_binary()).view(pa.large_string()),
        pa.ListArray.from_arrays([0, 2], BAD_TEXTS),
        pa.StructArray.from_arrays([BAD_TEXTS], ["t"]),
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), BAD_TEXTS),
    ],
    ids=["text", "large text", "list", "struct", "dictionary"],
)
@pytest.mark.parametrize("options", [{}, {"group_by": "x"}])
def test_texts_that_are_no_utf_8_are_told_of(column: Any, options: dict[str, str]) -> None:
    source = Ranges(written(pa.table({"x": column})))
    with pytest.raises(DataError, match=r"the rows of one/0 cannot be read: .*Invalid UTF8 sequence"):
        source.values(open_format("parquet", options))


def test_a_file_that_was_cut_off_or_damaged_anywhere_is_an_error_or_right() -> None:
    """Never a wrong value that a checksum could have told, never another kind of error."""
    data = written(pa.table({"a": range(50), "b": ["x" * n for n in range(50)]}), write_page_checksum=True)
    good = [str(each) for each in Ranges(data).values(open_format("parquet", {}))]
    rng = np.random.default_rng(0)
    for at in range(0, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= int(rng.integers(1, 256))
        for tried in (bytes(broken), data[:at]):
            with contextlib.suppress(PenstockError):
                found = [str(each) for each in Ranges(tried).values(open_format("parquet", {}))]
                assert at >= footer_at(data) or found == good or at < 4 or tried[4 : len(good)] != data[4 : len(good)]


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60))
def test_any_bytes_for_a_footer_are_an_error(data: bytes) -> None:
    with pytest.raises(PenstockError):
        row(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1")


def test_encrypted_columns_are_refused() -> None:
    crypto = pytest.importorskip("pyarrow.parquet.encryption")

    class Plain(crypto.KmsClient):  # type: ignore[misc]
        def __init__(self, config: Any) -> None:
            super().__init__()

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
            return key_bytes

        def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
            return wrapped_key

    def encrypted(**how: Any) -> bytes:
        asked = crypto.EncryptionConfiguration(footer_key="f", column_keys={"k": ["b"]}, **how)
        made = crypto.CryptoFactory(Plain).file_encryption_properties(crypto.KmsConnectionConfig(), asked)
        return written(pa.table({"a": [1], "b": [2]}), encryption_properties=made)

    with pytest.raises(HeaderMismatch, match="its footer is encrypted"):
        row(encrypted())
    clear = encrypted(plaintext_footer=True)
    with pytest.raises(HeaderMismatch, match="encrypted"):
        row(clear, columns=["b"])
    assert row(clear, columns=["a"]) == {"a": 1}

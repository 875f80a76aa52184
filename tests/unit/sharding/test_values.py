"""What shards of each kind give back is what was written, whatever the values are."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from penstock.errors import ConfigError
from penstock.formats.registry import open_format
from penstock.inspection.budget import InMemory
from penstock.manifest import Extent
from penstock.sharding.digests import digest_of
from penstock.sharding.layouts import open_layout
from penstock.sources import ObjectInfo

MOST = 2**63 - 1


def back(samples: Sequence[Mapping[str, Any]], to: str, compression: str = "") -> list[Mapping[str, Any]]:
    """Write samples as a shard, and return what Penstock reads of it."""
    layout = open_layout(to, compression=compression, group_bytes=100)
    named = [(str(number), layout.fields_of(sample, str(number))) for number, sample in enumerate(samples)]
    data, raw = layout.encode(named, layout.schema_of(named))
    assert raw >= 0
    return asyncio.run(_read(data, layout.format, f"shard-0.{layout.extension}"))


async def _read(data: bytes, kind: str, name: str) -> list[Mapping[str, Any]]:
    reader, found = open_format(kind, {}), []
    async for extent in reader.index(InMemory(data), ObjectInfo(key=name, size_bytes=len(data), version="")):
        assert isinstance(extent, Extent)
        held = b"".join(data[span.offset : span.offset + span.length_bytes] for span in extent.spans)
        found += list(reader.decode(held, extent, extent.codec, np.arange(extent.num_samples)))
    return found


def same(one: Any, other: Any) -> bool:
    """Compare values without what is under test."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        left, right = np.asarray(one), np.asarray(other)
        if left.size == right.size == 0:
            return left.shape[0] == right.shape[0] == 0
        return left.shape == right.shape and np.array_equal(left, right, equal_nan=left.dtype.kind in "fmM")
    if isinstance(one, Mapping):
        names = {*one, *other}
        return all(same(one.get(name), other.get(name)) for name in names)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float | np.floating) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other) and isinstance(one, bool | np.bool_) == isinstance(other, bool | np.bool_)


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
NUMBERS = st.floats(allow_infinity=True)
DTYPES = st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-MOST, MOST) | TEXT | st.floats(allow_nan=False),
    lambda more: st.lists(more, max_size=3) | st.dictionaries(st.text("abc", min_size=1), more, max_size=3),
    max_leaves=6,
)
ONE_KIND: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "bytes": st.binary(max_size=9),
    "whole": st.integers(-MOST, MOST),
    "large": st.integers(0, 2**64 - 1),
    "real": NUMBERS,
    "truth": st.booleans(),
    "texts": st.lists(TEXT, max_size=3),
    "numbers": st.lists(st.integers(-MOST, MOST), max_size=3),
    "reals": st.lists(st.none() | NUMBERS, max_size=3),
    "structs": st.lists(st.fixed_dictionaries({"a": st.integers(0, 9)}, optional={"b": TEXT}), max_size=3),
    "deep": st.lists(st.lists(st.lists(TEXT, max_size=2), max_size=2), max_size=2),
    "decimal": st.decimals(-(10**9), 10**9, places=3),
    "vector": DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, st.integers(0, 4))),
}


@given(data=st.data(), kind=st.sampled_from(sorted(ONE_KIND)))
@settings(max_examples=120, deadline=None)
def test_parquet_gives_back_values_of_every_kind_with_some_missing(data: st.DataObject, kind: str) -> None:
    samples = data.draw(st.lists(st.fixed_dictionaries({"x": st.none() | ONE_KIND[kind]}), min_size=1, max_size=6))
    if kind == "vector" and len({each["x"].dtype for each in samples if each["x"] is not None}) > 1:
        samples = [{"x": None if each["x"] is None else np.asarray(each["x"], "f8")} for each in samples]
    if kind == "large" and any(each["x"] is not None and each["x"] > MOST for each in samples):
        samples = [{"x": None if each["x"] is None else np.uint64(each["x"])} for each in samples]
    found = back(samples, "parquet", data.draw(st.sampled_from(["none", "zstd", "snappy", "gzip"])))
    assert len(found) == len(samples)
    assert all(map(same, samples, found)), (samples, found)
    assert list(map(digest_of, samples)) == list(map(digest_of, found))


@given(data=st.data(), kind=st.sampled_from(sorted({*ONE_KIND, "json"})))
@settings(max_examples=120, deadline=None)
def test_mds_gives_back_values_of_every_kind(data: st.DataObject, kind: str) -> None:
    of = (ONE_KIND | {"json": JSON})[kind]
    samples = data.draw(st.lists(st.fixed_dictionaries({"x": of, "é.y": TEXT}), min_size=1, max_size=6))
    if kind == "json" and len({type(each["x"]) for each in samples} & {list, dict}) > 0:
        samples = [{**each, "x": [each["x"]]} for each in samples]
    found = back(samples, "mds", data.draw(st.sampled_from(["none", "zstd"])))
    assert len(found) == len(samples)
    assert all(map(same, samples, found)), (samples, found)


@pytest.mark.parametrize("dtype", ["u1", "i2", "f2", "f4", ">f8", "i8"])
def test_arrays_are_tensors_of_their_shape_with_some_missing(dtype: str) -> None:
    values = [np.arange(12, dtype=dtype).reshape(2, 3, 2) + number for number in range(5)]
    samples = [{"x": values[0]}, {"x": None}, {}, {"x": values[1]}]
    for found in (back(samples, "parquet"), back([{"x": value} for value in values], "mds")):
        assert found[0]["x"].shape == (2, 3, 2)
        assert found[0]["x"].dtype == np.dtype(dtype).newbyteorder("=")
    found = back(samples, "parquet")
    assert [found[1]["x"], found[2]["x"]] == [None, None]
    assert found[3]["x"].tolist() == values[1].tolist()


def test_points_in_time_keep_what_they_are() -> None:
    samples = [
        {"day": np.datetime64("2020-02-29"), "at": np.datetime64("2020-01-01T00:00:00.000000001", "ns")},
        {"day": np.datetime64("NaT"), "took": np.timedelta64(3, "ms"), "many": np.array(["2020-01-01"], "M8[us]")},
        {"days": [np.datetime64("2020-02-29"), None]},
    ]
    found = back(samples, "parquet")
    assert found[0]["day"] == np.datetime64("2020-02-29")
    assert found[0]["at"] == samples[0]["at"]
    assert found[1]["day"] is None
    assert found[1]["took"] == np.timedelta64(3, "ms")
    assert found[1]["many"].tolist() == samples[1]["many"].tolist()
    assert found[2]["days"] == samples[2]["days"]


REFUSED: dict[str, list[list[Any]]] = {
    "parquet": [[1, "one"], [2**70], [-1, 2**63], [np.zeros((2, 2)), np.zeros((3, 2))], [2**60 + 1, 0.5], [{}]],
    "mds": [[b"x", None], [None, np.zeros(2)], [np.datetime64("2020-01-01")], [[b"x"]]],
    "both": [
        [b"1", "one"],
        [np.array([1j])],
        [{"a": {"b": {1, 2}}}],
        [object()],
        ["\ud800"],
        [np.array(["x"], object), np.zeros(3)],
    ],
}


@pytest.mark.parametrize(
    ("to", "values"),
    [(to, values) for to in ("parquet", "mds") for of in (to, "both") for values in REFUSED[of]],
)
def test_what_a_column_does_not_hold_is_refused_by_its_name(to: str, values: list[Any]) -> None:
    with pytest.raises(ConfigError, match="'x'") as error:
        back([{"x": value} for value in values], to)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [[1, "one"], [2**70], [np.zeros((2, 2)), np.zeros((3, 2))], [1, None, 2.5, "x"]])
def test_mds_holds_what_differs_in_kind(values: list[Any]) -> None:
    found = back([{"x": value} for value in values], "mds")
    assert all(same({"x": value}, row) for value, row in zip(values, found, strict=True)), found


@pytest.mark.parametrize("to", ["parquet", "mds"])
@pytest.mark.parametrize(
    "later", [{"x": 1, "more": 2}, {"x": "text"}, {"x": 1.5}, {"x": None, "y": b"1"}, {"x": [1]}, {"x": {"a": 1}}]
)
def test_samples_that_are_not_like_the_first_shard_are_refused(to: str, later: Mapping[str, Any]) -> None:
    layout = open_layout(to, group_bytes=100)
    schema = layout.schema_of([("0", layout.fields_of({"x": 1}, "0"))])
    with pytest.raises(ConfigError, match="first shard"):
        layout.encode([("7", layout.fields_of(later, "7"))], schema)


def different() -> Sequence[tuple[Any, Any]]:
    return [
        (1, True),
        (1, "1"),
        ("1", b"1"),
        (0.0, -0.0),
        (2**53, 2**53 + 1),
        ([1, 2], [[1], [2]]),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        ({"a": "b"}, {"ab": ""}),
        (["ab", ""], ["a", "b"]),
        (Decimal("0.1"), Decimal("0.2")),
        ([None], []),
        (np.datetime64(1, "us"), np.datetime64(1, "ms")),
    ]


@pytest.mark.parametrize(("one", "other"), different())
def test_digests_tell_values_apart(one: Any, other: Any) -> None:
    assert digest_of({"x": one}) != digest_of({"x": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, np.int8(1)),
        (1, 1.0),
        ([1, 2], np.array([1, 2], "f4")),
        (float("nan"), np.float32("nan")),
        (Decimal("1.50"), Decimal("1.5")),
        ({"a": None}, {}),
        ([], np.zeros(0)),
        (np.array(2.0), 2),
        (np.datetime64("2020-01-01"), np.datetime64("2020-01-01", "ms")),
        ([("k", 1)], [["k", np.int64(1)]]),
    ],
)
def test_digests_of_equal_values_are_equal(one: Any, other: Any) -> None:
    assert digest_of({"x": one}) == digest_of({"x": other})


def test_the_least_and_the_most_of_each_width_come_back_as_they_are() -> None:
    makers: Sequence[Callable[[Any], Any]] = [
        np.int8,
        np.uint8,
        np.int16,
        np.uint16,
        np.int32,
        np.uint32,
        np.int64,
        np.uint64,
    ]
    samples = [{maker.__name__: maker(edge) for maker in makers for edge in [end(np.iinfo(maker))]} for end in ENDS]
    for to in ("parquet", "mds"):
        found = back(samples, to)
        for sample, row in zip(samples, found, strict=True):
            assert {name: (type(value), value) for name, value in sample.items()} == {
                name: (type(value), value) for name, value in row.items()
            }


ENDS: Sequence[Callable[[Any], int]] = [lambda told: told.min, lambda told: told.max]

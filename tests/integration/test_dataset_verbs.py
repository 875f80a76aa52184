"""Columns that are renamed, dropped and chosen, and functions of whole batches, through the loader and from a file."""

from __future__ import annotations

import collections
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import penstock
from penstock.dataset.functions import change_of
from penstock.errors import ConfigError
from penstock.formats.registry import open_format
from support.formats import FORMATS
from support.ranges import Ranges

pytestmark = pytest.mark.usefixtures("children_are_forked", "shards_are_closed")

NUM_ROWS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows")
    table = pa.table({"n": list(range(NUM_ROWS)), "b": [n % 3 for n in range(NUM_ROWS)], "t": ["x"] * NUM_ROWS})
    pq.write_table(table, path / "a.parquet", row_group_size=8)
    return path


def read(dataset: penstock.Dataset, batch_size: int = 10, **options: Any) -> list[Any]:
    with dataset.loader(batch_size, epochs=1, **{"collate": list, "window": "4Mi", **options}) as loader:
        return list(loader)


@pytest.mark.parametrize(
    ("make", "row"),
    [
        (lambda ds: ds.rename({"n": "number"}), {"number": 0, "b": 0, "t": "x"}),
        (lambda ds: ds.rename({"n": "b", "b": "n"}), {"b": 0, "n": 0, "t": "x"}),
        (lambda ds: ds.drop("t"), {"n": 0, "b": 0}),
        (lambda ds: ds.drop(["t", "n"]), {"b": 0}),
        (lambda ds: ds.rename({"t": "text"}).select(["text", "n"]), {"text": "x", "n": 0}),
        (lambda ds: ds.rename({"t": "u"}).rename({"u": "v"}).drop("b").select("v"), {"v": "x"}),
        (lambda ds: ds.filter(lambda row: row["n"] >= 0).select("t"), {"t": "x"}),
        (lambda ds: ds.map(lambda row: {**row, "m": 1}).select(["m", "n"]), {"m": 1, "n": 0}),
        (lambda ds: ds.select(["n", "t"]).drop("t"), {"n": 0}),
        (lambda ds: ds.drop("t").rename({"n": "t"}), {"t": 0, "b": 0}),
    ],
)
def test_columns_are_as_they_are_asked_for_in_the_order_of_the_verbs(
    folder: Path, make: Callable[[penstock.Dataset], penstock.Dataset], row: dict[str, Any]
) -> None:
    dataset = make(penstock.parquet(folder))
    kind = open_format(dataset.format, dataset.options)
    value = Ranges((folder / "a.parquet").read_bytes()).values(kind)[0]
    change = change_of(dataset.functions)
    found = value if change is None else change(value)
    assert (list(found), found) == (list(row), row)


def test_columns_that_are_told_are_those_that_come(folder: Path) -> None:
    dataset = penstock.parquet(folder).rename({"t": "text"}).map(lambda row: {**row, "m": b"1"}).select(["m", "text"])
    assert dataset.columns == {"m": "bytes", "text": "str"}
    assert next(dataset.open_shard("a.parquet")) == {"m": b"1", "text": "x"}


def test_what_is_chosen_behind_other_names_is_all_that_is_fetched(folder: Path) -> None:
    dataset = penstock.parquet(folder)
    for other in (
        dataset.rename({"n": "x"}).select("x"),
        dataset.rename({"n": "x"}).select(each for each in ["x"]),
        dataset.select(["n", "b"]).drop("b"),
        dataset.select(each for each in ["n", "b"]).rename({"b": "c"}).drop("c"),
        dataset.select(["n", "b"]).drop("b").rename({"n": "b"}),
    ):
        assert other.options["columns"] == ["n"]
    assert "columns" not in dataset.drop("t").options
    inner = dataset.rename({"t": "u"}).select("u.list.element")
    assert inner.options["columns"] == ["t.list.element"]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda ds: ds.rename({}), r"names \{\}"),
        (lambda ds: ds.rename("n"), "names 'n'"),
        (lambda ds: ds.rename({"n": 3}), r"names \{'n': 3\}"),
        (lambda ds: ds.rename({"n": "x", "b": "x"}), "give one name twice"),
        (lambda ds: ds.drop([]), r"drop of \[\]"),
        (lambda ds: ds.drop(None), "drop of None"),
        (lambda ds: ds.drop({"n": 1}), "drop of "),
        (lambda ds: ds.drop(b"n"), "drop of "),
        (lambda ds: ds.select(["n"]).drop(["n"]), "leaves no column"),
        (lambda ds: ds.rename({"n": "x"}).select("n"), "select of 'n', which was renamed to 'x'"),
        (lambda ds: ds.drop("n").select("n"), "select of 'n', which was dropped"),
        (lambda ds: ds.map(dict).select(3), "select of 3"),
        (lambda ds: ds.map_batches(3), "function 3"),
        (lambda ds: ds.map_batches(lambda: 3), "cannot be called with 1 argument"),
        (lambda ds: ds.map_batches(lambda values: values, rng=True), "cannot be called with 2 argument"),
        (lambda ds: ds.map_batches(list, rng="yes"), "rng 'yes'"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_asked_for(
    folder: Path, make: Callable[[penstock.Dataset], Any], what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        make(penstock.parquet(folder))


@pytest.mark.parametrize("verb", ["drop", "rename"])
@pytest.mark.parametrize("name", ["text", "objects", "npy"])
def test_values_that_have_no_columns_are_made_dictionaries_first(tmp_path: Path, verb: str, name: str) -> None:
    dataset = penstock.of_format(name, tmp_path)
    told = {"drop": "x", "rename": {"x": "y"}}[verb]
    with pytest.raises(ConfigError, match=f"no column to {verb} in values of the format '{name}'"):
        getattr(dataset, verb)(told)
    getattr(dataset.map(lambda value: {"x": value}), verb)(told)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda ds: ds.drop("m"), "drop of 'm': a value has no such column, it has 'n', 'b', 't'"),
        (lambda ds: ds.rename({"tt": "m"}), "rename of 'tt': a value .*did you mean 't'"),
        (lambda ds: ds.rename({"n": "t"}), "gives the name 't' to a column, and there is one"),
        (lambda ds: ds.map(dict).select(["n", "c"]), "select of 'c': a value has no such column"),
        (lambda ds: ds.map(lambda row: row["n"]).drop("n"), "a value has no columns, it is of type int64"),
        (lambda ds: ds.map_batches(lambda values: values[:-1]), "was given 9 values for 10"),
        (lambda ds: ds.map_batches(lambda values: values * 2), "was given 20 values for 10"),
        (lambda ds: ds.map_batches(lambda values: None), "was given a NoneType, None, for 10 values"),
        (lambda ds: ds.map_batches(lambda values: "x" * 10), "was given a str"),
        (lambda ds: ds.map_batches(lambda values: {1, 2}), "was given a set"),
        (lambda ds: ds.map_batches(lambda values: iter(values)), "was given a list_iterator"),
        (lambda ds: ds.map_batches(lambda values: {"a": [1], "b": [1, 2]}), "columns of several lengths"),
        (lambda ds: ds.map_batches(lambda values: {}), "was given 0 values for 10"),
        (lambda ds: ds.map_batches(lambda values: {"a": "x" * 10}), "was given 'xxxxxxxxxx' as the column 'a'"),
        (lambda ds: ds.map_batches(lambda values: {"a": 3}), "was given 3 as the column 'a'"),
        (lambda ds: ds.map_batches(lambda values: {"a": np.array(3)}), "as the column 'a'"),
        (lambda ds: ds.map_batches(lambda values: np.array(3)), "was given a ndarray"),
        (lambda ds: ds.map_batches(lambda values: pa.table({"a": [1] * 10})), "was given a Table"),
    ],
)
def test_what_shows_in_values_alone_is_an_error_that_says_so(
    folder: Path, make: Callable[[penstock.Dataset], penstock.Dataset], what: str
) -> None:
    decoder = make(penstock.parquet(folder)).opened_with({"collate": list}).decoder
    rows = [{"n": np.int64(number), "b": 0, "t": "x"} for number in range(10)]
    with pytest.raises(ConfigError, match=what) as caught:
        decoder.collate([row if decoder.transform is None else decoder.transform(row, None) for row in rows])
    assert "of the dataset's functions" in "".join(caught.value.__notes__)


def test_a_wrong_name_is_no_bad_sample_that_may_be_left_out(folder: Path) -> None:
    for dataset in (penstock.parquet(folder).drop("m"), penstock.parquet(folder).map_batches(lambda values: [])):
        with pytest.raises(ConfigError, match=r"of 'm'|was given 0 values for 10"):
            read(dataset, on_bad_sample="skip")


def test_functions_of_batches_are_given_whole_ones_in_the_order_of_the_verbs(folder: Path) -> None:
    seen: list[int] = []

    def add(values: list[Any]) -> dict[str, Any]:
        seen.append(len(values))
        return {"n": np.array([value["n"] for value in values]) + 1000}

    dataset = penstock.parquet(folder).filter(lambda row: row["b"] != 1).map_batches(add)
    dataset = dataset.filter(lambda row: row["n"] % 2 == 0).map(lambda row: row["n"])
    batches = read(dataset, shuffle=False, transform=lambda row, rng: {"n": row["n"] * 2})
    assert batches == [
        [1000 + 2 * n for n in range(begin, begin + 10) if n % 3 != 1] for begin in range(0, NUM_ROWS, 10)
    ]
    assert sum(seen) == 40
    assert "1 filter and 1 map" not in repr(dataset)
    assert "2 filters and 1 map_batches and 1 map" in repr(dataset)


def test_chance_of_a_batch_is_its_own_whatever_workers_and_wherever_it_goes_on(folder: Path) -> None:
    def mixed(values: list[Any], rng: np.random.Generator) -> list[Any]:
        order = rng.permutation(len(values))
        return [(value["n"], values[other]["n"], rng.random()) for value, other in zip(values, order, strict=True)]

    dataset = penstock.parquet(folder).map_batches(mixed, rng=True)
    whole = read(dataset, seed=5)
    assert len({value for batch in whole for value in batch}) == NUM_ROWS
    state = np.random.get_state()[1].tolist()  # type: ignore[index]
    assert read(dataset, seed=5, workers=2) == whole == read(dataset, seed=5)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index]
    assert read(dataset, seed=6) != whole
    options: dict[str, Any] = {"collate": list, "window": "4Mi", "seed": 5, "epochs": 1}
    with dataset.loader(10, **options) as loader:
        batches = iter(loader)
        assert [next(batches) for _ in range(2)] == whole[:2]
        position = loader.state_dict()
    with dataset.loader(10, **options) as loader:
        loader.load_state_dict(position)
        assert list(loader) == whole[2:]
        assert len(loader) == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda values: [value["n"] for value in values],
        lambda values: tuple(value["n"] for value in values),
        lambda values: np.array([value["n"] for value in values]),
        lambda values: torch.tensor([int(value["n"]) for value in values]),
        lambda values: collections.UserList([value["n"] for value in values]),
    ],
)
def test_what_has_a_value_for_each_is_taken(folder: Path, make: Callable[[list[Any]], Any]) -> None:
    for dataset in (
        penstock.parquet(folder).map_batches(make),
        penstock.parquet(folder).map_batches(lambda values: collections.UserDict(n=make(values))).map(lambda x: x["n"]),
    ):
        decoder = dataset.opened_with({"collate": list}).decoder
        assert [int(value) for value in decoder.collate([{"n": np.int64(number)} for number in range(4)])] == [
            *range(4)
        ]


def test_members_of_archives_are_renamed_and_their_name_may_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(FORMATS["tar"][2])
    dataset = penstock.tar(tmp_path, decoded=True)
    for made, row in (
        (dataset.select(["__key__", "cls"]), {"__key__": "d/0003", "cls": 3}),
        (dataset.rename({"__key__": "key", "cls": "label"}).select(["label", "key"]), {"key": "d/0003", "label": 3}),
        (dataset.select("__key__"), {"__key__": "d/0003"}),
        (dataset.drop(["__key__", "txt"]), {"cls": 3}),
    ):
        with made.shards() as shards:
            assert next(shards.open_shard_at_row("a.tar", 3)) == row
    assert dataset.rename({"cls": "label"}).select(["label"]).options["sample"] == ["cls"]


def test_parts_are_by_a_column_of_whatever_name_and_in_shards(folder: Path) -> None:
    dataset = penstock.parquet(folder)
    found = []
    for whole in (dataset.rename({"b": "g"}), dataset.rename({"b": "x"}).rename({"x": "g"}).drop("t")):
        train, valid = whole.split(valid=0.4, by="g", seed=4)
        rows = [list(part.open_shard("a.parquet")) for part in (train, valid)]
        assert not {row["g"] for row in rows[0]} & {row["g"] for row in rows[1]}
        assert sorted(row["n"] for each in rows for row in each) == list(range(NUM_ROWS))
        assert all([row["n"] for row in each] == sorted(row["n"] for row in each) for each in rows)
        found.append([[int(row["n"]) for row in each] for each in rows])
        assert [row["n"] for row in train.open_shard_at_row("a.parquet", 7)] == found[-1][0][7:]
    assert found[0] == found[1]


def test_a_mix_has_no_batches_of_a_member(folder: Path) -> None:
    dataset = penstock.parquet(folder)
    mixed = penstock.mix({dataset.map_batches(list): 1, dataset: 1})
    with pytest.raises(ConfigError, match="a mix of a dataset with map_batches"):
        mixed.loader(4)


def test_a_mix_has_the_verbs_of_its_members(folder: Path) -> None:
    one = penstock.parquet(folder)
    inner = penstock.mix({one.where("*/0"): 1, one.where("*/1"): 1})
    mixed = penstock.mix({inner: 1, one.where("*/2"): 1})
    changed = mixed.select(each for each in ["n", "b"]).rename({"n": "number"}).drop(each for each in ["b"])
    changed = changed.map(lambda row: int(row["number"])).filter(lambda number: number % 2)
    assert [each.options["columns"] for each in changed.datasets] == [["n"]] * 3
    with changed.loader(6, epochs=1, collate=list, window="32Mi") as loader:
        found = sorted(number for batch in loader for number in batch)
    assert set(found) <= set(range(1, 24, 2))
    assert {number // 8 for number in found} == {0, 1, 2}
    assert mixed.datasets[0].functions == ()
    for wrong, what in (
        (lambda: mixed.map(3), "function 3"),
        (lambda: mixed.drop([]), "drop of"),
        (lambda: mixed.map_batches(list), "map_batches of a mix"),
    ):
        with pytest.raises(ConfigError, match=what):
            wrong()


def test_a_file_says_them_too(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"format: parquet\nsource: {folder}\nselect: [n, t]\ndrop: t\nrename: {{n: number}}\n")
    dataset = penstock.open(file)
    assert isinstance(dataset, penstock.Dataset)
    assert dataset.options["columns"] == ["n"]
    assert next(dataset.open_shard("a.parquet")) == {"number": 0}
    for line, what in (
        ("rename: n", "a.yaml:3: rename is no mapping"),
        ("rename: {n: 3}", "a.yaml:3: .*names"),
        ("rename: {n: x, b: x}", "a.yaml:3: .*twice"),
        ("drop: {n: 1}", "a.yaml:3: drop"),
        ("drop:", "a.yaml:3: drop is empty"),
        ("drpo: n", "did you mean drop"),
    ):
        file.write_text(f"format: parquet\nsource: {folder}\n{line}\n")
        with pytest.raises(ConfigError, match=what):
            penstock.open(file)

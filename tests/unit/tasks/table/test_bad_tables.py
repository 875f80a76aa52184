"""Tables and options that cannot be used: what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import (
    ConfigError,
    DataError,
    EmptyListing,
    HeaderMismatch,
    MissingLabel,
    PenstockError,
)
from support.tables import list_tables, people, write_csv, write_parquet

GOOD = b"x,y\n" + b"1,a\n2,b\n" * 20


def refused(folder: Path, kind: type[PenstockError], **options: Any) -> PenstockError:
    with pytest.raises(kind) as caught:
        list_tables(folder, **options)
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "in", people(200))


@pytest.mark.parametrize(
    ("options", "told", "advice"),
    [
        ({}, "the task table has no target", "--option target=COLUMN"),
        ({"target": "lable"}, "0.parquet has no column 'lable'", "did you mean 'label'?"),
        ({"target": "label", "columns": "agee"}, "0.parquet has no column 'agee'", "did you mean 'age'?"),
        ({"target": "label", "columns": "age,label"}, "the column label is both learnt from and predicted", "leave it"),
        ({"target": "label", "group_column": "pat"}, "has no column 'pat'", "its columns are: id, age"),
        (
            {"target": "label", "columns": "age", "categorical": "city"},
            "city of --option categorical= is not",
            "add it",
        ),
        (
            {"target": "label", "group_column": "label"},
            "label is both predicted and what splits",
            "another group-column",
        ),
        (
            {"target": "label", "split_unit": "blocks", "fractions": (0.001, 0.5, 0.499)},
            "none of the 200 rows with a target falls into the training split, by blocks",
            "--option split-unit=rows",
        ),
        ({"target": "label", "delimiter": "tab"}, "the option delimiter means nothing of parquet", "leave it out"),
        ({"target": "label", "predict": "classes"}, "the option predict is 'classes'", "did you mean class?"),
        ({"target": "label", "split_unit": "rows", "group_column": "patient"}, "contradicts", "leave one of them"),
        ({"target": "label", "by_sample": True, "group_column": "patient"}, "which --split-by sample", "leave one"),
        ({"target": "label", "max_values": 1}, "the option max-values is 1", "from 2 to 4096"),
        ({"target": "label", "memory": "x"}, "memory", "2Gi"),
        ({"target": "label", "columns": "[age]"}, "the option columns is '[age]', no JSON list", "write it like"),
        ({"target": "label", "match": "*"}, "what 0.bin is does not follow from its name", "format=csv"),
    ],
)
def test_options_that_cannot_be_honoured(folder: Path, options: dict[str, Any], told: str, advice: str) -> None:
    if options.get("match"):
        for path in folder.iterdir():
            path.rename(path.with_suffix(".bin"))
    error = refused(folder, ConfigError, **options)
    assert told in error.what
    assert advice in error.fix


def test_columns_of_no_use_are_refused_where_they_are_asked_for(folder: Path) -> None:
    for path in folder.iterdir():
        table = pq.read_table(path).append_column("void", pa.array([None] * 100, pa.float64()))
        pq.write_table(table.append_column("many", pa.array([[1]] * 100)), path)
    error = refused(folder, DataError, target="label", columns="void")
    assert error.what == "the column void is missing in every row of the training split"
    error = refused(folder, ConfigError, target="label", columns="many")
    assert "many of 0.parquet is of the type list" in error.what
    assert refused(folder, MissingLabel, target="void").what == "the target void is missing in all 200 rows"
    assert "the target many is of the type list" in refused(folder, DataError, target="many").what


@pytest.mark.parametrize(
    ("files", "options", "kind", "told"),
    [
        ([GOOD, b"x,y\n1,a\nmany,b\n"], {}, DataError, "1.csv, line 3: x is 'many', which is no number"),
        ([GOOD, b"x,y\n1,a\n\n3\n"], {}, DataError, "1.csv, line 4: 1 cell where the header has 2"),
        ([GOOD, b"x,z\n1,a\n"], {}, ConfigError, "1.csv has no column 'y'"),
        ([GOOD, b"x,y,x\n1,a,2\n"], {}, HeaderMismatch, "1.csv, line 1: the column 'x' comes twice"),
        ([b"1,2\n3,4\n"], {}, HeaderMismatch, "0.csv has no header"),
        ([b"x,y\n"], {}, EmptyListing, "have no rows"),
        ([b"x,y\n1,a\n2,a\n"], {}, DataError, "the target y is 'a' in every row"),
        ([b"x,y\n1,2.5\n2,2.5\n"], {}, MissingLabel, "samples of the training split"),
        ([b"x,y\n1,\n2,n/a\n"], {}, MissingLabel, "the target y is missing in all 2 rows"),
        ([b"x,y\n1,a\n2,b\n"], {"predict": "number"}, DataError, "line 2: the target y is 'a', which is no number"),
        ([b"x,y\n" + b"1,1.5\n2,3.5\n" * 9 + b"2,b\n"], {}, DataError, "line 20: the target y is 'b'"),
        ([b"x,y\n" + b"1.5,a\n2,b\n" * 9 + b"1_0,b\n"], {}, DataError, "0.csv, line 20: x is '1_0'"),
        ([b"x,y\n1,1.5\n2,2\n", b"x,y\n1,c\n"], {}, DataError, "1.csv, line 2: the target y is 'c'"),
        ([b"x,y\n5,a\n5,b\n5,a\n"], {}, DataError, "there is no column to learn from: x is 5 in every row"),
        ([b"x,y,s\n1,a,train\n2,b,tset\n"], {"split_column": "s"}, DataError, "line 3: s is 'tset', which is no split"),
        ([b"x,y,s\n1,a,test\n2,b,valid\n"], {"split_column": "s"}, DataError, "is test, valid, but none to train on"),
        ([b"x,y,g\n1,a,p\n2,b,\n"], {"group_column": "g"}, DataError, "0.csv, line 3: the column g is empty"),
        (
            [b"x,y,g,s\n1,a,p,train\n2,b,p,test\n"],
            {"group_column": "g", "split_column": "s"},
            DataError,
            "0.csv, line 3: the group 'p' is in two of the dataset's splits, train and test",
        ),
        (
            [b"x,y\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(1200))],
            {},
            DataError,
            "the target y has more than 1,000 different values",
        ),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_used(
    tmp_path: Path, files: list[bytes], options: dict[str, Any], kind: type[PenstockError], told: str
) -> None:
    (tmp_path / "in").mkdir()
    for number, data in enumerate(files):
        (tmp_path / "in" / f"{number}.csv").write_bytes(data)
    assert told in refused(tmp_path / "in", kind, fractions=(1, 0, 0), target="y", **options).what


def test_text_where_the_first_file_has_numbers_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(pa.table({"x": [1, 2], "y": ["a", "b"]}), folder / "0.parquet")
    pq.write_table(pa.table({"x": ["1", "2"], "y": ["a", "b"]}), folder / "1.parquet")
    error = refused(folder, DataError, target="y")
    assert error.what == "1.parquet: the column x is of text, where the first file has it of number"


def test_a_row_group_larger_than_memory_is_refused(folder: Path) -> None:
    assert "more than memory=100 B" in refused(folder, DataError, target="label", memory="100").what


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_a_table_that_cannot_be_read_is_named_or_left_out(
    tmp_path: Path, write: Callable[..., Path], place: int
) -> None:
    folder = write(tmp_path / "in", people(300), files=3)
    bad = sorted(folder.iterdir())[place]
    bad.write_bytes(bad.read_bytes()[:-9] if write is write_parquet or place else b"1,2\n3,4\n")
    (folder / f"-{bad.suffix}").write_bytes(b"")
    error = refused(folder, DataError, target="label", columns="age")
    assert bad.name in error.what
    listed = list_tables(folder, target="label", columns="age", skip_bad=True)
    assert sum(extent.num_samples for extent in listed.extents) == 200
    assert listed.left_out[bad.name] in error.what


def test_a_source_without_tables_says_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    assert "none of the 1 object" in refused(tmp_path / "in", EmptyListing, target="y").what


def test_where_there_is_no_table_none_is_said_to_lie_there(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"x")
    error = refused(tmp_path / "in", EmptyListing, target="y")
    assert error.what.startswith("no table lies under ")
    assert "a.png for one" in error.what
    assert "another --source or --task" in error.fix
    error = refused(tmp_path / "in", EmptyListing, target="y", match="*.csv")
    assert error.what.startswith("none of the 1 object under")
    assert error.fix == "choose another pattern with --option match=..."


@pytest.mark.parametrize(("name", "match"), [("visits.csv", "visits.csv"), ("a[1] {b}*.csv", "a[[]1] [{]b}[*].csv")])
def test_one_file_is_taken_by_its_path_and_by_its_name(tmp_path: Path, name: str, match: str) -> None:
    write_csv(tmp_path / "in", people(100), files=2)
    (tmp_path / "in" / "0.csv").rename(tmp_path / "in" / name)
    ways: tuple[tuple[Path, dict[str, Any]], ...] = ((tmp_path / "in", {"match": match}), (tmp_path / "in" / name, {}))
    for uri, options in ways:
        listed = list_tables(uri, target="label", columns="age", **options)
        assert {extent.spans[0].object for extent in listed.extents} == {name}


def test_what_may_be_chosen_all_the_same_is_told_and_nothing_else(tmp_path: Path) -> None:
    """Text of its own in each row is left out, and learnt from where somebody names it; what never differs is not."""
    own = pa.table({"note": [f"row {number}" for number in range(200)], "same": ["x"] * 200, "y": ["a", "b"] * 100})
    error = refused(write_csv(tmp_path / "a", own), DataError, target="y")
    assert "name what is to be learnt from all the same, like --option columns=note" in error.fix
    assert list_tables(tmp_path / "a", target="y", columns="note").info.num_samples == 200
    error = refused(write_csv(tmp_path / "b", own.select(["same", "y"])), DataError, target="y")
    assert error.fix == "take tables with a column beside the target whose rows differ"
    assert (
        refused(tmp_path / "b", DataError, target="y", columns="same").fix
        == "name other columns with --option columns="
    )

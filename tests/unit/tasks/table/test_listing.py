"""Tables as they are listed and decoded: which rows are in which split, and what becomes of their columns."""

from __future__ import annotations

import functools
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.tables import Listed, list_tables, people, write_csv, write_parquet

Write = Callable[[Path, pa.Table], Path]
COLUMNS = "age,city,noise,member"


@pytest.fixture(params=["parquet", "csv"])
def write(request: pytest.FixtureRequest) -> Write:
    return write_parquet if request.param == "parquet" else write_csv


def total(listed: Listed) -> int:
    return sum(extent.num_samples for extent in listed.extents)


def rows_by_noise(listed: Listed) -> dict[float, str]:
    """Return the split of each row by its noise, which is its own."""
    found: dict[float, str] = {}
    for split in ("train", "valid", "test"):
        inputs, _ = listed.of(split)
        found |= {round(float(row[0]), 5): split for row in inputs}
    return found


def test_numbers_are_standardised_by_the_training_split_alone(tmp_path: Path, write: Write) -> None:
    table = people(600)
    listed = list_tables(write(tmp_path / "in", table), target="price", columns="age,city,noise")
    inputs, targets = listed.of("train")
    assert inputs.dtype == np.float32
    assert listed.info.shape == (inputs.shape[1],) == (2 + 3 + 1,)
    missing = inputs[:, 1] == 1
    assert (inputs[missing, 0] == 0).all()
    for number in (inputs[~missing, 0], inputs[:, 5]):
        assert abs(number.mean()) < 1e-5
        assert abs(number.std() - 1) < 1e-5
    assert (inputs[:, 2:5].sum(axis=1) == 1).all()
    others, _ = listed.of("valid")
    assert abs(others[:, 5].mean()) > 1e-3
    split = listed.info.split("train")
    assert split.target_mean == pytest.approx(targets.mean())
    assert split.target_std == pytest.approx(targets.std())


def test_every_row_is_in_one_split_with_its_own_target(tmp_path: Path, write: Write) -> None:
    table = people(500)
    listed = list_tables(write(tmp_path / "in", table), target="price", columns="noise")
    noise, price = table["noise"].to_numpy(), table["price"].to_numpy()
    mean, std = None, None
    found = [pair for split in ("train", "valid", "test") for pair in zip(*listed.of(split), strict=True)]
    assert total(listed) == len(found) == 500
    order = {round(float(each), 6): float(own) for each, own in zip(price, noise, strict=True)}
    given = np.array([float(row[0]) for row, _ in found])
    wanted = np.array([order[round(float(target), 6)] for _, target in found])
    std, mean = np.polyfit(given, wanted, 1)
    np.testing.assert_allclose(given * std + mean, wanted, atol=1e-4)


def test_parquet_and_csv_are_the_same_dataset(tmp_path: Path) -> None:
    table = people(300)
    options = {"target": "label", "columns": COLUMNS.replace(",member", "")}
    parquet = list_tables(write_parquet(tmp_path / "parquet", table, files=1, group_rows=1000), **options)
    text = list_tables(write_csv(tmp_path / "csv", table, files=1), **options)
    assert parquet.info.classes == text.info.classes == ("no", "yes")
    every = [[np.concatenate([each.of(split)[at] for split in ("train", "valid", "test")]) for at in (0, 1)]
             for each in (parquet, text)]  # fmt: skip
    assert total(parquet) == total(text) == 300
    assert [len(each[0]) for each in every] == [300, 300]
    assert sorted(every[0][1]) == sorted(every[1][1])


@pytest.mark.parametrize("make", ["csv", "parquet"])
def test_a_row_is_named_by_its_number_in_its_file(tmp_path: Path, make: str) -> None:
    count = 90
    table = pa.table(
        {
            "n": range(count),
            "y": ["a", "b", None] * 30,
            "text": ['two\nlines "quoted"' if n % 7 else "" for n in range(count)],
        }
    )
    if make == "csv":
        write_csv(tmp_path / "in", table, files=1)
        text = (tmp_path / "in" / "0.csv").read_text().replace("\n50,", "\n\n\n50,")  # blank lines are no rows
        (tmp_path / "in" / "0.csv").write_text(text)
        listed = list_tables(tmp_path / "in", target="n", columns="y", predict="number", block="300")
    else:
        write_parquet(tmp_path / "in", table, files=1, group_rows=20)
        listed = list_tables(tmp_path / "in", target="n", columns="y", predict="number")
    assert len({extent.key.rpartition(":")[0] for extent in listed.extents}) >= 4
    for split in ("train", "valid", "test"):
        assert listed.keys(split) == [f"0.{make}#{int(number)}" for number in listed.of(split)[1]]


def test_what_is_added_moves_no_row(tmp_path: Path, write: Write) -> None:
    folder = write(tmp_path / "in", people(300))
    before = list_tables(folder, target="label", columns="noise")
    keys = {extent.key for extent in before.extents}
    last = sorted(folder.iterdir())[-1]
    (folder / f"9{last.suffix}").write_bytes(last.read_bytes())
    after = list_tables(folder, target="label", columns="noise")
    kept = {extent.key: extent.num_samples for extent in after.extents if extent.key in keys}
    assert kept == {extent.key: extent.num_samples for extent in before.extents}


def test_a_group_is_in_one_split(tmp_path: Path, write: Write) -> None:
    listed = list_tables(write(tmp_path / "in", people(800)), target="label", columns=COLUMNS, group_column="patient")
    splits: dict[str, set[str]] = {}
    for extent, split in zip(listed.extents, listed.splits, strict=True):
        assert len(extent.groups) == extent.num_samples
        for group in extent.groups:
            splits.setdefault(group, set()).add(split)
    assert len(splits) == 200
    assert all(len(each) == 1 for each in splits.values())
    assert {each for own in splits.values() for each in own} == {"train", "valid", "test"}
    assert sum(split.num_groups for split in listed.info.splits) == 200


def test_a_column_says_the_split_and_what_lacks_is_cut_from_train(tmp_path: Path, write: Write) -> None:
    listed = list_tables(write(tmp_path / "in", people(500)), target="price", columns="noise", split_column="part")
    counts = {split.name: split.num_samples for split in listed.info.splits}
    assert counts["test"] == 50
    assert counts["train"] + counts["valid"] == 450
    assert 70 <= counts["valid"] <= 155
    assert any("own splits: train, test; cut out of its train split: valid" in note for note in listed.info.notes)
    inputs, _ = listed.of("train")
    if write is write_parquet:
        assert abs(inputs.mean()) < 1e-5


def test_blocks_are_split_whole_where_that_is_asked(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "in", people(3000), group_rows=50)
    listed = list_tables(folder, target="label", columns="age", split_unit="blocks")
    assert len(listed.extents) == 60
    assert {extent.num_samples for extent in listed.extents} == {50}
    assert not any("split" in note for note in listed.info.notes)
    by_rows = list_tables(folder, target="label", columns="age")
    assert len(by_rows.extents) == 180
    assert sum(extent.size_bytes for extent in by_rows.extents) == 3 * sum(e.size_bytes for e in listed.extents)
    assert (
        list_tables(folder, target="label", columns="age", by_sample=True, split_unit="blocks").splits == by_rows.splits
    )


def test_categories_that_training_does_not_have_are_no_category(tmp_path: Path, write: Write) -> None:
    table = people(400)
    parts, cities = table["part"].to_pylist(), table["city"].to_pylist()
    city = ["Rom" if part == "test" else own for part, own in zip(parts, cities, strict=True)]
    table = table.set_column(2, "city", pa.array(city))
    listed = list_tables(write(tmp_path / "in", table), target="label", columns="city", split_column="part")
    inputs, _ = listed.of("test")
    assert inputs.shape == (40, 3)
    assert (inputs == 0).all()
    assert (listed.of("train")[0].sum(axis=1) == 1).all()


def test_rare_categories_share_a_number_which_unknown_ones_have_too(tmp_path: Path) -> None:
    table = people(400)
    names = [f"c{min(number % 40, 12)}" for number in range(400)]
    names = ["new" if part == "test" else own for part, own in zip(table["part"].to_pylist(), names, strict=True)]
    folder = write_csv(tmp_path / "in", table.append_column("kind", pa.array(names)))
    listed = list_tables(folder, target="label", columns="kind", split_column="part", max_values=4)
    assert listed.info.shape == (5,)
    inputs, _ = listed.of("train")
    assert (inputs.sum(axis=1) == 1).all()
    assert 0.1 < inputs[:, 4].mean() < 0.3
    assert (listed.of("test")[0][:, 4] == 1).all()


@pytest.mark.parametrize(
    ("values", "options", "classes"),
    [
        (pa.array(["b", "a", None, "n/a"]), {}, ("a", "b")),
        (pa.array([True, False, None, True]), {}, ("false", "true")),
        (pa.array([10, 9, 2, None]), {}, ("2", "9", "10")),
        (pa.array([3.0, 1.0, 3.0, 1.0]), {}, ("1", "3")),
        (pa.array([3.5, 1.0, 3.0, None]), {}, ()),
        (pa.array([10, 9, 2, None]), {"predict": "number"}, ()),
        (pa.array(["1", "2", "10", "2"]).dictionary_encode(), {}, ("1", "2", "10")),
        (pa.array([1.5, 2.5, 1.5, 2.5]), {"predict": "class"}, ("1.5", "2.5")),
        (pa.array([10**6, 2, 3, 4]), {}, ("2", "3", "4", "1000000")),
    ],
)
def test_what_is_predicted_follows_from_what_is_in_the_column(
    tmp_path: Path, values: pa.Array, options: dict[str, str], classes: tuple[str, ...]
) -> None:
    targets = pa.concat_arrays([values] * 20)
    table = pa.table({"x": np.random.default_rng(0).normal(size=80), "y": targets})
    listed = list_tables(write_parquet(tmp_path / "in", table), fractions=(1, 0, 0), target="y", **options)
    assert listed.info.classes == classes
    known = [each for each in values.to_pylist() if each not in (None, "n/a")] * 20
    _, targets = listed.of("train")
    assert len(targets) == len(known)
    named = [str(each).lower().removesuffix(".0") for each in known]
    wanted = [classes.index(each) for each in named] if classes else known
    assert sorted(targets.tolist()) == sorted(map(float, wanted))
    if len(known) < 80:
        assert listed.left_out == {f"{80 - len(known)} rows": "no y"}


@pytest.mark.parametrize("make", ["csv", "parquet"])
def test_a_number_that_files_write_in_two_ways_is_one_class_and_one_category(tmp_path: Path, make: str) -> None:
    """As Pandas does, which writes whole numbers with a fraction where one is missing."""
    ways = (["1", "2", "x"], ["1.0", "2.0", "x"])
    for number, (one, two, other) in enumerate(ways):
        table = pa.table({"y": [one, two, other] * 20, "z": [two, one, other] * 20})
        if make == "csv":
            write_csv(tmp_path / "in" / str(number), table, files=1)
        else:
            write_parquet(tmp_path / "in" / str(number), table, files=1)
    listed = list_tables(tmp_path / "in", fractions=(1, 0, 0), target="y", predict="class", categorical="z")
    assert listed.info.classes == ("1", "2", "x")
    inputs, targets = listed.of("train")
    assert inputs.shape == (120, 3)
    assert np.bincount(targets.astype(int)).tolist() == [40, 40, 40]
    assert (inputs.argmax(axis=1) == np.array([1, 0, 2])[targets.astype(int)]).all()


def test_classes_that_are_written_in_one_way_are_named_as_they_are(tmp_path: Path) -> None:
    table = pa.table({"y": ["1.0", "2.0", "007", "7"] * 20, "x": np.random.default_rng(0).normal(size=80)})
    first = list_tables(write_csv(tmp_path / "a" / "in", table), target="y", predict="class")
    assert set(first.info.classes) == {"7", "007", "1.0", "2.0"}
    other = table.set_column(0, "y", [["1", "2", "007", "7"] * 20])
    manifest = str(tmp_path / "a" / "manifest.parquet")
    again = list_tables(write_csv(tmp_path / "b" / "in", other), fractions=(1, 0, 0), target="y", like=manifest)
    assert again.info.classes == first.info.classes
    assert np.bincount(again.of("train")[1].astype(int)).tolist() == [20, 20, 20, 20]


def test_columns_of_many_types_are_numbers(tmp_path: Path) -> None:
    count = 60
    at = np.arange(count)
    table = pa.table(
        {
            "y": at % 7 + 0.5,
            "date32": pa.array(at, pa.int32()).cast(pa.date32()),
            "date64": pa.array(at * 86_400_000, pa.int64()).cast(pa.date64()),
            "stamp": pa.array(at, pa.int64()).cast(pa.timestamp("us", "UTC")),
            "time": pa.array(at, pa.int32()).cast(pa.time32("s")),
            "span": pa.array(at, pa.int64()).cast(pa.duration("ns")),
            "decimal": pa.array(at, pa.int64()).cast(pa.decimal128(20)),
            "half": at.astype(np.float16),
            "byte": (at - 30).astype(np.int8),
            "big": at.astype(np.uint64),
        }
    )
    inputs, targets = list_tables(write_parquet(tmp_path / "in", table), fractions=(1, 0, 0), target="y").of("train")
    wanted = (at - at.mean()) / at.std()
    assert (targets == table["y"].to_numpy()).all()
    for column in inputs.T:
        np.testing.assert_allclose(column, wanted, atol=1e-5)


def test_columns_that_tell_nothing_are_left_out_and_named(tmp_path: Path, write: Write) -> None:
    table = (
        people(200).append_column("same", pa.array([1] * 200)).append_column("void", pa.array([None] * 200, pa.int64()))
    )
    table = table.append_column("one", pa.array(["x"] * 200)).append_column("inf", pa.array([np.inf, np.nan] * 100))
    listed = list_tables(write(tmp_path / "in", table.drop_columns(["part", "patient"])), target="label")
    told = {name.removeprefix("column "): reason for name, reason in listed.left_out.items()}
    assert told["id"] == "is text of its own in most rows"
    assert told["same"] == "is 1 in every row"
    assert told["void"] == "is missing in every row"
    assert told["one"] == "is 'x' in every row"
    if write is write_parquet:
        assert told["inf"] == "is missing in every row"


def test_numbers_may_be_categories(tmp_path: Path, write: Write) -> None:
    table = people(300).append_column("zip", pa.array([number % 3 * 1000 for number in range(300)]))
    listed = list_tables(write(tmp_path / "in", table), target="label", columns="zip", categorical="zip")
    inputs, _ = listed.of("train")
    assert inputs.shape[1] == 3
    assert (inputs.sum(axis=1) == 1).all()


def test_columns_without_a_share_of_the_statistics_are_estimated(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "in", people(20_000), group_rows=1000)
    whole = list_tables(folder, target="price", columns="age,noise")
    part = list_tables(folder, target="price", columns="age,noise", statistics="60Ki")
    assert part.read_bytes < whole.read_bytes - 150_000
    assert any("means and categories are those" in note and "of 20,000" in note for note in part.info.notes)
    inputs, _ = part.of("train")
    assert abs(inputs[:, 0].mean()) < 0.1
    least = list_tables(folder, target="price", columns="age,noise", statistics="1")
    assert any("among 1,000 of 20,000" in note for note in least.info.notes)


def test_max_files_takes_the_first_tables(tmp_path: Path, write: Write) -> None:
    listed = list_tables(write(tmp_path / "in", people(200)), target="label", columns="age", max_files=1)
    assert total(listed) == 100


def test_one_column_of_eleven_reads_its_bytes(tmp_path: Path) -> None:
    data = os.environ.get("PENSTOCK_TEST_DATA")
    if not data:
        pytest.skip("PENSTOCK_TEST_DATA names no folder of real tables")
    folder = Path(data) / "parquet"
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "real.parquet").symlink_to(next(folder.glob("*.parquet")))
    schema = pq.read_schema(tmp_path / "x" / "real.parquet")
    meta = pq.read_metadata(tmp_path / "x" / "real.parquet")
    sizes = dict.fromkeys(schema.names, 0)
    for group in range(meta.num_row_groups):
        for column in range(meta.num_columns):
            chunk = meta.row_group(group).column(column)
            sizes[chunk.path_in_schema] += chunk.total_compressed_size
    listed = list_tables(
        tmp_path / "x",
        target="patient_gender",
        columns="patient_age",
        group_column="patient_id",
        fractions=(0.8, 0.1, 0.1),
    )
    assert total(listed) == 112_120
    told = sizes["patient_gender"] + sizes["patient_id"] + sizes["patient_age"]
    assert listed.read_bytes < 1.1 * told + 2 * 8192
    split = listed.info.split("train")
    assert split.size_bytes <= 1.1 * sizes["patient_age"]


def test_files_whose_column_is_missing_are_no_other_kind(tmp_path: Path) -> None:
    """As pandas writes them: a column of nothing has no type."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, values in enumerate([pa.nulls(40), pa.array([1.0, None] * 20), pa.array([3, 5] * 20), pa.nulls(40)]):
        target = pa.nulls(40, pa.string()) if number == 0 else pa.array(["a", "b"] * 20)
        pq.write_table(pa.table({"x": values, "y": target}), folder / f"{number}.parquet")
    inputs, _ = list_tables(folder, fractions=(1, 0, 0), target="y").of("train")
    assert inputs.shape == (120, 2)
    assert inputs[:, 1].sum() == 60


def test_views_of_text_are_text(tmp_path: Path) -> None:
    """As polars writes it."""
    table = people(100)
    for name in ("city", "label"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string_view()))
    listed = list_tables(write_parquet(tmp_path / "in", table), fractions=(1, 0, 0), target="label", columns="city")
    assert listed.info.shape == (3,)
    assert listed.info.classes == ("no", "yes")


def test_names_of_columns_may_have_commas(tmp_path: Path, write: Write) -> None:
    table = people(100).append_column("height, cm", pa.array(range(100)))
    listed = list_tables(write(tmp_path / "in", table), target="label", columns='["age", "height, cm"]')
    assert listed.info.shape == (3,)


def test_a_table_without_a_header_has_the_names_that_are_given(tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "in", people(100))
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().partition(b"\n")[2])
    names = ",".join(people(1).column_names)
    listed = list_tables(folder, target="label", columns="age,city", names=names)
    assert total(listed) == 100
    assert listed.info.classes == ("no", "yes")


def test_what_systems_and_programs_leave_beside_tables_is_none(tmp_path: Path, write: Write) -> None:
    folder = write(tmp_path / "in", people(100))
    name = next(folder.iterdir()).name
    for left in (f"._{name}", f"__MACOSX/{name}", f".{name}.crc", "_SUCCESS"):
        (folder / left).parent.mkdir(exist_ok=True)
        (folder / left).write_bytes(b"\0\0left by another program")
    listed = list_tables(folder, target="label", columns="age")
    assert total(listed) == 100
    assert listed.left_out["2 objects"] in ("hidden", "not like *")
    assert "hidden" in [item.reason for item in listed.info.skipped]


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zst", "TSV.GZ"])
def test_packed_tables_of_text_are_those_of_plain_ones(tmp_path: Path, ending: str) -> None:
    table = people(400)
    plain = write_csv(tmp_path / "plain", table)
    packed = tmp_path / "packed"
    packed.mkdir()
    is_gzip = ending.lower().endswith("gz")
    pack = gzip.compress if is_gzip else functools.partial(pa.Codec("zstd").compress, asbytes=True)
    for file in plain.iterdir():
        (packed / f"{file.stem}.{ending}").write_bytes(pack(file.read_bytes()))
    options = {"target": "price", "columns": COLUMNS, "group_column": "patient"}
    found, wanted = (list_tables(folder, **options) for folder in (packed, plain))
    for split in ("train", "valid", "test"):
        for own, other in zip(found.of(split), wanted.of(split), strict=True):
            np.testing.assert_array_equal(own, other)

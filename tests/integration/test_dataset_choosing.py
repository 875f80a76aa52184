"""What a dataset leaves out, by key and by value, and what stays whole where it is split."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.errors import ConfigError, DataError, EmptyListing, RecordError

pytestmark = pytest.mark.usefixtures("children_are_forked")

FILES, FILE_ROWS, GROUP_ROWS, PATIENTS = 3, 400, 100, 23


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of patients that lie all over the files; some have none."""
    folder = tmp_path_factory.mktemp("tables")
    for number in range(FILES):
        ids = np.arange(number * FILE_ROWS, (number + 1) * FILE_ROWS)
        patients = [None if each % 50 == 0 else f"p{each * 7 % PATIENTS}" for each in ids.tolist()]
        table = pa.table({
            "id": ids,
            "patient": patients,
            "visit": pa.array([{"year": 2000 + each % 9, "parts": [1.0]} for each in ids.tolist()]),
        })  # fmt: skip
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=GROUP_ROWS)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for number in range(60):
        path = folder / f"site{number % 3}" / f"day{number % 12}" / f"{number:03}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%03d" % number)
    return folder


def rows(dataset: penstock.Dataset, **options: Any) -> list[dict[str, Any]]:
    with dataset.loader(64, window="2Mi", epochs=1, collate=list, **options) as loader:
        return [row for batch in loader for row in batch]


def numbers(dataset: penstock.Dataset) -> set[int]:
    return {int(value) for value in rows(dataset)}


def patient(row: dict[str, Any]) -> Any:
    return row["patient"]


def year(row: dict[str, Any]) -> Any:
    return row["visit"]["year"]


@pytest.mark.parametrize(("by", "group"), [("patient", patient), ("visit.year", year)])
def test_rows_are_split_by_a_column(tables: Path, by: str, group: Callable[[dict[str, Any]], Any]) -> None:
    parts = penstock.parquet(tables).split(valid=0.3, test=0.2, by=by, seed=2)
    found = [rows(part) for part in parts]
    assert sorted(row["id"] for part in found for row in part) == list(range(FILES * FILE_ROWS))
    groups = [{group(row) for row in part} for part in found]
    assert all(groups)
    assert len(groups[0] | groups[1] | groups[2]) == sum(map(len, groups))
    infos = [part.manifest() for part in parts]
    assert len({info.fingerprint for info in infos}) == 1
    assert [split.num_samples for split in infos[0].splits] == [len(part) for part in found]


def test_rows_of_tables_of_text_are_split_by_a_column(tmp_path: Path) -> None:
    for number in range(2):
        rows_of = [f"{each},p{each % 13}" for each in range(number * 150, number * 150 + 150)]
        (tmp_path / f"{number}.csv").write_text("\n".join(["id,patient", *rows_of, ""]))
    dataset = penstock.of_format("csv", tmp_path, options={"columns": ["id"], "block": "1Ki"})
    found = [{int(row["id"]) for row in rows(part)} for part in dataset.split(valid=0.4, by="patient", seed=1)]
    assert found[0] | found[1] == set(range(300))
    patients = [{each % 13 for each in part} for part in found]
    assert all(patients)
    assert not patients[0] & patients[1]
    with pytest.raises(ConfigError, match="has no column 'patiant': did you mean 'patient'"):
        dataset.split(valid=0.4, by="patiant")[0].manifest()


def test_a_column_that_is_split_by_need_not_be_chosen_and_what_is_added_moves_nothing(
    tables: Path, tmp_path: Path
) -> None:
    some = penstock.parquet(tables, columns="id", match="[01].parquet").split(valid=0.4, by="patient", seed=1)
    more = penstock.parquet(tables).split(valid=0.4, by="patient", seed=1)
    assert set(rows(some[1])[0]) == {"id"}
    for part, larger in zip(some, more, strict=True):
        there = {row["id"] for row in rows(larger)}
        assert {row["id"] for row in rows(part)} == {each for each in there if each < 2 * FILE_ROWS}
    assert [row["id"] for row in rows(more[0].select("id"), workers=2)] == [row["id"] for row in rows(more[0])]


def test_a_place_among_rows_that_are_split_is_gone_on_from(tables: Path) -> None:
    train, _ = penstock.parquet(tables, columns="id").split(valid=0.3, by="patient")
    with train.loader(7, window="2Mi", seed=4) as loader:
        given = []
        for batch in loader:
            given.append((batch["id"].tolist(), loader.state_dict()))
    assert sorted(number for batch, _ in given for number in batch) == sorted(row["id"] for row in rows(train))
    for taken in (1, 40, len(given) - 2):
        with train.loader(7, window="2Mi", seed=4) as loader:
            loader.load_state_dict(given[taken][1])
            assert [batch["id"].tolist() for batch in loader] == [batch for batch, _ in given[taken + 1 :]]


def test_objects_are_split_by_a_function_and_by_folder(files: Path) -> None:
    for by, of in (("folder", 12), (lambda key: key.split("/")[1], 12), (lambda key: key[-1], 10)):
        train, valid = penstock.objects(files).split(valid=0.5, by=by)  # type: ignore[arg-type]
        groups = [{each % of for each in numbers(part)} for part in (train, valid)]
        assert all(groups)
        assert groups[0] | groups[1] == set(range(of))
        assert not groups[0] & groups[1]


def test_keys_are_taken_by_a_function(files: Path) -> None:
    dataset = penstock.objects(files).where(lambda key: int(key[-3:]) % 2).where("site1/*")
    assert numbers(dataset) == {each for each in range(60) if each % 2 and each % 3 == 1}
    info = dataset.manifest()
    assert ("not as where asks", 10) in [(each.reason, each.count) for each in info.skipped]
    train, valid = dataset.split(valid=0.4, seed=1)
    assert numbers(train) | numbers(valid) == numbers(dataset)
    with pytest.raises(EmptyListing, match=r"none of 60 keys is taken by where, site0/day0/000 for one"):
        penstock.objects(files).where(lambda key: False).manifest()
    with pytest.raises(ZeroDivisionError) as raised:
        penstock.objects(files).where(lambda key: 1 / 0).loader()
    assert raised.value.__notes__ == ["penstock: where of 'site0/day0/000'"]


@pytest.mark.parametrize("workers", [0, 2])
def test_values_are_left_out_and_batches_are_smaller(tables: Path, workers: int) -> None:
    dataset = penstock.parquet(tables, columns="id").map(lambda row: row["id"]).filter(lambda number: number % 4 == 1)
    with dataset.loader(50, window="2Mi", workers=workers, epochs=1, seed=3) as loader:
        batches = [batch.tolist() for batch in loader]
        assert len(loader) == FILES * FILE_ROWS / 50 == len(batches)
    assert {len(batch) for batch in batches} != {50}
    assert sorted(chain.from_iterable(batches)) == [each for each in range(FILES * FILE_ROWS) if each % 4 == 1]
    with dataset.loader(50, window="2Mi", epochs=1, seed=3) as loader:
        assert [batch.tolist() for batch in loader] == batches


def test_a_place_among_values_that_are_left_out_is_gone_on_from(files: Path) -> None:
    dataset = penstock.objects(files).map(int).filter(lambda number: number < 30)

    def options() -> Any:
        return {"window": "2Mi", "seed": 5, "batch_size": 4}

    with dataset.loader(**options()) as loader:
        whole = [batch.tolist() for batch in loader]
        places, again = [loader.state_dict()], []
        for batch in loader:
            again.append(batch.tolist())
            places.append(loader.state_dict())
    assert sorted(chain.from_iterable(whole)) == sorted(chain.from_iterable(again)) == list(range(30))
    for at in (1, 5, len(again) - 1):
        with dataset.loader(**options()) as loader:
            loader.load_state_dict(places[at])
            assert [batch.tolist() for batch in loader] == again[at:]


def test_batches_that_nothing_is_left_of_are_not_given(files: Path) -> None:
    dataset = penstock.objects(files).map(int).filter(lambda number: number == 7)
    with dataset.loader(2, window="2Mi", seed=5) as loader:
        for _ in range(2):
            assert [batch.tolist() for batch in loader] == [[7]]
        assert loader.epoch == 2
    with (
        dataset.loader(2, window="2Mi", rank=0, world_size=2) as loader,
        pytest.raises(DataError, match="filter left nothing of a batch: ranks step together"),
    ):
        list(loader)


def test_a_filter_that_fails_is_told_with_its_sample(files: Path) -> None:
    dataset = penstock.objects(files).filter(lambda value: 1 / (int(value) - 9))
    with dataset.loader(8, window="2Mi", shuffle=False) as loader, pytest.raises(ZeroDivisionError) as raised:
        list(loader)
    assert "009" in str(raised.value.__notes__)
    with dataset.loader(8, window="2Mi", shuffle=False, on_bad_sample="skip") as loader:
        assert sum(map(len, loader)) == 59
        assert loader.meters().num_skipped == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda tables, files: penstock.objects(files).filter(3), "function 3"),
        (lambda tables, files: penstock.objects(files).where(lambda: True), "cannot be called with 1 argument"),
        (lambda tables, files: penstock.objects(files).split(valid=0.5, by=3), "by 3: give 'sample', 'group'"),
        (lambda tables, files: penstock.objects(files).split(valid=0.5, by=lambda: "x"), "by <function"),
        (lambda tables, files: penstock.objects(files).split(valid=0.5, by=len)[0].manifest(), "by gave 14 for 'site0"),
        (
            lambda tables, files: penstock.objects(files).split(valid=0.5, by=lambda key: "x")[0].loader(),
            r"no sample falls into the part (train|valid): there are 60 samples of 1 group, the group 'x'",
        ),
        (
            lambda tables, files: penstock.objects(files).split(valid=0.01, by="folder")[0].manifest(),
            r"part valid: there are 60 samples of 12 groups, each of which falls into one part whole: seed=\d+ will do",
        ),
        (
            lambda tables, files: penstock.parquet(tables).split(valid=0.5, by="patiant")[0].manifest(),
            "has no column 'patiant': did you mean 'patient'",
        ),
        (
            lambda tables, files: penstock.parquet(tables).split(valid=0.5, by="visit.parts")[0].manifest(),
            "no name of a group: split by a column of text",
        ),
        (lambda tables, files: penstock.parquet(tables).split(valid=0.5, by=""), "by ''.*the name of a column"),
        (
            lambda tables, files: penstock.objects(files).where(lambda key: True).loader(stream_listing=True),
            "stream_listing with a function of keys",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_told_by_the_name_of_the_argument(
    tables: Path, files: Path, make: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        make(tables, files)
    assert "--" not in str(raised.value)


def test_a_group_stays_whole_though_files_store_it_in_other_types(tmp_path: Path) -> None:
    ids, patients = np.arange(40), np.arange(40) % 20
    kinds = (pa.int64(), pa.float64(), pa.string(), pa.binary(), pa.decimal128(30, 2))
    for number, kind in enumerate(kinds):
        column = pa.array(patients) if pa.types.is_decimal(kind) else pa.array([str(each) for each in patients])
        table = pa.table({"id": ids + 40 * number, "patient": column.cast(kind)})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    parts = penstock.parquet(tmp_path, columns="id").split(valid=0.3, by="patient")
    found = [{int(row["id"]) % 20 for row in rows(part)} for part in parts]
    assert all(found)
    assert not found[0] & found[1]


def test_a_part_that_no_row_group_falls_into_is_told_by_what_stays_whole(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": range(100)}), tmp_path / "a.parquet", row_group_size=50)
    with pytest.raises(ConfigError, match=r"100 samples in 2 extents \(row groups, blocks of rows\), each of which"):
        penstock.parquet(tmp_path).split(valid=0.01)[1].manifest()


@pytest.mark.parametrize("workers", [0, 1])
def test_what_fails_is_named_as_it_was_written(tables: Path, files: Path, workers: int) -> None:
    def fail(value: Any) -> Any:
        raise ZeroDivisionError

    for dataset in (penstock.parquet(tables, columns="id"), penstock.objects(files)):
        for made, told in (
            (dataset.filter(fail), "filter of "),
            (dataset.map(fail), "map of "),
            (dataset.filter(bool).map(fail), "in the map, number 1 (from 0)"),
        ):
            with pytest.raises(ZeroDivisionError) as caught:
                rows(made, workers=workers)
            assert told in "\n".join(caught.value.__notes__)
            assert "transform" not in "\n".join(each for each in caught.value.__notes__ if "Traceback" not in each)


@pytest.mark.parametrize("name", ["group", "by"])
def test_a_group_that_is_no_unicode_text_is_an_error_that_names_the_function(files: Path, name: str) -> None:
    def half(key: str) -> str:
        return f"\ud800{key}"

    whole = penstock.objects(str(files), group=half) if name == "group" else penstock.objects(str(files))
    train, _ = whole.split(valid=0.5, by=half) if name == "by" else whole.split(valid=0.5)
    with pytest.raises(ConfigError, match=rf"{name} gave '\\ud800site.* for 'site.*', which is no Unicode text"):
        rows(train)


def test_a_column_of_halves_of_surrogate_pairs_cannot_be_split_by(tmp_path: Path) -> None:
    lines = "".join(f'{{"g": "\\ud80{number}"}}\n' for number in range(8))
    (tmp_path / "a.jsonl").write_text(lines)
    train, _ = penstock.jsonl(str(tmp_path)).split(valid=0.5, by="g")
    with pytest.raises(RecordError, match="cannot be written to the manifest"):
        rows(train)

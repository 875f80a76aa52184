"""Functions of batches that give another number of values: each once, the same for any workers, exact on resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml

import penstock
from penstock.dataset.opening import described
from penstock.dataset.regrouped import Regrouped
from penstock.dataset.schema import dataset_schema
from penstock.errors import CheckpointMismatch, ConfigError, DataError

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM = 61
ROWS = 5


def cut(values: list[Any]) -> list[Any]:
    """Return as many values of each row as its number says: 0 to 3."""
    return [{"n": each["n"], "k": k, "first": values[0]["n"]} for each in values for k in range(each["n"] % 4)]


def whole(values: list[Any]) -> list[Any]:
    """Return one value of all rows."""
    return [{"sum": sum(each["n"] for each in values), "num": len(values)}]


def written(folder: Path, *, first: int = 0) -> Any:
    folder.mkdir(exist_ok=True)
    for part in range(2):
        rows = [json.dumps({"n": first + n}) for n in range(NUM) if n % 2 == part]
        (folder / f"{part}.jsonl").write_text("\n".join(rows))
    return penstock.jsonl(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return written(tmp_path_factory.mktemp("rows") / "a")


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Of one row an extent, which workers put together."""
    folder = tmp_path_factory.mktemp("files") / "a"
    folder.mkdir()
    for n in range(NUM):
        (folder / f"{n:03d}").write_text(str(n))
    return penstock.objects(folder).map(lambda data: {"n": int(bytes(data))})


def opened(made: Any, batch_size: int, **options: Any) -> Any:
    of = made.of.datasets[0] if hasattr(made.of, "datasets") else made.of
    return made.loader(batch_size, manifest_folder=Path(of.source["source"]).parent / "kept", **options)


def flat(batches: Any) -> list[tuple[int, ...]]:
    return [row for batch in batches for row in zip(*(each.tolist() for each in batch.values()), strict=True)]


def expected() -> list[tuple[int, int]]:
    return sorted((n, k) for n in range(NUM) for k in range(n % 4))


@pytest.mark.parametrize("kind", ["dataset", "small_files"])
def test_every_value_once_in_full_batches_for_any_workers(kind: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(kind).map_batches(cut, rows=ROWS)
    found = []
    for workers in (0, 2):
        with opened(made, 7, workers=workers, seed=3) as loader:
            epochs = [list(loader), list(loader)]
            assert loader.epoch == 2
        found.append([flat(epoch) for epoch in epochs])
        for epoch in epochs:
            assert sorted((n, k) for n, k, _ in flat(epoch)) == expected()
            assert [len(batch["n"]) for batch in epoch] == [7] * (len(expected()) // 7) + [len(expected()) % 7]
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    with opened(made, 16, seed=3) as loader:  # whatever the batches are
        assert flat(loader) == found[0][0]


def test_rows_are_given_so_many_at_a_time(dataset: Any) -> None:
    with opened(dataset.map_batches(whole, rows=ROWS), 4) as loader:
        found = flat(loader)
    assert sum(total for total, _ in found) == sum(range(NUM))
    assert [num for _, num in found] == [ROWS] * (NUM // ROWS) + [NUM % ROWS]


@pytest.mark.parametrize("samples", [None, 50])
@pytest.mark.parametrize("drop_last", [False, True])
def test_the_next_values_follow_wherever_it_stops(dataset: Any, samples: int | None, drop_last: bool) -> None:
    made = dataset.map_batches(cut, rows=ROWS).filter(lambda value: value["n"] % 3)
    options = {"samples": samples, "drop_last": drop_last, "seed": 1}
    with opened(made, 6, **options) as loader:
        batches, states = [], [loader.state_dict()]
        for _ in range(2):
            for batch in loader:
                batches.append(batch)
                states.append(json.loads(json.dumps(loader.state_dict())))
        epoch = loader.epoch
    for at in range(0, len(states), 3):
        with opened(made, 6, **options, workers=2 if at == 3 else 0) as loader:
            loader.load_state_dict(states[at])
            assert loader.state_dict()["given"] == states[at]["given"]
            rest = []
            while loader.epoch < epoch:
                rest += list(loader)
        assert flat(rest) == flat(batches[at:]), at


def test_a_position_goes_on_with_other_batches(dataset: Any) -> None:
    made = dataset.map_batches(cut, rows=ROWS)
    with opened(made, 4, seed=1) as loader:
        batches = iter(loader)
        given = [next(batches) for _ in range(3)]
        state = loader.state_dict()
    assert state["taken"]  # within the values of some rows
    with opened(made, 9, seed=1) as loader:
        loader.load_state_dict(state)
        rest = list(loader)
    with opened(made, 1, seed=1) as loader:
        assert flat(loader) == flat([*given, *rest])


def test_ranks_go_side_by_side(dataset: Any) -> None:
    made = dataset.map_batches(cut, rows=ROWS)
    found = []
    for rank in range(2):
        with opened(made, 5, samples=40, rank=rank, world_size=2) as loader:
            assert len(loader) == 4
            batches = list(loader)
            assert [len(batch["n"]) for batch in batches] == [5] * 4
            state = loader.state_dict()
        found.append({(n, k) for n, k, _ in flat(batches)})
        with (
            opened(made, 5, samples=40, rank=1 - rank, world_size=2) as loader,
            pytest.raises(CheckpointMismatch, match=f"of rank {rank} of 2, and this is rank {1 - rank} of 2"),
        ):
            loader.load_state_dict(state)
    assert not found[0] & found[1]
    with (
        opened(made, 5, rank=0, world_size=2) as loader,
        pytest.raises(ConfigError, match="2 ranks, whose rows make other numbers of values: give samples="),
    ):
        iter(loader)


def test_a_mix_makes_other_values(tmp_path: Path) -> None:
    mixed = penstock.mix([written(tmp_path / "a"), written(tmp_path / "b", first=1000)], stop="once")
    made = mixed.map_batches(cut, rows=ROWS).map(lambda value: {"n": value["n"], "k": value["k"]})
    with opened(made, 8) as loader:
        batches, states = [], []
        for batch in loader:
            batches.append(batch)
            states.append(loader.state_dict())
    assert len(flat(batches)) == 2 * len(expected())
    with opened(made, 8) as loader:
        loader.load_state_dict(states[4])
        assert flat(loader) == flat(batches[5:])
    with pytest.raises(ConfigError, match="say by rows="):
        mixed.map_batches(cut)
    with pytest.raises(ConfigError, match="rng=True of a mix"):
        opened(mixed.map_batches(lambda values, rng: values, rng=True, rows=2), 1)


def test_chance_is_of_the_rows(dataset: Any) -> None:
    def drawn(values: list[Any], rng: Any) -> list[Any]:
        return [{"x": torch.tensor(rng.random())} for _ in range(int(rng.integers(1, 5)))]

    made = dataset.map_batches(drawn, rng=True, rows=ROWS)
    found = []
    for workers in (0, 2):
        with opened(made, 3, workers=workers, seed=1) as loader:
            found.append(flat(loader))
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0])


def test_how_long_an_epoch_is(dataset: Any) -> None:
    made = dataset.map_batches(cut, rows=ROWS)
    with opened(made, 4) as loader, pytest.raises(TypeError, match="has no length: how many rows make is not known"):
        len(loader)
    with opened(made, 4, samples=30) as loader:
        assert len(loader) == 8 == len(list(loader))
    with opened(made, 4, samples=30, drop_last=True) as loader:
        assert len(loader) == 7 == len(list(loader))
    with opened(made, 4, epochs=1) as loader:
        list(loader)
        with pytest.raises(ConfigError, match="epoch 1 of 1 epochs"):
            iter(loader)
    with opened(made, 4) as loader:
        loader.set_epoch(2)
        later = flat(loader)
        assert loader.epoch == 3
    with opened(made, 4) as loader:
        assert [flat(loader) for _ in range(3)][2] == later


@pytest.mark.parametrize("samples", [None, 10])
def test_what_makes_nothing_is_an_error_and_no_endless_loop(dataset: Any, samples: int | None) -> None:
    with opened(dataset.map_batches(lambda values: [], rows=ROWS), 2, samples=samples) as loader:
        for _ in range(2):
            with pytest.raises(DataError, match="map_batches made"):
                list(loader)


def test_rows_of_a_shard(dataset: Any, small_files: Any) -> None:
    made = dataset.filter(lambda row: row["n"] % 10).map_batches(cut, rows=ROWS)
    assert made.shard_names == ("0.jsonl", "1.jsonl")
    stored = [n for n in range(NUM) if n % 2]
    groups = [stored[at : at + ROWS] for at in range(0, len(stored), ROWS)]
    expected = [(n, k, group[0]) for group in groups for n in group for k in range(n % 4)]
    with made.open_shard("1.jsonl") as rows:
        assert [tuple(each.values()) for each in rows] == expected
    for number in range(len(groups) + 1):
        with made.open_shard_at_row("1.jsonl", number * ROWS) as rows:
            assert (rows.row, rows.nth) == (number * ROWS, 0)
            found = [tuple(each.values()) for each in rows]
        assert found == [each for each in expected if each[2] in {group[0] for group in groups[number:]}]
    with made.open_shard("1.jsonl") as rows:
        places = [(rows.row, rows.nth, next(rows)["n"]) for _ in range(9)]
    assert all(stored[row : row + ROWS].count(n) for row, _, n in places)
    assert [nth for row, nth, _ in places if row == places[0][0]][:3] == [0, 1, 2]
    with pytest.raises(ConfigError, match=r"row 7 lies within a group of 5 rows.*: open it at row 5 or 10"):
        made.open_shard_at_row("1.jsonl", 7)


def test_groups_that_filter_leaves_out_are_passed(dataset: Any) -> None:
    made = dataset.filter(lambda row: 20 < row["n"] < 44).map_batches(whole, rows=ROWS)
    with made.open_shard("1.jsonl") as rows:
        assert [each["num"] for each in rows] == [5, 5, 2]
        assert rows.row == 25


def test_misuse_is_told(dataset: Any) -> None:
    made = dataset.map_batches(cut, rows=ROWS)
    for call, says in [
        (lambda: dataset.map_batches(cut, rows=0), "rows 0"),
        (lambda: dataset.map_batches(cut, rows="many"), "rows 'many'"),
        (lambda: made.map_batches(cut), "do both in one function"),
        (lambda: made.pack(8), "packing behind map_batches"),
        (lambda: penstock.mix([made, dataset]), "how many values it has is not known.*: mix the datasets first"),
        (lambda: made.loader(2, stream_listing=True), "stream_listing with map_batches"),
        (lambda: made.loader(2, samples=0), "samples 0"),
    ]:
        with pytest.raises(ConfigError, match=says):
            call()
    with pytest.raises(TypeError, match="loader has no argument 'sampels'"):
        made.loader(2, sampels=3)
    with pytest.raises(TypeError, match="cannot be looped over"):
        iter(made)
    with dataset.map_batches(cut).loader(4) as loader, pytest.raises(ConfigError, match="say by rows= how many rows"):
        list(loader)


def test_other_positions_are_refused(dataset: Any) -> None:
    made = dataset.map_batches(cut, rows=ROWS)
    with opened(made, 4) as loader:
        next(iter(loader))
        state = loader.state_dict()
    damaged: list[tuple[Any, str]] = [
        ({}, "no saved position"),
        (None, "no saved position"),
        ({**state, "version": 9}, "no saved position"),
        ({**state, "taken": -1}, "has taken '-1'"),
        ({**state, "given": "x"}, "has given 'x'"),
        ({name: value for name, value in state.items() if name != "rows"}, "lacks rows"),
        ({**state, "rows": 3}, "damaged"),
        ({**state, "rows": {}}, ""),
    ]
    with opened(made, 4) as loader:
        for given, says in damaged:
            with pytest.raises(CheckpointMismatch, match=says):
                loader.load_state_dict(given)
        loader.load_state_dict({**state, "taken": 10**6})
        with pytest.raises(CheckpointMismatch, match="behind 1000000 values of some rows"):
            next(iter(loader))
    for other in (dataset.map_batches(cut, rows=ROWS + 1), made.map(lambda value: value)):
        with opened(other, 4) as loader, pytest.raises(CheckpointMismatch, match="another number of rows"):
            loader.load_state_dict(state)


def test_columns_come_and_go(dataset: Any) -> None:
    def of_columns(values: list[Any]) -> Mapping[str, Any]:
        return {"a": [each["n"] for each in values][:2], "b": [1, 2][: len(values)]}

    made = dataset.map_batches(of_columns, rows=20).rename({"a": "c"}).drop("b")
    with opened(made, 4, shuffle=False) as loader:
        (batch, second) = list(loader)
    assert list(batch) == ["c"]
    assert len(batch["c"]) + len(second["c"]) == 8 - (NUM % 20 < 2)


def test_a_file_says_it(dataset: Any, tmp_path: Path) -> None:
    file, source = tmp_path / "rows.yaml", dataset.source["source"]
    told = f"map_batches: {{function: {__name__}:cut, rows: {ROWS}}}\nbatch: 3\n"
    file.write_text(f"format: jsonl\nsource: {source}\n{told}")
    found = penstock.open(file)
    with dataset.map_batches(cut, rows=ROWS).loader(3) as loader, found.loader() as same:
        assert flat(loader) == flat(same)
    file.write_text(f"mix:\n - {{format: jsonl, source: {source}}}\n - {{format: jsonl, source: {source}}}\n{told}")
    assert isinstance(penstock.open(file), Regrouped)
    validator = jsonschema.Draft202012Validator(dataset_schema())
    validator.validate(yaml.safe_load(file.read_text()))
    for text, says in [
        ("map_batches: {rows: 3}", "function is missing"),
        ("map_batches: {function: os}", "function 'os' is 'os': write it like package.module"),
        ("map_batches: {function: 'os:nothing'}", "os has no 'nothing'"),
        ("map_batches: {function: 'os:getcwd', rows: 3}", "function"),
        ("map_batches: {function: 'os:fspath', rows: 0}", "rows 0"),
        ("map_batches: {function: 'os:fspath', row: 1}", "did you mean rows"),
        ("map_batches: 3", "map_batches is no mapping"),
        ("map_batches: {function: 'os:fspath', rows: 3}\npack: {length: 8}", "packing behind map_batches"),
    ]:
        file.write_text(f"format: jsonl\nsource: {source}\n{text}\n")
        with pytest.raises(ConfigError, match=f"rows.yaml:[34]: .*{says}"):
            penstock.open(file)
    for name, text in (("map_batches", "{function: 'os:fspath'}"), ("pack", "{length: 8}")):
        with pytest.raises(ConfigError, match=f"f:3: {name} in a file that a step reads"):
            described(f"format: jsonl\nsource: {source}\n{name}: {text}", "f")
    file.write_text(f"mix:\n - {{format: jsonl, source: /, {told.splitlines()[0]}}}\n")
    with pytest.raises(ConfigError, match="there is no 'map_batches' in a member of mix"):
        penstock.open(file)

"""``penstock.mix``: batches of samples of several datasets, by weights."""

from __future__ import annotations

import pickle
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock
from penstock.errors import CheckpointMismatch, ConfigError, DataError, StreamMisused, WindowTooSmall

pytestmark = pytest.mark.usefixtures("children_are_forked")

FILES, ROWS = 90, 400


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> penstock.Dataset:
    """Numbers from 0 on."""
    folder = tmp_path_factory.mktemp("objects")
    for number in range(FILES):
        (folder / f"{number:03}").write_bytes(b"%d" % number)
    return penstock.objects(folder).map(lambda data: {"id": int(data), "of": "objects"})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> penstock.Dataset:
    """Numbers from 1000 on, several in an extent."""
    folder = tmp_path_factory.mktemp("table")
    pq.write_table(pa.table({"id": np.arange(1000, 1000 + ROWS)}), folder / "a.parquet", row_group_size=50)
    return penstock.parquet(folder).map(lambda row: {"id": int(row["id"]), "of": "table"})


def ids(batches: Any) -> list[list[int]]:
    return [batch["id"].tolist() for batch in batches]


def of_objects(found: list[list[int]]) -> list[int]:
    return [number for batch in found for number in batch if number < 1000]


def of_table(found: list[list[int]]) -> list[int]:
    return [number for batch in found for number in batch if number >= 1000]


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_have_samples_of_all_by_their_weights(
    objects: penstock.Dataset, table: penstock.Dataset, workers: int
) -> None:
    mixed = penstock.mix({objects: 3, table: 7}, seed=1)
    with mixed.loader(10, window="4Mi", workers=workers) as loader:
        assert (len(loader), loader.num_samples) == (30, 300)
        first, second = ids(loader), ids(loader)
    for epoch in (first, second):
        assert len(epoch) == 30
        assert sorted(of_objects(epoch)) == list(range(FILES))
        assert len(set(of_table(epoch))) == len(of_table(epoch)) == 210
    assert first != second
    assert set(of_table(first)) != set(of_table(second))
    assert sum({True, False} == {number < 1000 for number in batch} for batch in first) > 20
    with mixed.loader(25, window="4Mi") as loader:
        assert sum(ids(loader), []) == sum(first, [])  # noqa: RUF017
    if workers:
        return
    with penstock.mix([(objects, 3), (table, 7)], seed=2).loader(10, window="4Mi") as loader:
        other = ids(loader)
    assert of_objects(other) == of_objects(first)
    assert other != first


def test_all_samples_of_all_come_where_that_is_asked_for(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    with penstock.mix({objects: 0.5, table: 0.5}, stop="all").loader(64, window="4Mi") as loader:
        assert loader.num_samples == 2 * ROWS
        epochs = [ids(loader) for _ in range(2)]
        assert loader.epoch == 2
    for epoch in epochs:
        assert sorted(of_table(epoch)) == list(range(1000, 1000 + ROWS))
        counts = Counter(of_objects(epoch))
        assert set(counts) == set(range(FILES))
        assert set(counts.values()) == {4, 5}
    rounds = [of_objects(epochs[0])[at : at + FILES] for at in (0, FILES)]
    assert rounds[0] != rounds[1]


@pytest.mark.parametrize(("stop", "taken"), [("first", 7), ("all", 61)])
def test_a_place_is_gone_on_from_exactly(
    objects: penstock.Dataset, table: penstock.Dataset, stop: Any, taken: int
) -> None:
    mixed = penstock.mix({objects: 0.3, table: 0.7}, seed=5, stop=stop)
    with mixed.loader(7, window="4Mi", seed=9) as loader:
        ids(islice(loader, 2))
        whole = ids(loader)
        begun = ids(islice(loader, taken))
        place = pickle.loads(pickle.dumps(loader.state_dict()))
        rest, after = ids(_on(loader, place)), ids(loader)
    with mixed.loader(7, window="4Mi", seed=9, workers=1) as loader:
        loader.load_state_dict(place)
        loader.set_epoch(0)
        assert loader.epoch == 2
        assert ids(loader) == rest
        assert ids(loader) == after
        loader.set_epoch(1)
        assert ids(loader) == whole
        loader.set_epoch(2)
        assert ids(loader) == begun + rest
    with mixed.loader(3, window="4Mi", seed=9) as loader:
        loader.load_state_dict(place)
        assert sum(ids(loader), []) == sum(rest, [])  # noqa: RUF017


def _on(loader: Any, place: dict[str, Any]) -> Any:
    loader.load_state_dict(place)
    return loader


@pytest.mark.parametrize("local", [True, False], ids=["one node", "two nodes"])
def test_ranks_are_given_shares_and_step_together(
    objects: penstock.Dataset, table: penstock.Dataset, *, local: bool
) -> None:
    mixed = penstock.mix([(objects, 0.15), (table, 0.7), (objects, 0.15)], seed=5)
    found: list[list[list[int]]] = [[], []]
    places: list[dict[str, Any]] = [{}, {}]
    begun: list[list[int]] = [[], []]

    own = {"local_rank": 0, "local_world_size": 1}

    def read(rank: int) -> None:
        ranks = {"rank": rank, "world_size": 2, **({"local_rank": rank, "local_world_size": 2} if local else own)}
        with mixed.loader(8, window="4Mi", epochs=2, timeout_seconds=120, **ranks) as loader:
            found[rank] = ids(loader)
            assert len(loader) == len(found[rank])
            begun[rank] = ids([next(batches := iter(loader))])[0]
            places[rank] = loader.state_dict()
            for _ in batches:
                pass
            with pytest.raises(ConfigError, match="epoch 2 of a mix of 2 epochs"):
                iter(loader)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, range(2)))
    assert [len(batch) for batch in found[0]] == [len(batch) for batch in found[1]]
    both = found[0] + found[1]
    assert len(of_objects(both)) == 172
    assert Counter(of_objects(both)).most_common(1)[0][1] == 2
    assert len(set(of_table(both))) == len(of_table(both)) == 400
    assert places[0] == places[1]
    with mixed.loader(8, window="4Mi") as loader:
        loader.load_state_dict(places[0])
        rest = ids(loader)
        loader.set_epoch(1)
        whole = ids(loader)
    assert [len(each) for each in begun] == [8, 8]
    assert sorted(sum(begun + rest, [])) == sorted(sum(whole, []))  # noqa: RUF017


def test_what_is_left_out_of_a_member_leaves_batches_smaller(
    objects: penstock.Dataset, table: penstock.Dataset
) -> None:
    mixed = penstock.mix({objects.filter(lambda value: value["id"] % 3 == 0): 0.3, table: 0.7}, seed=5)
    with mixed.loader(7, window="4Mi") as loader:
        given = []
        for batch in loader:
            given.append((batch["id"].tolist(), loader.state_dict()))
    whole = [batch for batch, _ in given]
    assert sorted(of_objects(whole)) == list(range(0, FILES, 3))
    with mixed.loader(7, window="4Mi") as loader:
        loader.load_state_dict(given[11][1])
        assert ids(loader) == whole[12:]
    nothing = penstock.mix({objects.filter(lambda value: False): 0.3, table.filter(lambda value: False): 0.7})
    with nothing.loader(7, window="4Mi") as loader:
        assert list(loader) == []
        assert loader.epoch == 1
    with (
        nothing.loader(7, window="4Mi", rank=0, world_size=2) as loader,
        pytest.raises(DataError, match="nothing is left"),
    ):
        list(loader)


def test_bad_samples_that_are_skipped_are_given_once_or_never_after_a_resume(
    objects: penstock.Dataset, table: penstock.Dataset
) -> None:
    bad = objects.map(lambda value: {**value, "id": value["id"] + 0 // (value["id"] % 10)})
    mixed = penstock.mix({bad: 0.3, table: 0.7}, seed=5)
    options: dict[str, Any] = {"window": "4Mi", "on_bad_sample": "skip"}
    with mixed.loader(7, **options) as loader:
        given = []
        for batch in loader:
            given.append((batch["id"].tolist(), loader.state_dict()))
        assert loader.meters().num_skipped == 9
    whole = [batch for batch, _ in given]
    assert sorted(of_objects(whole)) == [number for number in range(FILES) if number % 10]
    for at in (4, 20):
        with mixed.loader(7, **options) as loader:
            loader.load_state_dict(given[at][1])
            assert ids(loader) == whole[at + 1 :]


def test_the_windows_stay_within_the_bound_together(
    objects: penstock.Dataset, table: penstock.Dataset, tmp_path: Path
) -> None:
    mixed = penstock.mix({objects: 0.01, table: 0.99})
    with mixed.loader(7, window="16Mi", window_folder=tmp_path / "w") as loader:
        next(iter(loader))
        used = sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*") if path.is_file())
        assert 0 < used <= 16 << 20
        assert loader.meters().requests is not None
    with pytest.raises(WindowTooSmall, match="are this member's"), mixed.loader(7, window="20Ki") as loader:
        next(iter(loader))


def test_a_window_holds_what_fits_its_parts_and_the_advice_can_be_followed(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        for number in range(6):
            (folder / f"{number}").write_bytes(bytes(1 << 20))
    mixed = penstock.mix([(penstock.objects(folder).map(len), 1) for folder in folders])
    for size in (1, 20):
        with mixed.loader(size, window="14Mi", collate=list) as loader:
            assert sum(map(sum, loader)) == 12 << 20
    with pytest.raises(WindowTooSmall) as raised, mixed.loader(1, window="1500Ki") as loader:
        next(iter(loader))
    advised = re.search(r"([0-9]+)Mi", str(raised.value))
    assert advised is not None
    with mixed.loader(1, window=advised[0], collate=list) as loader:
        place = {}
        for number, _ in enumerate(loader):
            place = loader.state_dict() if number == 6 else place
    with mixed.loader(1, window="40Mi", collate=list) as loader:
        assert len(list(_on(loader, place))) == 5


def test_a_place_within_larger_chunks_is_gone_on_from(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    mixed = penstock.mix({objects: 1, table: 1}, seed=3)
    with mixed.loader(30, window="4Mi") as loader:
        for place in [loader.state_dict() for _ in islice(loader, 2)][1:]:
            rest = sum(ids(_on(loader, place)), [])  # noqa: RUF017
    with mixed.loader(1, window="4Mi") as loader:
        found = sum(ids(_on(loader, place)), [])  # noqa: RUF017
    assert len(found) == 120
    assert found == rest


def loaded(mixed: penstock.Mixed, place: dict[str, Any], **options: Any) -> tuple[list[int], dict[str, Any]]:
    """Numbers of the batches asked for, or of what is left of an epoch, and the position behind them."""
    number = options.pop("number", None)
    with mixed.loader(options.pop("size", 5), window="4Mi", seed=9, **options) as loader:
        if place:
            loader.load_state_dict(place)
        found = sum(ids(islice(loader, number)), [])  # noqa: RUF017
        return found, loader.state_dict()


@pytest.mark.parametrize(("stop", "samples"), [("all", None), ("repeat", 333)])
def test_a_place_is_gone_on_from_by_any_number_of_ranks(
    objects: penstock.Dataset, table: penstock.Dataset, stop: Any, samples: int | None
) -> None:
    mixed = penstock.mix([(objects, 0.4), (table, 0.6)], seed=5, stop=stop, samples=samples)
    whole, _ = loaded(mixed, {})
    found: list[int] = []
    place: dict[str, Any] = {}
    for world_size, number, size in ((2, 7, 5), (3, 3, 4)):
        ranks = {"world_size": world_size, "local_rank": 0, "local_world_size": 1}
        each = [loaded(mixed, place, rank=rank, number=number, size=size, **ranks) for rank in range(world_size)]
        assert len({len(numbers) for numbers, _ in each}) == 1
        assert all(position == each[0][1] for _, position in each)
        found += [number for numbers, _ in each for number in numbers]
        place = each[0][1]
    rest, _ = loaded(mixed, place)
    assert place["epoch"] == 0
    assert sum(place["given"]) == len(found)
    # Of each member what one rank is given, but for what is too little for all ranks at the member's end.
    lost = Counter(whole) - Counter(found + rest)
    assert Counter(found + rest) - Counter(whole) == Counter()
    assert lost.total() <= 3 * len(mixed.members)


def test_members_repeat_drop_out_and_are_limited(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    with penstock.mix([(objects, 1), (table, 1)], stop="once").loader(10, window="4Mi") as loader:
        found = ids(loader)
        assert sorted(sum(found, [])) == [*range(FILES), *range(1000, 1000 + ROWS)]  # noqa: RUF017
        assert of_objects(found[30:]) == []
    mixed = penstock.mix([(objects, 3), (table, 1)], stop="repeat", samples=120, seed=2)
    with mixed.loader(10, window="4Mi") as loader:
        found = [sum(ids(loader), []) for _ in range(4)]  # noqa: RUF017
        assert [len(of_objects([each])) for each in found] == [90] * 4
        assert len(set(of_table(found))) == 120
        assert [share.planned for share in loader.shares] == [90, 30]
        assert [share.given for share in loader.shares] == [360, 120]
        place = loader.state_dict()
    with mixed.loader(10, window="4Mi") as loader:
        loader.load_state_dict(place)
        next(iter(loader))
        assert sum(share.given for share in loader.shares) == 490
        assert [share.share for share in loader.shares] == [0.75, 0.25]
        assert all(share.source for share in loader.shares)
    limited = penstock.mix([(objects, 1), (table, 1)], stop="all", most_samples={table: 100}, most_epochs=[1, None])
    with limited.loader(10, window="4Mi") as loader:
        epochs = [ids(loader) for _ in range(2)]
    for epoch in epochs:
        assert (sorted(of_objects(epoch)), len(set(of_table(epoch)))) == (list(range(FILES)), 100)


def test_weights_change_by_epoch_and_are_of_sizes_and_of_mixes_within(
    objects: penstock.Dataset, table: penstock.Dataset
) -> None:
    mixed = penstock.mix([(objects, {0: 1, 1: 0, 2: 1}), (table, {0: 1, 2: 4})], stop="first")
    with mixed.loader(10, window="4Mi") as loader:
        found = [ids(loader) for _ in range(3)]
        assert [(len(of_objects(each)), len(of_table(each))) for each in found] == [(90, 90), (0, 400), (90, 360)]
        loader.set_epoch(1)
        assert (len(loader), ids(loader)) == (40, found[1])
    by_size = penstock.mix([objects, table])
    assert "by its size" in repr(by_size)
    with by_size.loader(49, window="4Mi") as loader:
        batches = ids(loader)
        assert sum(map(len, batches)) == FILES + ROWS
        assert all(8 <= len(of_objects([batch])) <= 10 for batch in batches)
    with penstock.mix([objects, table], temperature=2).loader(49, window="4Mi") as loader:
        shares = [share.share for share in loader.shares]
    assert shares == pytest.approx([90**0.5 / (90**0.5 + 20), 20 / (90**0.5 + 20)])
    around = penstock.mix([(penstock.mix([objects, objects], temperature=3, seed=9), 1), (table, 1)], seed=3)
    assert len(around.datasets) == 3
    with around.loader(36, window="4Mi") as loader:
        batches = ids(loader)
    assert Counter(of_objects(batches)) == dict.fromkeys(range(FILES), 2)
    assert len(of_table(batches)) == 180


def test_more_ranks_than_an_epoch_has_samples_for_are_told(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    mixed = penstock.mix([(objects, 1), (table, 1)], most_samples=[1, None])
    options: dict[str, Any] = {"rank": 0, "world_size": 2, "local_rank": 0, "local_world_size": 1}
    for own, told in (
        (options, "0 samples for each of 2 ranks, and a batch needs 1"),
        ({"drop_last": True}, "2 samples .* needs 5"),
    ):
        with (
            mixed.loader(5, window="4Mi", **own) as loader,
            pytest.raises(ConfigError, match=f"epoch 0 of the mix has {told}"),
        ):
            iter(loader)


@pytest.mark.parametrize("size", [1, 7])
def test_bad_samples_keep_their_places_for_any_number_of_ranks(
    objects: penstock.Dataset, table: penstock.Dataset, size: int
) -> None:
    members = [
        (each.map(lambda value: {**value, "id": value["id"] + 0 // (value["id"] % 5)}), 1) for each in (objects, table)
    ]
    mixed = penstock.mix(members, stop="once", seed=1)
    options: dict[str, Any] = {"on_bad_sample": "skip"}
    found, place = loaded(mixed, {}, number=17, size=size, **options)
    for world_size in (1, 2):
        local: dict[str, Any] = {"world_size": world_size, "local_rank": 0, "local_world_size": 1}
        rest = [loaded(mixed, place, size=13, rank=rank, **local, **options)[0] for rank in range(world_size)]
        numbers = found + sum(rest, [])  # noqa: RUF017
        good = [number for number in (*range(FILES), *range(1000, 1000 + ROWS)) if number % 5]
        assert len(numbers) == len(set(numbers))
        assert set(numbers) <= set(good)
        assert len(good) - len(numbers) <= 2 * (world_size - 1)


def test_values_of_another_structure_are_refused(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    other = table.map(lambda value: {"id": value["id"]})
    message = r"members \d and \d of the mix give values of different structure: .*id: int.*: make them alike with map"
    with (
        penstock.mix({objects: 1, other: 1}).loader(8, window="4Mi") as loader,
        pytest.raises(ConfigError, match=message),
    ):
        list(loader)
    with penstock.mix({objects: 1, other: 1}).loader(8, window="4Mi", collate=list) as loader:
        assert sum(map(len, loader)) == 180


def test_a_loader_is_for_one_loop_and_one_process(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    with penstock.mix({objects: 1, table: 1}).loader(8, window="4Mi", drop_last=True) as loader:
        assert len(loader) == 22 == len(list(loader))
        first = iter(loader)
        next(first)
        iter(loader)
        with pytest.raises(StreamMisused, match="another loop"):
            next(first)
        with pytest.raises(StreamMisused, match="pickled"):
            pickle.dumps(loader)
        with pytest.raises(CheckpointMismatch, match="no saved position in a mix"):
            loader.load_state_dict({"version": 1})
        assert loader.state_dict()["epoch"] == 2
        assert loader.state_dict()["passed"] == [0, 0]
        next(iter(loader))
        place = loader.state_dict()
        for wrong in (
            *({"passed": [each, 4]} for each in (-1, 10**9, 2**70, "x", True, None)),
            *({"passed": each} for each in ([4], [], [4, 4, 4], "xy", None, 3)),
            *({"given": each} for each in ([4], "xy", None, [-1, 4], [4, 2**70])),
            *({"epoch": each} for each in (-1, "x", 1.5, None, 2**70)),
            *({"version": each} for each in (99, 1, None)),
            {"mix": "x"},
        ):
            with pytest.raises(CheckpointMismatch, match="the saved position"):
                loader.load_state_dict({**place, **wrong})
        for lacking in place:
            with pytest.raises(CheckpointMismatch, match="no saved position in a mix"):
                loader.load_state_dict({name: each for name, each in place.items() if name != lacking})
        assert loader.classes == ()
        assert loader.left_out == ()
    with pytest.raises(StreamMisused, match="closed"):
        iter(loader)


def test_a_place_at_an_epochs_end_is_of_its_mix_alone(
    objects: penstock.Dataset, table: penstock.Dataset, tmp_path: Path
) -> None:
    with penstock.mix({objects: 1, table: 1}).loader(90, window="4Mi", seed=1) as loader:
        assert len(list(loader)) == 2
        place = loader.state_dict()
        assert place["passed"] == [0, 0]
        iter(loader)
        assert loader.state_dict() == place
    for number in range(FILES):
        (tmp_path / f"{number:03}").write_bytes(b"x%d" % number)
    others = penstock.objects(tmp_path).map(lambda data: {"id": int(data[1:]), "of": "objects"})
    for members, seed in (({objects: 1, table: 1}, 2), ({others: 1, table: 1}, 1), ({table: 1, objects: 1}, 1)):
        with penstock.mix(members).loader(90, window="4Mi", seed=seed) as loader:
            with pytest.raises(CheckpointMismatch, match="of another mix"):
                loader.load_state_dict(place)
            assert loader.epoch == 0


def test_a_loop_that_has_begun_is_at_its_beginning(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    mixed = penstock.mix({objects: 1, table: 1})
    with mixed.loader(30, window="4Mi") as loader, objects.loader(30, window="4Mi") as alone:
        for each in (loader, alone):
            next(iter(each))
            iter(each)
            assert each.epoch == 1
        place = loader.state_dict()
        assert (place["epoch"], place["passed"]) == (1, [0, 0])
        assert alone.state_dict()["next_index"] == FILES


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        (lambda a, b: 3, {}, "members 3: give weights by dataset"),
        (lambda a, b: {a: 1}, {}, r"1 member\(s\)"),
        (lambda a, b: {a: 0, b: 1}, {}, "the weight 0 of a member: give numbers above 0"),
        (lambda a, b: {a: "x", b: 1}, {}, "the weight 'x'"),
        (lambda a, b: {a: float("nan"), b: 1}, {}, "the weight nan"),
        (lambda a, b: {a: 10**400, b: 1}, {}, "the weight 1000.*: give numbers above 0"),
        (lambda a, b: {a: 1e-320, b: 1}, {"stop": "all"}, "the weight 1e-320 of a member, beside 1, is a share below"),
        (lambda a, b: {a: 1e-17, b: 1}, {}, "the weight 1e-17"),
        (lambda a, b: {a: 1e308, b: 1e290}, {}, "the weight 1e.290"),
        (lambda a, b: {"a": 1, b: 1}, {}, "the member 'a' is no dataset"),
        (lambda a, b: {a: 1, b: 1}, {"stop": "last"}, "stop 'last'"),
        (lambda a, b: {a: 1, b: 1}, {"seed": -1}, "seed -1"),
        (lambda a, b: [a, (b, 1)], {}, "members "),
        (lambda a, b: {a: {}, b: 1}, {}, "the weight {} of a member: give weights by the epoch, from 0"),
        (lambda a, b: {a: {1: 1}, b: 1}, {}, "the weight {1: 1} of a member"),
        (lambda a, b: {a: {0: -1}, b: 1}, {}, "the weight {0: -1} of a member"),
        (lambda a, b: {a: {"x": 1}, b: 1}, {}, "epoch of a weight 'x'"),
        (lambda a, b: {a: {0: 1, 5: 0}, b: {0: 1, 5: 0}}, {}, "no member of the mix has a weight in epoch 5"),
        (lambda a, b: {a: 1, b: 1}, {"stop": "repeat"}, "samples None with stop='repeat'"),
        (lambda a, b: {a: 1, b: 1}, {"samples": 9}, "samples 9 with stop='first'"),
        (lambda a, b: {a: 1, b: 1}, {"stop": "repeat", "samples": 0}, "samples 0"),
        *(
            (lambda a, b: {a: 1, b: 1}, {"temperature": each}, f"temperature {each!r}")
            for each in (0, -1, float("nan"), float("inf"), "x", None, True)
        ),
        (lambda a, b: {a: 1e-5, b: 1}, {"temperature": 0.1}, "the weight 1e-05 of a member"),
        (lambda a, b: {a: 1, b: 1}, {"most_samples": {"a": 1}}, "most_samples .* of what is no member"),
        (lambda a, b: {a: 1, b: 1}, {"most_samples": [1]}, r"most_samples \[1\] for 2 members"),
        (lambda a, b: {a: 1, b: 1}, {"most_epochs": 3}, "most_epochs 3 for 2 members"),
        (lambda a, b: {a: 1, b: 1}, {"most_epochs": [0, 1]}, "most_epochs 0"),
        (lambda a, b: [(penstock.mix([a, b]), 1), (b, 1)], {"stop": "all"}, "stop 'all' around a mix of stop 'first'"),
        (lambda a, b: [penstock.mix([a, b]), b], {"most_epochs": [1, 1]}, "of a mix within: give them to that mix"),
    ],
)
def test_what_cannot_be_mixed_is_told(
    objects: penstock.Dataset, table: penstock.Dataset, members: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        penstock.mix(members(objects, table), **options)


def test_arguments_of_the_loader_are_told(objects: penstock.Dataset, table: penstock.Dataset) -> None:
    mixed = penstock.mix({objects: 1, table: 1})
    with pytest.raises(TypeError, match=r"no argument 'worker'.*workers"):
        mixed.loader(4, worker=1)
    with pytest.raises(ConfigError, match="stream_listing with a mix: leave it out: how many samples of each member"):
        mixed.loader(4, stream_listing=True)
    with pytest.raises(ConfigError, match="window 0"):
        mixed.loader(4, window=0)

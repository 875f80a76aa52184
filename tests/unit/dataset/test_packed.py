"""Packed datasets: each token once, the same for any workers, and exact where they go on."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import CheckpointMismatch, ConfigError, DataError, StreamMisused
from penstock.tokens.packing import laid_out

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM = 53
LENGTH = 16


def tokens_of(text: str) -> list[int]:
    """Return a tokenizer's numbers that tell which document they are of, and in which place."""
    number, size = map(int, text.split())
    return [1 + number * 100 + at for at in range(size)]


def sizes(num: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, 40, num).tolist()


def written(folder: Path, num: int = NUM, *, first: int = 0, seed: int = 0) -> Any:
    folder.mkdir(exist_ok=True)
    for part in range(2):
        lines = [
            json.dumps({"text": f"{first + number} {size}"})
            for number, size in enumerate(sizes(num, seed))
            if number % 2 == part
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(lines))
    return penstock.jsonl(folder).tokenize(tokens_of, eos=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return written(tmp_path_factory.mktemp("documents") / "a")


def opened(packed: Any, batch_size: int, **options: Any) -> Any:
    """Open it, over a listing that was kept."""
    datasets = getattr(packed.documents, "datasets", (packed.documents,))
    kept = Path(datasets[0].source["source"]).parent / "kept"
    return packed.loader(batch_size, manifest_folder=kept, **options)


def documents_in(batches: list[Any]) -> dict[int, list[int]]:
    """Return the tokens of each document, in the order that they came in."""
    found: dict[int, list[int]] = {}
    for batch in batches:
        for token in batch["input_ids"].flatten()[batch["document_ids"].flatten() >= 0].tolist():
            found.setdefault((token - 1) // 100, []).append(token)
    return found


def whole(num: int = NUM, seed: int = 0) -> dict[int, list[int]]:
    return {number: tokens_of(f"{number} {size}") for number, size in enumerate(sizes(num, seed)) if size}


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) if isinstance(one[name], torch.Tensor) else one[name] == other[name]
        for name in one
    )


@pytest.mark.parametrize(
    ("method", "other"),
    [("concat", (2, 3)), ("best_fit", (1, 4)), ("single", (0, 8))],
    ids=["concat", "best", "single"],
)
def test_an_epoch_has_every_token_once_and_is_the_same_for_any_workers(
    dataset: Any, method: Any, other: tuple[int, int]
) -> None:
    made = []
    for workers, batch_size in ((0, 4), other):
        with opened(dataset.pack(LENGTH, method=method, buffer=3), batch_size, workers=workers) as loader:
            made.append((list(loader), list(loader), loader.packed.counts))
    (first, second, counts), (again, _, _) = made
    for epoch in (first, second):
        assert {number: sorted(each) for number, each in documents_in(epoch).items()} == whole()
        if method == "concat":
            assert documents_in(epoch) == whole()
            filled = [int((row >= 0).sum()) for batch in epoch for row in batch["document_ids"]]
            assert sum(size < LENGTH for size in filled) <= 8  # no more than lanes
            assert len(filled) <= sum(sizes(NUM)) // LENGTH + 4
    assert not same(first[0], second[0])
    rows = [torch.cat([batch["input_ids"] for batch in each]) for each in (first, again)]
    assert torch.equal(*rows)
    assert counts.documents == 2 * NUM
    assert counts.tokens == 2 * sum(sizes(NUM))
    assert counts.dropped == 2 * sizes(NUM).count(0)
    assert counts.tokens_dropped == 0


def test_what_a_batch_has(dataset: Any) -> None:
    with opened(dataset.pack(LENGTH, method="best_fit"), 4) as loader:
        batch = next(iter(loader))
    assert all(batch[name].shape == (4, LENGTH) for name in ("input_ids", "labels", "position_ids", "document_ids"))
    assert batch["cu_seqlens"].dtype == torch.int32
    lengths = batch["cu_seqlens"].diff()
    assert batch["cu_seqlens"][-1] == 4 * LENGTH
    assert lengths.max() == batch["max_seqlen"]
    begins = batch["cu_seqlens"][:-1].long()
    assert (batch["position_ids"].flatten()[begins] == 0).all()
    assert (batch["labels"].flatten()[begins] == -100).all()
    flat = batch["document_ids"].flatten()
    assert all(
        len(set(flat[begin:end].tolist())) == 1
        for begin, end in zip(begins.tolist(), batch["cu_seqlens"][1:].tolist(), strict=True)
    )


@pytest.mark.parametrize(("method", "sequences"), [("concat", None), ("best_fit", 25)])
def test_the_next_batch_follows_wherever_it_stops(dataset: Any, method: Any, sequences: int | None) -> None:
    packed = dataset.pack(LENGTH, method=method, buffer=3)
    with opened(packed, 3, sequences=sequences) as loader:
        batches: list[Any] = []
        states = [loader.state_dict()]
        for _ in range(2):
            for batch in loader:
                batches.append(batch)
                states.append(loader.state_dict())
        epochs = loader.epoch
    with opened(packed, 3, sequences=sequences, workers=1) as loader:
        list(zip(loader, range(2), strict=False))  # what was read before counts for nothing
        for at in (len(batches), 0, 7, len(batches) - 1):
            loader.load_state_dict(json.loads(json.dumps(states[at])))
            following: list[Any] = []
            while loader.epoch < epochs:
                following += list(loader)
            assert len(following) == len(batches) - at
            assert all(same(*each) for each in zip(following, batches[at:], strict=True))
            assert loader.state_dict() == states[-1]


def rows_of(batches: Any) -> list[tuple[int, ...]]:
    return [tuple(row.tolist()) for batch in batches for row in batch["input_ids"]]


def not_given(loader: Any) -> list[tuple[int, ...]]:
    """Return the sequences that were made and not given yet."""
    return [tuple(laid_out(pieces, loader._packing)["input_ids"].tolist()) for _, pieces in loader._lanes.ready]


@pytest.mark.parametrize(("method", "worlds"), [("best_fit", (1, 2, 1))])
def test_another_number_of_ranks_goes_on_with_the_same_sequences(
    tmp_path: Path, method: Any, worlds: tuple[int, ...]
) -> None:
    packed = written(tmp_path / "a", 52).pack(LENGTH, method=method, buffer=3)  # which the ranks divide
    given: list[tuple[int, ...]] = []
    states: Any = None
    for world_size in worlds:
        loaders = [opened(packed, 1, sequences=48, rank=rank, world_size=world_size) for rank in range(world_size)]
        for loader in loaders:
            if states is not None:
                loader.load_state_dict(states)
            given += rows_of(itertools.islice(loader, 16 // world_size))
        states = [loader.state_dict() for loader in loaders]
        last = [each for loader in loaders for each in not_given(loader)]
        for loader in loaders:
            loader.close()
    reached = states[0]["documents"]["next_index"]
    want: list[tuple[int, ...]] = []
    with opened(packed, 1, sequences=10_000, rank=0, world_size=1) as loader:
        for batch in loader:
            want += rows_of([batch])
            if loader.state_dict()["documents"]["next_index"] >= reached:
                break
        want += not_given(loader)
        assert loader.state_dict()["documents"]["next_index"] == reached
        assert loader.packed.counts.documents == reached
    assert len(given) == 16 * len(worlds)
    assert Counter(given + last) == Counter(want)


def test_several_ranks_need_to_know_how_long_an_epoch_is(dataset: Any) -> None:
    with (
        opened(dataset.pack(LENGTH), 2, rank=0, world_size=2) as loader,
        pytest.raises(ConfigError, match="2 ranks, whose documents make other numbers of sequences"),
    ):
        next(iter(loader))
    with (
        opened(dataset.pack(LENGTH), 2, rank=0, world_size=2, sequences=1) as loader,
        pytest.raises(ConfigError, match="sequences 1 for 2 ranks"),
    ):
        next(iter(loader))
    with (
        opened(dataset.pack(LENGTH), 2, rank=0, world_size=3, lanes=8, sequences=9) as loader,
        pytest.raises(ConfigError, match="3 ranks cannot share 8 lanes"),
    ):
        next(iter(loader))


def test_len_is_known_where_sequences_are(dataset: Any) -> None:
    with opened(dataset.pack(LENGTH), 4, sequences=25) as loader:
        assert len(loader) == len(list(loader)) == 7
        assert loader.epoch == 1
    with opened(dataset.pack(LENGTH), 4, sequences=25, drop_last=True) as loader:
        assert len(loader) == len(list(loader)) == 6
    with opened(dataset.pack(LENGTH), 4) as loader, pytest.raises(TypeError, match="give sequences="):
        len(loader)


def test_drop_last_leaves_out_and_counts(dataset: Any) -> None:
    with opened(dataset.pack(LENGTH), 4, drop_last=True) as loader:
        batches = list(loader)
        counts = loader.packed.counts
    assert all(len(batch["input_ids"]) == 4 for batch in batches)
    given = sum(map(len, documents_in(batches).values()))
    assert given + counts.tokens_dropped == counts.tokens
    assert counts.sequences == 4 * len(batches)


def test_a_loop_that_is_left_goes_to_the_next_epoch(dataset: Any) -> None:
    with opened(dataset.pack(LENGTH), 4) as loader:
        epochs = [list(loader) for _ in range(3)]
        loader.set_epoch(0)
        next(iter(loader))
        assert loader.epoch == 0
        second = list(loader)
        assert loader.epoch == 2
        loader.set_epoch(0)
        first = list(loader)
    assert all(same(*each) for each in zip(second, epochs[1], strict=True))
    assert all(same(*each) for each in zip(first, epochs[0], strict=True))


def test_epochs_end_it(dataset: Any) -> None:
    with opened(dataset.pack(LENGTH), 4, epochs=1) as loader:
        assert list(loader)
        with pytest.raises(ConfigError, match="epoch 1 of 1"):
            iter(loader)
    with opened(dataset.pack(LENGTH), 4, epochs=1, sequences=8) as loader:
        assert len(list(loader)) == 2
        with pytest.raises(ConfigError, match="epoch 1 of 1"):
            iter(loader)


def test_a_mix_is_packed_and_goes_on(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a", 30), written(tmp_path / "b", 20, first=1000, seed=1)
    packed = penstock.mix({one: 0.5, other: 0.5}, stop="once").pack(LENGTH)
    with opened(packed, 2) as loader:
        batches, states = [], []
        for batch in loader:
            batches.append(batch)
            states.append(loader.state_dict())
    ids = {**whole(30), **{1000 + n: tokens_of(f"{1000 + n} {s}") for n, s in enumerate(sizes(20, 1)) if s}}
    assert documents_in(batches) == ids
    with opened(packed, 2, workers=1) as loader:
        for at in (0, 5):
            loader.load_state_dict(states[at])
            assert same(next(iter(loader)), batches[at + 1])
        loader.load_state_dict(states[-1])
        assert loader.epoch == 1
    with opened(packed, 2, rank=0, world_size=2, sequences=10) as loader:
        with pytest.raises(CheckpointMismatch, match="another packing"):
            loader.load_state_dict(states[0])
        state = loader.state_dict()
    with (
        opened(packed, 2, rank=0, world_size=1, sequences=10) as loader,
        pytest.raises(CheckpointMismatch, match="packed mix and another number of ranks"),
    ):
        loader.load_state_dict([state, {**state, "rank": 1}])


def test_a_mix_is_tokenised_whole(tmp_path: Path) -> None:
    written(tmp_path / "a", 5)
    written(tmp_path / "b", 5, first=100, seed=1)
    mixed = penstock.mix([penstock.jsonl(tmp_path / "a"), penstock.jsonl(tmp_path / "b")])
    with mixed.tokenize(tokens_of, eos=False).pack(8).loader(1) as loader:
        assert documents_in(list(loader))


def test_a_position_of_another_packing_is_refused(dataset: Any, tmp_path: Path) -> None:
    two = {"sequences": 20, "rank": 0, "world_size": 2}
    with opened(dataset.pack(LENGTH), 2, **two) as loader:
        next(iter(loader))
        state = loader.state_dict()
        for wrong, says in (
            ({"version": 1}, "no saved position of a packed dataset"),
            ({**state, "version": 9}, "of version 9"),
            ({**state, "rank": 1}, "of rank 1 of 2, and this is rank 0 of 2"),
            ({**state, "world_size": 4}, "of rank 0 of 4"),
            ({**state, "packed": "another"}, "another packing, tokenizer or template"),
            ({**state, "num_lanes": 3}, "2 ranks cannot share 3 lanes"),
            ({**state, "num_lanes": 0}, "has 0 lanes"),
            ({**state, "num_lanes": 10**9}, "has 1000000000 lanes"),
            ({**state, "rank": 4}, "rank 4 of 2"),
            ({**state, "lanes": {"0": state["lanes"]["0"]}}, "is damaged"),
            ({**state, "lanes": {**state["lanes"], "1": state["lanes"]["0"]}}, "is damaged"),
            ({**state, "lanes": {**state["lanes"], "0": {"passed": -1, "counts": {}}}}, "counts that are none"),
            ({**state, "lanes": {**state["lanes"], "0": {**state["lanes"]["0"], "passed": 10**30}}}, "are none"),
            ({**state, "is_begun": None}, "is damaged"),
            ({**state, "ready": [[1, []]]}, "is damaged"),
            ({**state, "ready": [3]}, "is damaged"),
            ({**state, "given": -1}, "given '-1'"),
            ([state, {**state, "given": 2**40}], "of other steps"),
            ([], "of type list"),
        ):
            with pytest.raises((CheckpointMismatch, ConfigError), match=says) as error:
                loader.load_state_dict(wrong)
            assert error.value.fix
        assert loader.state_dict() == state
    other = written(tmp_path / "a").tokenize(tokens_of, eos=3).pack(LENGTH)
    for packed, options in ((dataset.pack(LENGTH, method="best_fit"), two), (other, two), (dataset.pack(LENGTH), {})):
        with (
            opened(packed, 2, **options) as loader,
            pytest.raises(CheckpointMismatch, match="another packing, tokenizer or template"),
        ):
            loader.load_state_dict(state)


def test_what_can_never_be_packed_is_an_error_and_no_endless_loop(dataset: Any) -> None:
    long = dataset.filter(lambda value: len(value["input_ids"]) > 20)
    with (
        opened(long.pack(LENGTH, long="drop"), 1, sequences=4) as loader,
        pytest.raises(DataError, match="none of 53 documents could be packed into 16 tokens"),
    ):
        list(loader)
    with opened(long.pack(LENGTH, long="drop"), 1) as loader:
        for _ in range(2):  # no epoch ends as if it had been one
            with pytest.raises(DataError, match="none of 53 documents could be packed into 16 tokens"):
                list(loader)
            assert loader.epoch == 0
        assert loader.packed.counts.dropped == 2 * sum(size > 20 for size in sizes(NUM))
    with (
        opened(dataset.pack(4096, method="best_fit"), 64, drop_last=True) as loader,
        pytest.raises(DataError, match=r"epoch 0 has 1 sequence\(s\), of 53 documents, and a batch needs 64"),
    ):
        list(loader)


def test_what_is_left_out_is_told_once(dataset: Any, caplog: pytest.LogCaptureFixture) -> None:
    with opened(dataset.pack(LENGTH, long="drop"), 1) as loader:
        for _ in range(2):
            assert list(loader)
    told = [each.message for each in caplog.records if "packing left out" in each.message]
    lost = sum(size > LENGTH or not size for size in sizes(NUM))
    assert told == [
        f"packing left out {lost} of 53 documents, of no token or too long for 16 tokens; PackedLoader.packed tells all"
    ]


def test_rows_that_are_no_tokens_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with penstock.jsonl(tmp_path).pack(8).loader(1) as loader, pytest.raises(DataError, match=r"no input_ids in text"):
        list(loader)


def test_a_transform_is_given_tokens(dataset: Any) -> None:
    def masked(value: Any, rng: np.random.Generator) -> Any:
        hidden = rng.random(len(value["labels"])) < 0.5
        return {**value, "labels": np.where(hidden, -100, value["labels"])}

    made = []
    for workers in (0, 2):
        with opened(dataset.pack(LENGTH), 4, transform=masked, workers=workers) as loader:
            made.append(list(loader))
    assert all(same(*each) for each in zip(*made, strict=True))
    share = sum((batch["labels"] != -100).sum() for batch in made[0]) / sum(sizes(NUM))
    assert 0.2 < share < 0.6


def test_misuse_is_told(dataset: Any) -> None:
    packed = dataset.pack(LENGTH)
    with pytest.raises(TypeError, match=r"PackedDataset cannot be looped over"):
        iter(packed)
    with pytest.raises(TypeError, match=r"no argument 'worker'.*'workers'"):
        opened(packed, 2, worker=3)
    with pytest.raises(ConfigError, match="stream_listing with packing"):
        opened(packed, 2, stream_listing=True)
    for given in ({"length": 1}, {"length": 8, "method": "bestfit"}, {"length": 8, "long": "cut"}, {"length": "8"}):
        with pytest.raises(ConfigError):
            dataset.pack(**given)
    with opened(packed, 2) as loader:
        one, other = iter(loader), iter(loader)
        next(other)
        with pytest.raises(StreamMisused, match="another loop"):
            next(one)
    with opened(packed, 2, collate=list) as loader:
        (first, *_) = next(iter(loader))
    assert first["input_ids"].shape == (LENGTH,)


def test_a_rank_never_waits_for_what_another_has_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of one rank are long, and those of the other short, in a window that holds a part of them."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "a").mkdir()
    for number in range(20):
        lines = (json.dumps({"text": "1 2" + " " * (20_000 if at % 2 else 40)}) for at in range(20))
        (tmp_path / "a" / f"{number:02}.jsonl").write_text("\n".join(lines))
    packed = penstock.jsonl(tmp_path / "a").tokenize(tokens_of, eos=False).pack(LENGTH)
    options = {"sequences": 60, "window": "1Mi", "shuffle": False, "window_folder": tmp_path / "windows"}
    (tmp_path / "windows").mkdir()
    with opened(packed, 1, **options) as loader:
        assert loader.ranks.rank == 1
        batches = iter(loader)
        next(batches)
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setenv("LOCAL_RANK", "0")
        with opened(packed, 1, **options) as other:
            assert len(list(other)) == 30  # all of its epoch, while the first stands still
        assert len(list(batches)) == 29
    assert {each.name for each in (tmp_path / "windows").iterdir()} <= {"rank-0", "rank-1"}

"""Batches of packed texts: resumed anywhere they are those that would have come, and no token is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from penstock.errors import CheckpointMismatch, DataError
from penstock.loader.protocols import Batch, LoaderState
from penstock.recipes.text.feed import PackedScoring, PackedTraining
from penstock.records import Meters
from penstock.tasks.text.task import Text
from penstock.tokens import Packing

TEXTS = [list(range(1, 1 + random.Random(number).randrange(0, 40))) for number in range(23)]
AT_ONCE = 4


class Texts:
    """A loader of texts, in another order each epoch."""

    def __init__(self, texts: list[list[int]] = TEXTS) -> None:
        self._texts, self._at = texts, (0, 0)

    num_samples = len(TEXTS)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        order = random.Random(epoch).sample(range(len(self._texts)), len(self._texts))
        if self._at[0] != epoch:
            self._at = (epoch, 0)
        while (at := self._at[1]) < len(order):
            numbers = order[at : at + AT_ONCE]
            self._at = (epoch, at + AT_ONCE)
            values = [
                {"inputs": (ids := np.array(self._texts[n], np.int32)), "labels": ids, "bytes": 2 * len(ids)}
                for n in numbers
            ]
            keys = tuple(f"t{n}" for n in numbers)
            yield Batch(data=Text().collate(values), keys=keys, groups=keys)

    def state_dict(self) -> LoaderState:
        return {"epoch": self._at[0], "at": self._at[1]}

    def load_state_dict(self, state: LoaderState) -> None:
        assert set(state) == {"epoch", "at"}
        self._at = (int(state["epoch"]), int(state["at"]))

    def traffic(self) -> dict[str, Meters]:
        return {}

    def meters(self) -> Meters:
        return Meters()

    def close(self) -> None: ...


def packing(method: str = "concat", long: str = "split") -> Packing:
    return Packing(length=16, method=method, long=long, buffer=3, pad_id=0)


def plain(batch: Batch) -> Mapping[str, Any]:
    told = {name: each.tolist() for name, each in batch.data["inputs"].items()}
    return {**told, "targets": batch.data["targets"].tolist(), "keys": batch.keys}


@pytest.mark.parametrize("method", ["concat", "best_fit", "single"])
@pytest.mark.parametrize("long", ["split", "truncate", "drop"])
def test_resumed_behind_any_batch_the_others_come(method: str, long: str) -> None:
    loader = PackedTraining(Texts(), packing(method, long), batch_size=3)
    given, states = [], []
    for epoch in range(2):
        for batch in loader.epoch(epoch):
            given.append((epoch, plain(batch)))
            states.append(loader.state_dict())
    for number, state in enumerate(states):
        again = PackedTraining(Texts(), packing(method, long), batch_size=3)
        again.load_state_dict(state)
        assert again.state_dict() == state
        begun = given[number][0]
        rest = [(epoch, plain(batch)) for epoch in range(begun, 2) for batch in again.epoch(epoch)]
        assert rest == given[number + 1 :]


def test_between_epochs_the_position_is_that_of_the_texts() -> None:
    loader, texts = PackedTraining(Texts(), packing(), batch_size=3), Texts()
    assert loader.state_dict() == texts.state_dict()
    list(loader.epoch(0))
    list(texts.epoch(0))
    assert loader.state_dict() == texts.state_dict()


@pytest.mark.parametrize("method", ["concat", "best_fit", "single"])
def test_an_epoch_has_each_token_once_and_each_text_in_one_batch(method: str) -> None:
    batches = list(PackedTraining(Texts(), packing(method), batch_size=3).epoch(0))
    tokens = sorted(
        token
        for batch in batches
        for token in batch.data["inputs"]["input_ids"][batch.data["inputs"]["document_ids"] >= 0].tolist()
    )
    assert tokens == sorted(token for text in TEXTS for token in text)
    assert sorted(key for batch in batches for key in batch.keys) == sorted(f"t{n}" for n in range(len(TEXTS)))
    assert all(batch.data["targets"].shape == (3, 16) for batch in batches[:-1])


@pytest.mark.parametrize("method", ["concat", "best_fit", "single"])
def test_texts_are_counted_whole_with_the_last_batch_and_not_before(method: str) -> None:
    texts = [*TEXTS[:-1], list(range(1, 400))]
    batches = list(PackedTraining(Texts(texts), packing(method), batch_size=3).epoch(0))
    counts = np.cumsum([len(batch) for batch in batches]).tolist()
    assert max(counts[:-1]) < len(texts) == counts[-1]


def test_a_loader_that_is_sent_back_gives_again_what_comes_behind() -> None:
    loader, whole = PackedTraining(Texts(), packing(), batch_size=3), PackedTraining(Texts(), packing(), batch_size=3)
    wanted = [plain(batch) for batch in whole.epoch(0)]
    found: list[Mapping[str, Any]] = []
    while len(found) < len(wanted):
        batch = next(iter(loader.epoch(0)))
        found.append(plain(batch))
        loader.load_state_dict(loader.state_dict())
    assert found == wanted


def test_what_is_scored_is_every_part_of_every_text() -> None:
    batches = list(PackedScoring(Texts(), packing(), batch_size=3).epoch(0))
    assert max(len(batch.data["targets"]) for batch in batches) == 3
    predicted, learnt, num_bytes = sum(batch.data["truth"].sum(dim=0) for batch in batches).tolist()
    parts = [len(text[begin : begin + 16]) for text in TEXTS for begin in range(0, len(text), 16)]
    assert (learnt, num_bytes) == (sum(parts), 2 * sum(parts))
    assert predicted == sum(parts) - len(parts)
    assert sum(len(batch.keys) for batch in batches) == len(parts)
    for batch in batches:
        of = batch.data["parts"][batch.data["targets"] != -100]
        assert torch.bincount(of, minlength=len(batch.keys)).tolist() == batch.data["truth"][:, 0].tolist()


def test_what_cannot_be_packed_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing of the texts could be packed into 16 tokens"):
        list(PackedTraining(Texts([list(range(1, 30))] * 5), packing(long="drop"), batch_size=3).epoch(0))


@pytest.mark.parametrize("name", ["packed", "packed_epoch", "packed_given"])
@pytest.mark.parametrize("value", ["x", "{}", '{"lane": 1}', '{"lane": {}, "ready": [1], "names": []}'])
def test_a_position_that_is_damaged_is_refused(name: str, value: str) -> None:
    loader = PackedTraining(Texts(), packing(), batch_size=3)
    next(iter(loader.epoch(0)))
    state = {**loader.state_dict(), name: value}
    with pytest.raises(CheckpointMismatch):
        go_on(loader, state)


def go_on(loader: PackedTraining, state: LoaderState) -> None:
    loader.load_state_dict(state)
    list(loader.epoch(0))

"""Each loop over a stream is a fresh epoch; only a place that was loaded is gone on from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import penstock
from penstock.errors import ConfigError, StreamMisused
from support.objects import to_number, write_objects

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS, BATCH = 50, 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


def opened(folder: Path, **changed: Any) -> penstock.Stream:
    options = {"decode": to_number, "batch_size": BATCH, "window": "1Mi"}
    return penstock.Stream(folder, **(options | changed))


def numbers(batches: Iterator[torch.Tensor] | penstock.Stream | DataLoader[Any]) -> list[int]:
    return [number for batch in batches for number in batch.tolist()]


@pytest.mark.parametrize("changed", [{}, {"workers": 2}, {"stream_listing": True}], ids=["alone", "workers", "parts"])
def test_a_loop_that_was_left_early_takes_nothing_from_the_next(folder: Path, changed: dict[str, Any]) -> None:
    with opened(folder, **changed) as stream:
        assert len(stream) == 7
        sanity = numbers(islice(stream, 2))
        epochs = []
        for place in range(3):
            epochs.append(numbers(stream))
            assert stream.epoch == 2 + place
        assert len(sanity) == 2 * BATCH
        assert all(sorted(epoch) == list(range(NUM_OBJECTS)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) == 3
        assert len(stream) == 7


def test_an_iterator_that_was_replaced_is_refused_and_one_that_is_over_stays_so(folder: Path) -> None:
    with opened(folder) as stream:
        first = iter(stream)
        next(first)
        second = iter(stream)
        with pytest.raises(StreamMisused, match="another loop over this Stream was begun"):
            next(first)
        assert sorted(numbers(second)) == list(range(NUM_OBJECTS))
        assert list(second) == []
        third = iter(stream)
        assert list(second) == []
        next(third)
        stream.load_state_dict(stream.state_dict())
        with pytest.raises(StreamMisused, match="or a position loaded"):
            next(third)


def test_an_iterator_that_gave_nothing_spends_no_epoch(folder: Path) -> None:
    with opened(folder, epochs=2) as stream:
        whole = [numbers(stream), numbers(stream)]
        with pytest.raises(ConfigError, match="epoch 2 of a stream of 2 epochs"):
            next(iter(stream))
    with opened(folder, epochs=2) as stream:
        for _ in range(3):
            iter(stream)
        assert [numbers(stream), numbers(stream)] == whole


def test_a_loaded_place_is_gone_on_from_once(folder: Path) -> None:
    with opened(folder) as stream:
        whole = [numbers(stream) for _ in range(3)]
        batches = iter(stream)
        for _ in range(2):
            next(batches)
        state = stream.state_dict()
    with opened(folder, batch_size=5) as stream:
        for _ in range(2):
            stream.load_state_dict(state)
            assert stream.epoch == 3
            iter(stream)
            rest = numbers(stream)
            assert len(rest) == NUM_OBJECTS - 2 * BATCH
            assert sorted(numbers(stream)) == list(range(NUM_OBJECTS))
        stream.load_state_dict(state | {"next_index": 0})
        assert [numbers(stream) for _ in range(3)] == whole
        assert stream.state_dict()["next_index"] == 3 * NUM_OBJECTS


@pytest.mark.parametrize("changed", [{}, {"workers": 1}, {"stream_listing": True}], ids=["alone", "workers", "parts"])
def test_batches_that_are_not_full_can_be_left_out(folder: Path, changed: dict[str, Any]) -> None:
    with opened(folder, drop_last=True, **changed) as stream:
        assert len(stream) == 6
        for _ in range(2):
            sizes = [len(batch) for batch in stream]
            assert sizes == [BATCH] * 6
        batches = iter(stream)
        assert [len(next(batches)) for _ in range(6)] == [BATCH] * 6
        # In the middle of nothing: what is left makes no batch.
        state = stream.state_dict()
        stream.load_state_dict(state)
        assert len(list(stream)) == 6


def test_nothing_but_part_of_a_batch_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="50 sample"):
        opened(folder, batch_size=51, drop_last=True)


def test_torch_takes_it_as_its_own(folder: Path) -> None:
    with opened(folder) as stream:
        assert isinstance(stream, torch.utils.data.IterableDataset)
        loader = DataLoader(stream, batch_size=None)
        assert len(loader) == 7
        next(iter(loader))
        for _ in range(2):
            assert sorted(numbers(loader)) == list(range(NUM_OBJECTS))


@pytest.mark.parametrize("changed", [{}, {"workers": 2}, {"stream_listing": True}], ids=["alone", "workers", "parts"])
def test_meters_tell_of_what_was_given_not_of_what_was_made_ready(folder: Path, changed: dict[str, Any]) -> None:
    """The window holds all of it, so that many epochs are made ready at once."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with opened(folder, **changed) as stream:
        for epochs in (1, 2):
            assert len(numbers(stream)) == NUM_OBJECTS
            assert stream.meters().sample_bytes == epochs * size


@pytest.mark.parametrize("changed", [{}, {"stream_listing": True}], ids=["whole", "parts"])
def test_an_epoch_may_be_asked_for_by_its_number(folder: Path, changed: dict[str, Any]) -> None:
    with opened(folder) as stream:
        epochs = [numbers(stream) for _ in range(4)]
    with opened(folder, **changed) as stream:
        for epoch in (2, 1, 3):
            stream.set_epoch(epoch)
            assert numbers(stream) == epochs[epoch]
        numbers(islice(stream, 2))
        stream.set_epoch(2)
        assert numbers(stream) == epochs[2]
        assert numbers(stream) == epochs[3]
        stream.set_epoch(1)
        numbers(islice(stream, 2))
        stream.set_epoch(1)
        assert numbers(stream) == epochs[1]
        assert stream.epoch == 2
        with pytest.raises(ConfigError, match=r"epoch -1"):
            stream.set_epoch(-1)


@pytest.mark.parametrize("asked", [0, 1, 3])
def test_a_place_that_was_loaded_wins_over_the_epoch_that_is_asked_for(folder: Path, asked: int) -> None:
    with opened(folder) as stream:
        numbers(stream)
        taken = numbers(islice(stream, 3))
        place = stream.state_dict()
    with opened(folder) as stream:
        stream.load_state_dict(place)
        stream.set_epoch(asked)
        rest = numbers(stream)
        assert sorted(taken + rest) == list(range(NUM_OBJECTS))
        stream.set_epoch(1)
        assert numbers(stream) == taken + rest


def test_memory_is_locked_where_there_is_a_gpu_alone(folder: Path) -> None:
    with opened(folder, pin_memory=True) as stream:
        batch = next(iter(stream))
        assert batch.is_pinned() == torch.cuda.is_available()
    with pytest.raises(ConfigError, match="pin_memory 3"):
        opened(folder, pin_memory=3)

"""The torch side of the window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from penstock.errors import CheckpointMismatch, SourceChanged, WindowTooSmall
from penstock.loader import Batch, WindowStream
from penstock.options.window import ServingOptions
from penstock.window import Prefetcher
from support.raw import RawDataset, make_raw_dataset
from support.samples import array_decoding

pytestmark = pytest.mark.usefixtures("children_are_forked")

WINDOW_BYTES = 2 << 20


def decode(
    data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    """Return the sample's number, the sum of its bytes, and a number by chance."""
    chance = rng.random() if rng is not None else -1.0
    return np.array([args[0], int(np.frombuffer(data, dtype=np.uint8).sum()), chance], dtype=np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    sizes = [1 + (number * 7919) % 20_000 for number in range(230)]
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=sizes, num_valid=30)


def open_stream(data: RawDataset, folder: Path, *, num_workers: int, batch_size: int = 16) -> WindowStream:
    return WindowStream(
        folder=folder,
        manifest=data.manifest,
        info=data.info,
        plan=data.plan,
        splits=[("train", True), ("valid", False)],
        decoding=array_decoding(decode),
        batch_size=batch_size,
        num_epochs=2,
        num_workers=num_workers,
    )


def read(stream: WindowStream) -> list[Batch]:
    parts = (stream.segment(0), stream.segment(1))
    return [batch for epoch in range(2) for part in parts for batch in part.epoch(epoch)]


def same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return [b.keys for b in one] == [b.keys for b in other] and all(
        torch.equal(a.data["inputs"], b.data["inputs"]) for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_the_same_with_and_without_workers(dataset: RawDataset, tmp_path: Path, num_workers: int) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", num_workers=num_workers)
        batches = read(stream)
        stream.close()
    keys = [key for batch in batches for key in batch.keys]
    assert sorted(keys[:200]) == sorted(f"sample-{n}" for n in range(200)) == sorted(keys[230:430])
    assert keys[:200] != keys[230:430]
    assert keys[200:230] == [f"sample-{n}" for n in range(200, 230)] == keys[430:]
    assert [len(batch) for batch in batches[:13]] == [16] * 12 + [8]
    numbers = torch.cat([batch.data["inputs"][:, 0] for batch in batches])
    assert [f"sample-{int(n)}" for n in numbers] == keys
    chance = torch.cat([batch.data["inputs"][:, 2] for batch in batches])
    assert (chance[200:230] == -1).all()
    assert (chance[:200] >= 0).all()
    assert len(set(chance[:200].tolist())) > 190
    if num_workers:
        with Prefetcher(tmp_path / "again", ServingOptions(window_size=WINDOW_BYTES)):
            again = open_stream(dataset, tmp_path / "again", num_workers=0)
            assert same(batches, read(again))
            again.close()


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("taken", [1, 12, 13, 15, 20])
def test_next_batch_after_a_restart_is_the_next_batch(
    dataset: RawDataset, tmp_path: Path, num_workers: int, taken: int
) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", num_workers=num_workers)
        whole = read(stream)
        stream.close()
        first = open_stream(dataset, tmp_path / "window", num_workers=num_workers)
        parts = (first.segment(0), first.segment(1))
        batches = (batch for epoch in range(2) for part in parts for batch in part.epoch(epoch))
        begun = [next(batches) for _ in range(taken)]
        state = first.state_dict()
        first.close()
        resumed = open_stream(dataset, tmp_path / "window", num_workers=num_workers)
        resumed.load_state_dict(state)
        assert same(begun + read(resumed), whole)
        resumed.close()


def test_state_of_another_batch_size_is_refused(dataset: RawDataset, tmp_path: Path) -> None:
    state = open_stream(dataset, tmp_path, num_workers=0, batch_size=8).state_dict()
    with pytest.raises(CheckpointMismatch, match="batch size"):
        open_stream(dataset, tmp_path, num_workers=0).load_state_dict(state)


def test_starting_workers_draws_nothing_from_the_global_generator(dataset: RawDataset, tmp_path: Path) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        torch.manual_seed(3)
        before = torch.random.get_rng_state()
        stream = open_stream(dataset, tmp_path / "window", num_workers=1)
        next(stream.segment(0).epoch(0))
        stream.close()
        assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("num_workers", [0, 2])
def test_error_reaches_the_consumer_in_order(tmp_path: Path, num_workers: int) -> None:
    data = make_raw_dataset(tmp_path, sizes=[5000] * 100, shuffle=False)
    path = data.folder / "object-00005.bin"
    victim = data.folder / sorted(p.name for p in data.folder.iterdir())[5]
    victim.write_bytes(b"x" * victim.stat().st_size)
    assert not path.exists()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = WindowStream(
            folder=tmp_path / "window",
            manifest=data.manifest,
            info=data.info,
            plan=data.plan,
            splits=[("train", True)],
            decoding=array_decoding(decode),
            batch_size=10,
            num_epochs=1,
            num_workers=num_workers,
        )
        batches = stream.segment(0).epoch(0)
        assert sum(len(next(batches)) for _ in range(5)) == 50
        with pytest.raises(SourceChanged, match=victim.name):
            next(batches)
        stream.close()


def test_window_that_cannot_hold_a_batch_of_workers_is_refused(tmp_path: Path) -> None:
    data = make_raw_dataset(tmp_path, sizes=[50_000] * 40)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=400_000)):
        stream = WindowStream(
            folder=tmp_path / "window",
            manifest=data.manifest,
            info=data.info,
            plan=data.plan,
            splits=[("train", True)],
            decoding=array_decoding(decode),
            batch_size=32,
            num_epochs=1,
            num_workers=1,
        )
        with pytest.raises(WindowTooSmall, match="--batch-size"):
            next(stream.segment(0).epoch(0))
        stream.close()

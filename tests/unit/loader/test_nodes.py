"""Several nodes, each with a window and a prefetcher of its own, read what one node with all ranks reads."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from penstock.errors import ConfigError
from penstock.loader import Batch, WindowStream
from penstock.loader.protocols import LoaderState
from penstock.options.window import ServingOptions
from penstock.window import Prefetcher
from support.raw import RawDataset, make_raw_dataset
from support.samples import array_decoding
from unit.loader.test_stream import decode

pytestmark = pytest.mark.usefixtures("children_are_forked")

WORLD_SIZE = 4
SAMPLE_BYTES = 3_000
NUM_TRAIN, NUM_VALID = 201, 31
WINDOW_BYTES = 300_000
SPLITS = [("train", True), ("valid", False)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    sizes = [SAMPLE_BYTES] * (NUM_TRAIN + NUM_VALID)
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=sizes, num_valid=NUM_VALID)


def open_stream(data: RawDataset, folder: Path, *, rank: int, local_rank: int, num_local: int) -> WindowStream:
    return WindowStream(
        folder=folder,
        manifest=data.manifest,
        info=data.info,
        plan=data.plan,
        splits=SPLITS,
        decoding=array_decoding(decode),
        batch_size=5,
        num_epochs=2,
        rank=rank,
        world_size=WORLD_SIZE,
        local_rank=local_rank,
        local_world_size=num_local,
        timeout_seconds=30,
    )


def read(stream: WindowStream, state: LoaderState | None, num_batches: int | None) -> tuple[list[Batch], LoaderState]:
    if state is not None:
        stream.load_state_dict(state)
    batches: list[Batch] = []
    for epoch in range(2):
        for segment in range(2):
            for batch in stream.segment(segment).epoch(epoch):
                batches.append(batch)
                if len(batches) == num_batches:
                    return batches, stream.state_dict()
    return batches, stream.state_dict()


def read_on_nodes(
    data: RawDataset,
    root: Path,
    nodes: Sequence[int],
    *,
    state: LoaderState | None = None,
    num_batches: int | None = None,
) -> tuple[list[list[Batch]], LoaderState, list[int]]:
    """Read on nodes of so many ranks each; give each rank's batches, the place, and the bytes that nodes fetched."""
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(WORLD_SIZE) as pool:
        streams = []
        for number, num_local in enumerate(nodes):
            folder = root / f"node-{number}"
            stack.enter_context(Prefetcher(folder, ServingOptions(window_size=WINDOW_BYTES)))
            for local_rank in range(num_local):
                stream = open_stream(data, folder, rank=len(streams), local_rank=local_rank, num_local=num_local)
                stack.callback(stream.close)
                streams.append(stream)
        found = list(pool.map(lambda stream: read(stream, state, num_batches), streams))
        firsts = [sum(nodes[:number]) for number in range(len(nodes))]
        fetched = [streams[first].meters().bytes_downloaded for first in firsts]
    states = [place for _, place in found]
    assert all(place == states[0] for place in states)
    return [batches for batches, _ in found], states[0], fetched


def assert_same(one: list[list[Batch]], other: list[list[Batch]]) -> None:
    for mine, its in zip(one, other, strict=True):
        assert [batch.keys for batch in mine] == [batch.keys for batch in its]
        # Chance is the sample's own too, wherever it is read.
        assert all(torch.equal(a.data["inputs"], b.data["inputs"]) for a, b in zip(mine, its, strict=True))


def test_ranks_read_the_same_however_they_are_spread_over_nodes(dataset: RawDataset, tmp_path: Path) -> None:
    together, _, [all_bytes] = read_on_nodes(dataset, tmp_path / "one", [4])
    keys = [key for batches in together for batch in batches for key in batch.keys]
    assert len(keys) == 2 * (NUM_TRAIN - 1 + NUM_VALID)
    for name, nodes in [("two", [2, 2]), ("uneven", [1, 3])]:
        apart, _, fetched = read_on_nodes(dataset, tmp_path / name, nodes)
        assert_same(apart, together)
        # A node fetches the samples of its own ranks, but for what it kept from the epoch before.
        for num_bytes, num_local in zip(fetched, nodes, strict=True):
            most = 2 * (num_local * (NUM_TRAIN + NUM_VALID + 2 * WORLD_SIZE) // WORLD_SIZE) * SAMPLE_BYTES
            assert most * 0.6 < num_bytes <= most
        assert sum(fetched) < 1.3 * all_bytes


def test_a_place_is_taken_up_on_other_nodes(dataset: RawDataset, tmp_path: Path) -> None:
    whole, _, _ = read_on_nodes(dataset, tmp_path / "whole", [2, 2])
    begun, place, _ = read_on_nodes(dataset, tmp_path / "begun", [1, 3], num_batches=7)
    rest, _, _ = read_on_nodes(dataset, tmp_path / "rest", [2, 2], state=place)
    assert_same([one + other for one, other in zip(begun, rest, strict=True)], whole)


@pytest.mark.parametrize(("rank", "local_rank", "num_local"), [(0, 1, 2), (3, 0, 2), (1, 2, 2), (4, 0, 1)])
def test_ranks_that_do_not_fit_together_are_refused(
    dataset: RawDataset, tmp_path: Path, rank: int, local_rank: int, num_local: int
) -> None:
    with pytest.raises(ConfigError, match="check RANK"):
        open_stream(dataset, tmp_path, rank=rank, local_rank=local_rank, num_local=num_local)

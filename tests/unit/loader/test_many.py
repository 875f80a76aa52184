"""Extents of many samples: each sample once an epoch, each extent decoded once, and a stream that goes on anywhere."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, ObjectNotFound, WindowTooSmall
from penstock.loader import ByKey, Decoding, WindowStream
from penstock.loader.in_window import ManySamples
from penstock.loader.many import BatchPart, Joiner, PartMaker
from penstock.loader.using import SampleUser
from penstock.options.window import ServingOptions
from penstock.plan import rank_batches, rows_in_order
from penstock.records import BlockShuffle, Order, Segment
from penstock.window import Prefetcher, WindowExtent
from penstock.window.geometry import plan_geometry
from penstock.window.layout import ExtentMeta
from support.many import Records, make_many_dataset
from support.raw import RawDataset
from support.windows import kill_serving

pytestmark = pytest.mark.usefixtures("children_are_forked")

WINDOW_BYTES = 2 << 20
COUNTS = [1 + (number * 37) % 60 for number in range(43)]
VALID = [5, 1, 9]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_many_dataset(tmp_path_factory.mktemp("many"), counts=COUNTS, valid=VALID)


def open_stream(data: RawDataset, folder: Path, log: Path, **changes: Any) -> WindowStream:
    decoder = Decoding(decode=Records(log), **{"collate": list, **changes.pop("custom", {})})
    options: dict[str, Any] = {
        "splits": [("train", True), ("valid", False)],
        "batch_size": 16,
        "num_epochs": 2,
        "decoding": decoder,
    }
    return WindowStream(folder=folder, manifest=data.manifest, info=data.info, plan=data.plan, **{**options, **changes})


def batches_of(stream: WindowStream) -> Iterator[list[Any]]:
    for epoch in range(2):
        for segment in range(len(stream.order.segments)):
            yield from stream.batches(epoch, segment)


def keys_of(batches: Sequence[Any]) -> list[str]:
    return [key for batch in batches for key, _, _ in batch]


def check_bytes(data: RawDataset, batches: Sequence[Any]) -> None:
    for batch in batches:
        for key, value, codec in batch:
            assert hashlib.sha256(value.tobytes()).hexdigest() == data.digests[key]
            assert codec == f"of {key[:12]}"


@pytest.fixture(scope="module")
def whole(dataset: RawDataset, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """All batches of two epochs, made without workers."""
    folder = tmp_path_factory.mktemp("whole")
    with Prefetcher(folder / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, folder / "window", folder / "log")
        batches = list(batches_of(stream))
        stream.close()
    decoded = Counter(Records(folder / "log").decoded)
    assert set(decoded.values()) == {2}
    assert len(decoded) == len(COUNTS) + len(VALID)
    return batches


def test_every_sample_comes_once_an_epoch_and_is_what_it_should_be(dataset: RawDataset, whole: list[Any]) -> None:
    check_bytes(dataset, whole)
    keys, train, total = keys_of(whole), sum(COUNTS), sum(COUNTS) + sum(VALID)
    assert len(keys) == 2 * total
    assert sorted(keys[:total]) == sorted(keys[total:]) == sorted(dataset.digests)
    assert keys[train:total] == keys[total + train :]  # validation comes in the manifest's order
    assert keys[:train] != keys[total : total + train]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_give_the_same_and_decode_each_extent_once_an_epoch(
    dataset: RawDataset, whole: list[Any], tmp_path: Path, num_workers: int
) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", tmp_path / "log", num_workers=num_workers)
        batches = list(batches_of(stream))
        stream.close()
    check_bytes(dataset, batches)
    assert [keys_of([batch]) for batch in batches] == [keys_of([batch]) for batch in whole]
    assert set(Counter(Records(tmp_path / "log").decoded).values()) == {2}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_stream_goes_on_at_any_batch(dataset: RawDataset, whole: list[Any], tmp_path: Path, num_workers: int) -> None:
    expected = [keys_of([batch]) for batch in whole]
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        for number in [1, 7, 40, len(whole) // 2, len(whole) - 2][:: 1 if not num_workers else 2]:
            stream = open_stream(dataset, tmp_path / "window", tmp_path / "log", num_workers=num_workers)
            given = batches_of(stream)
            for _ in range(3):
                next(given)
            state = stream.state_dict()
            place = sum(len(batch) for batch in expected[:number])
            stream.close()
            again = open_stream(dataset, tmp_path / "window", tmp_path / "log", num_workers=num_workers)
            again.load_state_dict(state | {"next_index": place})
            rest = batches_of(again)
            found = [keys_of([next(rest)]) for _ in range(min(3, len(whole) - number))]
            again.close()
            assert found == expected[number : number + 3]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_prefetcher_that_is_killed_loses_and_repeats_nothing(tmp_path: Path, num_workers: int) -> None:
    counts = [20 + (number * 37) % 20 for number in range(60)]
    data = make_many_dataset(tmp_path / "data", counts=counts, sample_bytes=1024)
    assert sum(counts) * 1024 > 1.6 * (1 << 20)
    found = []
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=1 << 20)) as prefetcher:
        stream = open_stream(
            data, tmp_path / "window", tmp_path / "log", num_workers=num_workers, splits=[("train", True)]
        )
        for number, batch in enumerate(batches_of(stream)):
            found.append(batch)
            if number % 60 == 20:
                kill_serving(prefetcher)
        stream.close()
    check_bytes(data, found)
    keys, total = keys_of(found), sum(counts)
    assert sorted(keys[:total]) == sorted(keys[total:]) == sorted(data.digests)
    assert set(Counter(Records(tmp_path / "log").decoded).values()) == {2}


@pytest.mark.parametrize(("world_size", "num_workers"), [(2, 0), (4, 0), (2, 2)])
def test_ranks_of_a_node_share_samples_out_and_decode_each_extent_once(
    dataset: RawDataset, whole: list[Any], tmp_path: Path, world_size: int, num_workers: int
) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        streams = [
            open_stream(
                dataset,
                tmp_path / "window",
                tmp_path / f"log-{rank}",
                rank=rank,
                world_size=world_size,
                splits=[("train", True)],
                batch_size=16 // world_size,
                num_workers=num_workers,
            )
            for rank in range(world_size)
        ]
        # In one process: rank 0 asks, then all take a batch each in turn.
        steps = read_in_step(streams)
        for stream in streams:
            stream.close()
    train = len([0 for _ in range(-(-sum(COUNTS) // 16))])
    expected = [set(keys_of([batch])) for batch in whole[:train]]
    assert [set(keys_of(step)) for step in steps[: train - 1]] == expected[:-1]
    decoded = Counter(key for rank in range(world_size) for key in Records(tmp_path / f"log-{rank}").decoded)
    assert set(decoded.values()) == {2}  # epochs


def keys_alone(values: Sequence[Any]) -> list[str]:
    return [value[0] for value in values]


@dataclass(frozen=True)
class Locked:
    """Decodes to values that cannot be handed to another process."""

    then: Records

    def __call__(self, *given: Any) -> list[Any]:
        return [(key, threading.Lock()) for key, _, _ in self.then(*given)]


@pytest.mark.parametrize("case", ["validation", "nothing to hand on", "a name that nobody answers for"])
def test_what_ranks_of_a_node_share_is_right_whoever_decodes_it(
    dataset: RawDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    records = Records(tmp_path / "log")
    decoding = Decoding(decode=Locked(records) if case.startswith("nothing") else records, collate=keys_alone)
    if case.startswith("a name"):
        monkeypatch.setattr("penstock.loader.sharing.TAKEN_UP_SECONDS", 0.1)
        monkeypatch.setattr("penstock.loader.sharing._bind", lambda name: True)
    splits = [("train", False)] if case == "validation" else [("train", True)]
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        streams = [
            open_rank(dataset, tmp_path / "window", records.log, rank, decoding=decoding, splits=splits)
            for rank in range(2)
        ]
        steps = read_in_step(streams)
        for stream in streams:
            stream.close()
    given = Counter(key for step in steps for batch in step for key in batch)
    given_each, decoded_each = set(given.values()), set(Counter(records.decoded).values())
    assert given_each == {2}  # epochs
    assert len(given) == sum(COUNTS)
    assert decoded_each == {2} if case == "validation" else {2, 4} <= decoded_each <= {2, 3, 4}


def test_equal_extents_are_decoded_once_in_a_node(tmp_path: Path) -> None:
    data = make_many_dataset(tmp_path / "data", counts=[32] * 24)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        streams = [
            open_stream(
                data,
                tmp_path / "window",
                tmp_path / "log",
                rank=rank,
                world_size=2,
                splits=[("train", True)],
                num_epochs=2,
            )
            for rank in range(2)
        ]
        read_in_step(streams)
        for stream in streams:
            stream.close()
    assert set(Counter(Records(tmp_path / "log").decoded).values()) == {2}


def test_ranks_that_wait_for_one_another_at_each_step_need_no_more_window_than_is_asked_for(tmp_path: Path) -> None:
    counts = [16 + number % 3 for number in range(30)]
    data = make_many_dataset(tmp_path / "data", counts=counts, sample_bytes=4096, mix=8)
    together = threading.Barrier(2)
    streams = [open_rank(data, tmp_path / "window", tmp_path / "log", rank) for rank in (0, 1)]
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=smallest_window(data, streams[0]))):
        steps = read_in_step(streams, after_each=lambda: together.wait(30))
        for stream in streams:
            stream.close()
    keys = [key for step in steps for key in keys_of(step)]
    assert sorted(keys) == sorted([*data.digests, *data.digests])


def open_rank(data: RawDataset, folder: Path, log: Path, rank: int, **changes: Any) -> WindowStream:
    options: dict[str, Any] = {"splits": [("train", True)], "batch_size": 4, **changes}
    return open_stream(data, folder, log, rank=rank, world_size=2, **options)


def smallest_window(data: RawDataset, stream: WindowStream) -> int:
    """Return the smallest bound, in steps of 16 KiB, that holds what a stream asks for."""
    spec, info = stream._settings.spec, data.info
    size = 128 << 10
    while True:
        try:
            plan_geometry(
                window_bytes=size,
                max_extent_bytes=info.max_extent_bytes,
                max_description_bytes=info.max_description_bytes,
                batch_extents=spec.batch_extents,
                num_ranks=spec.num_ranks,
                reserved_bytes=32 << 10,
            )
        except WindowTooSmall:
            size += 16 << 10
        else:
            return size


def read_in_step(streams: Sequence[WindowStream], *, after_each: Callable[[], object] = int) -> list[list[Any]]:
    """Read ranks' batches, each in a thread of its own as its process would."""

    def read(stream: WindowStream) -> list[Any]:
        batches = []
        for epoch in range(2):
            for batch in stream.batches(epoch, 0):
                batches.append(batch)
                after_each()
        return batches

    with ThreadPoolExecutor(len(streams)) as pool:
        found = list(pool.map(read, streams))
    return [list(step) for step in zip(*found, strict=True)]


def test_paths_and_transforms(dataset: RawDataset, whole: list[Any], tmp_path: Path) -> None:
    def drawn(value: Any, rng: np.random.Generator | None) -> Any:
        return value[0], value[1], value[2], None if rng is None else rng.random(), torch.rand(1).item()

    custom = {"takes_path": True, "transform": drawn, "collate": tuple}
    found = []
    for num_workers in (0, 2):
        with Prefetcher(tmp_path / f"window-{num_workers}", ServingOptions(window_size=WINDOW_BYTES)):
            stream = open_stream(
                dataset, tmp_path / f"window-{num_workers}", tmp_path / "log", num_workers=num_workers, custom=custom
            )
            torch.manual_seed(3)
            before = torch.get_rng_state()
            found.append([[(value[0], *value[3:]) for value in batch] for batch in batches_of(stream)])
            assert torch.equal(torch.get_rng_state(), before)
            stream.close()
    assert found[0] == found[1]
    assert [key for batch in found[0] for key, *_ in batch] == keys_of(whole)
    chance = [value[1] for batch in found[0] for value in batch]
    assert len(set(chance) - {None}) == 2 * sum(COUNTS)
    assert chance.count(None) == 2 * sum(VALID)  # which is not trained on
    assert len({value[2] for batch in found[0] for value in batch}) == len(keys_of(whole))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_extent_that_is_not_there_is_an_error_at_its_first_sample_or_left_out(
    dataset: RawDataset, whole: list[Any], tmp_path: Path, num_workers: int
) -> None:
    data = make_many_dataset(tmp_path / "data", counts=COUNTS, valid=VALID)
    (data.folder / "part-002.bin").unlink()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(data, tmp_path / "window", tmp_path / "log", num_workers=num_workers, on_bad_sample="skip")
        keys = keys_of(list(batches_of(stream)))
        meters = stream.meters()
        stream.close()
        lost = sum(COUNTS[10:15])
        assert keys == [key for key in keys_of(whole) if not key.startswith("part-002")]
        assert meters.num_skipped == 2 * lost
        failing = open_stream(data, tmp_path / "window", tmp_path / "log", num_workers=num_workers)
        given: list[Any] = []
        with pytest.raises(ObjectNotFound, match=r"part-002\.bin"):
            given.extend(batches_of(failing))
        failing.close()
        due = next(at for at, batch in enumerate(whole) if any(key.startswith("part-002") for key in keys_of([batch])))
        assert keys_of(given) == keys_of(whole[:due])


def test_a_decoder_that_fails_or_gives_too_few_is_named(dataset: RawDataset, tmp_path: Path) -> None:
    def too_few(*_: Any) -> list[Any]:
        return []

    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(
            dataset, tmp_path / "window", tmp_path / "log", decoding=Decoding(decode=too_few, collate=list)
        )
        with pytest.raises(ValueError, match=r"0 values were decoded of 'part-.*', not the \d+ asked for"):
            next(batches_of(stream))
        stream.close()


def test_a_decoder_of_one_sample_is_refused(dataset: RawDataset, tmp_path: Path) -> None:
    one = Decoding(decode=ByKey(lambda data, key: key), collate=list)
    with pytest.raises(ConfigError, match="the decoder is given one sample at a time"):
        open_stream(dataset, tmp_path / "window", tmp_path / "log", decoding=one)


class Shelf:
    """Gives extents as a window's reader does; those below the cursor are gone."""

    def __init__(self, places: ManySamples) -> None:
        (self._segment,) = places.held.segments
        self._seed = places.held.seed
        self.decoded: Counter[tuple[int, int]] = Counter()
        self.cursor = 0

    def get(self, index: int) -> Any:
        assert index >= self.cursor
        epoch, place = divmod(index, self._segment.num_extents)
        row = int(rows_in_order(self._segment, seed=self._seed, epoch=epoch)[place])
        self.decoded[epoch, row] += 1
        meta = ExtentMeta(f"e{row}", "", 10**6, (), (), (), ())
        return WindowExtent(index=index, meta=meta, codec="", data=memoryview(b""), incarnation=1)

    def is_intact(self, *extents: Any) -> bool:
        return True

    def advance(self, index: int) -> None:
        self.cursor = max(self.cursor, index)


def numbered(data: Any, about: Any, codec: str, numbers: Any) -> list[str]:
    return [f"{about.key}#{number}" for number in numbers.tolist()]


@settings(max_examples=30)
@given_by(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=25),
    mix=st.integers(1, 9),
    seed=st.integers(0, 9),
    shuffle=st.sampled_from(["full", "none", BlockShuffle(block_samples=3, blocks_mixed=2)]),
    world_size=st.sampled_from([1, 2, 4]),
    num_workers=st.sampled_from([1, 2, 3]),
    batch_size=st.integers(1, 9),
    data=st.data(),
)
def test_ranks_workers_and_resumed_streams_give_the_same_samples_of_extents_decoded_once(
    counts: list[int],
    mix: int,
    seed: int,
    shuffle: Any,
    world_size: int,
    num_workers: int,
    batch_size: int,
    data: st.DataObject,
) -> None:
    mix = 1 if shuffle == "none" else mix
    segment = Segment(
        split="train", first_row=0, num_extents=len(counts), num_samples=sum(counts), shuffle=shuffle, mix=mix
    )
    order = Order(segments=(segment,), seed=seed)
    places = ManySamples(order, [np.array(counts, np.int64)], num_lanes=8)
    custom = Decoding(decode=numbered, collate=list)

    def read(start: int, *, ranks: int, workers: int) -> tuple[list[list[str]], Counter[tuple[int, int]]]:
        """Read to the end of the second epoch; give the samples of all ranks by step, and what was decoded."""
        steps: list[list[str]] = []
        decoded: Counter[tuple[int, int]] = Counter()
        for rank in range(ranks):
            batches = rank_batches(
                order,
                first_index=start,
                end_index=2 * order.num_samples,
                batch_size=batch_size * world_size // ranks,
                num_lanes=8,
                rank=rank,
                world_size=ranks,
            )
            makers = [
                PartMaker(
                    custom,
                    places,
                    trained=(True,),
                    user=SampleUser(skips=False),
                    rank=rank,
                    world_size=ranks,
                    frees=workers == 1,
                    worker=worker,
                    num_workers=workers,
                )
                for worker in range(workers)
            ]
            shelf: Any = Shelf(places)
            for number, batch in enumerate(batches):
                shelf.advance(places.start(int(batch.indices[0])))
                parts = [maker.make(shelf, batch.indices.tolist()) for maker in makers]
                values, skipped = Joiner(custom, seed=0).join([BatchPart.unpacked(part.packed()) for part in parts])
                assert not skipped
                steps += [[]] if number == len(steps) else []
                steps[number] += values
            decoded += shelf.decoded
        return steps, decoded

    alone, decoded = read(0, ranks=1, workers=1)
    total = sum(counts)
    everything = [key for step in alone for key in step]
    expected = sorted(f"e{row}#{number}" for row, count in enumerate(counts) for number in range(count))
    assert sorted(everything[:total]) == sorted(everything[total:]) == expected
    assert set(decoded.values()) == {1}
    shared, by_workers = read(0, ranks=1, workers=num_workers)
    assert shared == alone
    assert by_workers == decoded
    start = data.draw(st.integers(0, 2 * total - 1))
    resumed, _ = read(start, ranks=1, workers=num_workers)
    assert [key for step in resumed for key in step] == everything[start:]
    by_ranks, opened = read(0, ranks=world_size, workers=num_workers)
    given = [set(step) for step in by_ranks]
    whole_steps = [set(step) for step in alone if len(step) == batch_size * world_size]
    assert [step for step in given if len(step) == batch_size * world_size] == whole_steps
    if shuffle != "none":
        groups = -(-len(counts) // mix)
        assert sum(opened.values()) <= 2 * (len(counts) + groups * (world_size - 1))

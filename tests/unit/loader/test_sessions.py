"""Streams that end early, fail, share a window, or hand out views of it."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from penstock.errors import CheckpointMismatch, ConfigError
from penstock.loader import Batch, ByKey, Decoding, WindowStream
from penstock.loader.dataset import FeedSettings, WindowDataset
from penstock.options.window import ServingOptions
from penstock.window import Prefetcher, WindowReader
from support.handles import open_files, open_sockets
from support.raw import RawDataset, make_raw_dataset
from support.samples import array_decoding
from support.windows import make_spec, serving

pytestmark = pytest.mark.usefixtures("children_are_forked")

WINDOW_BYTES = 900_000
SAMPLE_BYTES = 8_000


def view(data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None) -> NDArray[np.float32]:
    """Return the bytes as they lie in the window."""
    return np.frombuffer(data, dtype=np.float32)


def number(
    data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    return np.array([args[0]], dtype=np.float32)


def fails_at_100(
    data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    if args[0] == 100:
        raise ZeroDivisionError("of the task's")
    return np.array([args[0]], dtype=np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[SAMPLE_BYTES] * 333, num_valid=31)


def open_stream(data: RawDataset, folder: Path, **changed: object) -> WindowStream:
    options = {
        "splits": [("train", True), ("valid", False)],
        "decoding": array_decoding(number),
        "batch_size": 10,
        "num_epochs": 2,
        "timeout_seconds": 20.0,
    }
    return WindowStream(
        folder=folder,
        manifest=data.manifest,
        info=data.info,
        plan=data.plan,
        **(options | changed),  # type: ignore[arg-type]
    )


def original_bytes(data: RawDataset) -> dict[str, bytes]:
    found = {}
    for path in sorted(data.folder.iterdir()):
        content, first = path.read_bytes(), int(path.stem.split("-")[1])
        for place in range(len(content) // SAMPLE_BYTES):
            found[f"sample-{first + place}"] = content[place * SAMPLE_BYTES : (place + 1) * SAMPLE_BYTES]
    return found


@pytest.mark.parametrize("num_workers", [0, 2])
def test_decoder_may_give_a_view_of_the_window(dataset: RawDataset, tmp_path: Path, num_workers: int) -> None:
    """Its slot is used again while the batch is still being put together."""
    wanted = original_bytes(dataset)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", decoding=array_decoding(view), num_workers=num_workers)
        kept = list(stream.segment(0).epoch(0))
        stream.close()
    for batch in kept:
        for key, row in zip(batch.keys, batch.data["inputs"], strict=True):
            assert row.numpy().tobytes() == wanted[key]


def test_stream_that_is_left_early_ends_its_workers_at_once(dataset: RawDataset, tmp_path: Path) -> None:
    """They wait for a window that is full, since nobody takes batches any more."""
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", num_workers=3, batch_size=20)
        batches = stream.segment(0).epoch(0)
        first = next(batches)
        batches.close()  # type: ignore[attr-defined]
        second = next(stream.segment(0).epoch(0))
        assert set(first.keys).isdisjoint(second.keys)
        assert len(multiprocessing.active_children()) == 3
        time.sleep(0.5)
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < 3
        assert multiprocessing.active_children() == []


@pytest.mark.parametrize("num_workers", [0, 2])
def test_fault_of_a_decoder_breaks_off_the_session_and_the_next_one_goes_on(
    dataset: RawDataset, tmp_path: Path, num_workers: int
) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        options = {"num_workers": num_workers, "decoding": array_decoding(fails_at_100)}
        stream = open_stream(dataset, tmp_path / "window", **options)
        seen: list[str] = []
        try:
            for batch in stream.segment(0).epoch(0):
                seen += batch.keys
        except ZeroDivisionError as error:
            kept = error
            assert multiprocessing.active_children() == []
        state = stream.state_dict()
        assert state["next_index"] == len(seen)
        with pytest.raises(ZeroDivisionError):
            next(stream.segment(0).epoch(0))
        assert kept is not None
        assert stream.state_dict() == state
        rest = list(stream.segment(1).epoch(0))
        assert sum(len(batch) for batch in rest) == 31
        stream.close()


def test_interrupted_wait_can_be_taken_up_again(dataset: RawDataset, tmp_path: Path) -> None:
    """As a signal handler does that raises in the middle of a wait."""

    class Interruption(BaseException):
        pass

    calls = iter(range(1000))

    def interrupted(
        data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
    ) -> NDArray[np.float32]:
        if next(calls) == 15:
            raise Interruption
        return np.array([args[0]], dtype=np.float32)

    with serving(tmp_path / "window", WINDOW_BYTES):
        stream = open_stream(dataset, tmp_path / "window", decoding=array_decoding(interrupted))
        keys: list[str] = []
        with pytest.raises(Interruption):
            keys.extend(key for batch in stream.segment(0).epoch(0) for key in batch.keys)
        keys = [key for batch in stream.segment(0).epoch(0) for key in batch.keys]
        stream.close()
    assert len(keys) == 302 - 10


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("sizes", [(301, 31, 10), (302, 31, 10), (41, 3, 10), (23, 2, 5)])
def test_ranks_share_a_window_and_step_together(tmp_path: Path, num_workers: int, sizes: tuple[int, int, int]) -> None:
    num_train, num_valid, batch_size = sizes
    data = make_raw_dataset(tmp_path, sizes=[SAMPLE_BYTES // 4] * (num_train + num_valid), num_valid=num_valid)
    got: list[list[tuple[int, int, tuple[str, ...]]]] = [[], []]
    failed: list[BaseException] = []
    meet = threading.Barrier(2, timeout=60)

    def run(rank: int) -> None:
        try:
            stream = open_stream(
                data,
                tmp_path / "window",
                num_workers=num_workers,
                batch_size=batch_size,
                rank=rank,
                world_size=2,
            )
            for epoch in range(2):
                for segment in range(2):
                    loader, before = stream.segment(segment), sum(len(entry[2]) for entry in got[rank])
                    for batch in loader.epoch(epoch):
                        got[rank].append((epoch, segment, batch.keys))
                        meet.wait()  # as an all-reduce does
                    assert sum(len(entry[2]) for entry in got[rank]) - before == loader.num_samples
                if epoch == 0:
                    stream.load_state_dict(stream.state_dict())  # and a new session, on both
            stream.close()
        except BaseException as error:
            failed.append(error)
            meet.abort()

    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert [entry[:2] for entry in got[0]] == [entry[:2] for entry in got[1]]
    for epoch in range(2):
        for segment, count in ((0, num_train), (1, num_valid)):
            keys = [key for rank in got for e, s, names in rank if (e, s) == (epoch, segment) for key in names]
            left_out = 1 if count % (2 * batch_size) == 1 else 0
            assert len(keys) == len(set(keys)) == count - left_out
            low = 0 if segment == 0 else num_train
            assert {int(key.split("-")[1]) for key in keys} <= set(range(low, low + count))


def test_batch_of_views_is_read_again_when_the_window_was_made_anew_under_it(
    dataset: RawDataset, tmp_path: Path
) -> None:
    """While its second sample is decoded, so that the third is of another window than the first."""
    wanted, folder = original_bytes(dataset), tmp_path / "window"
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(serving(folder, 2 * WINDOW_BYTES))
        spec = make_spec(dataset, batch_extents=4)
        reader = WindowReader(folder, spec).begin()
        asked = iter(range(100))

        def view_and_restart(data: memoryview, key: str) -> tuple[str, memoryview]:
            if next(asked) == 1:
                first.close()
                second.enter_context(serving(folder, WINDOW_BYTES))
                while reader.is_intact():
                    time.sleep(0.01)
            return key, data

        custom = Decoding(decode=ByKey(view_and_restart), collate=lambda pairs: [(k, bytes(d)) for k, d in pairs])
        settings = FeedSettings(folder=folder, spec=spec, decoding=custom, trained=(True,), rank=0, timeout_seconds=20)
        (batch,) = WindowDataset(settings, reader=reader).__getitems__([0, 1, 2, 3])
        assert [content == wanted[key] for key, content in batch] == [True] * 4


def test_decoder_that_fails_over_bytes_that_changed_is_asked_again(dataset: RawDataset, tmp_path: Path) -> None:
    """Its error is about bytes that are not the sample's."""
    wanted, folder = original_bytes(dataset), tmp_path / "window"
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(serving(folder, 2 * WINDOW_BYTES))
        spec = make_spec(dataset, batch_extents=4)
        reader = WindowReader(folder, spec).begin()
        asked = iter(range(100))

        def view_or_fail(
            data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
        ) -> NDArray[np.float32]:
            if next(asked) == 1:
                first.close()
                second.enter_context(serving(folder, WINDOW_BYTES))
                while reader.is_intact():
                    time.sleep(0.01)
                raise ValueError("these are no numbers")
            return np.frombuffer(data, dtype=np.float32)

        settings = FeedSettings(
            folder=folder, spec=spec, decoding=array_decoding(view_or_fail), trained=(True,), rank=0, timeout_seconds=20
        )
        (batch,) = WindowDataset(settings, reader=reader).__getitems__([0, 1, 2, 3])
        contents = [row.numpy().tobytes() for row in batch.data["inputs"]]
        assert contents == [wanted[key] for key in batch.keys]
        assert len(contents) == 4


def test_more_ranks_than_samples_are_refused(dataset: RawDataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'valid' has 31"):
        open_stream(dataset, tmp_path, world_size=32)


def test_epoch_that_was_not_asked_for_is_refused(dataset: RawDataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epoch 2 of a stream of 2"):
        next(open_stream(dataset, tmp_path).segment(0).epoch(2))


@pytest.mark.parametrize("index", [None, -1, "7"])
def test_place_that_is_none_is_refused(dataset: RawDataset, tmp_path: Path, index: object) -> None:
    stream = open_stream(dataset, tmp_path)
    with pytest.raises(CheckpointMismatch, match="not a stream index"):
        stream.load_state_dict(stream.state_dict() | {"next_index": index})  # type: ignore[dict-item]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_streams_leave_no_maps_sockets_or_handles(dataset: RawDataset, tmp_path: Path, num_workers: int) -> None:
    folder = tmp_path / "window"
    threads_before = {*threading.enumerate()}

    def held() -> tuple[int, list[str], set[str]]:
        gc.collect()
        return Path("/proc/self/maps").read_text().count(str(folder)), open_files(folder), open_sockets()

    with Prefetcher(folder, ServingOptions(window_size=WINDOW_BYTES)):
        before = held()
        for _ in range(3):
            stream = open_stream(dataset, folder, num_workers=num_workers)
            batches: list[Batch] = [next(stream.segment(0).epoch(0)) for _ in range(2)]
            assert torch.is_tensor(batches[0].data["inputs"])
            stream.close()
            stream.close()
        maps, files, sockets = held()
        assert (maps, files) == before[:2]
        assert not sockets - before[2]
    assert [each for each in threading.enumerate() if "penstock" in each.name and each not in threads_before] == []

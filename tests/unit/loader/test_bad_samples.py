"""Samples that are gone or cannot be decoded: an error by default, left out and named where that is asked for.

Broken on purpose, each guard is seen to fail: with ``WindowPolicy.complete`` for every error a changed object is left
out; with no count in ``_note_skipped`` the meters do not name what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.errors import DataError, ObjectNotFound, ObjectUnreadable, PenstockError, SourceChanged
from penstock.loader import ByKey, Decoding, WindowStream
from penstock.manifest import ManifestReader
from penstock.options.window import ServingOptions
from penstock.records import Meters, SkippedSample
from penstock.window import Prefetcher
from support.raw import RawDataset, make_raw_dataset
from support.samples import array_decoding
from support.windows import kill_serving

pytestmark = pytest.mark.usefixtures("children_are_forked")

WINDOW_BYTES = 400_000
SIZE = 5_000
BAD_TO_DECODE = {17, 18, 60}


def number(
    data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    return np.array([args[0]], dtype=np.float32)


def picky(
    data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    if args[0] in BAD_TO_DECODE:
        raise DataError(f"number {args[0]} is no number", fix="")
    return np.array([args[0]], dtype=np.float32)


def hopeless(
    data: memoryview, *, decode: str, args: Sequence[int], rng: np.random.Generator | None
) -> NDArray[np.float32]:
    raise ZeroDivisionError("of the decoder's")


@pytest.fixture
def dataset(tmp_path: Path) -> RawDataset:
    return make_raw_dataset(tmp_path, sizes=[SIZE] * 200, per_object=4, shuffle=False)


def open_stream(data: RawDataset, folder: Path, **changed: object) -> WindowStream:
    options: dict[str, object] = {
        "splits": [("train", True)],
        "decoding": array_decoding(number),
        "batch_size": 10,
        "num_epochs": 2,
        "timeout_seconds": 20.0,
        "on_bad_sample": "skip",
    }
    return WindowStream(
        folder=folder,
        manifest=data.manifest,
        info=data.info,
        plan=data.plan,
        **(options | changed),  # type: ignore[arg-type]
    )


def object_of(data: RawDataset, row: int) -> Path:
    with ManifestReader(data.manifest) as manifest:
        return data.folder / manifest.row(row).spans[0].object


def read(stream: WindowStream, *, epochs: int = 2) -> list[list[str]]:
    return [[key for batch in stream.segment(0).epoch(epoch) for key in batch.keys] for epoch in range(epochs)]


def keys_without(*bad: int) -> list[str]:
    return [f"sample-{n}" for n in range(200) if n not in bad]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_objects_that_are_gone_are_left_out_counted_and_named(
    dataset: RawDataset, tmp_path: Path, num_workers: int
) -> None:
    gone = sorted({*range(40, 44), *range(48, 52), *range(196, 200)})
    for row in (40, 48, 196):
        object_of(dataset, row).unlink()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", num_workers=num_workers)
        assert read(stream) == [keys_without(*gone)] * 2
        meters = stream.meters()
        stream.close()
    assert meters.num_skipped == 2 * len(gone)
    assert [sample.key for sample in meters.skipped] == [f"sample-{n}" for n in gone]
    assert all("object-" in sample.reason for sample in meters.skipped)
    assert meters.sample_bytes == 2 * (200 - len(gone)) * SIZE


@pytest.mark.parametrize("num_workers", [0, 2])
def test_samples_that_cannot_be_decoded_are_left_out_counted_and_named(
    dataset: RawDataset, tmp_path: Path, num_workers: int
) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", num_workers=num_workers, decoding=array_decoding(picky))
        batches = list(stream.segment(0).epoch(0))
        meters = stream.meters()
        stream.close()
    assert [len(batch) for batch in batches[:7]] == [10, 8, 10, 10, 10, 10, 9]
    for batch in batches:
        assert [f"sample-{int(value)}" for value in batch.data["inputs"][:, 0]] == list(batch.keys)
    assert [(bad.key, bad.reason) for bad in meters.skipped] == [
        (f"sample-{n}", f"number {n} is no number") for n in sorted(BAD_TO_DECODE)
    ]


def test_batch_that_has_no_good_sample_is_passed_over(dataset: RawDataset, tmp_path: Path) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", decoding=array_decoding(picky), batch_size=1)
        assert read(stream, epochs=1) == [keys_without(*BAD_TO_DECODE)]
        assert stream.meters().num_skipped == len(BAD_TO_DECODE)
        stream.close()


def test_without_being_asked_the_first_bad_sample_is_the_error(dataset: RawDataset, tmp_path: Path) -> None:
    object_of(dataset, 40).unlink()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", on_bad_sample="fail")
        batches = stream.segment(0).epoch(0)
        assert sum(len(next(batches)) for _ in range(4)) == 40
        with pytest.raises(ObjectNotFound):
            next(batches)
        assert stream.meters().num_skipped == 0
        stream.close()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_changed_object_is_never_left_out(dataset: RawDataset, tmp_path: Path, num_workers: int) -> None:
    """Not even where samples before it, of the same slot, are."""
    object_of(dataset, 100).unlink()
    victim = object_of(dataset, 108)
    victim.write_bytes(b"x" * victim.stat().st_size)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", num_workers=num_workers)
        keys: list[str] = []
        with pytest.raises(SourceChanged, match=victim.name):
            keys.extend(key for batch in stream.segment(0).epoch(0) for key in batch.keys)
        stream.close()
    assert keys == keys_without()[:100]


def test_resumed_stream_leaves_the_same_samples_out(dataset: RawDataset, tmp_path: Path) -> None:
    object_of(dataset, 40).unlink()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)) as prefetcher:
        first = open_stream(dataset, tmp_path / "window", decoding=array_decoding(picky))
        batches = first.segment(0).epoch(0)
        begun = [key for _ in range(3) for key in next(batches).keys]
        state = first.state_dict()
        first.close()
        kill_serving(prefetcher)
        again = open_stream(dataset, tmp_path / "window", decoding=array_decoding(picky))
        again.load_state_dict(state)
        rest = [key for batch in again.segment(0).epoch(0) for key in batch.keys]
        meters = first.meters().plus(again.meters())
        again.close()
    wanted = keys_without(*range(40, 44), *BAD_TO_DECODE)
    assert begun + rest == wanted
    assert meters.num_skipped == 4 + len(BAD_TO_DECODE)


def test_prefetcher_that_comes_back_goes_on_behind_what_it_left_out(dataset: RawDataset, tmp_path: Path) -> None:
    for row in (8, 40, 80, 120, 160):
        object_of(dataset, row).unlink()
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)) as prefetcher:
        stream = open_stream(dataset, tmp_path / "window", num_epochs=1)
        keys: list[str] = []
        for number_of_batch, batch in enumerate(stream.segment(0).epoch(0)):
            keys += batch.keys
            if number_of_batch in (1, 5, 11):
                kill_serving(prefetcher)
        stream.close()
    bad = [row + n for row in (8, 40, 80, 120, 160) for n in range(4)]
    assert keys == keys_without(*bad)


def test_decoder_that_is_wrong_for_everything_is_an_error(dataset: RawDataset, tmp_path: Path) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", decoding=array_decoding(hopeless))
        with pytest.raises(DataError, match=r"100 samples in a row.*ZeroDivisionError"):
            next(stream.segment(0).epoch(0))
        stream.close()


def test_callers_own_batches_lack_what_their_decoder_fails_on(dataset: RawDataset, tmp_path: Path) -> None:
    def to_key(data: memoryview, key: str) -> str:
        if key.endswith("7"):
            raise OSError("cannot identify the image at https://me:hunter2@host/x?X-Amz-Signature=abcdef0123456789")
        return key

    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        stream = open_stream(dataset, tmp_path / "window", decoding=Decoding(decode=ByKey(to_key), collate=list))
        keys = [key for batch in stream.batches(0, 0) for key in batch]  # type: ignore[attr-defined]
        reason = stream.meters().skipped[0].reason
        assert reason.startswith("OSError: cannot identify the image at https://")
        assert "hunter2" not in reason
        assert "abcdef0123456789" not in reason
        stream.close()
    assert keys == [f"sample-{n}" for n in range(200) if n % 10 != 7]


def test_only_errors_of_one_sample_may_be_left_out() -> None:
    def tree(cls: type[PenstockError]) -> list[type[PenstockError]]:
        return [cls, *(each for child in cls.__subclasses__() for each in tree(child))]

    own = {cls for cls in tree(PenstockError) if cls.__module__ == "penstock.errors" and cls.skippable}
    assert own == {*tree(DataError), ObjectNotFound, ObjectUnreadable} & own
    assert {DataError, ObjectNotFound, ObjectUnreadable} <= own
    assert not SourceChanged.skippable


def test_meters_name_each_skipped_sample_once() -> None:
    one = Meters(num_skipped=2, skipped=(SkippedSample(key="a", reason="x"), SkippedSample(key="b", reason="x")))
    two = Meters(num_skipped=1, skipped=(SkippedSample(key="a", reason="y"),))
    assert one.plus(two).num_skipped == 3
    assert [bad.key for bad in one.plus(two).skipped] == ["a", "b"]
    many = Meters()
    for number_of_sample in range(150):
        many = many.plus(Meters(num_skipped=1, skipped=(SkippedSample(key=str(number_of_sample), reason=""),)))
    assert many.num_skipped == 150
    assert len(many.skipped) == 100

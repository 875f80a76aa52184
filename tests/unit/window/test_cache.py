"""Extents that stay on disk beside the window, over epochs, sessions, processes and listings."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from penstock.errors import ConfigError, DiskFull, NotOurs, PenstockError
from penstock.manifest import SourceSpec
from penstock.options.window import ServingOptions
from penstock.records import Meters, StreamSpec
from penstock.units import MIB
from penstock.window import Prefetcher, WindowReader, asked_cache, cache_used_bytes, start_prefetcher
from penstock.window.cache import Cache, ToKeep
from penstock.window.cache_parts import part_paths
from penstock.window.layout import checksum
from support.raw import RawDataset, make_raw_dataset
from support.windows import kill_serving, make_spec, take_all

pytestmark = pytest.mark.usefixtures("children_are_forked")

SIZES = [3000 + (number * 7919) % 16_000 for number in range(600)]
TOTAL = sum(SIZES)
SOURCE = SourceSpec.of("s3://bucket/a")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=SIZES, per_object=60)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("other"), sizes=SIZES, per_object=60)


def read(
    folder: Path, dataset: RawDataset, cache_size: int, *, epochs: int = 1, spec: StreamSpec | None = None
) -> Meters:
    """Stream epochs through a window and a cache; look at the cache's bound at every sample."""
    asked = spec or make_spec(dataset, epochs=epochs)
    options = ServingOptions(window_size=2 * MIB, cache=folder / "cache", cache_size=cache_size)
    with Prefetcher(folder / "window", options):
        reader = WindowReader(folder / "window", asked).begin()
        for index in range(asked.first_index, asked.end_index):
            take_all(reader, dataset, index, index + 1)
            if index % 7 == 0 and (folder / "cache").exists():
                assert cache_used_bytes(folder / "cache") <= cache_size
        meters = reader.meters()
        reader.close()
    assert cache_used_bytes(folder / "cache") <= cache_size
    return meters


def test_what_fits_is_asked_for_once_over_epochs_and_processes(dataset: RawDataset, tmp_path: Path) -> None:
    first = read(tmp_path, dataset, 16 * MIB, epochs=3)
    assert first.bytes_downloaded - first.wasted_bytes == TOTAL
    assert first.reused_bytes == 2 * TOTAL
    assert 0 < first.cache_bytes <= 16 * MIB
    again = read(tmp_path, dataset, 16 * MIB)
    assert (again.bytes_downloaded, again.get_requests, again.reused_bytes) == (0, 0, TOTAL)


def test_another_seed_finds_what_the_last_one_kept(dataset: RawDataset, tmp_path: Path) -> None:
    read(tmp_path, dataset, 16 * MIB)
    spec = make_spec(dataset)
    order = msgspec.structs.replace(spec.order, seed=spec.order.seed + 1)
    again = read(
        tmp_path, dataset, 16 * MIB, spec=msgspec.structs.replace(spec, order=order, plan_fingerprint="0" * 64)
    )
    assert again.bytes_downloaded == 0


@pytest.mark.parametrize("cache_size", [MIB, 5 * MIB])
def test_what_does_not_fit_streams_and_nothing_else_does(dataset: RawDataset, tmp_path: Path, cache_size: int) -> None:
    first = read(tmp_path, dataset, cache_size)
    kept = TOTAL - (second := read(tmp_path, dataset, cache_size)).bytes_downloaded + second.wasted_bytes
    assert first.bytes_downloaded - first.wasted_bytes == TOTAL
    assert second.reused_bytes == kept
    assert kept >= 0.85 * cache_size - MIB // 4
    third = read(tmp_path, dataset, cache_size, epochs=2)
    assert third.reused_bytes == 2 * kept


@pytest.mark.parametrize("at", ["head", "all", "tail"])
def test_damage_is_found_and_fetched_again(dataset: RawDataset, tmp_path: Path, at: str) -> None:
    """Every sample's bytes are compared with what was made: none comes damaged."""
    read(tmp_path, dataset, 16 * MIB)
    for part in part_paths(tmp_path / "cache"):
        data = bytearray(part.read_bytes())
        places = {
            "head": [5],
            "data": [len(data) // 3],
            "all": range(0, len(data), 1000),
            "tail": range(len(data) // 2, len(data)),
        }
        for place in places[at]:
            data[place] ^= 0x55
        part.write_bytes(data)
    mended = read(tmp_path, dataset, 16 * MIB)
    assert mended.bytes_downloaded > 0
    again = read(tmp_path, dataset, 16 * MIB)
    assert again.bytes_downloaded == 0


def test_a_cut_part_and_a_foreign_file_do_no_harm(dataset: RawDataset, tmp_path: Path) -> None:
    read(tmp_path, dataset, 16 * MIB)
    (part, *_) = part_paths(tmp_path / "cache")
    os.truncate(part, part.stat().st_size // 2)
    (tmp_path / "cache" / "mine.txt").write_text("mine")
    assert 0 < read(tmp_path, dataset, 16 * MIB).bytes_downloaded < TOTAL * 1.1
    assert (tmp_path / "cache" / "mine.txt").read_text() == "mine"


def test_a_kill_at_any_moment_loses_no_sample_and_keeps_the_bound(dataset: RawDataset, tmp_path: Path) -> None:
    options = ServingOptions(window_size=MIB, cache=tmp_path / "cache", cache_size=6 * MIB)
    spec = make_spec(dataset, epochs=2)
    with Prefetcher(tmp_path / "window", options) as prefetcher:
        reader = WindowReader(tmp_path / "window", spec).begin()
        for first in range(0, spec.end_index, 150):
            take_all(reader, dataset, first, first + 150)
            assert cache_used_bytes(tmp_path / "cache") <= 6 * MIB
            if first < 900:
                kill_serving(prefetcher)
        reader.close()
    after = read(tmp_path, dataset, 6 * MIB)
    assert after.reused_bytes > 0.8 * 6 * MIB


def test_parts_of_other_sources_make_room(dataset: RawDataset, other: RawDataset, tmp_path: Path) -> None:
    size = TOTAL * 5 // 4
    read(tmp_path, dataset, size)
    read(tmp_path, other, size)
    assert read(tmp_path, other, size).bytes_downloaded == 0
    assert read(tmp_path, dataset, size, epochs=2).bytes_downloaded > TOTAL // 2


def test_a_changed_object_is_never_taken_from_the_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 4 * MIB, SOURCE)
    name = cache.name([("a.bin", "v1", 0, 4)])
    assert name is not None
    cache.put([ToKeep(name, memoryview(b"abcd"), checksum(b"abcd"))])
    assert cache.find(name, 4) is not None
    others = [("a.bin", "v2", 0, 4), ("b.bin", "v1", 0, 4), ("a.bin", "v1", 1, 4), ("a.bin", "v1", 0, 5)]
    found = [cache.name([each]) for each in others]
    assert len({name, *found}) == 5
    assert None not in found
    assert [cache.find(each, 4) for each in found if each is not None] == [None] * 4
    assert cache.name([("a.bin", "", 0, 4)]) is None
    cache.close()
    elsewhere = Cache(tmp_path, 4 * MIB, SourceSpec.of("s3://bucket/a", endpoint_url="https://other.example"))
    assert elsewhere.find(name, 4) is None
    elsewhere.close()


def test_several_processes_share_one(dataset: RawDataset, tmp_path: Path) -> None:
    """Each gets its samples, and together they keep the bound; what either put there the next one finds."""
    failed: list[BaseException] = []

    def job(number: int) -> None:
        try:
            options = ServingOptions(window_size=MIB, cache=tmp_path / "cache", cache_size=16 * MIB)
            spec = make_spec(dataset, first_index=300 * number)
            with Prefetcher(tmp_path / f"window-{number}", options):
                reader = WindowReader(tmp_path / f"window-{number}", spec).begin()
                take_all(reader, dataset, 300 * number, 300 * number + 300)
                reader.close()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=job, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert read(tmp_path, dataset, 16 * MIB).bytes_downloaded == 0


@contextmanager
def opened(folder: Path, size: int) -> Iterator[Cache]:
    cache = Cache(folder, size, SOURCE)
    try:
        yield cache
    finally:
        cache.close()


def test_parts_in_use_are_not_removed(tmp_path: Path) -> None:
    """A cache that two processes read: one may make room with what the other does not read, and nothing else."""
    data = memoryview(bytes(200_000))
    with opened(tmp_path, MIB) as mine:
        names = [mine.name([("a", "v", number, 200_000)]) for number in range(9)]
        mine.put([ToKeep(name, data, checksum(data)) for name in names if name is not None])
        held = [(name, place) for name in names if name is not None and (place := mine.find(name, 200_000))]
        assert 3 <= len(held) < 9
        with_other = Cache(tmp_path, MIB, SourceSpec.of("s3://bucket/b"))
        name = with_other.name([("b", "v", 0, 200_000)])
        assert name is not None
        with_other.begin_epoch()
        with_other.put([ToKeep(name, data, checksum(data))])
        assert with_other.find(name, 200_000) is None
        with_other.close()
        place = memoryview(bytearray(200_000))
        assert all(mine.read(*each, place) for each in held)
        assert cache_used_bytes(tmp_path) <= MIB
    with opened(tmp_path, MIB) as again:
        assert all(again.find(name, 200_000) for name, _ in held)


def test_folders_and_sizes_that_cannot_be_are_refused(dataset: RawDataset, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(NotOurs, match=r"thesis\.txt"):
        Cache(tmp_path / "full", MIB, SOURCE)
    with pytest.raises(ConfigError, match="too small"):
        asked_cache(ServingOptions(cache=tmp_path / "cache", cache_size=1000))
    with pytest.raises(DiskFull, match="cache"):
        start_prefetcher(tmp_path / "window", ServingOptions(cache=tmp_path / "cache", cache_size=1 << 60))
    with pytest.raises(ConfigError, match="sidecar"):
        start_prefetcher(tmp_path / "window", ServingOptions(prefetch="sidecar", cache=tmp_path / "cache"))
    options = ServingOptions(cache=tmp_path / "full", cache_size=MIB)
    with Prefetcher(tmp_path / "window", options):
        reader = WindowReader(tmp_path / "window", make_spec(dataset), timeout_seconds=30)
        with pytest.raises(PenstockError, match=r"thesis\.txt"):
            reader.begin().get(0)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]

"""Sorted listings: whatever order objects come in and however few fit in memory, they are read by key."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import OutputUnwritable, SourceError
from penstock.sources import ObjectInfo, SortedListing
from penstock.units import MIB

INFO = st.builds(
    ObjectInfo,
    key=st.text(max_size=6),
    size_bytes=st.integers(0, 2**60),
    version=st.text(max_size=4),
    validator=st.none() | st.text(max_size=4),
    trouble=st.text(max_size=2),
)


def pages(infos: Sequence[ObjectInfo], page: int) -> Iterator[Sequence[ObjectInfo]]:
    return (infos[first : first + page] for first in range(0, len(infos), page))


def info_of(number: int) -> ObjectInfo:
    return ObjectInfo(key=f"folder-{number // 1000:05}/object-{number:09}", size_bytes=number, version=f"{number:032x}")


@given(
    infos=st.lists(INFO, max_size=60, unique_by=lambda info: info.key),
    page=st.integers(1, 9),
    run_objects=st.integers(1, 30),
)
def test_any_objects_in_any_order_are_read_by_key(
    tmp_path_factory: pytest.TempPathFactory, infos: list[ObjectInfo], page: int, run_objects: int
) -> None:
    folder = tmp_path_factory.mktemp("scratch")
    listing = SortedListing(folder / "made", run_objects=run_objects)
    for found in pages(infos, page):
        listing.add(found)
    assert len(listing) == len(infos)
    for _ in range(2):
        assert list(listing) == sorted(infos, key=lambda info: info.key)
    assert not [item for item in folder.rglob("*") if item.is_file()]
    listing.close()
    listing.close()


@pytest.mark.parametrize("run_objects", [1, 2, 100])
@pytest.mark.parametrize("distance", [1, 5, 19])
def test_an_object_that_is_listed_twice_is_found_out_wherever_it_comes(
    tmp_path: Path, run_objects: int, distance: int
) -> None:
    infos = [info_of(number) for number in range(1, 20)]
    listing = SortedListing(tmp_path, run_objects=run_objects)
    listing.add([*infos[:distance], infos[0], *infos[distance:]])
    with pytest.raises(SourceError, match="object-000000001' twice"):
        list(listing)
    listing.close()


def test_a_folder_s_marker_may_have_the_name_of_an_object(tmp_path: Path) -> None:
    listing = SortedListing(tmp_path)
    listing.add([ObjectInfo(key="a", size_bytes=size, version="e") for size in (0, 1, 0)])
    assert len(list(listing)) == 3


def test_runs_are_merged_before_they_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading takes a batch of each run: 10^9 objects in no order would be 10,000 runs, and 3 GB of batches."""
    monkeypatch.setattr("penstock.sources.sorting.FAN_IN", 4)
    infos = [info_of(number) for number in range(2000)]
    mixed = random.Random(0).sample(infos, len(infos))
    listing = SortedListing(tmp_path, run_objects=50)
    most = 0
    for page in pages(mixed, 50):
        listing.add(page)
        most = max(most, listing.num_runs)
    assert most == 13  # 40 runs: nine merged ones of four, and four
    for _ in range(2):
        assert list(listing) == infos
    listing.close()
    again = SortedListing(tmp_path, run_objects=50)
    for page in pages([*mixed, infos[7]], 50):
        again.add(page)
    with pytest.raises(SourceError, match="twice"):
        list(again)
    again.close()


@pytest.mark.parametrize(("step", "num_runs"), [(1, 1), (-1, 10)])
def test_objects_that_come_in_order_are_one_run(tmp_path: Path, step: int, num_runs: int) -> None:
    infos = [info_of(number) for number in range(10_000)]
    listing = SortedListing(tmp_path, run_objects=1000)
    for page in pages(infos[::step], 1000):
        listing.add(page)
    assert listing.num_runs == num_runs
    assert list(listing) == infos


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """200,000 objects take 60 MB; a tenth may be held, and a batch of each run is when they are merged."""
    tracemalloc.start()
    try:
        listing = SortedListing(tmp_path, run_objects=20_000)
        for first in range(199_000, -1000, -1000):
            listing.add([info_of(number) for number in range(first, first + 1000)])
        assert listing.num_runs == 10
        assert sum(info.size_bytes for info in listing) == sum(range(200_000))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 * MIB


def test_a_scratch_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    listing = SortedListing(tmp_path / "file", run_objects=1)
    with pytest.raises(OutputUnwritable, match="file"):
        listing.add([info_of(1)])

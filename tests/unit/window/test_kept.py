"""Samples that stay in the window from one epoch to the next (guarantee W7)."""

from __future__ import annotations

import itertools
import os
import uuid
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.manifest import SourceSpec
from penstock.options.window import ServingOptions
from penstock.window import Prefetcher, WindowReader, plan_geometry
from penstock.window.control import Control
from penstock.window.folder import used_bytes
from penstock.window.geometry import slot_capacity
from penstock.window.kept import KEPT_ENTRY, NOT_KEPT, KeptArea, kept_area_bytes
from penstock.window.slots import open_control
from support.raw import RawDataset, make_raw_dataset
from support.windows import SlowSource, kill_serving, make_spec, serving, take_all

pytestmark = pytest.mark.usefixtures("children_are_forked")

SAMPLES, SAMPLE_BYTES, EPOCHS = 3000, 8192, 3


def offer(area: KeptArea, sizes: list[int], rows: list[int]) -> list[int]:
    """Offer rows of sizes that are given by row; give their places."""
    return area.offer(np.array(rows, np.int64), np.array(sizes, np.int64)[rows]).tolist()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[SAMPLE_BYTES] * SAMPLES, per_object=100)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=200))
def test_what_fits_is_kept_whole(sizes: list[int]) -> None:
    """However small the extents: the last ones of a part that is cut to pages are not left out."""
    epoch = {"num_extents": len(sizes), "total_bytes": sum(sizes)}
    planned = plan_geometry(
        window_bytes=8 << 20,
        max_extent_bytes=max(sizes),
        max_description_bytes=100,
        batch_extents=1,
        num_ranks=1,
        reserved_bytes=0,
        keep_bytes=kept_area_bytes(**epoch),
    )
    mapped = memoryview(bytearray(planned.kept_area_bytes))
    area = KeptArea(mapped, offset=0, size_bytes=planned.kept_area_bytes, **epoch)
    assert NOT_KEPT not in offer(area, sizes, list(range(len(sizes))))
    assert area.kept_bytes == sum(sizes)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_downloads_are_the_least_that_any_order_needs(dataset: RawDataset, tmp_path: Path, share: float) -> None:
    total = dataset.info.object_bytes
    window_bytes = int(total * share)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=window_bytes)):
        reader = WindowReader(tmp_path / "window", make_spec(dataset, epochs=EPOCHS)).begin()
        keys = take_all(reader, dataset, 0, SAMPLES * EPOCHS)
        meters = reader.meters()
        assert used_bytes(tmp_path / "window") <= window_bytes
    for epoch in range(EPOCHS):
        assert sorted(keys[epoch * SAMPLES : (epoch + 1) * SAMPLES]) == sorted(dataset.digests)
    assert meters.bytes_downloaded == total + (EPOCHS - 1) * (total - meters.kept_bytes)
    assert meters.kept_bytes >= 0.85 * window_bytes


def test_window_larger_than_the_dataset_downloads_it_once(dataset: RawDataset, tmp_path: Path) -> None:
    total = dataset.info.object_bytes
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=total * 2)):
        reader = WindowReader(tmp_path / "window", make_spec(dataset, epochs=EPOCHS)).begin()
        take_all(reader, dataset, 0, SAMPLES * EPOCHS)
        assert reader.meters().bytes_downloaded == total == reader.meters().kept_bytes


@pytest.mark.parametrize(("share", "is_whole"), [(1.0, False), (1.15, True)])
def test_window_no_smaller_than_an_epoch_keeps_from_the_first_byte_on_of_a_far_source(
    tmp_path: Path, share: float, is_whole: bool
) -> None:
    """And all of it, where beside it there is room for what readers need at once."""
    data = make_raw_dataset(tmp_path, sizes=[SAMPLE_BYTES] * 1000, per_object=1, source=SourceSpec(uri="s3://far"))

    def open_far(_: SourceSpec, **counted: Any) -> SlowSource:
        return SlowSource(SourceSpec(uri=str(data.folder)), seconds=0.04, **counted)

    total = data.info.object_bytes
    with serving(tmp_path / "window", int(share * total), open_far):
        reader = WindowReader(tmp_path / "window", make_spec(data, epochs=2)).begin()
        take_all(reader, data, 0, 2000)
        meters = reader.meters()
    assert meters.bytes_downloaded - meters.wasted_bytes == 2 * total - meters.kept_bytes
    assert meters.kept_bytes == total if is_whole else 0.84 * total < meters.kept_bytes < total


def test_window_that_is_made_smaller_is_within_its_new_bound_before_anyone_asks_for_it(
    dataset: RawDataset, tmp_path: Path
) -> None:
    window, larger_bytes, smaller_bytes = tmp_path / "window", 14_400_000, 9_600_000
    assert slot_capacity(larger_bytes) == slot_capacity(smaller_bytes)
    with Prefetcher(window, ServingOptions(window_size=larger_bytes)):
        reader = WindowReader(window, make_spec(dataset, epochs=EPOCHS)).begin()
        take_all(reader, dataset, 0, SAMPLES)
        reader.close()
    Control(window, writable=True).gauge(larger_bytes)
    control = open_control(window, smaller_bytes)
    assert used_bytes(window) <= smaller_bytes
    assert control.high_water_bytes <= smaller_bytes


def test_a_single_epoch_keeps_nothing(dataset: RawDataset, tmp_path: Path) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=4 << 20)):
        reader = WindowReader(tmp_path / "window", make_spec(dataset)).begin()
        take_all(reader, dataset, 0, 300)
        assert reader.meters().kept_bytes == 0


def test_what_is_kept_outlives_both_sides(dataset: RawDataset, tmp_path: Path) -> None:
    total, window_bytes = dataset.info.object_bytes, dataset.info.object_bytes // 2
    spec = make_spec(dataset, epochs=EPOCHS)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=window_bytes)) as prefetcher:
        reader = WindowReader(tmp_path / "window", spec).begin()
        take_all(reader, dataset, 0, SAMPLES // 2)
        kill_serving(prefetcher)
        take_all(reader, dataset, SAMPLES // 2, SAMPLES + 10)
        reader.close()
        again = msgspec.structs.replace(spec, session=uuid.uuid4().hex, owner=uuid.uuid4().hex, first_index=SAMPLES + 5)
        resumed = WindowReader(tmp_path / "window", again).begin()
        take_all(resumed, dataset, SAMPLES + 5, 2 * SAMPLES)
        meters = resumed.meters()
    assert meters.kept_bytes >= 0.85 * window_bytes
    assert meters.bytes_downloaded <= total - meters.kept_bytes + window_bytes // 8


def test_kept_bytes_that_were_damaged_are_fetched_again(dataset: RawDataset, tmp_path: Path) -> None:
    spec = make_spec(dataset, epochs=EPOCHS)
    window = tmp_path / "window"
    with Prefetcher(window, ServingOptions(window_size=dataset.info.object_bytes * 2)):
        reader = WindowReader(window, spec).begin()
        take_all(reader, dataset, 0, SAMPLES)
        reader.close()
    with (window / "slots").open("r+b") as slots:
        slots.seek(-dataset.info.object_bytes // 2, os.SEEK_END)
        slots.write(b"\xff" * 100_000)
    with Prefetcher(window, ServingOptions(window_size=dataset.info.object_bytes * 2)):
        again = msgspec.structs.replace(spec, session=uuid.uuid4().hex, owner=uuid.uuid4().hex, first_index=SAMPLES)
        reader = WindowReader(window, again).begin()
        keys = take_all(reader, dataset, SAMPLES, 2 * SAMPLES)
        fetched = reader.meters().bytes_downloaded
    assert sorted(keys) == sorted(dataset.digests)
    assert 0 < fetched < 300_000


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=80), st.integers(0, 200_000), st.randoms(use_true_random=False)
)
def test_places_lie_in_the_part_and_never_overlap(sizes: list[int], area_bytes: int, random: object) -> None:
    start = 4096
    mapped = memoryview(bytearray(start + area_bytes))
    area = KeptArea(mapped, offset=start, size_bytes=area_bytes, num_extents=len(sizes), total_bytes=sum(sizes))
    rows = list(range(len(sizes)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    places = {row: place for row, place in zip(rows, offer(area, sizes, rows), strict=True) if place != NOT_KEPT}
    ranges = sorted((place, place + sizes[row]) for row, place in places.items())
    assert all(start <= first and end <= start + area_bytes for first, end in ranges)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
    assert area.kept_bytes == sum(sizes[row] for row in places)
    if area_bytes >= kept_area_bytes(num_extents=len(sizes), total_bytes=sum(sizes)) + 4096:
        assert len(places) == len(sizes)
    again = KeptArea(mapped, offset=start, size_bytes=area_bytes, num_extents=len(sizes), total_bytes=sum(sizes))
    assert offer(again, sizes, list(places)) == list(places.values())


def test_index_that_a_power_cut_damaged_is_used_up_to_the_damage() -> None:
    sizes, rows = [100] * 20, list(range(20))
    for field, value in (("offset", 0), ("data_bytes", 1 << 40), ("row", 3), ("state", 77)):
        mapped = memoryview(bytearray(1 << 16))
        area = KeptArea(mapped, offset=0, size_bytes=1 << 16, num_extents=20, total_bytes=2000)
        places = offer(area, sizes, rows)
        np.frombuffer(mapped, dtype=KEPT_ENTRY, count=20)[10][field] = value
        again = KeptArea(mapped, offset=0, size_bytes=1 << 16, num_extents=20, total_bytes=2000)
        assert again.kept_bytes == 1000
        taken = offer(again, sizes, rows[::-1])
        assert len(set(taken)) == 20
        assert taken[10:] == places[9::-1]


@given(st.integers(1, 10**9), st.integers(1, 10**7), st.integers(0, 10**10), st.integers(1, 64))
def test_bound_holds_with_a_kept_part(window_bytes: int, sample_bytes: int, keep_bytes: int, batch: int) -> None:
    from penstock.errors import WindowTooSmall

    try:
        shape = plan_geometry(
            window_bytes=window_bytes, max_extent_bytes=sample_bytes, batch_extents=batch, keep_bytes=keep_bytes
        )
    except WindowTooSmall:
        return
    assert shape.total_bytes <= window_bytes
    assert shape.num_slots >= shape.batch_slots

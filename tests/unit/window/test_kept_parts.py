"""Parts that are read several times stay in the window until all their passes are done, and are fetched once."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from penstock.options.window import ServingOptions
from penstock.plan import make_order, node_order, window_extents
from penstock.records import Meters, Repeat, StreamSpec
from penstock.window import Prefetcher, WindowReader
from penstock.window.folder import used_bytes
from support.raw import RawDataset, make_raw_dataset
from support.windows import kill_serving, make_spec, take_all

pytestmark = pytest.mark.usefixtures("children_are_forked")

SAMPLES, SAMPLE_BYTES, PASSES, PART = 600, 8192, 4, 100
WINDOW_BYTES = 3 << 20
"""Of two parts, 1.6 MB, and slots; all samples are 4.7 MB."""


def made_spec(data: RawDataset, *, epochs: int = 1, passes: int = PASSES, part: int = PART) -> StreamSpec:
    plan = msgspec.structs.replace(data.plan, repeat=Repeat(part_extents=part, passes=passes))
    return make_spec(data, epochs=epochs, plan=plan)


def read_all(data: RawDataset, folder: Path, spec: StreamSpec, *, window_bytes: int) -> tuple[list[str], Meters]:
    with Prefetcher(folder, ServingOptions(window_size=window_bytes)):
        reader = WindowReader(folder, spec).begin()
        keys = take_all(reader, data, 0, spec.end_index)
        assert used_bytes(folder) <= window_bytes
        meters = reader.meters()
        reader.close()
    return keys, meters


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[SAMPLE_BYTES] * SAMPLES, per_object=100)


def test_a_part_is_downloaded_once_however_often_it_is_read(dataset: RawDataset, tmp_path: Path) -> None:
    spec = made_spec(dataset, epochs=2)
    keys, meters = read_all(dataset, tmp_path / "window", spec, window_bytes=WINDOW_BYTES)
    half = len(keys) // 2
    for epoch in (keys[:half], keys[half:]):
        assert Counter(epoch) == dict.fromkeys(dataset.digests, PASSES)
    # The last part of an epoch may be the first of the next one.
    part_bytes = PART * SAMPLE_BYTES
    assert 2 * dataset.info.object_bytes - 2 * part_bytes <= meters.bytes_downloaded <= 2 * dataset.info.object_bytes
    assert meters.window_high_water_bytes <= WINDOW_BYTES


def test_the_same_without_parts_downloads_what_is_not_kept_again_and_again(dataset: RawDataset, tmp_path: Path) -> None:
    plain = made_spec(dataset)
    order = make_order(dataset.info, dataset.plan, [("train", True)])
    spec = msgspec.structs.replace(
        plain, order=order, end_index=PASSES * SAMPLES, plan_fingerprint=dataset.plan.fingerprint
    )
    _, meters = read_all(dataset, tmp_path / "window", spec, window_bytes=WINDOW_BYTES)
    assert meters.bytes_downloaded > 1.5 * dataset.info.object_bytes


def test_all_in_two_parts_that_fit_is_downloaded_once_for_all_epochs(dataset: RawDataset, tmp_path: Path) -> None:
    spec = made_spec(dataset, epochs=3, part=SAMPLES // 2, passes=2)
    _, meters = read_all(dataset, tmp_path / "window", spec, window_bytes=8 << 20)
    assert meters.bytes_downloaded == dataset.info.object_bytes


@pytest.mark.parametrize(("part", "window_bytes"), [(400, 3 << 20), (1, 2 << 20), (SAMPLES, 2 << 20), (7, 1 << 20)])
def test_parts_of_any_size_come_whole_within_the_bound(
    dataset: RawDataset, tmp_path: Path, part: int, window_bytes: int
) -> None:
    """What has no room in the window streams: it is fetched as often as it is read, and never missing."""
    spec = made_spec(dataset, part=part, passes=2)
    keys, meters = read_all(dataset, tmp_path / "window", spec, window_bytes=window_bytes)
    assert Counter(keys) == dict.fromkeys(dataset.digests, 2)
    assert dataset.info.object_bytes <= meters.bytes_downloaded <= 2 * dataset.info.object_bytes
    assert meters.window_high_water_bytes <= window_bytes


def test_ranks_of_two_windows_read_parts_together(dataset: RawDataset, tmp_path: Path) -> None:
    whole = made_spec(dataset, epochs=2)
    keys: list[str] = []
    for rank in range(2):
        order = node_order(whole.order, first_rank=rank, num_ranks=1, world_size=2)
        spec = msgspec.structs.replace(
            whole, order=order, end_index=2 * window_extents(order), session=uuid.uuid4().hex
        )
        found, _ = read_all(dataset, tmp_path / f"window{rank}", spec, window_bytes=WINDOW_BYTES)
        keys += found
    assert Counter(keys) == dict.fromkeys(dataset.digests, 2 * PASSES)


def test_a_prefetcher_that_is_killed_goes_on_and_fetches_no_part_again(dataset: RawDataset, tmp_path: Path) -> None:
    window, spec = tmp_path / "window", made_spec(dataset)
    with Prefetcher(window, ServingOptions(window_size=WINDOW_BYTES)) as prefetcher:
        reader = WindowReader(window, spec).begin()
        keys = take_all(reader, dataset, 0, 650)
        kill_serving(prefetcher)
        keys += take_all(reader, dataset, 650, 1234)
        kill_serving(prefetcher)
        keys += take_all(reader, dataset, 1234, spec.end_index)
        meters = reader.meters()
        reader.close()
    assert Counter(keys) == dict.fromkeys(dataset.digests, PASSES)
    unkilled, _ = read_all(dataset, tmp_path / "other", spec, window_bytes=WINDOW_BYTES)
    assert keys == unkilled
    # What was on its way when it died is fetched again, and no more.
    assert meters.bytes_downloaded <= dataset.info.object_bytes + 4 * PART * SAMPLE_BYTES


@pytest.mark.parametrize("place", [1, 399, 400, 650, 2000])
def test_another_session_goes_on_anywhere_with_what_the_window_has(
    dataset: RawDataset, tmp_path: Path, place: int
) -> None:
    window, spec = tmp_path / "window", made_spec(dataset)
    expected, _ = read_all(dataset, tmp_path / "other", spec, window_bytes=WINDOW_BYTES)
    with Prefetcher(window, ServingOptions(window_size=WINDOW_BYTES)):
        reader = WindowReader(window, spec).begin()
        assert take_all(reader, dataset, 0, 700) == expected[:700]
        reader.close()
        again = msgspec.structs.replace(spec, session=uuid.uuid4().hex, first_index=place)
        reader = WindowReader(window, again).begin()
        assert take_all(reader, dataset, place, spec.end_index) == expected[place:]
        reader.close()


def test_a_damaged_kept_part_is_fetched_again(dataset: RawDataset, tmp_path: Path) -> None:
    window, spec = tmp_path / "window", made_spec(dataset)
    with Prefetcher(window, ServingOptions(window_size=WINDOW_BYTES)):
        reader = WindowReader(window, spec).begin()
        take_all(reader, dataset, 0, 150)
        reader.close()
    (slots,) = (path for path in window.iterdir() if path.stat().st_size > (1 << 20))
    with slots.open("r+b") as file:
        file.seek(-200_000, os.SEEK_END)
        file.write(os.urandom(200_000))
    keys, _ = read_all(
        dataset, window, msgspec.structs.replace(spec, session=uuid.uuid4().hex), window_bytes=WINDOW_BYTES
    )
    assert Counter(keys) == dict.fromkeys(dataset.digests, PASSES)

"""The window between two real processes: a prefetcher and a reader."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.errors import PrefetcherLost, SourceChanged, WindowTooSmall
from penstock.manifest import ManifestReader
from penstock.options.window import ServingOptions
from penstock.plan import make_order, stream_rows
from penstock.records import StreamSpec
from penstock.window import Prefetcher, WindowReader
from penstock.window.folder import used_bytes
from support.raw import RawDataset, make_raw_dataset
from support.windows import kill_serving

pytestmark = pytest.mark.usefixtures("children_are_forked")

WINDOW_BYTES = 1 << 20


def make_spec(data: RawDataset, *, epochs: int = 1, first_index: int = 0, batch_extents: int = 1) -> StreamSpec:
    order = make_order(data.info, data.plan, [("train", True)])
    return StreamSpec(
        session=uuid.uuid4().hex,
        manifest=str(data.manifest),
        manifest_fingerprint=data.info.fingerprint,
        plan_fingerprint=data.plan.fingerprint,
        order=order,
        first_index=first_index,
        end_index=order.num_samples * epochs,
        num_ranks=1,
        batch_extents=batch_extents,
        num_files=0,
        on_bad_sample="fail",
        owner=uuid.uuid4().hex,
        purpose="data",
        patience_seconds=300.0,
    )


def planned_keys(data: RawDataset, spec: StreamSpec) -> list[str]:
    with ManifestReader(data.manifest) as manifest:
        return [manifest.row(row).key for _, row in stream_rows(spec.order, spec.first_index, spec.end_index)]


def read_all(reader: WindowReader, spec: StreamSpec, data: RawDataset, *, until: int | None = None) -> list[str]:
    keys = []
    for index in range(spec.first_index, until or spec.end_index):
        sample = reader.get(index)
        assert hashlib.sha256(sample.data).hexdigest() == data.digests[sample.meta.key]
        keys.append(sample.meta.key)
        reader.advance(index + 1)
    return keys


@pytest.fixture
def dataset(tmp_path: Path) -> RawDataset:
    sizes = [1 + (number * 7919) % 50_000 for number in range(300)]
    return make_raw_dataset(tmp_path, sizes=sizes)


@pytest.fixture
def prefetcher(tmp_path: Path) -> Iterator[Prefetcher]:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)) as child:
        yield child


def test_samples_arrive_in_plan_order_once_an_epoch_within_the_bound(
    dataset: RawDataset, prefetcher: Prefetcher, tmp_path: Path
) -> None:
    spec = make_spec(dataset, epochs=2)
    reader = WindowReader(tmp_path / "window", spec).begin()
    peak = 0
    keys = []
    for index in range(spec.end_index):
        keys += read_all(reader, _from(spec, index), dataset, until=index + 1)
        peak = max(peak, used_bytes(tmp_path / "window"))
    assert keys == planned_keys(dataset, spec)
    assert sorted(keys[:300]) == sorted(dataset.digests) == sorted(keys[300:])
    assert keys[:300] != keys[300:]
    assert dataset.info.object_bytes > 4 * WINDOW_BYTES
    assert peak <= WINDOW_BYTES
    meters = reader.meters()
    assert meters.sample_bytes == 2 * dataset.info.object_bytes
    assert meters.bytes_downloaded == 2 * dataset.info.object_bytes - meters.kept_bytes
    assert meters.window_high_water_bytes <= meters.window_bytes == WINDOW_BYTES


def _from(spec: StreamSpec, index: int) -> StreamSpec:
    import msgspec

    return msgspec.structs.replace(spec, first_index=index)


def test_killed_prefetcher_comes_back_and_loses_and_repeats_nothing(
    dataset: RawDataset, prefetcher: Prefetcher, tmp_path: Path
) -> None:
    spec = make_spec(dataset)
    reader = WindowReader(tmp_path / "window", spec).begin()
    keys = []
    for index in range(spec.end_index):
        if index in (3, 100, 101, 250):
            kill_serving(prefetcher)
        keys += read_all(reader, _from(spec, index), dataset, until=index + 1)
    assert keys == planned_keys(dataset, spec)
    assert prefetcher.num_restarts >= 3
    # Slots that were whole when it died were adopted: nearly nothing was fetched again.
    assert reader.meters().refetched_bytes < 2 * WINDOW_BYTES


def test_new_session_goes_on_where_it_is_asked_to_and_adopts_what_lies_there(
    dataset: RawDataset, prefetcher: Prefetcher, tmp_path: Path
) -> None:
    first = make_spec(dataset)
    read_all(WindowReader(tmp_path / "window", first).begin(), first, dataset, until=40)
    again = make_spec(dataset, first_index=35)
    reader = WindowReader(tmp_path / "window", again).begin()
    assert read_all(reader, again, dataset) == planned_keys(dataset, again)
    assert reader.meters().bytes_downloaded < dataset.info.object_bytes


def test_error_arrives_at_its_sample_and_those_before_it_are_read(
    dataset: RawDataset, prefetcher: Prefetcher, tmp_path: Path
) -> None:
    spec = make_spec(dataset)
    keys = planned_keys(dataset, spec)
    with ManifestReader(dataset.manifest) as manifest:
        objects = [manifest.row(row).spans[0].object for _, row in stream_rows(spec.order, 0, spec.end_index)]
    changed = objects[200]
    first_hit = objects.index(changed)
    path = dataset.folder / changed
    path.write_bytes(b"x" * path.stat().st_size)
    reader = WindowReader(tmp_path / "window", spec).begin()
    assert read_all(reader, spec, dataset, until=first_hit) == keys[:first_hit]
    with pytest.raises(SourceChanged, match=changed):
        reader.get(first_hit)


def test_window_smaller_than_a_sample_is_an_error_with_a_size_that_works(tmp_path: Path) -> None:
    data = make_raw_dataset(tmp_path, sizes=[100_000] * 4)
    with (
        Prefetcher(tmp_path / "window", ServingOptions(window_size=150_000)),
        pytest.raises(WindowTooSmall, match="at least") as caught,
    ):
        WindowReader(tmp_path / "window", make_spec(data)).begin()
    enough = int(caught.value.fix.split("at least ")[1].removesuffix("Mi")) << 20
    with Prefetcher(tmp_path / "other", ServingOptions(window_size=enough)):
        spec = make_spec(data)
        assert len(read_all(WindowReader(tmp_path / "other", spec).begin(), spec, data)) == 4


def test_reader_without_a_prefetcher_gives_up_with_a_clear_error(dataset: RawDataset, tmp_path: Path) -> None:
    (tmp_path / "window").mkdir()
    with pytest.raises(PrefetcherLost, match="no prefetcher served"):
        WindowReader(tmp_path / "window", make_spec(dataset), timeout_seconds=0.2).begin()

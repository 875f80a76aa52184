"""What the window guarantees, W1 to W7: a test of each through its doors alone, and how to break it.

Each docstring names a line that breaks the guarantee; with it the test fails. Tests of a guarantee's corners lie where
its parts do:

| | corners |
|---|---|
| W1 | ``test_policy.py`` (geometry), ``test_kept.py`` (kept part), ``test_sessions.py`` (full disk, manifest) |
| W2 | ``test_sessions.py`` (damaged slots, entries and control files, bytes that change under a reader) |
| W3 | ``test_policy.py`` (state machine), ``test_ranks.py``, ``tests/unit/plan`` |
| W4 | ``test_chaos.py``, ``test_sessions.py``, ``test_liveness.py``, ``tests/integration/test_chaos.py`` |
| W5 | ``tests/unit/sources``, ``tests/integration/test_chaos.py`` (over HTTP) |
| W6 | ``test_policy.py`` (errors and gaps), ``test_sessions.py`` (errors of sessions, over a restart) |
| W7 | ``test_kept.py`` |
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import SourceChanged, SourceError
from penstock.manifest import SourceSpec
from penstock.options.window import ServingOptions
from penstock.sources import ObjectInfo, ObjectSource, open_source
from penstock.window import Prefetcher, WindowReader
from penstock.window.control import Control
from penstock.window.folder import used_bytes
from support.raw import RawDataset, make_raw_dataset
from support.windows import kill_serving, make_spec, planned_keys, serving, small_tmpfs, take, take_all

MIB = 1 << 20


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    sizes = [2000 + (number * 7919) % 16_000 for number in range(1200)]
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=sizes, per_object=60, num_valid=200)


class OwnSource:
    """A local folder whose reads do something first."""

    def __init__(
        self, spec: SourceSpec, *, first: Callable[[ObjectInfo, int, memoryview], Any], **counted: Any
    ) -> None:
        self._source: ObjectSource = open_source(spec, **counted)
        self._first = first
        self.meter = self._source.meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def read_into(self, info: ObjectInfo, offset: int, place: memoryview) -> None:
        done = self._first(info, offset, place)
        if done is not None:
            await done
        await self._source.read_into(info, offset, place)


@contextlib.contextmanager
def of_just(size_bytes: int, folder: Path) -> Iterator[Path]:
    """A file system of that size, where one may be mounted: unlinked files that are still mapped count there too."""
    if os.geteuid() != 0:
        yield folder
        return
    with small_tmpfs(folder, size_bytes) as mount:
        yield mount


@pytest.mark.parametrize("window_bytes", [MIB, 8 * MIB])
def test_w1_the_window_never_holds_more_than_its_bound(dataset: RawDataset, tmp_path: Path, window_bytes: int) -> None:
    """Whatever is more than the bound, at any moment, is a full disk.

    Break it: in ``plan_geometry`` (geometry.py) let ``num_slots`` be 2 more than fit, ``// slot_bytes + 2``.
    """
    with of_just(window_bytes, tmp_path / "mount") as mount, serving(mount, window_bytes):
        for epochs, num_ranks, first in ((1, 1, 0), (2, 1, 0), (1, 2, 100), (2, 1, 700)):
            spec = make_spec(dataset, epochs=epochs, first_index=first, num_ranks=num_ranks)
            reader = WindowReader(mount, spec).begin()
            keys = take_all(reader, dataset, first, first + 60)
            assert keys == planned_keys(dataset, spec)[:60]
            assert used_bytes(mount) <= window_bytes
            assert sum(path.lstat().st_size for path in mount.iterdir()) <= window_bytes
            assert reader.meters().window_high_water_bytes <= window_bytes
            reader.close()


def test_w2_nothing_is_visible_before_it_is_complete_and_verified(dataset: RawDataset, tmp_path: Path) -> None:
    """While ranges are under way no slot is READY and the reader waits; what it then gives is whole.

    Break it: in ``Fetcher.begin`` (fetch.py) place samples whose reads have not ended: drop ``not num_reads and``.
    """
    goes_on, folder, spec = threading.Event(), tmp_path / "window", make_spec(dataset)

    async def half(info: ObjectInfo, offset: int, place: memoryview) -> None:
        place[: len(place) // 2] = bytes([0xA5]) * (len(place) // 2)
        while not goes_on.is_set():
            await asyncio.sleep(0.01)

    got: list[str] = []
    with serving(folder, MIB, partial(OwnSource, first=half)):
        reader = WindowReader(folder, spec).begin()
        reading = threading.Thread(target=lambda: got.append(take(reader, dataset, 0)))
        reading.start()
        control = Control(folder, writable=False)
        for _ in range(50):
            assert control.find_ready(0) is None
            time.sleep(0.01)
        assert reading.is_alive()
        goes_on.set()
        reading.join(20)
        assert got == planned_keys(dataset, spec)[:1]


def test_w2_bytes_that_are_not_what_was_verified_are_never_given(dataset: RawDataset, tmp_path: Path) -> None:
    """One bit of one sample is turned in the window, as a failing disk or a stray writer does.

    Break it: in ``WindowReader.get`` (reader.py) let ``if checksum(data) == wanted`` be ``if True``.
    """
    folder, spec = tmp_path / "window", make_spec(dataset)
    with serving(folder, MIB):
        reader = WindowReader(folder, spec, timeout_seconds=5).begin()
        data = bytes(reader.get(3).data)
        with (folder / "slots").open("r+b") as slots:
            at = slots.read().find(data)
            slots.seek(at + len(data) // 2)
            slots.write(bytes([data[len(data) // 2] ^ 1]))
        with pytest.raises(Exception, match="checksum"):
            reader.get(3)


def test_w3_samples_come_in_plan_order_each_once_an_epoch(dataset: RawDataset, tmp_path: Path) -> None:
    """Through a window that is a tenth of an epoch, so that every slot is used many times.

    Break it: in ``Planner._look_up`` (planning.py) turn the rows about: ``rows_between(...)[::-1]``.
    """
    epochs, spec = 3, make_spec(dataset, epochs=3)
    with serving(tmp_path / "window", MIB):
        reader = WindowReader(tmp_path / "window", spec).begin()
        keys = take_all(reader, dataset, 0, spec.end_index)
    size = spec.order.num_samples
    given = [keys[epoch * size : (epoch + 1) * size] for epoch in range(epochs)]
    assert keys == planned_keys(dataset, spec)
    assert all(sorted(epoch) == sorted(given[0]) for epoch in given)
    assert len(set(given[0])) == size
    assert given[0] != given[1] != given[2]


def test_w4_kills_lose_and_repeat_nothing(dataset: RawDataset, tmp_path: Path) -> None:
    """What a reader holds stays as it is through the prefetcher's death; what a trainer had is where it goes on from.

    Break it: in ``FillerSession._adopt`` (session.py) keep no slots: ``chosen = []``.
    """
    folder, spec = tmp_path / "window", make_spec(dataset)
    with Prefetcher(folder, ServingOptions(window_size=MIB)) as prefetcher:
        reader = WindowReader(folder, spec).begin()
        keys = take_all(reader, dataset, 0, 20)
        last = _last_visible(folder, 20)
        held = reader.get(last - 1)
        kill_serving(prefetcher)
        # What was visible is there still, and gives way to nothing while it is ahead of the cursor.
        keys += take_all(reader, dataset, 20, (20 + last) // 2)
        reader.get(last)
        assert hashlib.sha256(held.data).hexdigest() == dataset.digests[held.meta.key]
        assert reader.is_intact(held)
        assert prefetcher.num_restarts == 1
        keys += take_all(reader, dataset, len(keys), 300)
        # The trainer dies having read further than it saved.
        again = make_spec(dataset, first_index=250)
        resumed = WindowReader(folder, again).begin()
        keys[250:] = take_all(resumed, dataset, 250, again.end_index)
    assert keys == planned_keys(dataset, spec)


def _last_visible(folder: Path, first: int) -> int:
    """Return the end of what is visible from an index on when the window is full."""
    control = Control(folder, writable=False)
    seen, since = -1, time.monotonic()
    while time.monotonic() < since + 0.5:
        end = first
        while (slot := control.find_ready(end)) is not None:
            entry = control.entries[slot]
            end = int(entry["first_index"]) + int(entry["count"])
        if end != seen:
            seen, since = end, time.monotonic()
        time.sleep(0.02)
    return seen


def test_w5_an_object_that_changed_is_an_error_and_never_a_splice(tmp_path: Path) -> None:
    """A large object, read by ranges, is another from the second of them on, with as many bytes.

    Break it: in ``ObjectSource._get_once`` (objects.py) ask without ``if_match`` and compare no ETag. Over HTTP:
    in ``judge`` (http_response.py) compare no ETag; tests/integration/test_chaos.py fails.
    """
    data = make_raw_dataset(tmp_path, sizes=[1000, 17 * MIB, 1000], per_object=1, shuffle=False)
    (changing,) = [path for path in data.folder.iterdir() if path.stat().st_size > MIB]
    asked: list[int] = []

    def change(info: ObjectInfo, offset: int, place: memoryview) -> None:
        if info.key == changing.name:
            asked.append(offset)
        if len(asked) == 2:
            other = changing.with_suffix(".new")
            other.write_bytes(bytes(changing.stat().st_size))
            other.replace(changing)
            asked.append(-1)

    with serving(tmp_path / "window", 40 * MIB, partial(OwnSource, first=change)):
        reader = WindowReader(tmp_path / "window", make_spec(data)).begin()
        take(reader, data, 0)
        with pytest.raises(SourceChanged, match=changing.name):
            take(reader, data, 1)
    assert len(asked) > 2


def test_w6_an_error_arrives_in_order_at_its_sample(tmp_path: Path) -> None:
    """Two objects are gone, the later one is asked for first: all before the earlier come, then its error, no skip.

    Break it: in ``Fill.failed_at`` (fetch.py) let ``min`` be ``max``.
    """
    data = make_raw_dataset(tmp_path, sizes=[3000] * 60, per_object=1, shuffle=False)
    for number in (33, 30):
        (data.folder / f"object-{number:05}.bin").unlink()

    async def later_for_the_first(info: ObjectInfo, offset: int, place: memoryview) -> None:
        if info.key == "object-00030.bin":
            await asyncio.sleep(0.3)

    spec = make_spec(data)
    with serving(tmp_path / "window", MIB, partial(OwnSource, first=later_for_the_first)):
        reader = WindowReader(tmp_path / "window", spec).begin()
        assert take_all(reader, data, 0, 30) == planned_keys(data, spec)[:30]
        for _ in range(2):
            with pytest.raises(SourceError, match="object-00030"):
                reader.get(30)
        # Other objects of those names and sizes are no better: another error, at the same place.
        reader.close()
        for number in (30, 33):
            _replace(data, number)
        with pytest.raises(SourceChanged, match="object-00030"):
            WindowReader(tmp_path / "window", make_spec(data, first_index=30)).begin().get(30)


def _replace(data: RawDataset, number: int) -> None:
    """Put another object of the same size in its place."""
    (data.folder / f"object-{number:05}.bin").write_bytes(bytes(3000))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_w7_downloads_are_the_least_that_any_order_needs(tmp_path: Path, share: float) -> None:
    """D + (E - 1)(D - K), to the byte, in every epoch.

    Break it: in ``KeptArea.found`` (kept.py) give None always.
    """
    data = make_raw_dataset(tmp_path, sizes=[4096] * 1500, per_object=100)
    total, size, epochs = data.info.object_bytes, 1500, 3
    with serving(tmp_path / "window", int(total * share)):
        spec = make_spec(data, epochs=epochs)
        reader = WindowReader(tmp_path / "window", spec).begin()
        for epoch in range(epochs):
            assert sorted(take_all(reader, data, epoch * size, (epoch + 1) * size)) == sorted(data.digests)
        meters = reader.meters()
    assert meters.bytes_downloaded - meters.wasted_bytes == total + (epochs - 1) * (total - meters.kept_bytes)
    assert meters.bytes_downloaded - meters.wasted_bytes == epochs * total - meters.reused_bytes
    assert meters.kept_bytes > 0

"""Sessions that follow one another, stand in each other's way, or find a damaged window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.errors import (
    ChecksumMismatch,
    DiskFull,
    PenstockError,
    PrefetcherLost,
    RecordError,
    WindowError,
    WindowTooSmall,
)
from penstock.manifest import Extent, SourceSpec, Span
from penstock.options.window import ServingOptions
from penstock.records import StreamSpec
from penstock.sources import ObjectSource, open_source
from penstock.window import Filler, Prefetcher, WindowReader, hand_over
from penstock.window.control import Control
from penstock.window.fetch import put_error
from penstock.window.folder import CONTROL, SESSION, SLOTS
from penstock.window.heads import Heads
from penstock.window.kept import NOT_KEPT
from penstock.window.layout import EXTENT_ENTRY, entry_checksum
from penstock.window.packing import lay_out
from penstock.window.slots import read_table
from support.raw import RawDataset, make_raw_dataset
from support.rows import rows_of
from support.windows import kill_serving, make_spec, planned_keys, serving, small_tmpfs, take, take_all

WINDOW_BYTES = 1 << 20


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    sizes = [1 + (number * 7919) % 30_000 for number in range(200)]
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=sizes)


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Path]:
    with serving(tmp_path / "window", WINDOW_BYTES):
        yield tmp_path / "window"


def test_reader_whose_window_was_taken_over_says_so_and_moves_nothing(dataset: RawDataset, window: Path) -> None:
    old_spec, new_spec = make_spec(dataset), make_spec(dataset)
    old = WindowReader(window, old_spec).begin()
    take_all(old, dataset, 0, 30)
    held = old.get(30)
    assert old.is_intact()
    new = WindowReader(window, new_spec).begin()
    assert not old.is_intact()
    assert held.index == 30
    old.advance(150)
    assert take_all(new, dataset, 0, 200) == planned_keys(dataset, new_spec)
    with pytest.raises(WindowError, match="another trainer took over"):
        old.get(31)


def test_window_of_one_stream_is_never_read_as_anothers(dataset: RawDataset, window: Path, tmp_path: Path) -> None:
    """Slots of equal stream indices lie there when the other stream begins."""
    other = make_raw_dataset(tmp_path / "other", sizes=[10_000] * 60, seed=5)
    for data in (dataset, other, dataset):
        spec = make_spec(data)
        reader = WindowReader(window, spec).begin()
        assert take_all(reader, data, 0, 50) == planned_keys(data, spec)[:50]
        reader.close()


def test_sessions_of_a_few_samples_leave_room_for_a_batch(dataset: RawDataset, window: Path) -> None:
    """Each of the short ones goes a sample further and leaves a slot that is hardly used."""
    for end in range(1, 16):
        short = msgspec.structs.replace(make_spec(dataset), end_index=end)
        WindowReader(window, short).begin().get(end - 1)
    spec = make_spec(dataset, batch_extents=8)
    reader = WindowReader(window, spec).begin()
    for first in range(0, 200, 8):
        keys = [reader.get(index).meta.key for index in range(first, first + 8)]
        assert keys == planned_keys(dataset, spec)[first : first + 8]
        reader.advance(first + 8)


def test_record_of_another_release_is_an_error_that_reaches_the_trainer(
    dataset: RawDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)):
        with monkeypatch.context() as newer:
            newer.setattr(StreamSpec, "version", 99)
            with pytest.raises(RecordError, match="version 99"):
                WindowReader(tmp_path / "window", make_spec(dataset)).begin()
        # The prefetcher lives on, and serves what it understands.
        (tmp_path / "window" / SESSION).write_text("{ not json")
        again = make_spec(dataset)
        reader = WindowReader(tmp_path / "window", again).begin()
        assert take(reader, dataset, 0) == planned_keys(dataset, again)[0]


@pytest.mark.parametrize("damage", [b"", b"x" * 10, b"PENSTOCK" + b"c" * 9000, b"PENSTOCK\2\0\0\0" + b"\xff" * 9000])
def test_damaged_control_file_is_made_anew(dataset: RawDataset, tmp_path: Path, damage: bytes) -> None:
    folder = tmp_path / "window"
    spec = make_spec(dataset)
    with serving(folder, WINDOW_BYTES):
        take_all(WindowReader(folder, spec).begin(), dataset, 0, 20)
    (folder / CONTROL).write_bytes(damage)
    again = make_spec(dataset, first_index=20)
    with serving(folder, WINDOW_BYTES):
        assert take_all(WindowReader(folder, again).begin(), dataset, 20, 200) == planned_keys(dataset, again)


def test_damaged_slots_are_fetched_again(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        WindowReader(folder, make_spec(dataset)).begin().get(0)
    size = (folder / SLOTS).stat().st_size
    with (folder / SLOTS).open("r+b") as file:
        file.seek(size // 3)
        file.write(os.urandom(size // 3))
    spec = make_spec(dataset)
    with serving(folder, WINDOW_BYTES):
        assert take_all(WindowReader(folder, spec).begin(), dataset, 0, 200) == planned_keys(dataset, spec)


def test_bytes_that_change_under_the_reader_are_never_given(dataset: RawDataset, window: Path) -> None:
    reader = WindowReader(window, make_spec(dataset)).begin()
    reader.get(0)
    with (window / SLOTS).open("r+b") as file:
        file.write(os.urandom((window / SLOTS).stat().st_size))
    with pytest.raises(ChecksumMismatch, match="fresh folder"):
        reader.get(1)


def test_entry_that_names_other_samples_is_never_believed(dataset: RawDataset, window: Path) -> None:
    """As a CPU may show it that reorders stores: the sample's own checksum would not notice."""
    reader = WindowReader(window, make_spec(dataset)).begin()
    reader.get(0)
    control = Control(window, writable=True)
    reader.get(40)
    slot = control.find_ready(40)
    assert slot is not None
    reader.get(0)
    control.entries[slot]["first_index"] += 1
    with pytest.raises(ChecksumMismatch, match=f"slot {slot}"):
        reader.get(int(control.entries[slot]["first_index"]))


def test_entry_of_another_stream_is_never_believed() -> None:
    entry = np.zeros((), dtype=[("table_bytes", "u4"), ("count", "u4"), ("first_index", "u8"), ("checksum", "u8")])
    table = bytes(EXTENT_ENTRY.itemsize)
    entry["table_bytes"], entry["count"], entry["first_index"] = len(table), 1, 7
    entry["checksum"] = entry_checksum("one", first_index=7, count=1, table=table)
    assert read_table(memoryview(table), entry[()], "one") is not None
    assert read_table(memoryview(table), entry[()], "other") is None


def test_prefetcher_of_another_bound_makes_the_window_anew_under_a_reader(dataset: RawDataset, tmp_path: Path) -> None:
    folder, spec = tmp_path / "window", make_spec(dataset)
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, spec).begin()
        keys = take_all(reader, dataset, 0, 30)
        reader.get(30)
        old = Control(folder, writable=False)
    with serving(folder, WINDOW_BYTES // 2):
        while old.is_current(folder):
            os.sched_yield()
        assert not reader.is_intact()
        keys += take_all(reader, dataset, 30, 200)
        assert reader.meters().window_bytes == WINDOW_BYTES // 2
    assert keys == planned_keys(dataset, spec)


def test_lost_slots_are_made_anew_under_a_reader(dataset: RawDataset, tmp_path: Path) -> None:
    folder, spec = tmp_path / "window", make_spec(dataset)
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, spec).begin()
        keys = take_all(reader, dataset, 0, 30)
    (folder / SLOTS).unlink()
    with serving(folder, WINDOW_BYTES):
        keys += take_all(reader, dataset, 30, 200)
    assert keys == planned_keys(dataset, spec)


def test_error_of_an_earlier_session_is_not_the_next_ones(tmp_path: Path) -> None:
    large = make_raw_dataset(tmp_path / "large", sizes=[400_000] * 3)
    small = make_raw_dataset(tmp_path / "small", sizes=[4_000] * 30)
    with serving(tmp_path / "window", 300_000):
        with pytest.raises(WindowTooSmall):
            WindowReader(tmp_path / "window", make_spec(large)).begin()
        spec = make_spec(small)
        reader = WindowReader(tmp_path / "window", spec).begin()
        assert take_all(reader, small, 0, 30) == planned_keys(small, spec)


def test_fault_in_one_session_is_told_and_the_next_is_served(dataset: RawDataset, tmp_path: Path) -> None:
    opened = iter([None, open_source])

    def opener(spec: SourceSpec, **counted: Any) -> ObjectSource:
        open_it = next(opened)
        if open_it is None:
            raise ZeroDivisionError("of ours")
        return open_it(spec, **counted)

    with serving(tmp_path / "window", WINDOW_BYTES, opener):
        with pytest.raises(PenstockError, match="of ours"):
            WindowReader(tmp_path / "window", make_spec(dataset)).begin()
        spec = make_spec(dataset)
        take(WindowReader(tmp_path / "window", spec).begin(), dataset, 0)


def test_killed_prefetcher_keeps_the_slots_behind_a_gap(dataset: RawDataset, tmp_path: Path) -> None:
    """A reader may be looking at them; they are kept, not fetched again, and the gap is filled."""
    folder, spec = tmp_path / "window", make_spec(dataset)
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, spec).begin()
        reader.get(0)
        control = Control(folder, writable=True)
        for index in (0, 20, 40):
            reader.get(index)
        gap = control.find_ready(20)
        behind = control.find_ready(40)
    assert gap is not None
    assert behind is not None
    before = control.entries[behind].copy()
    control.entries[gap]["state"] = 1  # as it is while it is being filled
    with serving(folder, WINDOW_BYTES):
        assert take_all(reader, dataset, 0, 30) == planned_keys(dataset, spec)[:30]
        assert control.find_ready(40) == behind
        assert control.entries[behind] == before
        assert take_all(reader, dataset, 30, 200) == planned_keys(dataset, spec)[30:]


def test_full_disk_is_an_error_that_reaches_the_trainer_and_leaves_nothing(dataset: RawDataset, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "mount", 512 << 10) as mount:
        folder = mount / "window"
        with serving(folder, WINDOW_BYTES), pytest.raises(DiskFull, match="slots"):
            WindowReader(folder, make_spec(dataset)).begin()
        assert not (folder / SLOTS).exists()
        spec = make_spec(dataset)
        with serving(folder, 300 << 10):
            assert take_all(WindowReader(folder, spec).begin(), dataset, 0, 200) == planned_keys(dataset, spec)


def test_second_prefetcher_of_a_folder_is_refused(window: Path) -> None:
    import asyncio

    with pytest.raises(WindowError, match="another prefetcher serves"):
        asyncio.run(Filler(window, window_bytes=WINDOW_BYTES).serve(asyncio.Event()))


def test_error_text_of_any_length_fits_at_a_slots_end() -> None:
    span = Span(object="o", version="e", object_bytes=99, offset=0, length_bytes=0)
    sample = Extent(key="k" * 200, group="g", spans=(span,))
    rows = rows_of([sample])
    kept = np.array([NOT_KEPT])
    pack = lay_out(rows, Heads.of(rows), kept, first=0, count=1, first_index=0, slot_bytes=2048)
    for letter in ("x", "\N{CJK UNIFIED IDEOGRAPH-4E2D}", "\U0001f600"):
        slot = memoryview(bytearray(2048))
        put_error(pack, 0, WindowError(letter * 5000, fix=letter * 5000, about=letter * 5000), slot)


def test_error_of_a_session_fits_the_header(tmp_path: Path, dataset: RawDataset) -> None:
    spec = make_spec(dataset, manifest=str(tmp_path / ("missing" * 30)))
    with serving(tmp_path / "window", WINDOW_BYTES), pytest.raises(RecordError, match="cannot read the manifest"):
        WindowReader(tmp_path / "window", spec).begin()


def test_manifest_is_handed_over_within_the_bound(dataset: RawDataset, tmp_path: Path) -> None:
    """On a file system of just the bound: whatever exceeds it at any moment is a full disk."""
    other = make_raw_dataset(tmp_path / "other", sizes=[100] * 15_000, per_object=5000, seed=5)
    large = other.manifest.stat().st_size
    assert large > 100_000
    with small_tmpfs(tmp_path / "mount", WINDOW_BYTES) as mount, serving(mount, WINDOW_BYTES):
        for data in (other, dataset, other, other):
            path = hand_over(data.manifest, mount)
            spec = make_spec(data, manifest=str(path))
            reader = WindowReader(mount, spec).begin()
            assert take_all(reader, data, 0, 60) == planned_keys(data, spec)[:60]
            assert Control(mount, writable=False).high_water_bytes <= WINDOW_BYTES
            assert (mount / SLOTS).stat().st_size < WINDOW_BYTES - large // 2
            reader.close()


def test_manifest_larger_than_the_window_is_refused_before_it_is_copied(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, dataset.manifest.stat().st_size):
        while not (folder / CONTROL).exists():
            os.sched_yield()
        with pytest.raises(WindowTooSmall, match="manifest"):
            hand_over(dataset.manifest, folder)
    assert not (folder / "manifest.parquet").exists()


def test_manifest_is_not_copied_twice(dataset: RawDataset, tmp_path: Path) -> None:
    hand_over(dataset.manifest, tmp_path / "window")
    before = (tmp_path / "window" / "manifest.parquet").stat()
    hand_over(dataset.manifest, tmp_path / "window")
    after = (tmp_path / "window" / "manifest.parquet").stat()  # reading it changes its atime
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_hand_over_without_a_prefetcher_to_make_room_gives_up(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        WindowReader(folder, make_spec(dataset)).begin().get(0)
    with pytest.raises(PrefetcherLost, match="gave the space"):
        hand_over(dataset.manifest, folder, timeout_seconds=0.2)


def test_killed_prefetcher_before_an_error_slot_gives_the_same_error(dataset: RawDataset, tmp_path: Path) -> None:
    data = make_raw_dataset(tmp_path, sizes=[9_000] * 100, shuffle=False)
    victim = sorted(data.folder.iterdir())[3]
    victim.write_bytes(b"x" * victim.stat().st_size)
    spec = make_spec(data)
    with Prefetcher(tmp_path / "window", ServingOptions(window_size=WINDOW_BYTES)) as child:
        reader = WindowReader(tmp_path / "window", spec).begin()
        assert take_all(reader, data, 0, 25) == planned_keys(data, spec)[:25]
        kill_serving(child)
        assert take_all(reader, data, 25, 30) == planned_keys(data, spec)[25:30]
        with pytest.raises(Exception, match=victim.name):
            reader.get(30)

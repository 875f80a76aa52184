"""What was handed over is what readers passed, however far ahead samples were made ready."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

from penstock.manifest import ManifestReader
from penstock.records import Meters
from penstock.sources import RequestMeter, open_source, read_meter_files, sum_meters
from penstock.window import WindowReader
from penstock.window.control import Control
from penstock.window.cursor import Cursor
from penstock.window.handed import HandedOver
from penstock.window.session import FillerSession
from penstock.window.slots import open_control
from penstock.window.wakeup import Bell
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, serving, take_all

WINDOW_BYTES = 16 << 20
SIZES = [1 + (number * 7919) % 3000 for number in range(120)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=SIZES)


def pack(first: int, end: int) -> tuple[int, np.ndarray]:
    return first, np.arange(first, end, dtype=np.int64)


def test_each_index_is_counted_once() -> None:
    handed, counted = HandedOver(3), 0
    for first, end in ((10, 20), (0, 10), (20, 30)):  # in the order in which they were ready
        handed.put(*pack(first, end))
    for cursor in (3, 4, 10, 15, 12, 25, 30, 30):
        counted += handed.move(cursor)
        assert counted == sum(range(3, max(cursor, 3))) or cursor == 12
    assert counted == sum(range(3, 30))


def test_what_was_passed_before_it_was_ready_is_not_counted() -> None:
    handed = HandedOver(0)
    assert handed.move(15) == 0
    handed.put(*pack(10, 20))
    assert handed.move(20) == sum(range(15, 20))


@pytest.mark.parametrize("num_read", [1, 77, 120, 240, 250])
def test_reading_stops_early(dataset: RawDataset, tmp_path: Path, num_read: int) -> None:
    """All is kept, so that all the epochs are made ready at once."""
    folder, spec = tmp_path / "window", make_spec(dataset, epochs=50)
    with serving(folder, 2 << 20):
        reader = WindowReader(folder, spec).begin()
        wanted = sum(reader_bytes(reader, dataset, num_read))
        assert reader.meters().sample_bytes == wanted
        reader.close()
    found = told(folder)
    assert found.sample_bytes == wanted
    # Of the epochs that were made ready and that nobody read nothing was used again.
    assert found.reused_bytes == max(0, wanted - sum(SIZES))


def test_a_session_that_goes_on_counts_on(dataset: RawDataset, tmp_path: Path) -> None:
    """Of the next prefetcher, through slots that it adopts; and of the next session of the stream."""
    folder, spec = tmp_path / "window", make_spec(dataset, epochs=2)
    with serving(folder, 2 << 20):
        reader = WindowReader(folder, spec).begin()
        take_all(reader, dataset, 0, 50)
    with serving(folder, 2 << 20):
        take_all(reader, dataset, 50, 240)
        assert reader.meters().sample_bytes == 2 * sum(SIZES)
        # And what the first prefetcher had on its way into the kept part when it ended.
        assert sum(SIZES) <= reader.meters().reused_bytes < 2 * sum(SIZES)
        reader.close()
        again = WindowReader(folder, make_spec(dataset, epochs=2)).begin()
        take_all(again, dataset, 0, 120)
        assert again.meters().sample_bytes == sum(SIZES)  # counted for each session's owner
        again.close()


def test_what_is_read_while_no_prefetcher_lives_is_counted_by_the_next_one(dataset: RawDataset, tmp_path: Path) -> None:
    """All lies ready, so that reading needs nobody."""
    folder, spec = tmp_path / "window", make_spec(dataset, epochs=2)
    with serving(folder, 2 << 20):
        reader = WindowReader(folder, spec).begin()
        take_all(reader, dataset, 0, 50)
        control = Control(folder, writable=False)
        while control.fetched_through < 240:
            time.sleep(0.01)
    take_all(reader, dataset, 50, 240)
    with serving(folder, 2 << 20):
        assert reader.meters().sample_bytes == 2 * sum(SIZES)
        assert reader.meters().reused_bytes == sum(SIZES)
        reader.close()


def reader_bytes(reader: WindowReader, dataset: RawDataset, num_read: int) -> list[int]:
    sizes = []
    for index in range(num_read):
        sizes.append(len(reader.get(index).data))
        reader.advance(index + 1)
    return sizes


def told(folder: Path) -> Meters:
    return sum_meters(read_meter_files(folder))


def test_a_reader_is_followed_while_slots_are_filled(tmp_path: Path) -> None:
    """Whoever closes a stream waits for that, and a large window has slots to fill for long."""
    data = make_raw_dataset(tmp_path / "raw", sizes=[1000] * 300)
    folder, spec = tmp_path / "window", make_spec(data, epochs=10_000)
    folder.mkdir()
    control = open_control(folder, WINDOW_BYTES)

    async def turns_until_counted() -> list[int]:
        """Return turns of the event loop, in each of which one slot is filled."""
        bell, found = Bell(folder), []
        with ManifestReader(data.manifest) as manifest:
            session = await FillerSession.open(
                folder,
                spec,
                control=control,
                manifest=manifest,
                source=open_source(data.info.source),
                meter=RequestMeter(),
                window_bytes=WINDOW_BYTES,
                max_in_flight=4,
                bell=bell,
            )
            own, running = Cursor.begin(folder, 0, spec.session, 0), asyncio.create_task(session.run())
            for index in range(1, 6):
                own.move(index)
                bell.changed.set()
                found.append(0)
                while control.cursor < index:
                    await asyncio.sleep(0)
                    found[-1] += 1
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        return found

    assert max(asyncio.run(turns_until_counted())) <= 3

"""A listing that goes on: whoever waits for a part is woken when it is there, and when it never will be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.errors import OutputUnwritable
from penstock.manifest import ListingRecord, ListingWriter, is_listing, parts_folder, read_listing_record, wait_for_part
from penstock.owning import make_mark
from penstock.records import FailureRecord

FAILURE = FailureRecord(
    step="list", error="DataError", exit_code=30, retryable=False, what="bad", fix="mend it", failed_at="2026"
)
WRITER = """
import sys
from pathlib import Path
from penstock.manifest import ListingWriter
with ListingWriter(Path(sys.argv[1])) as writer:
    writer.add_part("a")
    print("at work", flush=True)
    sys.stdin.read()
"""


class Waiting(threading.Thread):
    """Waits for a part; tells when it was woken."""

    def __init__(self, folder: Path, number: int | None) -> None:
        super().__init__(daemon=True)
        self._wait: Callable[[], None] = lambda: wait_for_part(folder, number)
        self.start()

    def run(self) -> None:
        self._wait()

    def is_woken(self, *, seconds: float = 5.0) -> bool:
        self.join(seconds)
        return not self.is_alive()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return parts_folder(tmp_path / "m.parquet")


def test_a_part_wakes_those_that_wait_for_it_and_the_end_all_others(folder: Path) -> None:
    with ListingWriter(folder) as writer:
        waiting = [Waiting(folder, number) for number in (0, 1, 7, None)]
        assert not any(each.is_woken(seconds=0.1) for each in waiting)
        writer.add_part("a")
        assert waiting[0].is_woken()
        assert read_listing_record(folder) == ListingRecord(parts=("a",))
        assert not any(each.is_woken(seconds=0.1) for each in waiting[1:])
        writer.end("w")
        assert is_listing(folder)
    assert all(each.is_woken() for each in waiting)
    assert not is_listing(folder)
    assert read_listing_record(folder) == ListingRecord(parts=("a",), whole="w")
    wait_for_part(folder, 3)


def test_a_writer_that_is_killed_wakes_those_that_wait(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        waiting = [Waiting(folder, number) for number in (1, None)]
        assert is_listing(folder)
        assert not any(each.is_woken(seconds=0.1) for each in waiting)
        process.send_signal(signal.SIGKILL)
        assert all(each.is_woken() for each in waiting)
    assert not is_listing(folder)
    assert read_listing_record(folder) == ListingRecord(parts=("a",))


def test_a_second_writer_waits_for_the_first_and_begins_anew(folder: Path) -> None:
    seen: list[ListingRecord | None] = []
    begun = threading.Event()

    def write() -> None:
        with ListingWriter(folder):
            seen.append(read_listing_record(folder))
            begun.set()

    with ListingWriter(folder) as first:
        first.add_part("a")
        (folder / "00000.parquet").write_bytes(b"part")
        (folder / ".penstock-manifest-x").mkdir()
        os.close(make_mark(folder / ".penstock-manifest-x" / ".penstock-temporary", ".penstock-temporary"))
        second = threading.Thread(target=write)
        second.start()
        assert not begun.wait(0.1)
        first.fail(FAILURE)
        assert read_listing_record(folder) == ListingRecord(parts=("a",), failure=FAILURE)
    assert begun.wait(5)
    second.join()
    assert seen == [ListingRecord()]
    assert sorted(path.name for path in folder.iterdir()) == ["listing.json", "lock"]


def test_a_signal_ends_a_wait(folder: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    previous = signal.signal(signal.SIGALRM, stop)
    try:
        with ListingWriter(folder):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            begun = time.monotonic()
            with pytest.raises(Stopped):
                wait_for_part(folder, 0)
            assert time.monotonic() - begun < 5
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_where_there_is_no_listing_nobody_waits(folder: Path) -> None:
    assert not is_listing(folder)
    assert read_listing_record(folder) is None
    wait_for_part(folder, 0)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable), ListingWriter(parts_folder(tmp_path / "file" / "m.parquet")):
        pass

"""A window that another process removes, cuts short or writes to while it is in use: an error in time, or it heals."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from penstock.errors import PenstockError, RecordError, WindowError
from penstock.options.window import ServingOptions
from penstock.records import encode_record
from penstock.window import Prefetcher, WindowReader, read_gauges, start_prefetcher
from penstock.window.asking import check_spec
from penstock.window.control import Control
from penstock.window.cursor import Cursor
from penstock.window.folder import SESSION, install
from penstock.window.layout import SlotState
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, planned_keys, serving, take, take_all

pytestmark = pytest.mark.usefixtures("children_are_forked")

WINDOW_BYTES = 1 << 20
TIMEOUT_SECONDS = 3.0
NUM_SAMPLES = 400


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[9_000] * NUM_SAMPLES)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Prefetcher]:
    made = start_prefetcher(tmp_path / "window", ServingOptions(prefetch="process", window_size=WINDOW_BYTES))
    assert made is not None
    with made:
        yield made


def cut(path: Path, size_bytes: int = 0) -> None:
    os.truncate(path, size_bytes)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def write_ahead(path: Path) -> None:
    with path.open("rb+") as file:
        file.write((1 << 62).to_bytes(8, "little"))


def scribble(path: Path) -> None:
    with path.open("rb+") as file:
        file.write(b"\xff" * 4096)


def write_session(text: bytes) -> Callable[[Path], None]:
    return lambda path: install(path, text)


NESTED, ABSURD = b"[" * 100_000, b'{"record":"stream","version":2,"session":"x","num_ranks":' + b"9" * 400 + b"}"
DONE = {
    "control gone": ("control", Path.unlink),
    "control cut": ("control", cut),
    "control cut in its middle": ("control", lambda path: cut(path, 4096 + 100)),
    "control scribbled": ("control", scribble),
    "control a folder": ("control", replace_by_folder),
    "control a link": ("control", replace_by_link),
    "slots gone": ("slots", Path.unlink),
    "slots cut": ("slots", cut),
    "slots cut in their middle": ("slots", lambda path: cut(path, 300_000)),
    "slots a folder": ("slots", replace_by_folder),
    "slots a link": ("slots", replace_by_link),
    "cursor gone": ("cursor-0", Path.unlink),
    "cursor cut": ("cursor-0", cut),
    "cursor far ahead": ("cursor-0", write_ahead),
    "cursor scribbled": ("cursor-0", scribble),
    "cursor a folder": ("cursor-0", replace_by_folder),
    "socket gone": ("socket", Path.unlink),
    "socket a folder": ("socket", replace_by_folder),
    "session gone": (SESSION, Path.unlink),
    "session a folder": (SESSION, replace_by_folder),
    "session nested": (SESSION, write_session(NESTED)),
    "session absurd": (SESSION, write_session(ABSURD)),
    "session endless": (SESSION, lambda path: cut(path, 1 << 33)),
    "mark gone": (".penstock-window", Path.unlink),
    "folder gone": ("", shutil.rmtree),
}


@pytest.mark.parametrize("name", DONE)
def test_what_is_done_to_a_window_in_use_heals_or_is_an_error_in_time(
    tmp_path: Path, dataset: RawDataset, child: Prefetcher, name: str
) -> None:
    folder, (file, do) = tmp_path / "window", DONE[name]
    spec = make_spec(dataset)
    reader = WindowReader(folder, spec, timeout_seconds=TIMEOUT_SECONDS, lost=child.error).begin()
    keys, error = [take(reader, dataset, index) for index in range(20)], None
    do(folder / file)
    begun = time.monotonic()
    try:
        keys += take_all(reader, dataset, 20, NUM_SAMPLES)
    except PenstockError as caught:
        error = caught
    finally:
        reader.close()
    assert keys == planned_keys(dataset, spec)[: len(keys)]
    assert time.monotonic() - begun < 10 * TIMEOUT_SECONDS
    assert error is None or (str(folder) in str(error) and error.fix)
    assert len(keys) == NUM_SAMPLES or error is not None
    read_gauges(folder)


@pytest.mark.parametrize("file", ["slots", "control"])
def test_cut_file_ends_no_reader_and_the_window_heals(
    tmp_path: Path, dataset: RawDataset, child: Prefetcher, file: str
) -> None:
    """Whatever a sample's bytes are, they stay what they were: nothing is a SIGBUS, wherever they are used."""
    folder, spec = tmp_path / "window", make_spec(dataset)
    reader = WindowReader(folder, spec, timeout_seconds=20, lost=child.error).begin()
    held = [reader.get(index) for index in range(5)]
    before = [bytes(sample.data) for sample in held]
    os.truncate(folder / file, 0)
    assert [bytes(sample.data) for sample in held] == before
    assert take_all(reader, dataset, 0, NUM_SAMPLES) == planned_keys(dataset, spec)
    reader.close()


def test_process_says_why_before_a_bus_error(tmp_path: Path) -> None:
    (tmp_path / "slots").write_bytes(bytes(8192))
    code = (
        "import mmap, os, sys; from penstock.window.bus_error import tell_of_bus_errors\n"
        "tell_of_bus_errors(); file = open(sys.argv[1], 'r+b'); mapped = mmap.mmap(file.fileno(), 8192)\n"
        "os.truncate(sys.argv[1], 0); mapped[0] = 1"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "slots")], capture_output=True, text=True)
    assert done.returncode == -signal.SIGBUS
    assert "a file of the window was cut short" in done.stderr


def test_prefetcher_outlives_absurd_sessions_and_serves_the_next(tmp_path: Path, dataset: RawDataset) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES) as thread:
        for text in (NESTED, ABSURD, b"", b"null", b"\xff\xfe", b'{"record":"stream","version":NaN}', b"{" * 9000):
            (folder / SESSION).write_bytes(text)
            thread.join(0.05)
            assert thread.is_alive()
        spec = make_spec(dataset)
        reader = WindowReader(folder, spec, timeout_seconds=10).begin()
        assert take_all(reader, dataset, 0, 40) == planned_keys(dataset, spec)[:40]
        reader.close()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_ranks", 10**15),
        ("num_ranks", 0),
        ("num_ranks", -1),
        ("num_files", 10**18),
        ("num_files", -1),
        ("batch_extents", 2**62),
        ("batch_extents", 0),
        ("first_index", -5),
        ("first_index", 10**30),
        ("end_index", 2**63),
        ("end_index", -1),
        ("session", "x" * 100),
        ("session", ""),
        ("session", "a\nb"),
        ("manifest", "../manifest.parquet"),
        ("manifest", "files/x"),
        ("manifest", ""),
    ],
)
def test_numbers_and_paths_that_no_trainer_asks_for_are_told_at_once(
    tmp_path: Path, dataset: RawDataset, field: str, value: object
) -> None:
    spec = msgspec.structs.replace(make_spec(dataset), **{field: value})
    with pytest.raises(RecordError, match=field):
        check_spec(spec, origin="session.json")
    if field == "session" or value == 10**30:
        return
    with serving(tmp_path / "window", WINDOW_BYTES) as thread:
        asked = msgspec.structs.replace(spec, session="asked")
        install(tmp_path / "window" / SESSION, encode_record(asked))
        deadline = time.monotonic() + 20
        error = None
        while error is None and time.monotonic() < deadline:
            thread.join(0.02)
            with contextlib.suppress(FileNotFoundError):
                error = Control(tmp_path / "window", writable=False).error("asked")
        assert error is not None
        assert field in error.what


def test_segments_that_cannot_be_are_refused(dataset: RawDataset) -> None:
    spec = make_spec(dataset)
    for segment in (
        msgspec.structs.replace(spec.order.segments[0], num_samples=-1),
        msgspec.structs.replace(spec.order.segments[0], num_extents=-1),
        msgspec.structs.replace(spec.order.segments[0], num_samples=spec.order.num_extents - 1),
        msgspec.structs.replace(spec.order.segments[0], first_row=2**61),
    ):
        order = msgspec.structs.replace(spec.order, segments=(segment,))
        with pytest.raises(RecordError, match="order"):
            check_spec(msgspec.structs.replace(spec, order=order), origin="session.json")
    empty = msgspec.structs.replace(spec.order, segments=())
    with pytest.raises(RecordError, match="order"):
        check_spec(msgspec.structs.replace(spec, order=empty), origin="session.json")


def test_prefetcher_that_lives_and_does_nothing_is_given_up(tmp_path: Path, dataset: RawDataset) -> None:
    """Its heart beats in a thread of its own; what it should do, it never does."""
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        spec = make_spec(dataset)
        reader = WindowReader(folder, spec, timeout_seconds=1.0).begin()
        take_all(reader, dataset, 0, 10)
        control = Control(folder, writable=True)
        while SlotState.READY not in control.entries["state"][control.entries["first_index"] > 10]:
            time.sleep(0.01)  # what is still being fetched would be put there in spite of it
        control.entries["state"] = SlotState.FREE
        with pytest.raises(WindowError, match="got nothing done"):
            take_all(reader, dataset, 10, NUM_SAMPLES)
        reader.close()


def test_cursor_that_was_cut_says_what_it_said_before(tmp_path: Path) -> None:
    mine = Cursor.begin(tmp_path, 0, "one", 7)
    seen = Cursor.open(tmp_path, 0)
    assert seen is not None
    os.truncate(tmp_path / "cursor-0", 0)
    assert (seen.index, seen.is_alive()) == (7, True)
    assert Cursor.open(tmp_path, 0) is None
    mine.mend()
    again = Cursor.open(tmp_path, 0)
    assert again is not None
    assert (again.session, again.index) == ("one", 7)

"""Two ranks that share one window, each a process with a cursor of its own."""

from __future__ import annotations

import multiprocessing
import threading
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.errors import PrefetcherLost, WindowError
from penstock.records import encode_record
from penstock.window import WindowReader
from penstock.window.control import Control
from penstock.window.cursor import Cursor
from penstock.window.folder import SESSION, install
from penstock.window.joining import find_session
from penstock.window.layout import SlotState
from penstock.window.ownership import claim_window
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, planned_keys, read_lane, serving, take, take_all

WINDOW_BYTES = 300_000
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[3_000] * 600)


def test_each_sample_goes_to_one_rank_in_lane_order(dataset: RawDataset, tmp_path: Path) -> None:
    told: Queue[Any] = SPAWN.Queue()
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        # The second comes first, and waits for the first.
        ranks = [
            SPAWN.Process(target=read_lane, args=(folder, dataset, rank, told), kwargs={"epochs": 2}) for rank in (1, 0)
        ]
        for process in ranks:
            process.start()
        got: dict[int, list[tuple[int, str]]] = {0: [], 1: []}
        sessions: list[str] = []
        while len(sessions) < 2:
            rank, index, word = told.get(timeout=60)
            if index is None:
                sessions.append(word)
            else:
                got[rank].append((index, word))
        for process in ranks:
            process.join()
    keys = planned_keys(dataset, make_spec(dataset, epochs=2))
    assert sessions[0] == sessions[1]
    for rank in (0, 1):
        assert got[rank] == list(enumerate(keys))[rank::2]
    assert len(keys) == 1200


def test_slot_is_freed_when_both_have_passed_it(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        spec = make_spec(dataset, num_ranks=2)
        ahead = WindowReader(folder, spec).begin()
        behind = WindowReader(folder, msgspec.structs.replace(spec, session=""), rank=1).begin()
        control = Control(folder, writable=False)
        last = ahead.get(0).index
        while control.entries["state"].tolist().count(SlotState.READY) < control.num_slots:
            ahead._listener.wait()
        while control.find_ready(last + 1) is not None:
            last += 1
            take(ahead, dataset, last)
        generations = control.entries["generation"].copy()
        # The one ahead has read all that is there; nothing moves while the other has not.
        with pytest.raises(PrefetcherLost):
            _stuck(folder, ahead, last + 1)
        assert (control.entries["generation"] == generations).all()
        assert take_all(behind, dataset, 0, 50) == planned_keys(dataset, spec)[:50]
        assert take(ahead, dataset, last + 1) == planned_keys(dataset, spec)[last + 1]


def _stuck(folder: Path, reader: WindowReader, index: int) -> None:
    """Try to get a sample for a moment."""
    got = threading.Event()

    def try_it() -> None:
        reader.get(index)
        got.set()

    threading.Thread(target=try_it, daemon=True).start()
    if not got.wait(1):
        raise PrefetcherLost("nothing moves", fix="")


def test_rank_does_not_join_the_session_of_a_dead_job(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    joining = msgspec.structs.replace(make_spec(dataset, num_ranks=2), session="")
    with serving(folder, WINDOW_BYTES):
        dead = WindowReader(folder, make_spec(dataset, num_ranks=2)).begin()
        dead.close()
        with pytest.raises(PrefetcherLost, match="rank 0 asked nothing"):
            WindowReader(folder, joining, rank=1, timeout_seconds=0.5).begin()
        alive = WindowReader(folder, make_spec(dataset, num_ranks=2)).begin()
        joined = WindowReader(folder, joining, rank=1).begin()
        assert joined.spec.session == alive.spec.session
        with pytest.raises(PrefetcherLost, match="rank 0 asked nothing"):
            WindowReader(folder, joining, rank=1, timeout_seconds=0.5).begin()
        # Nor is a rank that goes on to another stream told off for what rank 0 has not ended yet.
        other = make_spec(dataset, num_ranks=2, first_index=20)
        with pytest.raises(PrefetcherLost, match="rank 0 asked nothing"):
            WindowReader(folder, msgspec.structs.replace(other, session=""), rank=1, timeout_seconds=0.5).begin()
        alive.close()
        alive = WindowReader(folder, other).begin()
        joined = WindowReader(folder, msgspec.structs.replace(other, session=""), rank=1).begin()
        assert joined.spec.session == alive.spec.session


def test_rank_does_not_take_a_new_rank_0_for_that_of_a_dead_job(
    dataset: RawDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 comes back, its session not asked for yet, just when rank 1 looks whether the old one lives."""
    folder = tmp_path / "window"
    old = make_spec(dataset, num_ranks=2, first_index=10)
    folder.mkdir()
    Cursor.begin(folder, 0, old.session, 10).end()
    install(folder / SESSION, encode_record(old))
    look = Cursor.is_alive
    new: list[Cursor] = []

    def look_late(cursor: Cursor) -> bool:
        if not new:
            new.append(Cursor.begin(folder, 0, "new", 20))
        return look(cursor)

    monkeypatch.setattr(Cursor, "is_alive", look_late)
    mine = msgspec.structs.replace(old, session="", first_index=20)
    monkeypatch.setattr(Cursor, "is_over", property(lambda _: False))  # it was killed
    assert find_session(folder, mine, used=()) is None


def test_rank_that_asks_for_another_stream_is_told_in_what_it_differs(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        kept = WindowReader(folder, make_spec(dataset, num_ranks=2, first_index=10)).begin()
        other = msgspec.structs.replace(make_spec(dataset, num_ranks=2, first_index=20), session="")
        with pytest.raises(WindowError, match="first_index"):
            WindowReader(folder, other, rank=1).begin()
        assert kept.is_intact()


def test_cursors_of_ranks_that_are_no_more_are_removed(dataset: RawDataset, tmp_path: Path) -> None:
    folder = tmp_path / "window"
    claim_window(folder)
    for rank in range(1, 4):
        Cursor.begin(folder, rank, "old", 5)
    with serving(folder, WINDOW_BYTES):
        spec = make_spec(dataset)
        assert take(WindowReader(folder, spec).begin(), dataset, 0) == planned_keys(dataset, spec)[0]
        assert not list(folder.glob("cursor-[1-9]"))

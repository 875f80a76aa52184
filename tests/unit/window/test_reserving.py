"""Blocks are reserved while the window is in use, and for no longer: nothing is left behind by what fails."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.errors import DiskFull, OutputError, WindowError
from penstock.manifest import ManifestReader
from penstock.sources import RequestMeter, open_source
from penstock.window.reserving import Reservation
from penstock.window.session import FillerSession
from penstock.window.slots import open_control
from penstock.window.wakeup import Bell
from support.handles import open_files
from support.raw import make_raw_dataset
from support.windows import make_spec

WINDOW_BYTES = 64 << 20


def reserving() -> list[str]:
    """Name the threads that reserve."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("penstock-reserve")]


def test_reservation_that_cannot_be_made_keeps_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "slots").touch()
    with pytest.raises(OutputError):
        Reservation(tmp_path / "slots", parts=((0, 4096),), at_once=((0, 1 << 62),), on_more=lambda: None)
    assert not open_files(tmp_path)
    assert not reserving()


def test_what_cannot_fit_is_refused_before_the_disk_is_filled(tmp_path: Path) -> None:
    (tmp_path / "slots").touch()
    with pytest.raises(DiskFull, match=r"slots: \S+ TiB are wanted, .* are free: choose a smaller --window-size"):
        Reservation(tmp_path / "slots", parts=((0, (1 << 63) - 1),), at_once=((0, 4096),), on_more=lambda: None)
    assert (tmp_path / "slots").stat().st_blocks == 0
    assert not open_files(tmp_path)
    assert not reserving()


def test_what_is_reserved_already_is_not_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "slots").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    volume = os.statvfs(tmp_path)
    full = SimpleNamespace(f_frsize=volume.f_frsize, f_bavail=0, f_bfree=0, f_blocks=volume.f_blocks)
    monkeypatch.setattr(os, "fstatvfs", lambda _: full)
    Reservation(tmp_path / "slots", parts=((0, 1 << 20),), at_once=((0, 1 << 20),), on_more=lambda: None).close()


def test_parts_are_reserved_side_by_side(tmp_path: Path) -> None:
    """What is kept lies behind the slots: the first kept sample must not wait until all slots are reserved."""
    mib = 1 << 20
    (tmp_path / "slots").touch()
    steps: list[tuple[bool, bool]] = []
    done = threading.Event()

    def on_more() -> None:
        began.wait()
        steps.append((reservation.holds(39 * mib, 40 * mib), reservation.holds(40 * mib, 41 * mib)))
        if reservation.holds(0, 80 * mib):
            done.set()

    began = threading.Event()
    reservation = Reservation(
        tmp_path / "slots", parts=((0, 40 * mib), (40 * mib, 80 * mib)), at_once=((0, mib),), on_more=on_more
    )
    began.set()
    assert done.wait(60)
    reservation.close()
    assert steps[:2] == [(False, False), (False, True)]
    assert steps[-1] == (True, True)
    assert (tmp_path / "slots").stat().st_blocks * 512 >= 80 * mib


def test_session_that_does_not_come_to_be_reserves_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is not the window's any more, so that its blocks would come on top of the bound."""
    data = make_raw_dataset(tmp_path / "raw", sizes=[1000] * 10)
    folder = tmp_path / "window"
    folder.mkdir()

    async def fail(_: FillerSession) -> None:
        raise WindowError("taken over", fix="")

    async def open_session() -> None:
        with ManifestReader(data.manifest) as manifest:
            await FillerSession.open(
                folder,
                make_spec(data),
                control=open_control(folder, WINDOW_BYTES),
                manifest=manifest,
                source=open_source(data.info.source),
                meter=RequestMeter(),
                window_bytes=WINDOW_BYTES,
                max_in_flight=4,
                bell=Bell(folder),
            )

    monkeypatch.setattr(FillerSession, "_begin", fail)
    with pytest.raises(WindowError, match="taken over"):
        asyncio.run(open_session())
    assert not reserving()

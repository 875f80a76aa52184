"""Files that two processes and two users share."""

from __future__ import annotations

import mmap
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from penstock import locks
from penstock.errors import DiskFull, OutputUnwritable
from penstock.window.cursor import Cursor
from penstock.window.folder import (
    SLOTS,
    allocate,
    foreign_bytes,
    install,
    making,
    release,
    sweep,
    used_bytes,
)
from penstock.window.ownership import claim_window
from support.windows import mount_used_bytes, small_tmpfs


def test_released_file_gives_its_blocks_back_while_it_is_mapped(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "mount", 8 << 20) as mount:
        allocate(mount / SLOTS, 4 << 20)
        with (mount / SLOTS).open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 4 << 20, access=mmap.ACCESS_READ)
        assert mount_used_bytes(mount) >= 4 << 20
        release(mount / SLOTS)
        assert mount_used_bytes(mount) < 1 << 20
        assert mapped[-1] == 0  # and is no SIGBUS
        mapped.close()


def test_full_disk_leaves_nothing_half_made(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "mount", 1 << 20) as mount:
        before = mount_used_bytes(mount)
        with pytest.raises(DiskFull, match="slots"):
            allocate(mount / SLOTS, 4 << 20)
        assert list(mount.iterdir()) == []
        assert mount_used_bytes(mount) == before


def test_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    install(tmp_path / "file", b"old")
    with pytest.raises(OutputUnwritable), making(tmp_path / "file") as handle:
        os.write(handle, b"half") + os.write(-1, b"")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_are_the_groups_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        claim_window(tmp_path / "window")
        install(tmp_path / "window" / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "window").stat().st_mode) == 0o2770
    assert stat.S_IMODE((tmp_path / "window" / "file").stat().st_mode) == 0o660


def test_foreign_files_count_and_own_ones_do_not(tmp_path: Path) -> None:
    for name in (
        "control",
        "slots",
        "session.json",
        ".penstock-window",
        "cursor-0",
        ".cursor-0.x.tmp",
        ".session.json.y.tmp",
    ):
        install(tmp_path / name, b"x" * 5000)
    assert foreign_bytes(tmp_path) == 0
    install(tmp_path / "manifest.parquet", b"x" * 10_000)
    install(tmp_path / ".manifest.parquet.z.tmp", b"x" * 10_000)
    assert foreign_bytes(tmp_path) >= 20_000
    assert used_bytes(tmp_path) >= 55_000


def test_sweep_takes_what_killed_processes_left(tmp_path: Path) -> None:
    old, new, others = ".manifest.parquet.abcd1234.tmp", ".manifest.parquet.bcde_345.tmp", ".mine.abcd1234.tmp"
    for name in ("cursor-0", "cursor-1", "cursor-of-mine", old, new, others):
        install(tmp_path / name, b"x")
    for name in (old, others):
        os.utime(tmp_path / name, (time.time() - 3600,) * 2)
    sweep(tmp_path, num_ranks=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([new, others, "cursor-0", "cursor-of-mine"])


def test_looking_at_a_lock_does_not_stand_in_its_way(tmp_path: Path) -> None:
    install(tmp_path / "lock", b"x")
    assert not locks.is_held(tmp_path / "lock")
    assert not locks.is_held(tmp_path / "missing")
    mine, other = (os.open(tmp_path / "lock", os.O_RDWR) for _ in range(2))
    assert locks.take(mine)
    assert locks.is_held(tmp_path / "lock")
    assert not locks.take(other)
    os.close(mine)
    assert not locks.is_held(tmp_path / "lock")
    assert locks.take(other)
    os.close(other)


def test_cursor_is_alive_for_as_long_as_its_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from penstock.window.cursor import Cursor\n"
        "kept = Cursor.begin(Path(sys.argv[1]), 0, 'one', 7); print('there', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        seen = Cursor.open(tmp_path, 0)
        assert seen is not None
        assert (seen.session, seen.index, seen.is_alive()) == ("one", 7, True)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not seen.is_alive()


def test_cursor_of_an_earlier_session_moves_nothing(tmp_path: Path) -> None:
    old = Cursor.begin(tmp_path, 0, "old", 3)
    new = Cursor.begin(tmp_path, 0, "new", 1)
    old.move(100)
    seen = Cursor.open(tmp_path, 0)
    assert seen is not None
    assert (seen.session, seen.index) == ("new", 1)
    old.end()
    assert seen.is_alive()
    new.end()
    assert not seen.is_alive()
    assert seen.is_over

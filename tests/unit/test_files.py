"""Local files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from penstock.errors import ConfigError, OutputUnwritable
from penstock.files import ScratchFile, atomic_path, atomic_write


def test_a_file_is_written_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "file.bin"
    for data in (b"first, longer", b"second", b""):
        atomic_write(path, data)
        assert path.read_bytes() == data
        assert list(path.parent.iterdir()) == [path]


def test_what_was_there_stays_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail_halfway() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise ConfigError("stop", fix="")

    with pytest.raises(ConfigError):
        fail_halfway()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "dangling").symlink_to("nothing")
    before = {path: path.lstat().st_ino for path in tmp_path.iterdir()}
    for name, kind in (("pipe", "a pipe"), ("folder", "a folder"), ("link", "a link"), ("dangling", "a link")):
        with pytest.raises(OutputUnwritable, match=rf"cannot write .*{name}, which is {kind}: name a file"):
            atomic_write(tmp_path / name, b"x")
    assert {path: path.lstat().st_ino for path in tmp_path.iterdir()} == before
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    whole = [bytes([number]) * 300_000 for number in range(8)]
    atomic_write(path, whole[0])
    done = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for data in whole * 5:
        atomic_write(path, data)
    done.set()
    reader.join()
    assert seen <= set(whole)


def test_the_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_threads_that_write_leave_the_umask_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        threads = [
            threading.Thread(target=lambda n=n: [atomic_write(tmp_path / f"{n}-{k}", b"x") for k in range(50)])
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        after = os.umask(before)
    assert after == 0o022
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


@pytest.mark.parametrize("name", ["x" * 250, "ü" * 120])
def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path, name: str) -> None:
    atomic_write(tmp_path / name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    for path in (tmp_path / "file" / "below", tmp_path / "folder"):
        with pytest.raises(OutputUnwritable, match="cannot write") as caught:
            atomic_write(path, b"x")
        assert str(path) in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_scratch_is_read_back_and_leaves_nothing_behind(tmp_path: Path) -> None:
    scratch = ScratchFile(tmp_path / "made")
    places = [scratch.append(data) for data in (b"one", b"", memoryview(b"three"))]
    assert [scratch.read(*place) for place in places] == [b"one", b"", b"three"]
    assert not list((tmp_path / "made").iterdir())
    scratch.close()
    scratch.close()


def test_scratch_in_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputUnwritable, match="file"):
        ScratchFile(tmp_path / "file")

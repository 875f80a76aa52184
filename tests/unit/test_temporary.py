"""Temporary folders: gone with their process, or with the next one; those of others stay."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from pathlib import Path

from penstock.temporary import TemporaryFolder, sweep_abandoned
from penstock.window.ownership import Role, hold_window

MAKE = (
    "import sys; from pathlib import Path; from penstock.temporary import TemporaryFolder\n"
    "made = TemporaryFolder('penstock-test-', Path(sys.argv[1]))\n"
    "(made.path / 'window').mkdir(); (made.path / 'window' / 'slots').write_bytes(bytes(9))\n"
    "print(made.path, flush=True)\n"
    "sys.stdin.read()"
)


def killed_one(parent: Path) -> Path:
    command = [sys.executable, "-c", MAKE, str(parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        path = Path(child.stdout.readline().strip())
        assert sweep_abandoned(parent, "penstock-test-") == []
        child.send_signal(signal.SIGKILL)
    return path


def test_folder_of_a_killed_process_goes_with_the_next_one(tmp_path: Path) -> None:
    path = killed_one(tmp_path)
    assert (path / "window" / "slots").exists()
    with TemporaryFolder("penstock-test-", tmp_path) as mine:
        assert [found.name for found in tmp_path.iterdir()] == [mine.name]
    assert list(tmp_path.iterdir()) == []


def test_folder_goes_with_its_object(tmp_path: Path) -> None:
    made = TemporaryFolder("penstock-test-", tmp_path)
    (made.path / "file").touch()
    del made
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_forked_process_removes_nothing(tmp_path: Path) -> None:
    with TemporaryFolder("penstock-test-", tmp_path) as path:
        child = os.fork()
        if not child:
            gc.collect()
            weakref.finalize._exitfunc()  # type: ignore[attr-defined] - what the end of an interpreter does
            os._exit(0)
        os.waitpid(child, 0)
        assert path.exists()


def test_what_is_not_known_to_be_abandoned_stays(tmp_path: Path) -> None:
    (tmp_path / "penstock-test-mine").mkdir()
    (tmp_path / "penstock-test-file").touch()
    (tmp_path / "penstock-test-link").symlink_to(killed_one(tmp_path))
    (tmp_path / "penstock-test-marked").mkdir()
    (tmp_path / "penstock-test-marked" / ".penstock-temporary").write_text("a note of mine")
    (tmp_path / "penstock-test-linked-mark").mkdir()
    (tmp_path / "penstock-test-linked-mark" / ".penstock-temporary").symlink_to(
        tmp_path / "penstock-test-link" / ".penstock-temporary"
    )
    before = sorted(path.name for path in tmp_path.iterdir())
    removed = sweep_abandoned(tmp_path, "penstock-test-")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        name for name in before if name not in {path.name for path in removed}
    ]
    assert len(removed) == 1


def test_links_in_an_abandoned_folder_are_removed_as_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    path = killed_one(tmp_path)
    (path / "link").symlink_to(precious)
    (path / "window" / "link").symlink_to(precious)
    assert sweep_abandoned(tmp_path, "penstock-test-") == [path]
    assert (precious / "file").read_text() == "mine"


def test_folder_whose_prefetcher_still_lives_is_left_for_later(tmp_path: Path) -> None:
    path = killed_one(tmp_path)
    (path / "window" / "slots").unlink()
    held = hold_window(path / "window", Role.PREFETCHER)
    assert sweep_abandoned(tmp_path, "penstock-test-") == []
    held.close()
    assert sweep_abandoned(tmp_path, "penstock-test-") == [path]


def test_many_sweepers_and_makers_at_once(tmp_path: Path) -> None:
    for _ in range(2):
        killed_one(tmp_path)
    made: list[TemporaryFolder] = []
    failed: list[BaseException] = []

    def make() -> None:
        try:
            for _ in range(20):
                made.append(TemporaryFolder("penstock-test-", tmp_path))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sorted(tmp_path.iterdir()) == sorted(folder.path for folder in made)
    assert all((folder.path / ".penstock-temporary").exists() for folder in made)

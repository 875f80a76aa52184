"""Whose a folder is, and who uses it: what is not ours is named and left, and whoever comes second is refused."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.errors import NotOurs, OutputError, PenstockError, WindowError
from penstock.owning import WINDOW_MARK
from penstock.window import WindowReader, claim_job, hand_over, is_served, remove_window
from penstock.window.ownership import Role, claim_window, hold_window, is_served_by_sidecar, share_job
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, serving, take_all

WINDOW_BYTES = 1 << 20
PENSTOCKS_NAMES = ("control", "slots", "cursor-0", "session.json", "manifest.parquet", "files", ".slots.abcd1234.tmp")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[10_000] * 40)


def look(folder: Path) -> dict[str, str]:
    """What lies in a folder: each file's content, each link's target."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else "folder" if path.is_dir() else path.read_text()
    return found


def users_folder(folder: Path, name: str) -> Path:
    folder.mkdir()
    if name == "files":
        (folder / "files" / "0-1-abcdefgh").mkdir(parents=True)
        (folder / "files" / "0-1-abcdefgh" / "thesis.tex").write_text("mine")
    else:
        (folder / name).write_text("mine")
    os.utime(folder / name, (0, 0))
    return folder


def serve(folder: Path, data: RawDataset) -> None:
    with serving(folder, WINDOW_BYTES) as thread:
        thread.join(0.05)
        assert not is_served(folder)
    raise NotOurs("the prefetcher did not begin", fix="")


def read(folder: Path, data: RawDataset) -> None:
    WindowReader(folder, make_spec(data), timeout_seconds=0.2).begin()


def join(folder: Path, data: RawDataset) -> None:
    WindowReader(folder, make_spec(data, num_ranks=2), rank=1, timeout_seconds=0.2).begin()


def give_manifest(folder: Path, data: RawDataset) -> None:
    hand_over(data.manifest, folder, timeout_seconds=0.2)


def be_the_job(folder: Path, data: RawDataset) -> None:
    with claim_job(folder):
        pass


DOORS = [serve, read, join, give_manifest, be_the_job]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", ["thesis.tex", *PENSTOCKS_NAMES])
@pytest.mark.parametrize("door", DOORS)
def test_folder_of_somebody_else_is_refused_and_left(
    tmp_path: Path, dataset: RawDataset, name: str, door: Callable[[Path, RawDataset], None]
) -> None:
    folder = users_folder(tmp_path / "mine", name)
    before = look(folder)
    with pytest.raises(NotOurs):
        door(folder, dataset)
    remove_window(folder)
    assert look(folder) == before


def test_refusal_names_what_lies_there_without_its_control_characters(tmp_path: Path) -> None:
    (tmp_path / "thesis\x1b[2J.tex").write_text("mine")
    with pytest.raises(NotOurs, match=r"holds thesis\?\[2J.tex, which Penstock did not put there"):
        claim_window(tmp_path)


def test_mark_of_another_kind_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / WINDOW_MARK).write_text("a note of mine")
    with pytest.raises(NotOurs, match="no mark of this release"):
        claim_window(tmp_path)
    assert (tmp_path / WINDOW_MARK).read_text() == "a note of mine"


def test_empty_folder_fresh_volume_and_linked_folder_are_taken(tmp_path: Path) -> None:
    (tmp_path / "volume" / "lost+found").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "volume")
    claim_window(tmp_path / "link")
    claim_window(tmp_path / "deep" / "new")
    assert json.loads((tmp_path / "volume" / WINDOW_MARK).read_text())["kind"] == "penstock-window"


def test_mark_that_a_killed_process_left_empty_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / WINDOW_MARK).touch()
    claim_window(tmp_path)
    claim_window(tmp_path)


def try_to_read(folder: Path, dataset: RawDataset) -> PenstockError | None:
    try:
        place = hand_over(dataset.manifest, folder, timeout_seconds=0.7)
        reader = WindowReader(folder, make_spec(dataset, manifest=str(place)), timeout_seconds=0.7).begin()
        take_all(reader, dataset, 0, 40)
        reader.close()
    except (WindowError, OutputError) as error:
        return error
    return None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("name", [*PENSTOCKS_NAMES[:-1], "socket"])
@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "folder", "pipe", "socket"])
def test_what_is_planted_in_a_window_is_never_followed(
    tmp_path: Path, dataset: RawDataset, name: str, kind: str
) -> None:
    """Each ends in a stream that is read all the same, or in an error within the timeout; nothing outside changes."""
    outside, folder = tmp_path / "outside", tmp_path / "window"
    (outside / "0-1-abcdefgh").mkdir(parents=True)
    (outside / "file").write_text("precious")
    (outside / "0-1-abcdefgh" / "file").write_text("precious")
    claim_window(folder)
    target = outside if name == "files" else outside / "file"
    if kind == "hard link":
        os.link(outside / "file", folder / name)
    elif kind == "folder":
        (folder / name).mkdir()
        (folder / name / "file").write_text("precious")
    elif kind == "pipe":
        os.mkfifo(folder / name)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(folder / name))
    else:
        (folder / name).symlink_to(target if kind == "link" else outside / "missing")
    before = look(outside)
    with serving(folder, WINDOW_BYTES):
        error = try_to_read(folder, dataset)
    assert error is None or str(folder) in str(error)
    remove_window(folder)
    assert look(outside) == before
    if kind == "folder":
        assert (folder / name / "file").read_text() == "precious"


def test_second_job_is_refused_by_name_and_the_first_goes_on(tmp_path: Path, dataset: RawDataset) -> None:
    folder = tmp_path / "window"
    code = (
        "import sys; from pathlib import Path; from penstock.window import claim_job\n"
        "from penstock.errors import WindowError\n"
        "try:\n"
        "    with claim_job(Path(sys.argv[1])): print('claimed')\n"
        "except WindowError as error: print(error)\n"
    )
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, make_spec(dataset)).begin()
        take_all(reader, dataset, 0, 10)
        told = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True).stdout
        assert (
            f"another job trains through the window {folder} (process {os.getpid()} on {socket.gethostname()}" in told
        )
        take_all(reader, dataset, 10, 40)
        reader.close()
        told = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True).stdout
        assert told == "claimed\n"


def test_second_job_of_one_process_is_refused_and_streams_of_one_job_are_not(
    tmp_path: Path, dataset: RawDataset
) -> None:
    with claim_job(tmp_path / "window"):
        with pytest.raises(WindowError, match="another job"), claim_job(tmp_path / "window"):
            pass
        with share_job(tmp_path / "window"), share_job(tmp_path / "window"):
            pass
    with claim_job(tmp_path / "window"):
        pass


def test_forked_processes_neither_hold_nor_have_their_parents_job(tmp_path: Path) -> None:
    with claim_job(tmp_path / "window"):
        child = os.fork()
        if not child:
            try:
                with claim_job(tmp_path / "window"):
                    os._exit(0)
            except PenstockError:
                os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        (read_end, write_end), (told, tell) = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            os.close(write_end)
            os.write(tell, b"x")
            os.read(read_end, 1)
            os._exit(0)
        os.read(told, 1)
    try:
        with claim_job(tmp_path / "window"):  # though the forked one lives
            pass
    finally:
        os.close(write_end)
        os.waitpid(child, 0)
        for handle in (read_end, told, tell):
            os.close(handle)


def test_second_prefetcher_is_refused_by_name_and_a_childs_is_told_from_a_sidecar(tmp_path: Path) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        assert is_served_by_sidecar(folder)
        with pytest.raises(WindowError, match=rf"another prefetcher serves .* \(process {os.getpid()}.*sidecar\)"):
            hold_window(folder, Role.PREFETCHER)
    child = hold_window(folder, Role.PREFETCHER, detail="child of a trainer")
    assert is_served(folder)
    assert not is_served_by_sidecar(folder)
    child.close()


BEYOND_INT = b'{"pid": 1e999, "host": "h", "since": "s", "detail": ""}'


@pytest.mark.parametrize("told", [b"", b"\xff" * 100, b"[" * 190, b'{"pid": "x"}', BEYOND_INT, b"null"])
def test_holder_that_cannot_be_read_is_just_not_named(tmp_path: Path, told: bytes) -> None:
    held = hold_window(tmp_path, Role.PREFETCHER)
    os.pwrite(held.handle, told.ljust(192), 64)
    with pytest.raises(WindowError, match="another prefetcher serves"):
        hold_window(tmp_path, Role.PREFETCHER)
    held.close()


def test_removing_a_window_leaves_what_else_lies_there(tmp_path: Path, dataset: RawDataset) -> None:
    folder = tmp_path / "window"
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, make_spec(dataset)).begin()
        take_all(reader, dataset, 0, 40)
        remove_window(folder)  # in use
        assert (folder / "slots").exists()
        reader.close()
    (folder / "thesis.tex").write_text("mine")
    remove_window(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    (folder / "thesis.tex").unlink()
    claim_window(folder)
    remove_window(folder)
    assert not folder.exists()

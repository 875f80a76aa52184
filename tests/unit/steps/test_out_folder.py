"""The folder of a job's results: new, empty, or a job's; what is somebody else's is named and left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import NotOurs, OutputError, PenstockError
from penstock.manifest.listing import ListingWriter, parts_folder
from penstock.steps.options.run import JobOptions
from penstock.steps.run import run
from support.options import config_of


def run_job(*words: str) -> int:
    return run(config_of(JobOptions, "--source", "/nowhere", "--task", "eeg-c1", *words))


def look(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["report.html", "window/mine", "job.json", "thesis.tex", "manifest.parquet", ".lock"])
def test_out_folder_of_somebody_else_is_refused_and_left(tmp_path: Path, name: str) -> None:
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(NotOurs, match=f"holds {name.partition('/')[0]}, which Penstock did not put there"):
        run_job("--out", str(tmp_path / "out"))
    assert look(tmp_path / "out") == {name: "mine"}


def test_two_jobs_in_one_out_folder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from penstock.steps.run import _locked\n"
        "with _locked(pathlib.Path(sys.argv[1])): print('there', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(OutputError, match=rf"another `penstock run` works in .* \(process {first.pid} on "):
            run_job("--out", str(tmp_path / "out"))
        first.kill()
    with pytest.raises(PenstockError, match="nowhere"):
        run_job("--out", str(tmp_path / "out"))


@pytest.mark.parametrize("names", [["thesis.tex"], ["00000.parquet"], ["lock", "notes"], ["listing.json"]])
def test_parts_folder_of_somebody_else_is_refused_and_left(tmp_path: Path, names: list[str]) -> None:
    folder = parts_folder(tmp_path / "manifest.parquet")
    folder.mkdir()
    for name in names:
        (folder / name).write_text("mine")
    with pytest.raises(NotOurs), ListingWriter(folder):
        pass
    assert look(folder) == dict.fromkeys(names, "mine")


def test_links_in_a_parts_folder_are_not_followed(tmp_path: Path) -> None:
    folder = parts_folder(tmp_path / "manifest.parquet")
    (tmp_path / "precious").write_text("mine")
    folder.mkdir()
    (folder / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(NotOurs), ListingWriter(folder):
        pass
    assert (tmp_path / "precious").read_text() == "mine"

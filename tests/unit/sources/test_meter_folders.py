"""Folders that requests are counted in: made where they may be, and never again once they were cleared away."""

from __future__ import annotations

import shutil
from pathlib import Path

from penstock.sources import MeterFile, read_meter_files
from penstock.steps._shared.metering import find_metering
from penstock.steps.options.run_root import RunRootOptions


def test_a_folder_whose_parent_was_cleared_away_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "penstock-stream-x" / "meters"
    folder.parent.mkdir()
    with MeterFile.open(folder, "owner") as file:
        file.meter.add("failed_requests")
    assert len(read_meter_files(folder)) == 1
    shutil.rmtree(folder.parent)
    with MeterFile.open(folder, "owner") as file:
        file.meter.add("failed_requests")
        assert file.read()
    with find_metering(RunRootOptions(), "list", meters=folder).open():
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_root_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    args = RunRootOptions(run_root=str(tmp_path / "deep" / "root"), run_id="run-1")
    with find_metering(args, "list", meters=None).open() as file:
        assert file.id in read_meter_files(tmp_path / "deep" / "root" / "run-1" / "meters")

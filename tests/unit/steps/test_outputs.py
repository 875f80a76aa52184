"""Outputs that no step may begin for: two in one place, one over what is read, one over what is no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.errors import ConfigError, OutputUnwritable
from penstock.steps.outputs import check_outputs


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--source", "none", "--task", "eeg-c1", "--manifest", "same", "--plan", "deep/../same"),
        ("list", "--source", "none", "--task", "eeg-c1", "--manifest", "m", "--plan", "same", "--record", "same"),
        ("report", "--run-record", "run", "--html", "same", "--markdown", "same"),
        ("report", "--run-record", "same", "--html", "same"),
    ],
)
def test_two_files_in_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    assert main(list(words)) == ConfigError.exit_code
    assert "same is given for an output and for another file too: give each" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["none"]


def test_an_output_through_a_linked_folder_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    with pytest.raises(ConfigError, match="another file too"):
        check_outputs(tmp_path / "folder" / "x", None, inputs=[tmp_path / "link" / "x"])


def test_an_output_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputUnwritable, match="pipe, which is a pipe"):
        check_outputs(tmp_path / "new", tmp_path / "pipe")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]

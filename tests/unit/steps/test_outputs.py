"""Outputs that no step may begin for: two in one place, one over what is read, one over what is no file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.errors import ConfigError, OutputError, OutputUnwritable
from penstock.steps._shared import outputs
from penstock.steps._shared.outputs import alone_in, check_outputs
from support.eeg import write_eeg


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--source", "none", "--task", "eeg-c1", "--manifest", "same", "--plan", "deep/../same"),
        ("list", "--source", "none", "--task", "eeg-c1", "--manifest", "m", "--plan", "same", "--record", "same"),
        ("report", "--run-record", "run", "--html", "same", "--markdown", "same"),
        ("report", "--run-record", "same", "--html", "same"),
        ("cost-report", "--run", "none", "--focus", "none/../same/../none/run.json"),
        ("cost-report", "--run", "none", "--focus", "none/cost.json"),
        ("compare", "--run", "none", "--run", "other", "--html", "none/evaluation.json"),
        ("forecast", "--size", "1GB", "--objects", "1", "--measured", "none", "--html", "none/run.json"),
        ("compare-modes", "--source", "s", "--task", "table", "--out", "none", "--json", "none/stream/job.json"),
    ],
)
def test_two_files_in_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    assert main(list(words)) == ConfigError.exit_code
    assert re.search(r"(same|json) is given for an output and for another file too: give each", capsys.readouterr().err)
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


@pytest.mark.parametrize("written", ["{0}", "file://{0}", "{0}/../checkpoints", "{0}/link"])
def test_a_folder_is_one_job_s_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setattr(outputs, "LEFT_SECONDS", 0.0)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "link").symlink_to(folder)
    named = written.format(folder)
    with (
        alone_in(str(folder), what="saves to"),
        pytest.raises(OutputError, match=f"another job saves to {named}: wait"),
    ):
        alone_in(named, what="saves to").__enter__()
    with alone_in(named, what="saves to"):
        assert [path.name for path in folder.iterdir()] == ["link"]


def test_a_second_training_does_not_save_between_the_saves_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outputs, "LEFT_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    files = ["--manifest", "m", "--plan", "p"]
    data = write_eeg(tmp_path / "data")
    assert main(["list", "--source", str(data), "--task", "eeg-c1", "--split", "0.5,0.5,0", *files]) == 0
    words = ["train", *files, "--epochs", "1", "--batch-size", "4", "--window-size", "4Mi", "--checkpoints", "c"]
    (tmp_path / "c").mkdir()
    with alone_in("c", what="saves to"):
        assert main([*words, "--record", "second"]) == OutputError.exit_code
    assert "another job saves checkpoints to c: wait for its end" in capsys.readouterr().err
    assert not list((tmp_path / "c").iterdir())
    assert main([*words, "--record", "first"]) == 0

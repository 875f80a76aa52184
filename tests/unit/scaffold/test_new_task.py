"""`penstock new-task` writes what docs/extending.md shows, checks names, and overwrites nothing."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.scaffold import TaskNames, rendered

DOCS = Path(__file__).parents[3] / "docs" / "extending.md"
SHOWN = rendered(TaskNames(task="toy-folders", package="toypack"))


@pytest.mark.parametrize("name", ["task.py", "recipe.py"])
def test_the_page_shows_what_is_written(name: str) -> None:
    [code] = re.findall(rf"```python\n# toypack/{name}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert code == SHOWN[f"toypack/{name}"]


def test_the_page_shows_the_package_and_a_source_more() -> None:
    [declared] = re.findall(r"```toml\n# pyproject\.toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert declared.startswith(SHOWN["pyproject.toml"])
    assert (
        declared.removeprefix(SHOWN["pyproject.toml"]).strip().startswith('[project.entry-points."penstock.sources"]')
    )


@pytest.mark.parametrize("existing", [True, False])
def test_a_package_is_written(tmp_path: Path, existing: bool, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a" / "b"
    if existing:
        folder.mkdir(parents=True)
    assert main(["new-task", "lung-scans", "--folder", str(folder)]) == 0
    wanted = rendered(TaskNames(task="lung-scans", package="lung_scans"))
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == wanted
    assert all("$" not in text for text in found.values())
    assert tomllib.loads(found["pyproject.toml"])["project"]["entry-points"]["penstock.tasks"] == {
        "lung-scans": "lung_scans.task:Folders"
    }
    for name, text in found.items():
        if name.endswith(".py"):
            compile(text, name, "exec")
    printed = capsys.readouterr().out
    assert all(name in printed for name in found)
    assert f"pip install -e {folder}" in printed


def test_the_folder_is_named_like_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-task", "mine"]) == 0
    assert (tmp_path / "mine" / "mine" / "task.py").is_file()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "'' is no name for a task"),
        ("Lungs", "is no name for a task"),
        ("lung_scans", "is no name for a task"),
        ("lung scans", "is no name for a task"),
        ("9lives", "is no name for a task"),
        ("../up", "is no name for a task"),
        ("a--b", "is no name for a task"),
        ("a-", "is no name for a task"),
        ("x" * 41, "at most 40"),
        ("lüngs", "is no name for a task"),
        ("$(id)", "is no name for a task"),
        ("images", "there is a task or recipe 'images' already"),
        ("eeg", "there is a task or recipe 'eeg' already"),
        ("class", "a package cannot be named 'class'"),
        ("json", "a package cannot be named 'json'"),
        ("tests", "a package cannot be named 'tests'"),
        ("numpy", "there is a package 'numpy' already"),
        ("penstock", "there is a package 'penstock' already"),
    ],
)
def test_names_are_checked(
    name: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-task", "--", name]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert told in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["folder", "file", "link", "dangling link"])
def test_nothing_is_overwritten(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, other = tmp_path / "there", tmp_path / "other"
    other.mkdir()
    if kind == "folder":
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(other if kind == "link" else tmp_path / "nowhere")
    before = sorted(map(str, tmp_path.rglob("*")))
    assert main(["new-task", "mine", "--folder", str(place)]) == 53
    assert "is there already" in capsys.readouterr().err
    assert sorted(map(str, tmp_path.rglob("*"))) == before


@pytest.mark.parametrize("is_new", [True, False])
def test_a_failure_leaves_nothing(
    is_new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "there"
    if not is_new:
        folder.mkdir()
    real = Path.write_text

    def full(path: Path, *args: str) -> int:
        if path.name == "task.py":
            raise OSError(28, os.strerror(28))
        return real(path, *args)

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["new-task", "mine", "--folder", str(folder)]) == 51
    assert "no space is left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == ([] if is_new else [folder])
    assert is_new or not list(folder.iterdir())

"""What a reader is sent to, and told of the house, is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from penstock.tasks.registry import get_task

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in (ROOT / "src" / "penstock").glob("*/__init__.py"))


def test_the_readme_leads_to_every_page() -> None:
    text = (ROOT / "README.md").read_text()
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)[)#]", text))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} == linked


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_each_package_says_what_it_is(folder: Path) -> None:
    assert (folder / "README.md").read_text().strip()


def test_the_layers_that_contributors_are_told_are_those_that_are_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in settings if each["type"] == "layers")
    checked = [{name.strip().removeprefix("penstock.") for name in layer.split("|")} for layer in layers]
    line = re.search(r"go one way: `([^`]*)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert line is not None
    told = [{name.strip().rstrip("…").strip() for name in layer.split("|")} for layer in line[1].split(">")]
    places = [[number for number, layer in enumerate(checked) if layer >= names] for names in told]
    assert all(places), list(zip(told, places, strict=True))
    assert [each[0] for each in places] == list(range(len(checked)))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_each_package_that_a_page_shows_can_be_installed(page: Path) -> None:
    for text in re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        shown = tomllib.loads(text)
        assert shown["build-system"]["build-backend"]
        assert shown["project"]["name"]
        assert shown["project"]["version"]
        packages = shown["tool"]["setuptools"]["packages"]
        points = [value for group in shown["project"]["entry-points"].values() for value in group.values()]
        assert {value.partition(":")[0].partition(".")[0] for value in points} <= set(packages)


def test_every_option_of_the_eeg_tasks_is_in_their_page_as_it_is() -> None:
    page = (ROOT / "docs" / "eeg.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    told = {(task, name): (default, what) for name, of, default, what in rows for task in re.findall(r"`(.*?)`", of)}
    for task in ("eeg-c1", "eeg-c2", "eeg-events"):
        for option in get_task(task).options:
            default, what = told.pop((task, option.name.replace("_", "-")))
            if option.default is None:
                default = f" (default: {default.replace('`', '')})"
                assert option.help == what + default
            else:
                assert (default, what) == (f"`{option.default}`", option.help)
    assert not told


@pytest.mark.parametrize("task", ["images", "table"])
def test_every_option_of_a_task_is_in_its_page_as_it_is(task: str) -> None:
    page = (ROOT / "docs" / f"{task}.md").read_text()
    told = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    wanted = []
    for option in get_task(task).options:
        what, _, default = option.help.partition(" (default: ")
        value = str(option.default).lower() if isinstance(option.default, bool) else option.default
        shown = default.removesuffix(")") if option.default is None else f"`{value}`"
        wanted.append((option.name.replace("_", "-"), shown, what))
    assert [row for row in told if row[0] in {name for name, _, _ in wanted}] == wanted

"""Writing the files of a new task's package."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from penstock.errors import NotOurs, map_os_error
from penstock.scaffold.naming import TaskNames

__all__ = ["rendered", "write_package"]

_ENDING: Final = ".txt"
"""Of templates, so that no tool takes them for code."""
_PACKAGE: Final = "package"


def rendered(names: TaskNames) -> dict[str, str]:
    """Return the files of a package: text by path below its folder."""
    values = {"task": names.task, "package": names.package}
    found = {}
    for path, template in _templates(resources.files("penstock.scaffold") / "templates"):
        place = path.removesuffix(_ENDING)
        if place.startswith(f"{_PACKAGE}/"):
            place = names.package + place.removeprefix(_PACKAGE)
        found[place] = Template(template.read_text("utf-8")).substitute(values)
    return dict(sorted(found.items()))


def write_package(names: TaskNames, folder: Path) -> list[str]:
    """Write a package to a folder that does not exist, or is empty; give the paths of its files below it.

    Files are written aside and moved to their places when all are whole: a failure leaves nothing.

    Raises:
        NotOurs: something lies there.
        DiskFull, OutputUnwritable: it could not be written.
    """
    files = rendered(names)
    try:
        is_new = not folder.exists()
        if folder.is_symlink() or not (is_new or (folder.is_dir() and not any(folder.iterdir()))):
            raise NotOurs(
                f"{folder} is there already, and nothing in it was touched",
                fix="choose a folder that is new or empty with --folder",
                about=str(folder),
            )
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            if is_new:
                undo.callback(_remove_empty, folder)
            aside = Path(tempfile.mkdtemp(prefix=".new-task-", dir=folder))
            undo.callback(shutil.rmtree, aside, ignore_errors=True)
            _write(files, aside)
            for item in aside.iterdir():
                item.rename(folder / item.name)
    except OSError as error:
        raise map_os_error(error, str(folder)) from error
    return list(files)


def _write(files: Mapping[str, str], folder: Path) -> None:
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # what was written is there
        folder.rmdir()


def _templates(folder: Traversable, path: str = "") -> list[tuple[str, Traversable]]:
    found = []
    for item in folder.iterdir():
        place = f"{path}{item.name}"
        if item.is_dir():
            found += _templates(item, f"{place}/")
        elif item.name.endswith(_ENDING):
            found.append((place, item))
    return found

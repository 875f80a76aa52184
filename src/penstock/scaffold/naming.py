"""Names of a new task, and of the package that it lies in."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from penstock.errors import ConfigError

__all__ = ["TaskNames", "check_name"]

MOST_CHARACTERS: Final = 40
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FOLDERS: Final = frozenset({"tests", "test", "src", "build", "dist", "docs"})
"""Names of folders that lie, or come to lie, beside a package."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskNames:
    """What a new task is called.

    Attributes:
        task: on the command line.
        package: that is imported.
    """

    task: str
    package: str


def check_name(name: str, *, taken: Collection[str]) -> TaskNames:
    """Return the names that follow from a task's.

    Args:
        taken: names that tasks and recipes have already.

    Raises:
        ConfigError: it is no name for a task, or taken, or its package would hide another one.
    """
    if len(name) > MOST_CHARACTERS or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name[: 2 * MOST_CHARACTERS]!r} is no name for a task",
            fix=f"write small letters, digits and single dashes, a letter first, like lung-scans; at most "
            f"{MOST_CHARACTERS}",
        )
    if name in taken:
        raise ConfigError(f"there is a task or recipe {name!r} already", fix=f"choose another name, like my-{name}")
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package in _FOLDERS or package in sys.stdlib_module_names:
        raise ConfigError(f"a package cannot be named {package!r}", fix=f"choose another name, like {name}-task")
    if _is_importable(package):
        raise ConfigError(
            f"there is a package {package!r} already, which the new one would hide",
            fix=f"choose another name, like {name}-task",
        )
    return TaskNames(task=name, package=package)


def _is_importable(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # what is half there is there
        return True

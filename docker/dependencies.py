"""Requirements of Penstock's extras, without Penstock itself: so that an image installs them before the project.

``python docker/dependencies.py pyproject.toml train,formats`` prints a requirements file.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

__all__ = ["requirements"]

_SELF = re.compile(r"penstock\[([^\]]+)\]")


def requirements(project: dict[str, Any], extras: Sequence[str]) -> list[str]:
    """Return the requirements of a project table and of some of its extras, sorted, each once.

    Raises:
        KeyError: there is no extra of that name.
    """
    return sorted({*project["dependencies"], *_extras(project, extras)})


def _extras(project: dict[str, Any], extras: Sequence[str]) -> Iterator[str]:
    for extra in extras:
        for requirement in project["optional-dependencies"][extra]:
            inner = _SELF.fullmatch(requirement)
            if inner is None:
                yield requirement
            else:
                yield from _extras(project, inner[1].split(","))


if __name__ == "__main__":
    _project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    _named = [name for name in ",".join(sys.argv[2:]).split(",") if name]
    sys.stdout.write("".join(f"{line}\n" for line in requirements(_project, _named)))

"""``penstock new-task``: write a package for a task of one's own, which can be installed and run as it is."""

from __future__ import annotations

import sys
from pathlib import Path

from penstock.recipes.registry import recipe_names
from penstock.scaffold import check_name, write_package
from penstock.steps.options.new_task import NewTaskOptions
from penstock.tasks.registry import task_names
from penstock.texts import printable

NAME = "new-task"

__all__ = ["NAME", "run"]


def run(args: NewTaskOptions) -> int:
    """Write it, and say what to do with it."""
    names = check_name(args.name, taken={*task_names(), *recipe_names()})
    folder = args.folder if args.folder is not None else Path(names.task)
    files = write_package(names, folder)
    shown = printable(str(folder))
    lines = [f"a package for the task {names.task} lies in {shown}:", *(f"    {file}" for file in files)]
    lines += [f"install it with `pip install -e {shown}`, and go on as its README.md says"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0

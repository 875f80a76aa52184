"""The help of a step that is told a task: what that task's own options are."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from penstock.errors import PenstockError
from penstock.options import Options
from penstock.steps.options.kinds import taken_out
from penstock.steps.options.parser import Parser

if TYPE_CHECKING:
    from penstock.tasks.protocols import TaskOption

__all__ = ["add_task_help", "task_flags"]

_HELP = ("-h", "--help")


def add_task_help(parser: Parser, options: type[Options], words: Sequence[str]) -> None:
    """Let the help tell the options of the task that is named beside it.

    Args:
        parser: of the step.
        options: of the step.
        words: of the command line, which may be wrong.

    Raises:
        ConfigError: the task cannot be imported.
    """
    declared = options.declared()
    if "task" not in declared or not any(word in _HELP for word in words):
        return
    _, given = taken_out(declared["task"].flag, words)
    name = given[-1] if given else None
    if name is None or name not in (declared["task"].all_choices or ()):
        return  # it is left to the parser
    from penstock.tasks.registry import get_task  # here: other help does without what a task imports

    group = parser.add_argument_group(f"options of the task {name}", "each as --option NAME=VALUE")
    for option in get_task(name).options:
        shown = _shown(option)
        silent = option.default in (None, "") or "default" in option.help
        default = str(option.default).lower() if option.kind is bool else option.default
        told = option.help if silent else f"{option.help} (default: {default})"
        group._add_action(argparse.Action((), option.name, nargs="?", metavar=shown, help=told.replace("%", "%%")))


def task_flags(words: Sequence[str]) -> Mapping[str, str]:
    """Return how the options of the task that is named are given, by the flags that they may be held for."""
    names = taken_out("--task", words)[1]
    if not names or not names[-1]:
        return {}
    from penstock.tasks.registry import get_task  # here, likewise

    try:
        return {
            f"--{_shown(each).partition('=')[0]}": f"--option {_shown(each)}" for each in get_task(names[-1]).options
        }
    except PenstockError:  # of the task's name, which is told when this is mended
        return {}


def _shown(option: TaskOption) -> str:
    return f"{option.name.replace('_', '-')}={option.metavar or option.kind.__name__.upper()}"

"""Tasks by name. Importing this module does not import torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from penstock.errors import ConfigError
from penstock.tasks.eeg.categories import EegEvents
from penstock.tasks.eeg.externalizing import EegC2
from penstock.tasks.eeg.reaction import EegC1
from penstock.tasks.objects import WholeObjects
from penstock.tasks.protocols import Task

__all__ = ["get_task", "learnt_task_names", "task_names"]

_TASKS: Final[dict[str, Callable[[], Task]]] = {
    "eeg-c1": EegC1,
    "eeg-c2": EegC2,
    "eeg-events": EegEvents,
    "objects": WholeObjects,
}


_WITHOUT_TARGETS: Final = frozenset({"objects"})
"""Tasks whose samples are for training loops of one's own."""


def task_names() -> tuple[str, ...]:
    """Give the names of all tasks."""
    return tuple(_TASKS)


def learnt_task_names() -> tuple[str, ...]:
    """Give the names of the tasks that have something to learn."""
    return tuple(name for name in _TASKS if name not in _WITHOUT_TARGETS)


def get_task(name: str) -> Task:
    """Give a task by its name.

    Raises:
        ConfigError: there is no such task.
    """
    task = _TASKS.get(name)
    if task is None:
        raise ConfigError(f"there is no task {name!r}", fix=f"use one of {', '.join(_TASKS)}")
    return task()

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

__all__ = ["get_task", "task_names"]

_TASKS: Final[dict[str, Callable[[], Task]]] = {
    "eeg-c1": EegC1,
    "eeg-c2": EegC2,
    "eeg-events": EegEvents,
    "objects": WholeObjects,
}


def task_names() -> tuple[str, ...]:
    """Give the names of all tasks."""
    return tuple(_TASKS)


def get_task(name: str) -> Task:
    """Give a task by its name.

    Raises:
        ConfigError: there is no such task.
    """
    task = _TASKS.get(name)
    if task is None:
        raise ConfigError(f"there is no task {name!r}", fix=f"use one of {', '.join(_TASKS)}")
    return task()

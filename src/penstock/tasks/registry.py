"""Tasks by name: our own, and those of entry points ``penstock.tasks``. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from penstock.options.window import USUAL_WINDOW_BYTES
from penstock.plugins import Names, Registry

if TYPE_CHECKING:
    from penstock.tasks.protocols import OptionValue, Task

__all__ = ["get_task", "learnt_task_names", "own_task_names", "task_names", "usual_options", "window_bytes_of"]

_TASKS: Final = Registry(
    kind="task",
    group="penstock.tasks",
    own={
        "chat": "penstock.tasks.text.task:Chat",
        "clips": "penstock.tasks.clips.task:Clips",
        "video-text": "penstock.tasks.video_text.task:VideoText",
        "eeg-c1": "penstock.tasks.eeg.reaction:EegC1",
        "eeg-c2": "penstock.tasks.eeg.externalizing:EegC2",
        "eeg-events": "penstock.tasks.eeg.categories:EegEvents",
        "images": "penstock.tasks.images.task:Images",
        "objects": "penstock.tasks.objects:WholeObjects",
        "table": "penstock.tasks.table.task:Table",
        "text": "penstock.tasks.text.task:Text",
        "xray": "penstock.tasks.xray.task:Xray",
    },
)

_WITHOUT_TARGETS: Final = ("objects",)
"""Tasks whose samples are for training loops of one's own."""


def task_names() -> Names:
    """Return the names of all tasks."""
    return _TASKS.names()


def learnt_task_names() -> Names:
    """Return the names of the tasks that have something to learn."""
    return _TASKS.names(without=_WITHOUT_TARGETS)


def own_task_names() -> tuple[str, ...]:
    """Return the names of Penstock's own tasks that have something to learn, whatever else is installed."""
    return tuple(name for name in _TASKS.own if name not in _WITHOUT_TARGETS)


def get_task(name: str) -> Task:
    """Return a task by its name.

    Raises:
        ConfigError: there is no such task, or it cannot be imported.
    """
    return cast("type[Task]", _TASKS.load(name))()


def usual_options(task: Task) -> dict[str, OptionValue]:
    """Return the values of a task's options where nobody gives any, by the names of their flags."""
    return {option.name.replace("_", "-"): option.default for option in task.options}


def window_bytes_of(task: str, asked: int | None, *, otherwise: int = USUAL_WINDOW_BYTES) -> int:
    """Return the bound of a task's window.

    Args:
        asked: bound that is given, which counts; None is none.
        otherwise: where the task names none.

    Raises:
        ConfigError: there is no such task, or it cannot be imported.
    """
    if asked is not None:
        return asked
    from penstock.tasks.protocols import NamesWindow  # here: parsers want no more than tasks' names

    found = get_task(task)
    return found.usual_window_bytes if isinstance(found, NamesWindow) else otherwise

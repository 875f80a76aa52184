"""Values of a task's samples, for a training loop of one's own."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.manifest import Described
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.tasks.protocols import OptionValue, Transforms
from penstock.tasks.registry import get_task

__all__ = ["TaskDecode", "TaskValues", "option_values", "task_words"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskDecode:
    """Decodes a task's samples into pairs of an array and its target.

    Attributes:
        augments: whether chance changes samples as the task has it in training.
        gives_classes: whether targets are numbers of classes, and no numbers to predict.
    """

    task: str
    augments: bool
    gives_classes: bool = True

    def __call__(
        self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]
    ) -> Sequence[tuple[NDArray[np.float32], int | np.float32]]:
        """Return the pairs: a class's number, or a number of float32, NaN where there is none."""
        samples = _samples(self.task, data, about, codec, numbers, augments=self.augments)
        return [
            (each["inputs"], int(each["targets"]) if self.gives_classes else np.float32(each["targets"]))
            for each in samples
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskValues:
    """Gives a task's samples as they are trained on.

    Attributes:
        augments: as of ``TaskDecode``.
    """

    task: str
    augments: bool

    def __call__(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return dictionaries with ``inputs`` and ``targets``, NaN where there is none."""
        samples = _samples(self.task, data, about, codec, numbers, augments=self.augments)
        return [{**each, "targets": math.nan} if each.get("targets", 0) is None else each for each in samples]


def _samples(
    name: str, data: Any, about: Described, codec: str, numbers: NDArray[np.int64], *, augments: bool
) -> Iterator[Any]:
    task = get_task(name)
    for value in task.decode(data, about, codec, numbers):
        # The process's generator is the extent's own while it is decoded.
        rng = np.random.default_rng(np.random.randint(2**63)) if augments else None
        yield task.transform(value, rng) if isinstance(task, Transforms) else value


def option_values(
    task: str, given: Mapping[str, Any], *, arguments: Mapping[str, str] | None = None
) -> dict[str, OptionValue]:
    """Return options of a task by their names, those that are None left out; several names are joined by commas.

    Args:
        arguments: names of arguments by those of options, where they are others.

    Raises:
        ConfigError: one is nothing that it can be.
    """
    known = {option.name: option for option in get_task(task).options}
    names = arguments or {}
    return {
        name: _plain(names.get(name, name), value, known[name].kind)
        for name, value in given.items()
        if value is not None
    }


def task_words(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return options as `penstock list` takes them."""
    return tuple(f"{name.replace('_', '-')}={_text(value)}" for name, value in options.items())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(name: str, value: Any, kind: type) -> OptionValue:
    if kind is bool:
        return checks.flag(name, value)
    if kind is int:
        return checks.count(name, value, 0)
    if kind is float:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
        if not is_number or not math.isfinite(value):
            raise ConfigError(f"{name} {shown(value)}", fix="give a number")
        return float(value)
    if isinstance(value, list | tuple | set | frozenset | np.ndarray) and len(value):
        if all(isinstance(each, str) and each and "," not in each for each in value):
            value = ",".join(sorted(value) if isinstance(value, set | frozenset) else value)
    elif isinstance(value, os.PathLike):
        value = checks.path(name, value, like="a path")
    if not isinstance(value, str):
        raise ConfigError(
            f"{name} {shown(value)}", fix="give text, or a list of names without commas where it takes some"
        )
    return checks.text(name, value, like="a name")

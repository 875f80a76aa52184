"""What samples go through on their way into a batch: the task's own transform, and one that a dataset's file names."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from penstock.errors import ConfigError, DataError
from penstock.manifest import ManifestInfo
from penstock.plugins import load_attribute
from penstock.tasks.protocols import Task, Transforms
from penstock.tasks.stored import Finished

__all__ = ["PAIRED_TASKS", "check_agreed", "transform_of"]

PAIRED_TASKS = ("images", "eeg-c1", "eeg-c2", "eeg-events")
"""Tasks whose samples ``penstock.open`` gives as pairs of inputs and target; others' are dictionaries."""


def check_agreed(named: str, agreed: str) -> None:
    """Refuse to run code that a manifest names unless the caller names it too: a manifest may come from anywhere.

    Raises:
        ConfigError: they are not the same.
    """
    if named == agreed:
        return
    if not named:
        raise ConfigError(
            f"--transform {agreed}, and the manifest was listed without one",
            fix="leave it out, or list again with --dataset a file that names it",
        )
    told = f"--transform is {agreed!r}" if agreed else "whose code would be run"
    raise ConfigError(
        f"the manifest's samples go through the transform {named!r}, {told}",
        fix=f"pass --transform {named} if you trust it",
    )


def transform_of(task: Task, info: ManifestInfo) -> Callable[[Any, Any], Any] | None:
    """Return what is done with each decoded value; None where nothing is.

    Raises:
        ConfigError: the transform that the manifest names cannot be imported.
    """
    own = _Own(task) if isinstance(task, Transforms) else None
    if not info.transform:
        return own
    function = load_attribute(info.transform, what=f"transform {info.transform!r}")
    if not callable(function):
        raise ConfigError(f"transform {info.transform!r} is no function", fix="name one of (value, rng)")
    return _Behind(
        own=own,
        function=cast("Callable[[Any, Any], Any]", function),
        path=info.transform,
        shape=info.shape,
        is_paired=info.task in PAIRED_TASKS,
    )


@dataclass(frozen=True, slots=True)
class _Own:
    """A task's own transform, which samples of a store may have gone through already."""

    task: Transforms

    def __call__(self, value: Any, rng: np.random.Generator | None) -> Any:
        """Return the sample."""
        return value.value if isinstance(value, Finished) else self.task.transform(value, rng)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Behind:
    """A transform behind a task's own.

    Attributes:
        shape: that a sample's inputs must keep.
        is_paired: whether it is given pairs of inputs and target.
    """

    own: Callable[[Any, Any], Any] | None
    function: Callable[[Any, Any], Any]
    path: str
    shape: tuple[int, ...]
    is_paired: bool

    def __call__(self, value: Any, rng: np.random.Generator | None) -> Any:
        """Return the sample; ``rng`` is None where it is not trained on.

        Raises:
            DataError: the function fails on it, or gives another kind of value.
        """
        sample = value if self.own is None else self.own(value, rng)
        try:
            found = self.function((sample["inputs"], sample["targets"]) if self.is_paired else sample, rng)
        except Exception as error:
            raise DataError(
                f"the transform {self.path} failed on a sample{_chance(rng)}: {type(error).__name__}: {error}"
                f"{_place(error)}",
                fix="mend it; it is called with (value, rng), and rng is None where samples are not trained on",
            ) from error
        made = self._sample(sample, found)
        shape = tuple(np.shape(made["inputs"]))
        if self.shape and shape != self.shape:
            raise DataError(
                f"the transform {self.path} gives inputs of shape {shape}, of {self.shape}",
                fix="let it keep the shape, which networks are made for",
            )
        return made

    def _sample(self, sample: Mapping[str, Any], found: Any) -> Mapping[str, Any]:
        if self.is_paired and isinstance(found, tuple | list) and len(found) == 2:
            inputs, target = found
            kind = getattr(sample["inputs"], "dtype", None)
            if isinstance(inputs, np.ndarray) and isinstance(kind, np.dtype):
                inputs = inputs.astype(kind, copy=False)
            return {**sample, "inputs": inputs, "targets": target}
        if not self.is_paired and isinstance(found, Mapping) and "inputs" in found:
            return found
        like = "a pair of inputs and target" if self.is_paired else "a dictionary with inputs and targets"
        raise DataError(f"the transform {self.path} gives a {type(found).__name__}", fix=f"let it give {like}")


def _chance(rng: np.random.Generator | None) -> str:
    return "" if rng is not None else " that is not trained on"


def _place(error: Exception) -> str:
    """Name the line that failed."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return "".join(f" (line {line.lineno} of {line.filename.rpartition('/')[2]})" for line in last)

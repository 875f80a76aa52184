"""What is said of a training and is of no use to a task or its recipe: refused by name, and never passed over.

Importing this module imports no torch: all of it is told before anything is listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.errors import CheckpointCorrupt, ConfigError
from penstock.recipes.protocols import OwnObjective, OwnOptimisers, OwnStep
from penstock.tasks.protocols import NamesMetrics, Task
from penstock.texts import did_you_mean

__all__ = [
    "DOMAINS",
    "check_adaptable",
    "check_metric",
    "check_objective",
    "check_recipe",
    "refuse_losses",
    "unknown_metric",
    "unknown_objective",
]

_USUAL_LOSS = "mse"
_USUAL_OPTIMIZER = "adamw"
DOMAINS = ("target_releases", "target_subjects")
"""Options of tasks that say which samples are of a second domain."""


def check_recipe(recipe: object, *, optimizer: str, momentum: float | None, accumulate: int, is_compiled: bool) -> None:
    """Refuse options that a recipe of optimisers, or of a training step, of its own makes no use of.

    Raises:
        ConfigError: there are some.
    """
    name = type(recipe).__name__
    if isinstance(recipe, OwnOptimisers) and (optimizer, momentum) != (_USUAL_OPTIMIZER, None):
        raise ConfigError(
            f"--optimizer {optimizer} is given, and the recipe {name} makes optimisers of its own",
            fix="leave --optimizer and --momentum out",
        )
    if isinstance(recipe, OwnStep) and accumulate > 1:
        raise ConfigError(
            f"--accumulate {accumulate} is given, and the recipe {name} has a training step of its own, which "
            "learns from each batch",
            fix="leave --accumulate out, or take a larger --batch-size",
        )
    if isinstance(recipe, OwnStep) and is_compiled:
        raise ConfigError(
            f"--compile is given, and the recipe {name} has a training step of its own, which calls parts of the "
            "network",
            fix="leave it out, or let the recipe compile them",
        )


def refuse_losses(
    why: str, *, loss: str = _USUAL_LOSS, label_smoothing: float = 0.0, class_weights: object = None
) -> None:
    """Refuse what is said of a loss that is not the one that is learnt by.

    Args:
        why: it is not, to stand behind "is given, and".

    Raises:
        ConfigError: something is said.
    """
    for flag, is_said in (
        (f"--loss {loss}", loss != _USUAL_LOSS),
        ("--label-smoothing", bool(label_smoothing)),
        ("--class-weights", bool(class_weights)),
    ):
        if is_said:
            raise ConfigError(f"{flag} is given, and {why}", fix="leave it out")


def check_objective(
    recipe: object, *, task: str, loss: str, label_smoothing: float = 0.0, class_weights: object = None
) -> None:
    """Refuse what is said of the loss where a recipe has an objective of its own.

    Raises:
        ConfigError: something is said.
    """
    if isinstance(recipe, OwnObjective):
        why = f"the task {task!r} is learnt by an objective of its own"
        refuse_losses(why, loss=loss, label_smoothing=label_smoothing, class_weights=class_weights)


def check_metric(name: str | None, task: Task) -> None:
    """Refuse to choose the best weights by a metric that a task is known not to have.

    Raises:
        ConfigError: it has none of that name.
    """
    if name is not None and isinstance(task, NamesMetrics) and name not in task.metric_names:
        raise unknown_metric(name, task.metric_names)


def unknown_metric(name: str, known: Sequence[str]) -> ConfigError:
    """Return the error of a metric that there is none of."""
    return ConfigError(
        f"--best {name!r} is no metric of the validation",
        fix=f"{did_you_mean(name, known)}choose one of: {', '.join(known)}",
    )


def check_adaptable(adapt: str, task: Task) -> None:
    """Refuse to adapt to a second domain where a task has none.

    Raises:
        ConfigError: it has no option that names one.
    """
    if adapt != "none" and not any(option.name in DOMAINS for option in task.options):
        raise ConfigError(
            f"--adapt {adapt} is given, and the task {task.name!r} has no second domain",
            fix="leave it out: the EEG tasks have one, by --option target-releases=",
        )


def unknown_objective(state: Mapping[str, object]) -> CheckpointCorrupt:
    """Return the error of a checkpoint whose objective is none that its recipe makes."""
    return CheckpointCorrupt(
        f"a checkpoint holds the unknown objective {dict(state)!r}", fix="train again with this Penstock"
    )

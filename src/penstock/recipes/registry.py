"""Recipes by name, and what a task's ``--model`` stands for. Importing this module does not import torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from penstock.errors import ConfigError
from penstock.extras import is_there, lacking
from penstock.manifest import ManifestInfo
from penstock.plugins import Registry
from penstock.recipes.protocols import ByModel, OwnObjective
from penstock.recipes.refusing import check_objective
from penstock.tasks.learnable import check_learnable
from penstock.tasks.registry import get_task, learnt_task_names
from penstock.texts import nearest

if TYPE_CHECKING:
    from torch import nn

    from penstock.recipes.objectives import Objective, RegressionLoss
    from penstock.recipes.protocols import Recipe

__all__ = [
    "build_model",
    "check_model",
    "check_targets",
    "choose_model",
    "is_own_model",
    "make_objective",
    "objective_from_state",
    "recipe_for",
    "recipe_names",
    "recipe_of",
]

_RECIPES: Final = Registry(
    kind="recipe",
    group="penstock.recipes",
    own={
        "clips": "penstock.recipes.clips.recipe:ClipRecipe",
        "video-text": "penstock.recipes.video_text.recipe:VideoTextRecipe",
        "eeg": "penstock.recipes.eeg.recipe:EegRecipe",
        "images": "penstock.recipes.images.recipe:ImageRecipe",
        "table": "penstock.recipes.table.recipe:TableRecipe",
        "text": "penstock.recipes.text.recipe:TextRecipe",
        "xray": "penstock.recipes.xray.recipe:XrayRecipe",
    },
)


_LIKE: Final = {"braindecode": "EEGNetv4"}
"""A network of a library, to write another one like it."""


def recipe_names() -> tuple[str, ...]:
    """Return the names of all recipes."""
    return tuple(_RECIPES.names())


def choose_model(task: str, asked: str | None) -> str:
    """Return the name of the network that is trained for a task: what was asked for, or the task's default.

    Raises:
        ConfigError: the task has no such network.
    """
    recipe = recipe_of(task)
    if asked is None:
        return recipe.models[0]
    if is_own_model(asked, task=task):
        _check_own(asked)
    elif ":" in asked:
        _check_library(asked)
    elif asked not in recipe.models:
        near = nearest(asked, recipe.models)
        package, _, factory = asked.rpartition(".")
        meant = f"did you mean {near or f'{package}:{factory}'}? " if near or package else ""
        raise ConfigError(
            f"the task {task!r} has no model {asked!r}",
            fix=f"{meant}choose one of: {', '.join(recipe.models)}; or write your own like package.module:factory",
        )
    return asked


def is_own_model(name: str, *, task: str) -> bool:
    """Tell whether a model's name is ``package.module:factory``, and not one that the task's recipe knows.

    Raises:
        ConfigError: the task has no networks.
    """
    return ":" in name and _family(name) not in recipe_of(task).models


def _family(name: str) -> str:
    """Return what a recipe's ``models`` have for all names of one library: ``timm:NAME`` for ``timm:resnet18``."""
    library, colon, _ = name.partition(":")
    return f"{library}:NAME" if colon else name


def check_model(name: str, *, task: str, shape: Sequence[int]) -> None:
    """Check that a network takes a task's samples, as far as it can be told without importing torch.

    Raises:
        ConfigError: there is no such network, or it does not.
    """
    choose_model(task, name)
    if not is_own_model(name, task=task):
        recipe_of(task).check_model(name, shape)


def build_model(name: str, *, task: str, shape: Sequence[int], num_outputs: int) -> nn.Module:
    """Build a network with fresh weights, drawn from torch's global generator.

    Args:
        name: of the task's recipe, or ``package.module:factory``.
        task: name of the task.
        shape: of one sample.
        num_outputs: 1 for regression, else the number of classes.

    Raises:
        ConfigError: there is no such network, or it cannot take samples of this shape.
    """
    choose_model(task, name)
    if not is_own_model(name, task=task):
        return recipe_of(task).build_model(name, shape=shape, num_outputs=num_outputs)
    from penstock.recipes.own_model import build_own_model  # here: torch takes a second

    return build_own_model(name, shape=shape, num_outputs=num_outputs, recipe=recipe_of(task))


def make_objective(
    info: ManifestInfo,
    *,
    regression_loss: RegressionLoss = "mse",
    label_smoothing: float = 0.0,
    class_weights: tuple[float, ...] = (),
) -> Objective:
    """Make the objective of a manifest: the recipe's own, else classification by its classes, else regression.

    Raises:
        ConfigError: the manifest has no training samples, or what is said of the loss is not of its objective.
        MissingLabel: there is nothing to learn.
    """
    recipe = recipe_of(info.task)
    if isinstance(recipe, OwnObjective):
        check_objective(
            recipe,
            task=info.task,
            loss=regression_loss,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
        )
        return recipe.make_objective(info)
    from penstock.recipes import objectives  # here: torch takes a second

    return objectives.make_objective(
        info, regression_loss=regression_loss, label_smoothing=label_smoothing, class_weights=class_weights
    )


def objective_from_state(state: Mapping[str, str | float | int], *, task: str) -> Objective:
    """Make the objective again that ``state_dict`` described.

    Raises:
        CheckpointCorrupt: it does not describe one.
    """
    recipe = recipe_of(task)
    if isinstance(recipe, OwnObjective):
        return recipe.objective_from_state(state)
    from penstock.recipes import objectives  # here: torch takes a second

    return objectives.objective_from_state(state)


def check_targets(info: ManifestInfo) -> None:
    """Check that there is something to learn, as far as it can be told without importing torch.

    Raises:
        MissingLabel: targets are missing, or all the same.
    """
    if not get_task(info.task).recipe or not isinstance(recipe_of(info.task), OwnObjective):
        check_learnable(info)


def recipe_of(task: str) -> Recipe:
    """Return the recipe of a task.

    Raises:
        ConfigError: the task has nothing to learn.
    """
    name = get_task(task).recipe
    if not name:
        known = ", ".join(learnt_task_names())
        raise ConfigError(f"the task {task!r} has nothing to learn", fix=f"use one of: {known}")
    return cast("type[Recipe]", _RECIPES.load(name))()


def recipe_for(task: str, model: str) -> Recipe:
    """Return the recipe that a network of a task is trained by.

    Raises:
        ConfigError: the task has nothing to learn.
    """
    recipe = recipe_of(task)
    return recipe.for_model(model) if isinstance(recipe, ByModel) else recipe


def _check_own(path: str) -> None:
    """Refuse what is certainly not there, without importing what may take long."""
    module, _, factory = path.partition(":")
    names = [*module.split("."), factory]
    if not all(name.isidentifier() for name in names):
        raise ConfigError(f"--model {path!r} is no model of one's own", fix="write it like package.module:factory")
    if importlib.util.find_spec(names[0]) is None:
        raise ConfigError(
            f"--model {path!r}: there is no package {names[0]!r}",
            fix="install it, or put the folder that it lies in on PYTHONPATH",
        )


def _check_library(path: str) -> None:
    """Refuse a network of a library that is certainly not there, likewise."""
    library, _, name = path.partition(":")
    if not is_there(library):
        raise lacking(f"--model {path!r} needs {library}", library)
    if name in ("", "NAME"):
        like = _LIKE.get(library, "resnet18")
        raise ConfigError(f"--model {path!r} names no network of {library}", fix=f"write it like {library}:{like}")

"""What is said of a training is used by a task or refused by name, never passed over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from penstock.cli import main
from penstock.errors import ConfigError
from penstock.recipes.protocols import OwnObjective, OwnOptimisers, OwnStep
from penstock.recipes.registry import make_objective, recipe_for, recipe_of
from penstock.steps._shared.train_config import check_learning
from penstock.tasks.intervals import areas_with_intervals
from penstock.tasks.protocols import NamesMetrics
from penstock.tasks.registry import get_task, own_task_names
from penstock.tasks.xray.labels import FINDINGS
from penstock.train.options import TrainingOptions
from penstock.train.validation import check_best
from unit.recipes.test_objectives import manifest

OF_CLASSES = ("clips", "eeg-events", "images", "table")
OF_NUMBERS = ("eeg-c1", "eeg-c2", "table")
KINDS = [
    *((name, ("a", "b")) for name in OF_CLASSES),
    *((name, ()) for name in OF_NUMBERS),
    *((name, ("a", "b")) for name in own_task_names() if isinstance(recipe_of(name), OwnObjective)),
]
LOSSES: dict[str, Any] = {
    "regression_loss": "l1",
    "label_smoothing": 0.1,
    "class_weights": (1.0, 2.0),
}
TRAINED = [(task, model) for task in own_task_names() for model in recipe_of(task).models if "NAME" not in model]


def test_all_tasks_are_in_the_table() -> None:
    assert {name for name, _ in KINDS} == set(own_task_names())


@pytest.mark.parametrize("asked", LOSSES)
@pytest.mark.parametrize(("task", "classes"), KINDS)
def test_a_loss_is_what_was_asked_for_or_is_refused(task: str, classes: tuple[str, ...], asked: str) -> None:
    info = msgspec.structs.replace(manifest(classes=classes), task=task, shape=(16, 300))
    usual = make_objective(info).state_dict()
    is_used = bool(classes) != (asked == "regression_loss") and not isinstance(recipe_of(task), OwnObjective)
    if is_used:
        assert make_objective(info, **{asked: LOSSES[asked]}).state_dict() != usual
        return
    flag = "--loss l1" if asked == "regression_loss" else f"--{asked.replace('_', '-')}"
    with pytest.raises(ConfigError, match=f"^{flag} is given, and the task {task!r}"):
        make_objective(info, **{asked: LOSSES[asked]})


@pytest.mark.parametrize(
    "asked",
    [{"optimizer": "sgd"}, {"momentum": 0.5, "optimizer": "sgd"}, {"accumulate": 2}, {"compile": True}],
    ids=str,
)
@pytest.mark.parametrize(("task", "model"), TRAINED)
def test_recipes_of_steps_of_their_own_refuse_what_they_do_not_do_before_a_listing(
    task: str, model: str, asked: dict[str, Any]
) -> None:
    args = replace(TrainingOptions(), model=model, **asked)
    recipe = recipe_for(task, model)
    lacks = isinstance(recipe, OwnOptimisers) if "optimizer" in asked else isinstance(recipe, OwnStep)
    if not lacks:
        check_learning(args, task=task)
        return
    with pytest.raises(ConfigError, match=r"of its own|optimisers of its own"):
        check_learning(args, task=task)


@pytest.mark.parametrize(("task", "classes"), KINDS)
def test_a_metric_that_a_task_does_not_have_is_refused_at_the_start(task: str, classes: tuple[str, ...]) -> None:
    about = get_task(task)
    objective = make_objective(msgspec.structs.replace(manifest(classes=classes), task=task, shape=(16, 300)))
    check_best(about.score, task=about, objective=objective)
    with pytest.raises(ConfigError, match="--best 'no_such' is no metric of the validation: choose one of"):
        check_best("no_such", task=about, objective=objective)
    if isinstance(about, NamesMetrics):
        with pytest.raises(ConfigError, match=f"did you mean {about.score!r}"):
            check_learning(replace(TrainingOptions(), best=f"{about.score}s"), task=task)


@pytest.mark.parametrize("task", [name for name in own_task_names() if not name.startswith("eeg")])
def test_there_is_a_second_domain_or_adapting_is_refused(task: str) -> None:
    with pytest.raises(ConfigError, match=f"--adapt mmd is given, and the task '{task}' has no second domain"):
        check_learning(replace(TrainingOptions(), adapt="mmd"), task=task)


def test_tasks_name_all_metrics_that_they_give() -> None:
    text, xray = get_task("text"), get_task("xray")
    assert isinstance(text, NamesMetrics)
    assert isinstance(xray, NamesMetrics)
    found = text.metrics(np.array([[3.0, 4.0, 9.0]]), np.array([[2.0, 1.0, 3.0, 1.0]]), ["a"])
    assert sorted(found) == sorted(text.metric_names)
    truth = np.zeros((30, 1 + len(FINDINGS)))
    truth[:14, 0] = 1
    truth[range(14), range(1, 15)] = 1
    predicted = np.column_stack([np.arange(30.0), *np.full((3, 30), 0.5)])
    found = xray.metrics(truth, predicted, [str(number) for number in range(30)])
    assert sorted(found) == sorted(xray.metric_names)


@pytest.mark.parametrize(
    ("task", "more", "told"),
    [
        ("text", ["--best", "perplexty"], "did you mean 'perplexity'?"),
        ("xray", ["--best", "auroc_hernai"], "did you mean 'auroc_hernia'?"),
        ("chat", ["--loss", "smooth_l1"], "--loss smooth_l1 is given, and the task 'chat' is learnt by an objective"),
        ("xray", ["--model", "reversed-autoencoder", "--accumulate", "2"], "--accumulate 2 is given, and the recipe"),
        ("clips", ["--adapt", "dann"], "--adapt dann is given, and the task 'clips' has no second domain"),
    ],
)
def test_it_is_told_before_anything_is_listed(
    task: str, more: list[str], told: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--source", tmp_path / "nowhere", "--task", task, "--out", tmp_path / "out", *more]
    assert main([str(word) for word in words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("is_class", "told"), [([True] * 4, "there is no sample without any"), ([False] * 4, "there is no sample with one")]
)
def test_what_lacks_for_an_area_is_named(is_class: list[bool], told: str) -> None:
    found = areas_with_intervals(np.arange(4.0), np.array(is_class), ["a"] * 4, kinds=("with one", "without any"))
    assert [metric.undefined for metric in found] == [told, told]

"""The options of a task, as words."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.steps._shared.task_options import read_options
from penstock.tasks.registry import get_task, task_names


@pytest.mark.parametrize("given", ["{", "[]", "[" * 60_000, "\udc80", '{"a": [1]}'], ids=range(5))
def test_what_is_no_object_of_plain_values_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"task-options .* is not a JSON object") as refused:
        read_options(get_task("eeg-c1"), (), given)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("task", "pair", "told"),
    [
        ("table", "target", "--option 'target' has no value: write it like --option target=COLUMN"),
        ("table", "max_values", "has no value: write it like --option max-values=64"),
        ("table", "nonsense", "has no value: write it like --option target=COLUMN"),
        ("table", "max-values=big", "'big' is not an integer for max-values"),
        ("eeg-c1", "epoch-start=x", "'x' is not a number for epoch-start"),
    ],
)
def test_what_is_wrong_is_told_by_an_option_of_the_task(task: str, pair: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(get_task(task), [pair], "")
    assert told in str(caught.value)


@pytest.mark.parametrize("name", task_names())
def test_examples_are_options_of_the_task(name: str) -> None:
    task = get_task(name)
    for given in (["nonsense"], ""), ([], "[1]"):
        with pytest.raises(ConfigError) as caught:
            read_options(task, *given)
        assert not task.options or task.options[0].name.replace("_", "-") in caught.value.fix

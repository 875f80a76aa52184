"""Messages of steps in the words of Python: whatever flag one names, a caller reads an argument."""

from __future__ import annotations

import inspect
import re

import pytest

import penstock
from penstock.steps.options.steps import options_of
from penstock.stream.words import python_words
from penstock.tasks.registry import get_task, task_names


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("pass --window-size of at least 7Mi", "pass window of at least 7Mi"),
        ("choose another pattern with --option match=...", "choose another pattern with match"),
        ("choose one with --option config=", "choose one with config="),
        ("it has no column 'x' of --option label-column= (it has y)", "it has no column 'x' of label= (it has y)"),
        ("give --option format_options=", "give format_options="),
        ("a -- b, a--b and x.tar--y stay", "a -- b, a--b and x.tar--y stay"),
    ],
)
def test_a_flag_is_told_as_an_argument(told: str, wanted: str) -> None:
    assert python_words(told) == wanted


def test_no_flag_that_is_an_argument_and_no_option_of_any_task_is_told_as_one() -> None:
    arguments = {f"--{name.replace('_', '-')}" for name in inspect.signature(penstock.Stream).parameters}
    of_steps = {one.flag for step in ("list", "prefetch") for one in options_of(step).declared().values()}
    options = {f"--option {one.name.replace('_', '-')}=" for task in task_names() for one in get_task(task).options}
    for each in (arguments & of_steps) | options | {"--source-option", "--max-files", "--release", "--split-by"}:
        told = python_words(f"leave {each} out ({each}), or give {each} x")
        assert not re.search(r"(?<!\w)--", told), told

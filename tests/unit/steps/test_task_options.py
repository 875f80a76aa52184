"""The options of a task, as words."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.steps._shared.task_options import read_options
from penstock.tasks.registry import get_task, task_names


@pytest.mark.parametrize(
    "given",
    [
        "{",
        "[]",
        "[" * 60_000,
        "\udc80",
        "null",
        '"{}"',
        "7",
        '{"epoch-seconds": 1e400}',
        '{"epoch-seconds": NaN}',
        '{"epoch-seconds": 1, "epoch-seconds": 2}',
    ],
    ids=range(10),
)
def test_what_is_no_object_of_plain_values_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=r"task-options .* is not a JSON object") as refused:
        read_options(get_task("eeg-c1"), (), given)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('{"size": 64.5}', "64.5 is not an integer for size"),
        ('{"size": true}', "True is not an integer for size"),
        ('{"size": [1]}', "[1] is not an integer for size"),
        ('{"size": ""}', "'' is not an integer for size"),
        ('{"unmatched_share": true}', "True is not a number for unmatched-share"),
        ('{"unmatched-share": "nan"}', "'nan' is not a number for unmatched-share"),
        ('{"labels": false}', "False is not text for labels"),
        ('{"labels": {"a": 1}}', "is not text for labels"),
        ('{"split_folders": 1}', "1 is not true or false for split-folders"),
        ('{"group-folder": "last", "group_folder": "first"}', "--task-options has 'group-folder' and 'group_folder'"),
        ('{"a": [1]}', "images has no option 'a'"),
    ],
)
def test_a_value_of_another_kind_is_refused_and_none_is_rounded(given: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_options(get_task("images"), (), given)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ('{"size": 128.0}', "size", 128),
        ('{"size": "128"}', "size", 128),
        ('{"size": null}', "size", 64),
        ('{"class_folder": 1.0}', "class_folder", "1"),
        ('{"class-folder": 2}', "class_folder", "2"),
        ('{"unmatched_share": 0}', "unmatched_share", 0.0),
        ('{"split_folders": "True"}', "split_folders", True),
    ],
)
def test_a_value_is_read_as_a_backend_may_write_it(given: str, name: str, value: object) -> None:
    found = read_options(get_task("images"), (), given)[name]
    assert (found, type(found)) == (value, type(value))


def test_the_command_line_wins_over_the_object() -> None:
    found = read_options(get_task("images"), ["size=32"], '{"size": 128, "channels": 1}')
    assert (found["size"], found["channels"]) == (32, 1)


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

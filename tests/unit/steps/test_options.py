"""The declarations of options: the configs that they make, and the words that those are written as."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock
from penstock.cli import build_parser
from penstock.options import Option, Options
from penstock.options.window import WindowOptions
from penstock.records import JobRecord
from penstock.steps._shared.job_dataset import JobDataset
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.job_steps import evaluate_options, list_options, report_options, train_options
from penstock.steps.options.demo import DemoOptions
from penstock.steps.options.evaluate import EvaluateOptions
from penstock.steps.options.listing import ListOptions
from penstock.steps.options.parser import Refused, subparsers
from penstock.steps.options.prefetch import PrefetchOptions
from penstock.steps.options.run import JobOptions
from penstock.steps.options.steps import STEPS, options_of
from penstock.steps.options.train import TrainOptions
from support.options import config_of

TEXTS = (
    *(
        "",
        "0",
        "1",
        "7",
        "0.5",
        "1e-05",
        "10",
        "90",
        "true",
        "false",
        "32Mi",
        "1.5Gi",
        "2h",
        "20MB/s",
        "0.8,0.1,0.1",
        "internet",
    ),
    *(
        "a",
        "-a",
        "--a=b",
        "a b",
        "é∞",
        "it's; $(me)",
        "/a/b",
        "./x=y",
        "s3://bucket/a b",
        "https://h:9000/x",
        "a.b-c_d",
    ),
    *("2026-11-21", "stream,cache", "{}", '{"a": [1, "x"]}', "name=value", "~/x", "65535", "None", "1/4"),
)


def values(option: Option) -> st.SearchStrategy[Any]:
    """Return values that an option can have, as it reads them from texts of all kinds."""
    if option.is_bare:
        return st.booleans()
    if (choices := option.all_choices) is not None:
        one = st.sampled_from(list(choices))
    else:
        one = st.sampled_from([value for text in TEXTS for value in readable(option, text)])
    return st.lists(one.filter(lambda value: value is not None), max_size=3).map(tuple) if option.is_repeated else one


def readable(option: Option, text: str) -> Sequence[Any]:
    assert option.read is not None
    try:
        return [option.read(text)]
    except (argparse.ArgumentTypeError, ValueError):
        return []


@cache
def configs(step: str) -> st.SearchStrategy[Options]:
    options: Any = options_of(step)
    chosen = {name: values(one) for name, one in options.declared().items() if one.name != "checkpoints"}
    needed = {
        name: chosen.pop(name)
        for name, one in options.declared().items()
        if one.is_required or (one.one_of and name in chosen)
    }
    return st.fixed_dictionaries(needed, optional=chosen).filter(as_it_can_be).map(lambda found: options(**found))


def as_it_can_be(found: dict[str, Any]) -> bool:
    """An option that counts as given by being there is there, and a name is none that looks like a flag."""
    bare = map(str, (*(found.get(name, "") for name in ("name", "uri")), *found.get("runs", ())))
    return not any(one.startswith("-") for one in bare) and found.get("run_root", "") is not None


@pytest.mark.parametrize("step", STEPS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_config_is_read_again_from_its_words(step: str, data: st.DataObject) -> None:
    config = data.draw(configs(step))
    assert config_of(type(config), *config.to_argv()) == config


@pytest.mark.parametrize("step", STEPS)
def test_nothing_that_is_as_it_would_be_is_written(step: str) -> None:
    """So a child's command line is as short as can be."""
    options: Any = options_of(step)
    needed = {name: "x" for name, one in options.declared().items() if one.is_required}
    assert len(options(**needed).to_argv()) == len(needed)


@pytest.mark.parametrize("step", STEPS)
def test_the_parser_has_the_declared_options_and_no_others(step: str) -> None:
    actions = {action.dest: action for action in subparsers(build_parser([step]))[step]._actions}
    declared = options_of(step).declared()
    assert set(declared) == set(actions) - {"help", "options", argparse.SUPPRESS}
    for name, one in declared.items():
        default = list(one.default) if one.is_repeated else None if one.is_required else one.default
        assert actions[name].default == default
        assert (actions[name].help == argparse.SUPPRESS) == one.hidden


def test_what_is_for_other_programs_is_not_in_the_help() -> None:
    hidden = {(step, name) for step in STEPS for name, one in options_of(step).declared().items() if one.hidden}
    assert hidden == {
        *((step, "meters") for step in ("list", "prefetch", "train", "evaluate", "run", "compare-modes")),
        *((step, "lanes") for step in ("list", "run", "compare-modes")),
        *((step, name) for step in ("list", "prefetch") for name in ("until_stdin_closes", "and_more")),
        ("prefetch", "ready_for"),
        *((step, "executor_input") for step in ("evaluate", "forecast", "report")),
    }
    for step, name in hidden:
        with pytest.raises(Refused) as refused:
            config_of(options_of(step), f"--{name.replace('_', '-')}x")
        assert f"did you mean --{name.replace('_', '-')}" not in refused.value.message
        assert f"--{name.replace('_', '-')}" not in subparsers(build_parser([step]))[step].format_help()


@pytest.mark.parametrize("options", [TrainOptions, DemoOptions, PrefetchOptions])
def test_a_config_is_frozen(options: type[Options]) -> None:
    known = {name: "x" for name, one in options.declared().items() if one.is_required}
    config = options(**known)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.verbose = True  # type: ignore[attr-defined]
    assert config.but(verbose=True) != config


@pytest.mark.parametrize(
    ("argument", "options", "name"),
    [
        ("in_flight", WindowOptions, "in_flight"),
        ("timeout_seconds", WindowOptions, "prefetch_timeout"),
        ("seed", ListOptions, "seed"),
        ("on_bad_sample", TrainOptions, "on_bad_sample"),
        ("workers", TrainOptions, "workers"),
    ],
)
def test_the_library_does_unasked_what_the_command_does(argument: str, options: type[Options], name: str) -> None:
    assert inspect.signature(penstock.Stream).parameters[argument].default == options.declared()[name].default


JOB = JobOptions(
    source="s3://b/p", region="r", anonymous=True, task="eeg-c1", option=("normalize=none",), out=Path("o"), seed=3,
    epochs=4, batch_size=5, learning_rate=0.1, device="cpu", workers=2, window_size=9 << 20, prefetch_timeout=7.0,
    in_flight=6, on_bad_sample="skip", stream_listing=True, shuffle="block", shuffle_block=8, lanes=16, model="small",
    title="T", transfer="nat", instance_type="g5.xlarge", verbose=True, split=(0.6, 0.2, 0.2), max_files=3,
)  # fmt: skip


def test_a_job_gives_its_steps_what_they_share() -> None:
    """Every option of a step is given, or is as it would be; what a step has of the same name is what the job has."""
    files, job = JobFiles(Path("/o")), JobRecord(run_id="r", options={})
    steps = {
        "list": list_options(files, JOB),
        "train": train_options(files, JOB, job),
        "evaluate": evaluate_options(files, JOB, JobDataset(args=JOB)),
        "report": report_options(files, JOB),
    }
    other = {("list", "meters"), ("train", "meters"), ("train", "window"), ("evaluate", "meters")}
    other |= {("evaluate", "window"), ("evaluate", "split")}
    for step, config in steps.items():
        for name in set(config.declared()) & set(JOB.declared()):
            same = getattr(config, name) == getattr(JOB, name)
            assert same or (step, name) in other, (step, name)
    assert isinstance(steps["evaluate"], EvaluateOptions)
    assert (steps["evaluate"].split, steps["evaluate"].window) == ("test", files.window)
    listed = steps["list"]
    assert isinstance(listed, ListOptions)
    assert config_of(ListOptions, *listed.to_argv()) == listed

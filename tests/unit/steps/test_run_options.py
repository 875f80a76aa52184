"""The options of a pipeline's run, as the steps take them: by name, checked before anything is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli import build_parser, main
from penstock.errors import ConfigError
from penstock.records import FailureRecord, read_record
from penstock.steps.options.run_options import run_fields, run_options, with_options
from penstock.steps.options.steps import PIPELINE_STEPS, options_of

OPTIONS = run_options()
LIST = ["list", "--source", "/nowhere", "--task", "eeg-c1", "--manifest", "/tmp/m", "--plan", "/tmp/p"]


def words(step: str, options: object, *more: str) -> list[str]:
    text = options if isinstance(options, str) else json.dumps(options)
    return with_options(step, [step, *more, "--options", text], OPTIONS)[1 + len(more) :]


def test_an_option_of_a_run_is_given_one_way_in_every_step() -> None:
    """Either by a field, or by its name; and no path of a pod is either."""
    fields = run_fields()
    for step in PIPELINE_STEPS:
        for name, option in options_of(step).declared().items():
            assert [bool(option.run_option), bool(option.field), option.by_pipeline].count(True) <= 1, (step, name)
            assert (name in fields) == bool(option.field), (step, name)
            if option.run_option:
                assert OPTIONS[option.run_option].of[step] is option
                assert option.metavar not in ("FILE", "DIR"), f"{step} {name} is a path of the pod's"
    assert not set(fields.values()) & set(OPTIONS)


def test_a_step_takes_what_is_its_own() -> None:
    given = {
        "seed": 3,
        "learning_rate": 1e-5,
        "workers": 2,
        "evaluate_split": "valid",
        "title": "it's; $(me)",
        "mini": True,
    }
    assert words("list", given) == ["--seed=3", "--mini=true"]
    assert words("train", given) == ["--learning-rate=1e-05", "--workers=2"]
    assert words("evaluate", given) == ["--workers=2", "--split=valid"]
    assert words("report", given) == ["--title=it's; $(me)"]
    assert words("train", {"workers": 2.0}) == ["--workers=2"], "a backend may know one kind of number"
    assert words("list", "") == words("list", "{}") == []
    args = build_parser(["train"]).parse_args(["train", *_required("train"), *words("train", given)])
    assert (args.learning_rate, args.workers) == (1e-5, 2)


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ({"project": "p", "depth": 2.0}, ["project=p", "depth=2"]),
        (["project=p", "depth=2"], ["project=p", "depth=2"]),
        ("project=p", ["project=p"]),
        ({}, []),
        ([], []),
    ],
    ids=str,
)
def test_what_may_be_repeated_is_an_object_of_pairs_or_a_list(given: object, flags: list[str]) -> None:
    assert words("list", {"source_option": given}) == [f"--source-option={pair}" for pair in flags]
    assert OPTIONS["source_option"].kind == "JSON object"


@pytest.mark.parametrize("given", [[["project=p"]], [1], None, 7, True, [{"project": "p"}]], ids=str)
def test_what_may_be_repeated_is_of_texts(given: object) -> None:
    with pytest.raises(ConfigError, match="where a text is wanted"):
        words("list", {"source_option": given})


def _required(step: str) -> list[str]:
    needed = [one.flag for one in options_of(step).declared().values() if one.is_required]
    return [word for flag in [*needed, "--checkpoints"] for word in (flag, "some")]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('{"a": 1', "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"seed": 1, "seed": 2}', "'seed' is there twice"),
        ('{"warmup": NaN}', "NaN is no number of JSON"),
        ({"lerning_rate": 1}, "did you mean 'learning_rate'?"),
        ({"Learning-Rate": 1}, "did you mean 'learning_rate'?"),
        ({"nonsense": 1}, "the options are: accumulate, adapt, "),
        ({"epochs": 1}, "give it as model_epochs"),
        ({"model_epochs": 1}, "give it as model_epochs"),
        ({"source": "s3://a"}, "give it as data_source"),
        ({"manifest": "/etc/passwd"}, "there is no option 'manifest'"),
        ({"aws_secret_access_key": "hunter2"}, "no place for secrets"),
        ({"HF_TOKEN": "hunter2"}, "no place for secrets"),
        ({"seed": "1"}, "where a whole number is wanted"),
        ({"seed": 1.5}, "where a whole number is wanted"),
        ({"seed": True}, "where a whole number is wanted"),
        ({"seed": None}, "null, where a whole number is wanted"),
        ({"mini": 1}, "where true or false is wanted"),
        ({"mini": "true"}, "where true or false is wanted"),
        ({"title": ["a"]}, "where a text is wanted"),
        ({"learning_rate": "fast"}, "where a number is wanted"),
        ({"batch_size": 0}, "not a whole number of at least 1"),
        ({"prefetch_timeout": "soon"}, "is not a duration"),
        ({"loss": "l7"}, "it is one of mse, smooth_l1"),
        ({"split": "most"}, "not three fractions"),
        ({"learning_rate": -1}, "a number above 0"),
        ({"warmup": 5}, "0 or more and less than 1"),
        ({"weight_decay": -0.1}, "0 or more"),
        (
            {"task_options": {"size": 32}},
            "'task_options' is no option: it is a field of its own: give it as data_task_",
        ),
        ({"--data-source": "s3://b"}, "it is a field of its own: give it as data_source"),
        ({"today": "tomorrow"}, "is not a date"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_is_refused_by_the_first_step(
    options: object, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = options if isinstance(options, str) else json.dumps(options)
    assert main([*LIST, "--options", text]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.startswith("penstock list: error: ")
    assert said.count("\n") == 1
    assert "hunter2" not in said


def test_a_flag_and_its_option_are_not_both_given() -> None:
    with pytest.raises(ConfigError, match="--seed is given, and 'seed' in the options too"):
        words("list", {"seed": 3}, "--seed=4")
    with pytest.raises(ConfigError, match="2 times"):
        with_options("list", ["list", "--options", "{}", "--options={}"], OPTIONS)
    with pytest.raises(ConfigError, match="without a value"):
        with_options("list", ["list", "--options"], OPTIONS)


def test_a_later_step_minds_names_and_its_own_values_alone() -> None:
    assert words("train", {"seed": "of another step"}) == []
    with pytest.raises(ConfigError):
        words("train", {"sead": 1})


def test_the_report_of_a_refused_run_is_made_all_the_same() -> None:
    assert words("report", {"title": "T", "nonsense": 1, "transfer": "by mail", "seed": "x"}) == ["--title=T"]
    assert words("report", '{"a') == []


@pytest.mark.parametrize("options", ['{"sead": 1}', '{"seed": 1', "{}"])
def test_a_refusal_is_left_in_the_run_root(tmp_path: Path, options: str) -> None:
    where = ["--run-root", str(tmp_path), "--run-id", "refused", "--options", options]
    asked = [*LIST[:3], "--task", "eeg-c9" if options == "{}" else "eeg-c1", *LIST[5:]]
    assert main([*asked, *where]) == 2
    left = read_record(tmp_path / "refused/records/list-failure.json", FailureRecord)
    assert (left.error, left.exit_code, left.retryable) == ("ConfigError", 2, False)
    assert {"{}": "eeg-c9", '{"sead": 1}': "sead"}.get(options, "JSON") in left.what


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(OPTIONS)) | st.text(), JSON, max_size=3), st.sampled_from(PIPELINE_STEPS))
def test_whatever_is_given_is_words_or_a_refusal(values: dict[str, object], step: str) -> None:
    try:
        made = words(step, json.dumps(values))
    except ConfigError:
        return
    assert all(word.startswith("--") and "=" in word for word in made)


@pytest.mark.parametrize(
    ("task", "options", "told"),
    [
        ("clips", {"table": "clips.csv"}, "'table' is an option of the task: give it in data_task_options"),
        ("xray", {"train-share": 0.5}, "'train-share' is an option of the task: give it in data_task_options"),
        ("text", {"best": "perplexty"}, "did you mean 'perplexity'?"),
        ("xray", {"loss": "l1"}, "--loss l1 is given, and the task 'xray' is learnt by an objective of its own"),
        ("images", {"adapt": "mmd"}, "the task 'images' has no second domain"),
    ],
)
def test_what_the_task_has_no_use_for_is_refused_by_the_first_step_too(
    task: str, options: object, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["list", "--source", "nowhere", "--task", task, "--manifest", "m", "--plan", "p"]
    assert main([*words, "--options", json.dumps(options)]) == 2
    assert told in capsys.readouterr().err

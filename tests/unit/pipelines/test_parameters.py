"""Parameters made of declarations: what follows from one, and what is no parameter."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from penstock.options import Options, choice, flag, option, repeated, switch
from penstock.options.readers import (
    at_least_zero,
    bytes_option,
    optional_count,
    optional_path,
    optional_text,
    positive_int,
    seconds_option,
)
from penstock.steps.options.evaluate import EvaluateOptions
from pipelines import parameters
from pipelines.component_source import component_source, parameters_table
from pipelines.declared import COMPONENTS
from pipelines.eeg import EEG
from pipelines.form import Preset, run_form
from pipelines.parameters import parameters_of
from pipelines.pods import Settings

Size = Literal["small", "large"]


def _names() -> Sequence[str]:
    return ("cats", "dogs")


class Good(Options):
    source: str = option(read=str, metavar="URI", told="where it lies", field="data_source")
    quick: bool = switch(default=True, told="hurry", field="run_quick")
    count: int = option(read=positive_int, default=3, metavar="N", told="how many", field="run_count")
    share: float = option(read=at_least_zero, default=1.0, metavar="X", told="part of it", field="run_share")
    more: str = option(read=str, default='{"a": 1}', metavar="JSON", told="the rest", field="run_more")
    size: Size = choice(choices=get_args(Size), default="small", told="how large", field="run_size")
    kind: str = choice(choices=_names, known=("cats",), default="cats", told="what", field="run_kind")
    bound: int = option(read=bytes_option, default=2**28, metavar="SIZE", told="bound (default: 256Mi)", field="run_b")
    wait: float = option(read=seconds_option, default=60.0, metavar="TIME", told="wait (default: 1m)", field="run_w")
    plain: int = option(read=bytes_option, default=1000, metavar="SIZE", told="bound", field="run_p")
    parts: tuple[int, ...] = option(
        read=lambda text: tuple(map(int, text.split(","))), default=(1, 2), metavar="A,B", told="parts", field="run_q"
    )
    name: str | None = option(
        read=optional_text, default=None, metavar="N", told="name (default: its own)", field="run_n"
    )
    most: int | None = option(read=optional_count, default=None, metavar="N", told="at most", field="run_most")
    place: Path | None = option(read=optional_path, default=None, metavar="DIR", told="where", by_pipeline=True)
    hidden: int = option(read=positive_int, default=1, metavar="N", told="of the command line", run_option="")
    other: int = option(read=positive_int, default=1, metavar="N", told="among the options")


def of(config: type[Options], monkeypatch: pytest.MonkeyPatch) -> dict[str, parameters.Parameter]:
    monkeypatch.setattr(parameters, "options_of", lambda step: config)
    return parameters_of("list")


def test_kind_default_and_sentence_follow_from_the_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    found = of(Good, monkeypatch)
    assert {name: (one.kind, one.default) for name, one in found.items() if not one.is_required} == {
        "quick": (bool, True),
        "count": (int, 3),
        "share": (float, 1.0),
        "more": (dict, {"a": 1}),
        "size": (str, "small"),
        "kind": (str, "cats"),
        "bound": (str, "256Mi"),
        "wait": (str, "1m"),
        "plain": (str, "1000"),
        "parts": (str, "1,2"),
        "name": (str, ""),
        "most": (str, ""),
        "place": (str, ""),
    }
    assert found["source"].is_required
    assert found["size"].told == "How large. One of small, large."
    assert found["kind"].told == "What. Like cats, or your own.", "what is installed changes no file"
    assert (list(found["size"].choices), list(found["kind"].choices)) == (["small", "large"], [])
    assert found["bound"].told == "Bound."
    assert found["name"].told == "Name. Empty is its own."


def _bad(**declared: Any) -> type[Options]:
    annotations = dict.fromkeys(declared, Any)
    return type("Bad", (Options,), {**declared, "__annotations__": annotations, "__module__": __name__})


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (repeated(read=positive_int, default=(), metavar="X", told="x", field="run_x"), "gives each flag once"),
        (repeated(read=str, default=("a",), metavar="X", told="x", field="run_x"), "gives each flag once"),
        (flag(default=False, told="x", field="run_x"), "gives each flag once"),
        (
            option(read=positive_int, default=None, metavar="X", told="x", field="run_x"),
            "takes no text for its default",
        ),
        (choice(choices=("a", "b"), default=None, told="x", field="run_x"), "takes no text for its default"),
        (
            option(read=bytes_option, default=2**20, metavar="X", told="x (default: 2Mi)", field="run_x"),
            None,
        ),
        (option(read=Path, default=Path("/a"), metavar="X", told="x", by_pipeline=True), None),
    ],
)
def test_what_a_pipeline_could_not_give_is_no_parameter(
    declared: Any, told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _bad(x=declared)
    if told is None:
        found = of(config, monkeypatch)["x"]
        assert config.declared()["x"].read(found.default) == config.declared()["x"].default  # type: ignore[misc]
        return
    with pytest.raises(ValueError, match=told) as refused:
        of(config, monkeypatch)
    assert "penstock list --x" in str(refused.value)


def test_of_texts_that_may_be_several_a_pipeline_gives_one_or_the_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = repeated(read=str, default=(), metavar="X", told="x", field="run_x")
    found = of(_bad(x=declared), monkeypatch)["x"]
    assert (found.kind, found.default, found.flag) == (str, "", "--x")


@pytest.mark.parametrize("name", ["manifest", "record", "options", "dsl"])
def test_a_parameter_is_not_named_like_something_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = option(read=str, default="", metavar="X", told="x", by_pipeline=True)
    monkeypatch.setattr(parameters, "options_of", lambda step: _bad(**{name: declared}))
    with pytest.raises(ValueError, match=f"penstock list cannot have a parameter '{name}'"):
        _ = COMPONENTS["list"].parameters


def test_any_sentence_makes_a_module_that_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = 'a\\b "quoted" """thrice""", 100 %% {braced} of s3://… | more'
    declared = option(read=str, default="", metavar="X", told=told, by_pipeline=True)
    monkeypatch.setattr(parameters, "options_of", lambda step: _bad(x=declared))
    plain = dataclasses.replace(COMPONENTS["list"], defaults={})
    source = component_source("list", plain)
    tree = ast.parse(source)
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    said = " ".join((ast.get_docstring(function) or "").split())
    assert f"x: A{told[1:].replace('%%', '%')}." in said
    assert parameters_table(plain).count("\\|") == 1


def test_a_preset_s_values_are_of_fields_that_there_are() -> None:
    with pytest.raises(ValueError, match="mine has a value for 'data_sauce', which is no field"):
        run_form(Preset(name="mine", title="Mine", about="It.", values={"data_sauce": "s3://b"}), Settings())
    form = run_form(EEG, Settings(image_cpu="registry.example/penstock:1"))
    assert form["image_cpu"].default == "registry.example/penstock:1"
    assert form["data_task"].choices == ["eeg-c1", "eeg-c2", "eeg-events"]
    assert list(form) == sorted(form)


def test_two_steps_that_take_a_field_in_different_ways_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(EvaluateOptions):
        model: int = option(read=positive_int, default=1, metavar="N", told="number of it", field="model_name")  # type: ignore[assignment]

    before = parameters.options_of
    monkeypatch.setattr(parameters, "options_of", lambda step: Other if step == "evaluate" else before(step))
    with pytest.raises(ValueError, match=r"the field model_name is .*str.* in one step and .*int.* in evaluate"):
        run_form(Preset(name="mine", title="Mine", about="It."), Settings())

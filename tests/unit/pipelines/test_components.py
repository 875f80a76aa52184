"""The declarations against the command line they declare."""

from __future__ import annotations

import argparse
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.cli import build_parser
from penstock.steps.options.run_options import options_for
from penstock.steps.options.steps import RUN_OPTIONS as FLAG

ROOT = Path(__file__).parents[3]
COMMANDS = {name: name for name in ("list", "prefetch", "forecast", "train", "evaluate", "report", "pack")} | {
    "report_exit": "report"
}
STEPS = list(COMMANDS)
POSITIONAL = "--"
"""Before what has no flag."""
GPU_STEPS = {"train", "evaluate"}
GIVEN = {"source": "s3://bucket/pets", "task": "images", "into": "s3://bucket/shards"}
"""What has no default."""

# What a component states other than the command line does: a probe that needs no sidecar.
OTHER_DEFAULTS = {
    ("prefetch", "--prefetch"),
    # Kubeflow Pipelines tries a step again whatever its exit code.
    *((step, "--fail-fast") for step in ("list", "prefetch", "forecast", "train", "evaluate")),
    # The backend gives it.
    ("report_exit", "--final-status"),
}


@cache
def compiled(step: str) -> Any:
    return yaml.safe_load((ROOT / "components" / step / "component.yaml").read_text())


def component(step: str) -> Any:
    return compiled(step)["components"][f"comp-{step.replace('_', '-')}"]


def container(step: str) -> Any:
    return compiled(step)["deploymentSpec"]["executors"][f"exec-{step.replace('_', '-')}"]["container"]


@cache
def actions(step: str) -> dict[str, argparse.Action]:
    parser = build_parser([COMMANDS[step]])
    [commands] = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    found = commands.choices[COMMANDS[step]]._actions
    return {[action.dest, *action.option_strings][-1]: action for action in found if action.dest != argparse.SUPPRESS}


def pairs(step: str) -> list[tuple[str, str]]:
    args = container(step)["args"]
    assert len(args) % 2 == 0
    return list(zip(args[::2], args[1::2], strict=True))


def parse(step: str, values: dict[str, str]) -> argparse.Namespace:
    """Read the component's argv as the step does, with placeholders replaced."""
    words = [COMMANDS[step]]
    for flag, value in pairs(step):
        words += [flag, re.sub(r"\{\{.*\}\}", lambda found: values.get(found[0], "given"), value)]
    return build_parser([COMMANDS[step]]).parse_args(words)


def default_values(step: str) -> dict[str, str]:
    found = {f"{{{{$.inputs.parameters['{name}']}}}}": value for name, value in GIVEN.items()}
    for name, definition in component(step)["inputDefinitions"].get("parameters", {}).items():
        if not definition.get("isOptional"):
            continue
        value = definition.get("defaultValue", "")
        text = (
            str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
        )
        found[f"{{{{$.inputs.parameters['{name}']}}}}"] = text
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_component_is_one_command(step: str) -> None:
    assert container(step)["command"] == ["penstock", COMMANDS[step]]
    assert container(step)["image"] == f"penstock:0.1.0-{'gpu' if step in GPU_STEPS else 'cpu'}"
    assert compiled(step)["pipelineInfo"]["name"] == step.replace("_", "-")
    assert sorted(path.name for path in (ROOT / "components" / step).iterdir() if path.is_file()) == [
        "README.md",
        "component.py",
        "component.yaml",
    ]


@pytest.mark.parametrize("step", STEPS)
def test_every_argument_is_a_flag_of_the_step_and_every_other_flag_is_named(step: str) -> None:
    passed = {flag for flag, _ in pairs(step)} - {POSITIONAL}
    known = {flag for flag in actions(step) if flag.startswith("-")}
    assert passed <= known
    text = (ROOT / "components" / step / "README.md").read_text()
    left_out = text.partition("## Flags that it leaves out")[2]
    options = options_for(COMMANDS[step]).values()
    by_option = {option.of[COMMANDS[step]].flag for option in options if COMMANDS[step] in option.of}
    assert {f"--{name}" for name in re.findall(r"`--([a-z-]+)`:", left_out)} == known - passed - by_option
    assert not passed & by_option, "a flag is a parameter or an option, not both"


@pytest.mark.parametrize("step", STEPS)
def test_its_readme_names_what_a_task_must_give(step: str) -> None:
    text = (ROOT / "components" / step / "README.md").read_text().partition("## Alone")[2].partition("## Flags")[0]
    declared = component(step)["inputDefinitions"]["parameters"]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(declared) - {"final_status"}


@pytest.mark.parametrize("step", STEPS)
def test_every_input_and_output_is_described_and_has_the_default_of_its_flag(step: str) -> None:
    inputs, outputs = component(step)["inputDefinitions"], component(step).get("outputDefinitions", {})
    for name, definition in {
        **inputs.get("parameters", {}),
        **inputs.get("artifacts", {}),
        **outputs.get("artifacts", {}),
    }.items():
        assert len(definition.get("description", "")) > 10, name
    for name, definition in inputs.get("parameters", {}).items():
        flag = actions(step).get(f"--{name.replace('_', '-')}", actions(step).get(name))
        assert definition.get("isOptional", False) != (flag is not None and flag.required), name


@pytest.mark.parametrize("step", STEPS)
def test_a_flag_gets_the_input_or_output_of_its_name(step: str) -> None:
    named = {POSITIONAL: "uri", "--checkpoint-out": "checkpoint", "--step-record": None, "--executor-input": None}
    for flag, value in pairs(step):
        name = named.get(flag, flag.removeprefix("--").replace("-", "_"))
        assert name is None or f"['{name}']" in value


@pytest.mark.parametrize("step", STEPS)
def test_the_step_reads_the_defaults_as_its_own(step: str) -> None:
    """So an empty text, 0 and false, as the backend passes them, are read as what the step does unasked."""
    args = parse(step, default_values(step))
    for flag, value in pairs(step):
        if flag == POSITIONAL:
            assert (value, args.uri) == ("{{$.inputs.parameters['uri']}}", "")
            continue
        action = actions(step)[flag]
        if (
            "inputs.parameters" in value
            and (step, flag) not in OTHER_DEFAULTS
            and flag not in ("--run-root", "--source", "--task", "--into", FLAG)
        ):
            found = getattr(args, action.dest)
            if isinstance(action, argparse._AppendAction):  # the empty text is none
                found = [one for one in found if one]
            assert found == action.default or (not found and not action.default), flag


@pytest.mark.parametrize("name", ["forecast", "evaluate", "report", "report_exit"])
def test_metrics_are_written_under_the_name_of_the_output(name: str) -> None:
    module = importlib.import_module("penstock.steps._shared.pipeline_output")
    output = component(name)["outputDefinitions"]["artifacts"][module.ARTIFACT]
    assert output["artifactType"]["schemaTitle"] == "system.Metrics"
    assert ("--executor-input", "{{$}}") in pairs(name)


def test_components_is_no_package() -> None:
    assert not list((ROOT / "components").rglob("__init__.py"))

"""The text of ``components/<step>/component.py`` and of the table in its README, made of the declarations."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from pipelines.declared import IMAGES, Artifact, Component
from pipelines.parameters import Parameter

__all__ = ["component_source", "parameters_table"]

_WIDTH = 120

_HEAD = '''"""KFP component of ``penstock {step}``{as_exit}: {about}."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "{image}"


@dsl.container_component
def {function}(
{signature}
) -> dsl.ContainerSpec:
    """{told}

    Args:
{inputs}
{returns}    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "{step}"],
        args=[
{args}
        ],
    )
'''


def component_source(name: str, component: Component) -> str:
    """Write the module of a component.

    Args:
        name: of its folder.
    """
    inputs = {**component.inputs, **_end(component), **component.parameters}
    outputs = "\n".join(_line(key, one.told) for key, one in component.outputs.items())
    return _HEAD.format(
        step=component.step,
        as_exit=" as a pipeline's exit task" if component.is_told_the_end else "",
        about=component.about,
        image=IMAGES[component.image],
        # `list` would hide the builtin.
        function=f"{name}_" if name == "list" else name,
        signature="\n".join(f"    {line}" for line in _signature(component)),
        told="\n\n".join(_wrapped(text, "    ") for text in component.told.split("\n\n")).lstrip(),
        inputs="\n".join(_line(key, one.told) for key, one in inputs.items()),
        returns=f"\n    Returns:\n{outputs}\n" if outputs else "",
        args="\n".join(f"            {line}" for line in _args(component)),
    )


def parameters_table(component: Component) -> str:
    """Write the table of a component's parameters, in Markdown."""
    lines = ["| parameter | unless given | what it is |", "|---|---|---|"]
    for one in component.parameters.values():
        default = "must be given" if one.is_required else f"`{_plain(one.default)}`" if one.default != "" else ""
        lines.append(f"| `{one.name}` | {default} | {one.told.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _end(component: Component) -> dict[str, Parameter]:
    told = "How the pipeline ended, as the backend tells it."
    one = Parameter(name="final_status", flag="--final-status", kind=str, default=MISSING, told=told)
    return {one.name: one} if component.is_told_the_end else {}


def _signature(component: Component) -> Iterator[str]:
    for way, artifacts in (("Input", component.inputs), ("Output", component.outputs)):
        yield from (f"{key}: dsl.{way}[dsl.{one.kind}]," for key, one in artifacts.items())
    yield from (f"{key}: dsl.PipelineTaskFinalStatus," for key in _end(component))
    for one in component.parameters.values():
        given = "" if one.is_required else f" = {_literal(one.default)}"
        why = "  # noqa: B006 - a declaration; KFP copies it into the component" if one.kind is dict else ""
        yield f"{one.name}: {one.kind.__name__}{given},{why}"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _args(component: Component) -> Iterator[str]:
    yield from _paths(component.inputs)
    given = (*_end(component).values(), *component.parameters.values())
    for one in given:
        if one.flag != "--":
            yield from (f'"{one.flag}",', f"{one.name},")
    yield from _paths(component.outputs)
    if component.takes_executor_input:
        yield "# The backend leaves PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER as it is; the input names the path."
        yield from ('"--executor-input",', "dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,")
    for one in given:
        if one.flag == "--":
            yield from ('"--",', f"{one.name},")


def _paths(artifacts: Mapping[str, Artifact]) -> Iterator[str]:
    for key, one in artifacts.items():
        if one.flag is not None:
            yield from (f'"{one.flag or "--" + key.replace("_", "-")}",', f"{key}.path,")


def _line(name: str, told: str) -> str:
    return _wrapped(f"{name}: {told}", "        ", further="            ")


def _wrapped(text: str, indent: str, *, further: str | None = None) -> str:
    return textwrap.fill(
        text.replace("\\", "\\\\").replace('"""', r"\"\"\""),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=further or indent,
        break_long_words=False,
        break_on_hyphens=False,
    )

"""Tasks that give every parameter of their component, and the check that all tasks of a compiled pipeline do.

The driver of Kubeflow Pipelines 2.17.0 fills in a container's arguments before it knows the component's defaults: a
parameter that the task leaves out ends the task with ``failed to resolve container args: ... parameter "x" not found in
executor input``, whatever its default is. Only what stands in an ``IfPresentPlaceholder`` alone may be left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kfp import dsl

__all__ = ["LeftOut", "check_given", "left_out", "whole"]

Spec = Mapping[str, Any]
_PARAMETER = re.compile(r"\{\{\$\.inputs\.parameters\['(.+?)'\]\}\}")


class LeftOut(ValueError):
    """A compiled pipeline has a task that leaves a parameter of its component out."""


def whole(component: Callable[..., dsl.PipelineTask], **given: Any) -> dsl.PipelineTask:
    """Make a task that gives every parameter of its component: what is not given here, by its default.

    Args:
        component: as declared, or loaded from a component.yaml.
        given: parameters and artifacts.
    """
    inputs = component.component_spec.inputs or {}  # type: ignore[attr-defined]
    defaults = {name: item.default for name, item in inputs.items() if name not in given and item.default is not None}
    return component(**defaults, **given)


def check_given(spec: Spec) -> None:
    """Refuse a compiled pipeline that a driver could not run.

    Raises:
        LeftOut: with every task and parameter.
    """
    if found := list(left_out(spec)):
        told = "; ".join(f"task {task!r} leaves out {', '.join(names)}" for task, names in found)
        raise LeftOut(
            f"{told}: Kubeflow Pipelines 2.17.0 does not fill defaults in: give every parameter of the component, or "
            "make the task by pipelines.given.whole"
        )


def left_out(spec: Spec) -> Iterator[tuple[str, list[str]]]:
    """Name the tasks of a compiled pipeline, or component, that leave parameters out, and these."""
    scopes = [("", spec["root"]), *spec.get("components", {}).items()]
    for scope, component in scopes:
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            called = spec["components"][task["componentRef"]["name"]]
            given = set(task.get("inputs", {}).get("parameters", {}))
            # A loop gives the item itself.
            given.add(task.get("parameterIterator", {}).get("itemInput", ""))
            missing = _needed(called, spec) - given
            if missing:
                yield f"{scope.removeprefix('comp-')}/{name}".lstrip("/"), sorted(missing)


def _needed(component: Spec, spec: Spec) -> set[str]:
    """Return the parameters of a component that a task must give."""
    declared = set(component.get("inputDefinitions", {}).get("parameters", {}))
    if "executorLabel" not in component:
        return declared
    container = spec["deploymentSpec"]["executors"][component["executorLabel"]].get("container", {})
    words = [*container.get("command", ()), *container.get("args", ())]
    present = {_if_present(word)["InputName"] for word in words if _if_present(word)}
    plain = {name for word in words if not _if_present(word) for name in _PARAMETER.findall(word)}
    return declared - (present - plain)


def _if_present(word: str) -> Any:
    if not word.lstrip().startswith('{"IfPresent"'):
        return None
    return json.loads(word)["IfPresent"]

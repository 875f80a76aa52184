"""The form of a run: its fields, made of the options that are declared to have one, and what presets say of them.

The UI of Kubeflow Pipelines lists the fields by alphabet: their names group themselves.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any

from pipelines.declared import COMPONENTS
from pipelines.parameters import Parameter
from pipelines.pods import Settings

__all__ = ["Form", "Preset", "docstring_of", "run_form", "signature_of"]

Form = Mapping[str, Parameter]
"""Fields by name, in order of the alphabet."""

_PACKED = ("pack",)
_AT_HOME = ("train", "list", "evaluate", "prefetch", "forecast", "report", "report_exit")
"""Components in the order in which one says what a field is that several of them take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A pipeline for some datasets: a name, and what the fields of its form are unless a run gives them.

    Attributes:
        name: of the pipeline, in small letters and hyphens.
        about: what it does, in sentences; the first one is a paragraph of its own.
        values: of fields, where they are others than the options' own defaults.
        packs: whether the dataset is packed into shards first, which are then trained on.
        tasks: all that it is for, and what each is about; empty for any.
    """

    name: str
    title: str
    about: str
    values: Mapping[str, Any] = field(default_factory=dict)
    packs: bool = False
    tasks: Mapping[str, str] = field(default_factory=dict)


def run_form(preset: Preset, settings: Settings) -> Form:
    """Return the fields of a pipeline's form.

    Raises:
        ValueError: two steps take a field in different ways, or the preset names one that there is not.
    """
    found = {one.name: one for one in (*_of_the_pipeline(settings), *(_OF_PACKING if preset.packs else ()))}
    for component in (*_AT_HOME, *(_PACKED if preset.packs else ())):
        for one in COMPONENTS[component].parameters.values():
            if not one.field or one.field == "options":
                continue
            named = dataclasses.replace(one, name=one.field, flag="")
            first = found.setdefault(one.field, named)
            if (first.kind, first.choices) != (named.kind, named.choices):
                raise ValueError(f"the field {one.field} is {first.kind} in one step and {named.kind} in {component}")
    if preset.packs:  # one dataset, of which the pipeline itself says where the shards are
        del found["data_file"]
        found["data_source"] = dataclasses.replace(found["data_source"], default=MISSING)
    if preset.tasks:
        told = ", ".join(f"{name} ({about})" for name, about in preset.tasks.items())
        task = dataclasses.replace(found["data_task"], told=f"What is learnt. One of {told}.", choices=[*preset.tasks])
        found[task.name] = task
    for name, value in preset.values.items():
        if name not in found:
            raise ValueError(f"{preset.name} has a value for {name!r}, which is no field: they are {', '.join(found)}")
        found[name] = dataclasses.replace(found[name], default=value)
    return dict(sorted(found.items()))


def _of_the_pipeline(settings: Settings) -> list[Parameter]:
    """Return the fields that are no step's option: of pods, and what holds all other options."""
    every = "Everything else by name, as a JSON object. A name or a value that cannot be is refused by the first step."
    made = [
        (
            "forecast",
            bool,
            False,
            "Tell what the run will take and cost before it trains: the option samples_per_second "
            "says how fast it computes.",
        ),
        ("image_cpu", str, settings.image_cpu, "Image that lists, probes and reports."),
        ("image_gpu", str, settings.image_gpu, "Image that trains and evaluates."),
        ("node_accelerator_type", str, "nvidia.com/gpu", "Resource to ask for when training and evaluating."),
        ("node_accelerators", str, "1", "How many to ask for. 0 trains on the CPU."),
        ("node_selector", dict, {}, "Labels of the nodes to train and evaluate on, as a JSON object."),
        ("node_tolerations", list, [], "Kubernetes tolerations of train and evaluate, as a JSON list."),
        ("options", dict, {}, every),
    ]
    return [Parameter(name=name, kind=kind, default=default, told=told) for name, kind, default, told in made]


_OF_PACKING = (
    Parameter(
        name="pack_parts",
        kind=list,
        default=["1/4", "2/4", "3/4", "4/4"],
        told="Parts that are packed side by side, as a JSON list: of four, 1/4 to 4/4.",
    ),
)


def signature_of(form: Form) -> inspect.Signature:
    """Return the signature that KFP makes a form of; without defaults are the fields that must be given."""
    return inspect.Signature(
        [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=one.kind,
                default=inspect.Parameter.empty if one.is_required else one.default,
            )
            for one in form.values()
        ],
        return_annotation=None,
    )


def docstring_of(preset: Preset, form: Form) -> str:
    """Return the docstring that KFP reads the fields' sentences from."""
    fields = "\n".join(f"{one.name}: {one.told}" for one in form.values())
    return f"{preset.about}\n\nArgs:\n{textwrap.indent(fields, '    ')}\n"

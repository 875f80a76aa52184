"""What a component is beside its step's options: artifacts, image, and what pipelines do otherwise than a person.

``components/<step>/component.py`` is made of this and of the options, by ``pipelines/compile.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.parameters import Parameter, parameters_of

__all__ = ["COMPONENTS", "IMAGES", "Artifact", "Component"]

IMAGES = {"cpu": "penstock:0.1.0-cpu", "gpu": "penstock:0.1.0-gpu", "prefetch": "penstock:0.1.0-prefetch"}
"""Of the steps, of training and evaluation, and of the sidecar, unless others are named when compiling."""

_OPTIONS = Parameter(
    name="options",
    flag="--options",
    kind=dict,
    default={},
    told="Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.",
    field="options",
)
_PACK_OPTIONS = dataclasses.replace(
    _OPTIONS,
    told='Other options of packing as a JSON object, like {"to": "parquet", "format": "jsonl"}; docs/pack.md has them.',
    field="pack_options",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """What a component takes or puts out.

    Attributes:
        kind: its class in ``kfp.dsl``.
        flag: that its path is given by; empty for that of its name, None where it has none.
    """

    kind: Literal["Artifact", "Dataset", "HTML", "Markdown", "Metrics", "Model"]
    told: str
    flag: str | None = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """A step as a component of pipelines.

    Attributes:
        step: its command.
        about: what it does, in a phrase.
        told: what it does, in sentences: the first one short, others after an empty line.
        image: that it runs in, a name in ``IMAGES``.
        defaults: what pipelines do unless they say so, where a person's default is another.
        without: parameters of the step that it leaves out.
        options: that it takes as one object.
        is_told_the_end: it is an exit task, which takes how the pipeline ended.
        takes_executor_input: it shows metrics in the UI.
    """

    step: str
    about: str
    told: str
    image: Literal["cpu", "gpu"] = "cpu"
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    options: Parameter = _OPTIONS
    is_told_the_end: bool = False
    takes_executor_input: bool = False

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Its parameters by name, those first that must be given.

        Raises:
            ValueError: one would be named like something else.
        """
        found = {name: one for name, one in parameters_of(self.step).items() if name not in self.without}
        for name in found:
            if name in {*self.inputs, *self.outputs, "options", "final_status", "dsl"}:
                raise ValueError(f"penstock {self.step} cannot have a parameter {name!r}: its component uses that name")
        changed = {name: dataclasses.replace(found[name], default=value) for name, value in self.defaults.items()}
        return found | changed | {"options": self.options}


_LISTED = {
    "manifest": Artifact(kind="Dataset", told="Manifest of the list step."),
    "plan": Artifact(kind="Artifact", told="Plan of the list step."),
}
_REPORTED = {
    "html": Artifact(kind="HTML", told="The report, one self-contained page that the KFP UI shows."),
    "markdown": Artifact(kind="Markdown", told="A short summary that the KFP UI shows."),
    "cost": Artifact(kind="Artifact", told="The bill, as JSON."),
    "focus": Artifact(kind="Artifact", told="The bill as FOCUS 1.2, the CSV that tools for cloud costs read."),
    "metrics_ui": Artifact(kind="Metrics", told="What the run cost, as metrics for the KFP UI.", flag=None),
}
# Kubeflow Pipelines tries a step again whatever its exit code.
_TRIED_AGAIN = {"fail_fast": True}

COMPONENTS: Mapping[str, Component] = {
    "pack": Component(
        step="pack",
        about="a part of a dataset written anew in shards, verified",
        told="Write a dataset, or a part of it, anew in shards of a given size.\n\n"
        "Shards that are there already are passed over, so that a part is gone on with where it was stopped.",
        options=_PACK_OPTIONS,
    ),
    "list": Component(
        step="list",
        about="a dataset's samples and their order, not its bytes",
        told="List a dataset, make its samples and split them.",
        outputs={
            "manifest": Artifact(kind="Dataset", told="Every sample with its spans, labels and split, as Parquet."),
            "plan": Artifact(kind="Artifact", told="Order of the samples, as JSON."),
            "record": Artifact(kind="Artifact", told="What the listing took, as JSON."),
        },
        defaults=_TRIED_AGAIN,
    ),
    "prefetch": Component(
        step="prefetch",
        about="a probe that streams the first samples, and passes none of them on",
        told="Stream the first samples of a manifest through a window and check every byte.\n\n"
        "A missing permission, a window too small for training or evaluation, an empty split, or a run root that "
        "cannot be written to is found here: before a GPU is paid for.",
        inputs=_LISTED,
        outputs={"record": Artifact(kind="Artifact", told="How fast the samples came and what it took, as JSON.")},
        # It needs no sidecar.
        defaults={**_TRIED_AGAIN, "prefetch": "process"},
    ),
    "forecast": Component(
        step="forecast",
        about="what a run would take and cost, before a GPU is paid for",
        told="Forecast what a run takes and costs, each way that its data could go.\n\n"
        "It reads a listing and what the probe measured, and nothing of the source.",
        inputs={
            **_LISTED,
            "measured": Artifact(kind="Artifact", told="Record of the prefetch step, for the rate of the link."),
        },
        outputs={
            "html": Artifact(kind="HTML", told="The forecast, one self-contained page that the KFP UI shows."),
            "markdown": Artifact(kind="Markdown", told="A short summary that the KFP UI shows."),
            "record": Artifact(kind="Artifact", told="The forecast, as JSON."),
            "metrics_ui": Artifact(kind="Metrics", told="What is recommended, in figures, for the KFP UI.", flag=None),
        },
        defaults=_TRIED_AGAIN,
        # The manifest tells where the source lies, of which nothing is read.
        without=frozenset({"region", "anonymous"}),
        takes_executor_input=True,
    ),
    "train": Component(
        step="train",
        about="a model trained through the window, resumed from its run root",
        told="Train a model through the window, or go on with a run that was stopped.",
        image="gpu",
        inputs=_LISTED,
        outputs={
            "checkpoint": Artifact(kind="Model", told="The best weights.", flag="--checkpoint-out"),
            "record": Artifact(kind="Artifact", told="Course of the run, its traffic and its waiting, as JSON."),
        },
        defaults=_TRIED_AGAIN,
    ),
    "evaluate": Component(
        step="evaluate",
        about="a checkpoint's metrics, as a record and in the KFP UI",
        told="Score a checkpoint on a split that it was not trained on.",
        image="gpu",
        inputs={**_LISTED, "checkpoint": Artifact(kind="Model", told="Weights of the train step.")},
        outputs={
            "metrics": Artifact(kind="Artifact", told="Metrics and predictions, as JSON."),
            "metrics_ui": Artifact(kind="Metrics", told="The same metrics for the KFP UI.", flag=None),
            "plot": Artifact(kind="HTML", told="Predictions against the truth, an SVG that the KFP UI shows."),
        },
        defaults=_TRIED_AGAIN,
        takes_executor_input=True,
    ),
    "report": Component(
        step="report",
        about="the page and the bill of a run, from its records alone",
        told="Make the report and the bill of a run.",
        inputs={
            "run_record": Artifact(kind="Artifact", told="Run record of the train step."),
            "evaluation": Artifact(kind="Artifact", told="Metrics of the evaluate step."),
            "list_record": Artifact(kind="Artifact", told="Record of the list step.", flag="--step-record"),
            "prefetch_record": Artifact(kind="Artifact", told="Record of the prefetch step.", flag="--step-record"),
        },
        outputs=_REPORTED,
        # The records come as artifacts; an exit task takes them from the run root.
        without=frozenset({"run_root", "run_id"}),
        takes_executor_input=True,
    ),
    "report_exit": Component(
        step="report",
        about="the report of a run however it ended",
        told="Make the report and the bill of a run from what its steps left in the run root, however it ended.",
        outputs=_REPORTED,
        is_told_the_end=True,
        takes_executor_input=True,
    ),
}
"""By the name of its folder."""

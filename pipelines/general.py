"""The KFP pipeline ``penstock``: list, probe, forecast, train, evaluate and report, on any dataset where it lies.

Only manifests, plans, records, checkpoints and reports pass from step to step. The bytes of the dataset go
through the window: an emptyDir that a prefetch sidecar fills where one is injected, and that a child process of
the step fills everywhere else. However the run ends, an exit task reports it from what lies in the run root.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from kfp import dsl

from components.evaluate.component import evaluate
from components.list.component import list_
from components.prefetch.component import prefetch
from components.report.component import report
from components.report_exit.component import report_exit
from components.train.component import train
from pipelines.declared import COMPONENTS
from pipelines.described import describe
from pipelines.forecasting import forecast_if_asked, forecast_pipeline
from pipelines.form import Preset, docstring_of, run_form, signature_of
from pipelines.given import whole
from pipelines.packing import pack_parts_pipeline, packed_parts
from pipelines.pods import WINDOW_FOLDER, Settings, as_light, as_trainer, with_secret, with_window

__all__ = ["GENERAL", "PACK", "make_pipeline"]

TRAIN_RETRIES = 3
OTHER_RETRIES = 1

GENERAL = Preset(
    name="penstock",
    title="Penstock",
    about="Train on a dataset straight from where it lies, through a window that is smaller than it.\n\n"
    "data_source says where it lies, data_task what it is and what is learnt of it, data_task_options how.",
)


def make_pipeline(preset: Preset = GENERAL, settings: Settings | None = None) -> Callable[..., dsl.PipelineTask]:
    """Make a pipeline.

    Args:
        settings: what is fixed when compiling; None takes the defaults.
    """
    fixed = settings or Settings()
    form = run_form(preset, fixed)
    forecasting = forecast_pipeline(fixed, retries=OTHER_RETRIES)
    packing = pack_parts_pipeline(fixed, retries=OTHER_RETRIES) if preset.packs else None

    def pipeline(*channels: Any) -> None:
        _join(_Run(given=dict(zip(form, channels, strict=True)), settings=fixed), forecasting, packing)

    pipeline.__doc__ = docstring_of(preset, form)
    pipeline.__signature__ = signature_of(form)  # type: ignore[attr-defined]
    return dsl.pipeline(name=preset.name, display_name=preset.title, description=describe(preset, form))(pipeline)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What the tasks of a pipeline have in common.

    Attributes:
        given: values of the form's fields, as the pipeline's body sees them.
    """

    given: Mapping[str, Any]
    settings: Settings

    def task(
        self,
        component: Callable[..., dsl.PipelineTask],
        name: str,
        *,
        instead: Mapping[str, Any] = MappingProxyType({}),
        **artifacts: Any,
    ) -> dsl.PipelineTask:
        """Make a step's task: each parameter is the form's, or the pipeline's own, or the component's default.

        Args:
            instead: other values of some parameters.
        """
        own = {
            "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            "window": WINDOW_FOLDER,
            "window_size": self.settings.window_size,
        }
        declared = COMPONENTS[name]
        values = {
            key: self.given[one.field] if one.field in self.given else own[key]
            for key, one in declared.parameters.items()
            if one.field in self.given or key in own
        } | dict(instead)
        return whole(component, **values, **artifacts).set_container_image(self.given[f"image_{declared.image}"])

    def light(self, task: dsl.PipelineTask, title: str, *, retries: int = 0) -> dsl.PipelineTask:
        """Run a task on any node, with the secret."""
        return as_light(with_secret(task, self.settings), retries=retries).set_display_name(title)

    def trainer(self, task: dsl.PipelineTask, title: str, *, retries: int) -> dsl.PipelineTask:
        """Run a task on the nodes that the run names, with accelerators, secret, window and sidecar."""
        place = {
            "kind": self.given["node_accelerator_type"],
            "count": self.given["node_accelerators"],
            "selector": self.given["node_selector"],
            "tolerations": self.given["node_tolerations"],
        }
        return as_trainer(task, self.settings, **place, retries=retries).set_display_name(title)


def _join(
    run: _Run, forecasting: Callable[..., dsl.PipelineTask], packing: Callable[..., dsl.PipelineTask] | None
) -> None:
    """Make the tasks, and join them.

    Args:
        forecasting: the pipeline that forecasts where a run asks for it.
        packing: the pipeline that packs the dataset first; None where none does.
    """
    ended = run.light(run.task(report_exit, "report_exit"), "Report however it ended")
    with dsl.ExitHandler(ended, name="Train"):
        # What is trained on is then what was packed, which the run's own credentials reach.
        shards = {"source": run.given["pack_into"], "region": "", "anonymous": False} if packing else {}
        packed = [] if packing is None else [packed_parts(packing, run.given)]
        listing = run.task(list_, "list", instead=shards).after(*packed)
        listed = run.light(listing, "List and shard", retries=OTHER_RETRIES)
        data = {name: listed.outputs[name] for name in ("manifest", "plan")}

        probed = with_window(run.task(prefetch, "prefetch", **data), run.settings)
        run.light(probed, "Probe the prefetch", retries=OTHER_RETRIES)

        told = forecast_if_asked(forecasting, run.given, **data, measured=probed.outputs["record"])

        # A retry is a new pod with an empty window: it goes on from the checkpoint in the run root.
        trained = run.trainer(run.task(train, "train", **data).after(probed, told), "Train", retries=TRAIN_RETRIES)

        scored = run.task(evaluate, "evaluate", **data, checkpoint=trained.outputs["checkpoint"])
        run.trainer(scored, "Evaluate", retries=OTHER_RETRIES)

        records = {
            "run_record": trained.outputs["record"],
            "evaluation": scored.outputs["metrics"],
            "list_record": listed.outputs["record"],
            "prefetch_record": probed.outputs["record"],
        }
        as_light(run.task(report, "report", **records)).set_display_name("Report the cost")


PACK = Preset(
    name="penstock-pack",
    title="Penstock, packed first",
    about="Write a dataset anew in shards, in several parts side by side, and train on these.\n\n"
    "data_source says where it lies, pack_into where the shards are written, pack_options what they are; data_task and "
    "data_task_options are of the shards.",
    packs=True,
)

penstock = make_pipeline()

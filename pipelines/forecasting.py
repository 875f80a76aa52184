"""A forecast before training, where a run asks for one: a condition, in a pipeline within the pipeline."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from collections.abc import Callable, Mapping
from typing import Any

from kfp import dsl

from components.forecast.component import forecast
from pipelines.declared import COMPONENTS
from pipelines.given import whole
from pipelines.pods import Settings, as_light, with_secret


def forecast_pipeline(settings: Settings, *, retries: int) -> Callable[..., dsl.PipelineTask]:
    """Make the pipeline that forecasts where it is asked to: as a task, what comes after it comes after the forecast.

    A task cannot come after a condition, but after a pipeline that has one. It is made before the one that it is a
    task of.
    """

    @dsl.pipeline(name="forecast-first", display_name="Forecast")
    def forecast_first(
        asked: bool,
        manifest: dsl.Input[dsl.Dataset],
        plan: dsl.Input[dsl.Artifact],
        measured: dsl.Input[dsl.Artifact],
        image: str,
        epochs: int,
        instance_type: str,
        node_usd_per_hour: str,
        run_root: str,
        options: dict,
    ) -> None:
        own = {"run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER, "window_size": settings.window_size}
        given = {"epochs": epochs, "instance_type": instance_type, "node_usd_per_hour": node_usd_per_hour}
        read = {"manifest": manifest, "plan": plan, "measured": measured}
        with dsl.If(asked == True, name="Asked for"):  # noqa: E712 - KFP makes a condition of the comparison
            task = whole(forecast, run_root=run_root, options=options, **own, **given, **read)
            task.set_container_image(image)
            as_light(with_secret(task, settings), retries=retries).set_display_name("Forecast the cost")

    made: Callable[..., dsl.PipelineTask] = forecast_first
    return made


def forecast_if_asked(
    forecast_first: Callable[..., dsl.PipelineTask], given: Mapping[str, Any], **artifacts: Any
) -> dsl.PipelineTask:
    """Make the task that forecasts where the form's field says so.

    Args:
        given: values of the form's fields.
    """
    fields = {name: given[one.field] for name, one in COMPONENTS["forecast"].parameters.items() if one.field}
    task = forecast_first(asked=given["forecast"], image=given["image_cpu"], **fields, **artifacts)
    return task.set_caching_options(False).set_display_name("Forecast")

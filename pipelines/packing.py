"""The parts of a dataset, packed into shards side by side: a loop over them, in a pipeline within the pipeline."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from collections.abc import Callable, Mapping
from typing import Any

from kfp import dsl, kubernetes

from components.pack.component import pack
from pipelines.declared import COMPONENTS
from pipelines.given import whole
from pipelines.pods import Settings, as_light, with_secret

PARTS_AT_ONCE = 8
"""Pods that pack at a time."""


def pack_parts_pipeline(settings: Settings, *, retries: int) -> Callable[..., dsl.PipelineTask]:
    """Make the pipeline that packs all parts: as a task, what comes after it finds all shards.

    A task cannot come after a loop, but after a pipeline that has one. It is made before the one that it is a task of.
    """

    @dsl.pipeline(name="pack-parts", display_name="Pack")
    def pack_parts(parts: list, image: str, uri: str, into: str, region: str, anonymous: bool, options: dict) -> None:
        own = {"uri": uri, "into": into, "region": region, "anonymous": anonymous, "options": options}
        with dsl.ParallelFor(items=parts, name="Parts", parallelism=PARTS_AT_ONCE) as part:
            task = whole(pack, part=part, **own).set_container_image(image)
            as_light(with_secret(task, settings), retries=retries).set_display_name("Pack a part")
            kubernetes.set_timeout(task, settings.train_timeout_seconds)

    made: Callable[..., dsl.PipelineTask] = pack_parts
    return made


def packed_parts(pack_parts: Callable[..., dsl.PipelineTask], given: Mapping[str, Any]) -> dsl.PipelineTask:
    """Make the task that packs all parts.

    Args:
        given: values of the form's fields.
    """
    fields = {name: given[one.field] for name, one in COMPONENTS["pack"].parameters.items() if one.field}
    task = pack_parts(parts=given["pack_parts"], image=given["image_cpu"], **fields)
    return task.set_caching_options(False).set_display_name("Pack")

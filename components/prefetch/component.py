"""KFP component of ``penstock prefetch``: a probe that streams the first samples, and passes none of them on."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def prefetch(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    record: dsl.Output[dsl.Artifact],
    window: str = "",
    window_size: str = "256Mi",
    prefetch: str = "process",
    model: str = "",
    instance_type: str = "",
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """Stream the first samples of a manifest through a window and check every byte.

    A missing permission, a window too small for training or evaluation, an empty split, or a run root that cannot be
    written to is found here: before a GPU is paid for.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the window, like 32Mi or 1.5Gi.
        prefetch: Who fills the window. One of auto, sidecar, process.
        model: Network that is trained later, as the train step has it. Empty is the task's first.
        instance_type: Type of the node that it is trained on, like g5.xlarge; one without a price is warned of.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.
        run_root: Folder of many runs, as s3://bucket/prefix; the step's record goes to <run root>/<run id>/records.
        run_id: Name of the run. It is needed where run_root is given.
        fail_fast: Fail at once where an earlier attempt failed for good within the last hour, as the run root has it.

    Returns:
        record: How fast the samples came and what it took, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "prefetch"],
        args=[
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--model",
            model,
            "--instance-type",
            instance_type,
            "--options",
            options,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--record",
            record.path,
        ],
    )

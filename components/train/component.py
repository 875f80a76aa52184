"""KFP component of ``penstock train``: a model trained through the window, resumed from its run root."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-gpu"


@dsl.container_component
def train(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Output[dsl.Model],
    record: dsl.Output[dsl.Artifact],
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
    run_root: str = "",
    run_id: str = "",
    model: str = "",
    epochs: int = 10,
    checkpoint_minutes: float = 10.0,
    instance_type: str = "",
    window: str = "",
    window_size: str = "256Mi",
    prefetch: str = "auto",
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """Train a model through the window, or go on with a run that was stopped.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.
        run_root: Folder of many runs, as s3://bucket/prefix; checkpoints go to <run root>/<run id>/checkpoints.
            Empty keeps them in the pod, so that a retry begins anew.
        run_id: Name of the run. It is needed where run_root is given.
        model: Network, like small, or your own in the image, as package.module:factory. Empty is the task's first.
        epochs: Passes over the data.
        checkpoint_minutes: Also save every so many minutes, which is what a step that is killed loses at most. 0 saves
            after epochs, and steps where they are asked for, only.
        instance_type: The node's type, like g5.xlarge, for the bill.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the window, like 32Mi or 1.5Gi.
        prefetch: Who fills the window. One of auto, sidecar, process.
        fail_fast: Fail at once where an earlier attempt failed for good within the last hour, as the run root has it.

    Returns:
        checkpoint: The best weights.
        record: Course of the run, its traffic and its waiting, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "train"],
        args=[
            "--manifest",
            manifest.path,
            "--plan",
            plan.path,
            "--options",
            options,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--model",
            model,
            "--epochs",
            epochs,
            "--checkpoint-minutes",
            checkpoint_minutes,
            "--instance-type",
            instance_type,
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--fail-fast",
            fail_fast,
            "--checkpoint-out",
            checkpoint.path,
            "--record",
            record.path,
        ],
    )

"""KFP component of ``penstock train``: a model trained through the window, resumed from its run root."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-gpu"


@dsl.container_component
def train(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    checkpoint: dsl.Output[dsl.Model],
    record: dsl.Output[dsl.Artifact],
    window: str = "",
    window_size: str = "",
    prefetch: str = "auto",
    model: str = "",
    epochs: int = 10,
    checkpoint_minutes: float = 10.0,
    instance_type: str = "",
    node_usd_per_hour: str = "",
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Train a model through the window, or go on with a run that was stopped.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the folder, like 32Mi or 1.5Gi. Empty is 256Mi, or what the task says: 10Gi
            of video-text.
        prefetch: Who fills the window: a sidecar that serves it, a child process, or auto: the sidecar if there is one.
            One of auto, sidecar, process.
        model: Network: one of the task's, or your own, as package.module:factory, which is called with shape= and
            num_outputs=. Empty is the task's first.
        epochs: Passes over the data.
        checkpoint_minutes: Also save when the last save is so many minutes ago, the most that a kill without warning
            costs; 0 saves at the ends of epochs alone.
        instance_type: Type of the node, like g5.xlarge, for the bill.
        node_usd_per_hour: Price of the node, in USD an hour. Empty is the price file's for its type.
        run_root: Folder of many runs, like s3://bucket/runs: checkpoints, records and reports of this one go to a
            folder of its id there. Empty is a temporary folder, so that a step that is tried again begins anew and the
            report of a run that fails has no figures.
        run_id: Name of the run, which a run root needs.
        fail_fast: Fail at once where an earlier attempt, as the run root has it, failed for good within the last hour.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.

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
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--model",
            model,
            "--epochs",
            epochs,
            "--checkpoint-minutes",
            checkpoint_minutes,
            "--instance-type",
            instance_type,
            "--node-usd-per-hour",
            node_usd_per_hour,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--options",
            options,
            "--checkpoint-out",
            checkpoint.path,
            "--record",
            record.path,
        ],
    )

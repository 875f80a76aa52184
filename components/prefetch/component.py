"""KFP component of ``penstock prefetch``: a probe that streams the first samples, and passes none of them on."""

# Made by pipelines/compile.py of the step's options and of pipelines/declared.py: change those, not this.
# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def prefetch(
    manifest: dsl.Input[dsl.Dataset],
    plan: dsl.Input[dsl.Artifact],
    record: dsl.Output[dsl.Artifact],
    window: str = "",
    window_size: str = "",
    prefetch: str = "process",
    instance_type: str = "",
    model: str = "",
    run_root: str = "",
    run_id: str = "",
    fail_fast: bool = True,
    options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the component
) -> dsl.ContainerSpec:
    """Stream the first samples of a manifest through a window and check every byte.

    A missing permission, a window too small for training or evaluation, an empty split, or a run root that cannot be
    written to is found here: before a GPU is paid for.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the folder, like 32Mi or 1.5Gi. Empty is 256Mi, or what the task says: 10Gi
            of video-text.
        prefetch: Who fills the window: a sidecar that serves it, a child process, or auto: the sidecar if there is one.
            One of auto, sidecar, process.
        instance_type: Node of training: warned of where it has no price.
        model: Network: one of the task's, or your own, as package.module:factory, which is called with shape= and
            num_outputs=. Empty is the task's first.
        run_root: Folder of many runs, like s3://bucket/runs: records, checkpoints and reports of this one go to a
            folder of its id there. Empty is none, so that a step that is tried again begins anew.
        run_id: Name of the run, which a run root needs.
        fail_fast: Fail at once where an earlier attempt, as the run root has it, failed for good within the last hour.
        options: Options of the run as a JSON object, of which the step takes its own; docs/pipelines.md has them.

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
            "--instance-type",
            instance_type,
            "--model",
            model,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--fail-fast",
            fail_fast,
            "--options",
            options,
            "--record",
            record.path,
        ],
    )

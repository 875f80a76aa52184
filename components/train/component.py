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
    run_root: str = "",
    run_id: str = "",
    run_endpoint_url: str = "",
    model: str = "small",
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 0.001,
    weight_decay: float = 0.01,
    loss: str = "mse",
    schedule: str = "cosine",
    warmup: float = 0.05,
    clip_norm: float = 1.0,
    patience: int = 0,
    amp: str = "auto",
    device: str = "auto",
    threads: int = 0,
    workers: int = 0,
    on_bad_sample: str = "fail",
    checkpoint_every: int = 0,
    keep_checkpoints: int = 2,
    instance_type: str = "",
    window: str = "",
    window_size: str = "256Mi",
    prefetch: str = "auto",
    prefetch_timeout: str = "60s",
    in_flight: int = 512,
    fail_fast: bool = True,
) -> dsl.ContainerSpec:
    """Train a model through the window, or go on with a run that was stopped.

    Args:
        manifest: Manifest of the list step.
        plan: Plan of the list step.
        run_root: Folder of many runs, as s3://bucket/prefix; checkpoints go to <run root>/<run id>/checkpoints.
            Empty keeps them in the pod, so that a retry begins anew.
        run_id: Name of the run. It is needed where run_root is given.
        run_endpoint_url: S3-compatible server of the run root. Empty is AWS's own.
        model: Network. One of small, eegnex.
        epochs: Passes over the data.
        batch_size: Samples of a step.
        learning_rate: The highest learning rate of the schedule.
        weight_decay: Decoupled weight decay of AdamW.
        loss: Loss of regression. One of mse, smooth_l1.
        schedule: Course of the learning rate. One of cosine, constant.
        warmup: Part of all steps in which the learning rate rises.
        clip_norm: Largest gradient norm. 0 does not clip.
        patience: End after this many epochs without a better score. 0 never ends early.
        amp: Mixed precision where there is a GPU. One of auto, off.
        device: Where to compute. One of auto, cpu, cuda.
        threads: CPU threads. 0 leaves it to torch.
        workers: Processes that decode samples. 0 decodes in the trainer.
        on_bad_sample: What to do with a sample that is gone or cannot be decoded. One of fail, skip (and name it).
        checkpoint_every: Also save every so many steps. 0 saves after epochs only.
        keep_checkpoints: Checkpoints to keep beside the best one.
        instance_type: The node's type, like g5.xlarge, for the bill.
        window: Folder of the window. Empty is a temporary one.
        window_size: Bound on everything in the window, like 32Mi or 1.5Gi.
        prefetch: Who fills the window. One of auto, sidecar, process.
        prefetch_timeout: How long the prefetcher may show no sign of life, like 60s.
        in_flight: Most ranges requested at a time.
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
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--run-endpoint-url",
            run_endpoint_url,
            "--model",
            model,
            "--epochs",
            epochs,
            "--batch-size",
            batch_size,
            "--learning-rate",
            learning_rate,
            "--weight-decay",
            weight_decay,
            "--loss",
            loss,
            "--schedule",
            schedule,
            "--warmup",
            warmup,
            "--clip-norm",
            clip_norm,
            "--patience",
            patience,
            "--amp",
            amp,
            "--device",
            device,
            "--threads",
            threads,
            "--workers",
            workers,
            "--on-bad-sample",
            on_bad_sample,
            "--checkpoint-every",
            checkpoint_every,
            "--keep-checkpoints",
            keep_checkpoints,
            "--instance-type",
            instance_type,
            "--window",
            window,
            "--window-size",
            window_size,
            "--prefetch",
            prefetch,
            "--prefetch-timeout",
            prefetch_timeout,
            "--in-flight",
            in_flight,
            "--fail-fast",
            fail_fast,
            "--checkpoint-out",
            checkpoint.path,
            "--record",
            record.path,
        ],
    )

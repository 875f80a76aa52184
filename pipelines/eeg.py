"""The KFP pipeline ``penstock-eeg``: list, probe, train, evaluate and report, on EEG straight from S3.

Only manifests, plans, records, checkpoints and reports pass from step to step. The bytes of the dataset go
through the window: an emptyDir that a prefetch sidecar fills where one is injected, and that a child process of
the step fills everywhere else.
"""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from collections.abc import Callable

from kfp import dsl, kubernetes

from components.evaluate.component import evaluate
from components.list.component import list_
from components.prefetch.component import prefetch
from components.report.component import report
from components.train.component import train

WINDOW_FOLDER = "/penstock/window"
WINDOW_VOLUME = "penstock-window"
WINDOW_VOLUME_LIMIT = "10Gi"
"""The kubelet evicts the whole pod past it, so a window is to be 85 % of it at most: 8.5Gi."""

PREFETCH_LABEL = "penstock.dev/prefetch"
SECRET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
TRAIN_RETRIES = 3


def with_window(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Mount the volume of the window."""
    return kubernetes.empty_dir_mount(
        task, volume_name=WINDOW_VOLUME, mount_path=WINDOW_FOLDER, size_limit=WINDOW_VOLUME_LIMIT
    )


def with_sidecar(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Ask for a prefetch sidecar; where nothing injects one, the step starts a prefetcher of its own."""
    return kubernetes.add_pod_label(with_window(task), PREFETCH_LABEL, "true")


def with_accelerators(task: dsl.PipelineTask, kind: str, count: str) -> dsl.PipelineTask:
    """Ask for accelerators, both given as pipeline parameters."""
    return task.set_accelerator_type(kind).set_accelerator_limit(count)


def with_secret(task: dsl.PipelineTask, name: str | None) -> dsl.PipelineTask:
    """Take S3 credentials from a Kubernetes secret, by its name; None leaves them to the pod's service account."""
    if name is None:
        return task
    return kubernetes.use_secret_as_env(task, secret_name=name, secret_key_to_env={key: key for key in SECRET_KEYS})


def make_pipeline(*, secret: str | None = None) -> Callable[..., dsl.PipelineTask]:
    """Make the pipeline.

    Args:
        secret: name of a secret with ``SECRET_KEYS``, in the namespace that the pipeline runs in.
    """

    @dsl.pipeline(name="penstock-eeg", display_name="Penstock EEG")
    def penstock_eeg(
        source: str = "s3://nmdatasets/NeurIPS25",
        endpoint_url: str = "",
        region: str = "us-east-2",
        anonymous: bool = True,
        requester_pays: bool = False,
        task: str = "eeg-c1",
        task_options: dict = {},  # noqa: B006 - a declaration; KFP copies it into the pipeline
        release: str = "R1",
        mini: bool = True,
        max_files: int = 0,
        on_bad_object: str = "skip",
        split: str = "0.7,0.15,0.15",
        seed: int = 0,
        shuffle: str = "full",
        window_size: str = "2Gi",
        in_flight: int = 256,
        probe_samples: int = 256,
        run_root: str = "",
        run_endpoint_url: str = "",
        model: str = "small",
        epochs: int = 10,
        batch_size: int = 64,
        learning_rate: float = 0.001,
        weight_decay: float = 0.01,
        loss: str = "mse",
        schedule: str = "cosine",
        patience: int = 0,
        checkpoint_every: int = 0,
        workers: int = 0,
        accelerator_type: str = "nvidia.com/gpu",
        accelerators: str = "1",
        evaluate_split: str = "test",
        instance_type: str = "",
        node_usd_per_hour: float = 0.0,
        price_region: str = "",
        transfer: str = "same-region",
        title: str = "Penstock EEG",
    ) -> None:
        """Train on EEG straight from S3, through a window that is smaller than the dataset.

        The defaults train on the small version of one release of the 2025 EEG challenge, a public dataset.

        Args:
            source: Where the dataset lies, as s3://bucket/prefix.
            endpoint_url: S3-compatible server of the source. Empty is AWS's own.
            region: Region of the source's bucket. Empty is the environment's.
            anonymous: Do not sign requests, for public buckets.
            requester_pays: Agree to pay for requests and transfer of a requester-pays bucket.
            task: What is learnt. One of eeg-c1 (reaction time), eeg-c2 (externalizing), eeg-events (which event).
            task_options: Options of the task as a JSON object, like {"epoch-seconds": 2}.
            release: Take these releases only, like R1,R2. Empty takes all there are.
            mini: Take the small version of each release.
            max_files: Take at most this many recordings. 0 takes all.
            on_bad_object: What to do with a recording that cannot be used. One of fail, skip (and name it).
            split: Fractions of train, valid and test, joined by commas. A subject is in one of them only.
            seed: Seed of splits, order and weights.
            shuffle: How training samples are shuffled anew each epoch. One of full, block (fewer requests), none.
            window_size: Bound on the bytes on disk at a time, like 512Mi. At most 8.5Gi, unless compiled for more.
            in_flight: Most ranges requested at a time.
            probe_samples: Samples that are streamed before a GPU is asked for, to find what is wrong.
            run_root: Where checkpoints go, as s3://bucket/prefix, into a folder of the run's id. Empty keeps them in
                the pod, so that a retry begins anew.
            run_endpoint_url: S3-compatible server of the run root. Empty is AWS's own.
            model: Network. One of small, eegnex.
            epochs: Passes over the data.
            batch_size: Samples of a step.
            learning_rate: The highest learning rate of the schedule.
            weight_decay: Decoupled weight decay of AdamW.
            loss: Loss of regression. One of mse, smooth_l1.
            schedule: Course of the learning rate. One of cosine, constant.
            patience: End after this many epochs without a better score. 0 never ends early.
            checkpoint_every: Also save every so many steps. 0 saves after epochs only.
            workers: Processes that decode samples. 0 decodes in the trainer.
            accelerator_type: Resource to ask for when training and evaluating.
            accelerators: How many to ask for. 0 trains on the CPU.
            evaluate_split: Split to score on. One of train, valid, test.
            instance_type: The node's type, like g5.xlarge, for the bill.
            node_usd_per_hour: Price of the node, in USD. 0 takes the price file's for the instance type.
            price_region: Region of the prices. Empty is the price file's own.
            transfer: Way from the source to the node. One of same-region, cross-region, internet, nat.
            title: Heading of the report.
        """
        listed = list_(
            source=source,
            endpoint_url=endpoint_url,
            region=region,
            anonymous=anonymous,
            requester_pays=requester_pays,
            task=task,
            task_options=task_options,
            release=release,
            mini=mini,
            max_files=max_files,
            on_bad_object=on_bad_object,
            split=split,
            seed=seed,
            shuffle=shuffle,
        )
        # What lies in the source may change: a cached listing would name objects that are no longer there.
        with_secret(listed, secret).set_caching_options(False).set_display_name("List and shard")
        data = {"manifest": listed.outputs["manifest"], "plan": listed.outputs["plan"]}
        window = {"window": WINDOW_FOLDER, "window_size": window_size, "in_flight": in_flight}

        probed = prefetch(**data, **window, samples=probe_samples)
        with_secret(with_window(probed), secret).set_caching_options(False).set_display_name("Probe the prefetch")

        trained = train(
            **data,
            **window,
            run_root=run_root,
            run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
            run_endpoint_url=run_endpoint_url,
            model=model,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            loss=loss,
            schedule=schedule,
            patience=patience,
            checkpoint_every=checkpoint_every,
            workers=workers,
            instance_type=instance_type,
        ).after(probed)
        with_secret(with_sidecar(trained), secret).set_caching_options(False).set_display_name("Train")
        with_accelerators(trained, accelerator_type, accelerators)
        # A retry is a new pod with an empty window: it goes on from the checkpoint in the run root.
        trained.set_retry(TRAIN_RETRIES, backoff_duration="30s", backoff_factor=2, backoff_max_duration="600s")

        scored = evaluate(
            **data, **window, checkpoint=trained.outputs["checkpoint"], split=evaluate_split, workers=workers
        )
        with_secret(with_sidecar(scored), secret).set_display_name("Evaluate")
        with_accelerators(scored, accelerator_type, accelerators)

        report(
            run_record=trained.outputs["record"],
            evaluation=scored.outputs["metrics"],
            list_record=listed.outputs["record"],
            prefetch_record=probed.outputs["record"],
            title=title,
            node_usd_per_hour=node_usd_per_hour,
            price_region=price_region,
            transfer=transfer,
        ).set_display_name("Report the cost")

    return penstock_eeg


penstock_eeg = make_pipeline()

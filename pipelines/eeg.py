"""The KFP pipeline ``penstock-eeg``: list, probe, train, evaluate and report, on EEG straight from S3.

Only manifests, plans, records, checkpoints and reports pass from step to step. The bytes of the dataset go
through the window: an emptyDir that a prefetch sidecar fills where one is injected, and that a child process of
the step fills everywhere else. However the run ends, an exit task reports it from what lies in the run root.
"""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from collections.abc import Callable

from kfp import dsl

from components.evaluate.component import evaluate
from components.list.component import list_
from components.prefetch.component import prefetch
from components.report.component import report
from components.report_exit.component import report_exit
from components.train.component import train
from pipelines.pods import WINDOW_FOLDER, Settings, as_light, as_trainer, with_secret, with_window

TRAIN_RETRIES = 3
OTHER_RETRIES = 1


def make_pipeline(settings: Settings | None = None) -> Callable[..., dsl.PipelineTask]:
    """Make the pipeline.

    Args:
        settings: what is fixed when compiling; None takes the defaults.
    """
    fixed = settings or Settings()

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
        in_flight: int = 512,
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
        on_bad_sample: str = "fail",
        threads: int = 0,
        accelerator_type: str = "nvidia.com/gpu",
        accelerators: str = "1",
        node_selector: dict = {},  # noqa: B006
        tolerations: list = [],  # noqa: B006
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
            in_flight: Most ranges requested at a time.
            probe_samples: Samples that are streamed before a GPU is asked for, to find what is wrong.
            run_root: Where checkpoints and records go, as s3://bucket/prefix, into a folder of the run's id. Empty
                keeps them in the pod, so that a retry begins anew and the report of a failed run has no figures.
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
            on_bad_sample: What to do with a sample that is gone or cannot be decoded. One of fail, skip (and name it).
            threads: CPU threads of the trainer, which the last bits may depend on. 0 leaves it to torch.
            accelerator_type: Resource to ask for when training and evaluating.
            accelerators: How many to ask for. 0 trains on the CPU.
            node_selector: Labels of the nodes to train and evaluate on, as a JSON object.
            tolerations: Kubernetes tolerations of train and evaluate, as a JSON list.
            evaluate_split: Split to score on. One of train, valid, test.
            instance_type: The node's type, like g5.xlarge, for the bill.
            node_usd_per_hour: Price of the node, in USD. 0 takes the price file's for the instance type.
            price_region: Region of the prices. Empty is the price file's own.
            transfer: Way from the source to the node. One of same-region, cross-region, internet, nat.
            title: Heading of the report.
        """
        run = {"run_root": run_root, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER, "run_endpoint_url": run_endpoint_url}
        billed = {
            "title": title,
            "instance_type": instance_type,
            "node_usd_per_hour": node_usd_per_hour,
            "price_region": price_region,
            "transfer": transfer,
        }
        ended = report_exit(**run, **billed)
        as_light(with_secret(ended, fixed)).set_display_name("Report however it ended")

        with dsl.ExitHandler(ended, name="Train on EEG"):
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
                **run,
            )
            as_light(with_secret(listed, fixed), retries=OTHER_RETRIES).set_display_name("List and shard")
            data = {"manifest": listed.outputs["manifest"], "plan": listed.outputs["plan"]}
            window = {"window": WINDOW_FOLDER, "window_size": fixed.window_size, "in_flight": in_flight}

            probed = prefetch(**data, **window, **run, samples=probe_samples)
            as_light(with_secret(with_window(probed, fixed), fixed), retries=OTHER_RETRIES)
            probed.set_display_name("Probe the prefetch")

            trained = train(
                **data,
                **window,
                **run,
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
                on_bad_sample=on_bad_sample,
                threads=threads,
                instance_type=instance_type,
            ).after(probed)
            place = {
                "kind": accelerator_type,
                "count": accelerators,
                "selector": node_selector,
                "tolerations": tolerations,
            }
            # A retry is a new pod with an empty window: it goes on from the checkpoint in the run root.
            as_trainer(trained, fixed, **place, retries=TRAIN_RETRIES).set_display_name("Train")

            scored = evaluate(
                **data,
                **window,
                **run,
                checkpoint=trained.outputs["checkpoint"],
                split=evaluate_split,
                workers=workers,
                on_bad_sample=on_bad_sample,
            )
            as_trainer(scored, fixed, **place, retries=OTHER_RETRIES).set_display_name("Evaluate")

            reported = report(
                run_record=trained.outputs["record"],
                evaluation=scored.outputs["metrics"],
                list_record=listed.outputs["record"],
                prefetch_record=probed.outputs["record"],
                **billed,
            )
            as_light(reported).set_display_name("Report the cost")

    return penstock_eeg


penstock_eeg = make_pipeline()

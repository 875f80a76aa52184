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
from pipelines.described import describe
from pipelines.given import whole
from pipelines.pods import WINDOW_FOLDER, Settings, as_light, as_trainer, with_secret, with_window

TRAIN_RETRIES = 3
OTHER_RETRIES = 1


def make_pipeline(settings: Settings | None = None) -> Callable[..., dsl.PipelineTask]:
    """Make the pipeline.

    Args:
        settings: what is fixed when compiling; None takes the defaults.
    """
    fixed = settings or Settings()

    def penstock_eeg(
        data_anonymous: bool = True,
        data_region: str = "us-east-2",
        data_source: str = "s3://nmdatasets/NeurIPS25",
        data_task: str = "eeg-c1",
        image_cpu: str = fixed.image_cpu,
        image_gpu: str = fixed.image_gpu,
        model_epochs: int = 10,
        model_name: str = "small",
        node_accelerator_type: str = "nvidia.com/gpu",
        node_accelerators: str = "1",
        node_selector: dict = {},  # noqa: B006 - a declaration; KFP copies it into the pipeline
        node_tolerations: list = [],  # noqa: B006
        node_type: str = "",
        options: dict = {"mini": True, "on_bad_object": "skip", "release": "R1", "title": "Penstock EEG"},  # noqa: B006
        price_node_usd_per_hour: str = "",
        run_checkpoint_minutes: float = 10.0,
        run_root: str = "",
    ) -> None:
        """Train on EEG straight from S3, through a window that is smaller than the dataset.

        The defaults train on the small version of one release of the 2025 EEG challenge, a public dataset.

        Args:
            data_anonymous: Do not sign requests for the dataset, for public buckets.
            data_region: Region of the dataset's bucket. Empty is the environment's.
            data_source: Where the dataset lies, as s3://bucket/prefix.
            data_task: What is learnt. One of eeg-c1 (reaction time), eeg-c2 (externalizing), eeg-events (which event).
            image_cpu: Image that lists, probes and reports.
            image_gpu: Image that trains and evaluates.
            model_epochs: Passes over the data.
            model_name: Network. Like small or eegnex, or your own in both images, as package.module:factory.
            node_accelerator_type: Resource to ask for when training and evaluating.
            node_accelerators: How many to ask for. 0 trains on the CPU.
            node_selector: Labels of the nodes to train and evaluate on, as a JSON object.
            node_tolerations: Kubernetes tolerations of train and evaluate, as a JSON list.
            node_type: The node's type, like g5.xlarge, for the bill.
            options: Everything else by name, as a JSON object. A name or a value that cannot be is refused by the first
                step.
            price_node_usd_per_hour: Price of the node, in USD. Empty takes the price file's for the node's type.
            run_checkpoint_minutes: Training is saved every so many minutes, and after each epoch. So much is lost where
                a pod is terminated, preempted or evicted, which gives it no time to save. 0 saves after epochs only.
            run_root: Where checkpoints and records go, as s3://bucket/prefix, into a folder of the run's id. Empty
                keeps them in the pod, so that a retry begins anew and the report of a failed run has no figures.
        """
        run = {"options": options, "run_root": run_root, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
        billed = {"instance_type": node_type, "node_usd_per_hour": price_node_usd_per_hour}
        ended = whole(report_exit, **run, **billed).set_container_image(image_cpu)
        as_light(with_secret(ended, fixed)).set_display_name("Report however it ended")

        with dsl.ExitHandler(ended, name="Train on EEG"):
            listed = whole(
                list_, source=data_source, region=data_region, anonymous=data_anonymous, task=data_task, **run
            ).set_container_image(image_cpu)
            as_light(with_secret(listed, fixed), retries=OTHER_RETRIES).set_display_name("List and shard")
            fed = {
                "manifest": listed.outputs["manifest"],
                "plan": listed.outputs["plan"],
                "window": WINDOW_FOLDER,
                "window_size": fixed.window_size,
                **run,
            }

            probed = whole(prefetch, **fed, model=model_name, instance_type=node_type).set_container_image(image_cpu)
            as_light(with_secret(with_window(probed, fixed), fixed), retries=OTHER_RETRIES)
            probed.set_display_name("Probe the prefetch")

            trained = (
                whole(
                    train,
                    **fed,
                    model=model_name,
                    epochs=model_epochs,
                    checkpoint_minutes=run_checkpoint_minutes,
                    instance_type=node_type,
                )
                .set_container_image(image_gpu)
                .after(probed)
            )
            place = {
                "kind": node_accelerator_type,
                "count": node_accelerators,
                "selector": node_selector,
                "tolerations": node_tolerations,
            }
            # A retry is a new pod with an empty window: it goes on from the checkpoint in the run root.
            as_trainer(trained, fixed, **place, retries=TRAIN_RETRIES).set_display_name("Train")

            scored = whole(
                evaluate, **fed, checkpoint=trained.outputs["checkpoint"], model=model_name
            ).set_container_image(image_gpu)
            as_trainer(scored, fixed, **place, retries=OTHER_RETRIES).set_display_name("Evaluate")

            reported = whole(
                report,
                run_record=trained.outputs["record"],
                evaluation=scored.outputs["metrics"],
                list_record=listed.outputs["record"],
                prefetch_record=probed.outputs["record"],
                options=options,
                **billed,
            ).set_container_image(image_cpu)
            as_light(reported).set_display_name("Report the cost")

    return dsl.pipeline(name="penstock-eeg", display_name="Penstock EEG", description=describe(penstock_eeg))(
        penstock_eeg
    )


penstock_eeg = make_pipeline()

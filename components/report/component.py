"""KFP component of ``penstock report``: the page and the bill of a run, from its records alone."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def report(
    run_record: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    list_record: dsl.Input[dsl.Artifact],
    prefetch_record: dsl.Input[dsl.Artifact],
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    cost: dsl.Output[dsl.Artifact],
    title: str = "Penstock run",
    instance_type: str = "",
    node_usd_per_hour: float = 0.0,
    price_region: str = "",
    transfer: str = "same-region",
    today: str = "",
) -> dsl.ContainerSpec:
    """Make the report and the bill of a run.

    Args:
        run_record: Run record of the train step.
        evaluation: Metrics of the evaluate step.
        list_record: Record of the list step.
        prefetch_record: Record of the prefetch step.
        title: Heading of the page.
        instance_type: Node of the training, like g5.xlarge. Empty is the one that the run record names.
        node_usd_per_hour: Price of the node, in USD. 0 takes the price file's for the instance type.
        price_region: Region of the prices. Empty is the price file's own.
        transfer: Way from the source to the node. One of same-region, cross-region, internet, nat.
        today: Day of the bill, like 2026-11-21. Empty is the day on which the step runs.

    Returns:
        html: The report, one self-contained page that the KFP UI shows.
        markdown: A short summary that the KFP UI shows.
        cost: The bill, as JSON.
    """
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["penstock", "report"],
        args=[
            "--run-record",
            run_record.path,
            "--evaluation",
            evaluation.path,
            "--step-record",
            list_record.path,
            "--step-record",
            prefetch_record.path,
            "--title",
            title,
            "--instance-type",
            instance_type,
            "--node-usd-per-hour",
            node_usd_per_hour,
            "--price-region",
            price_region,
            "--transfer",
            transfer,
            "--today",
            today,
            "--html",
            html.path,
            "--markdown",
            markdown.path,
            "--cost",
            cost.path,
        ],
    )

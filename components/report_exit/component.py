"""KFP component of ``penstock report`` as a pipeline's exit task: the report of a run however it ended."""

# No `from __future__ import annotations` here: KFP reads the annotations as they are.
from kfp import dsl

IMAGE = "penstock:0.1.0-cpu"


@dsl.container_component
def report_exit(
    final_status: dsl.PipelineTaskFinalStatus,
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    cost: dsl.Output[dsl.Artifact],
    run_root: str = "",
    run_id: str = "",
    run_endpoint_url: str = "",
    title: str = "Penstock run",
    instance_type: str = "",
    node_usd_per_hour: float = 0.0,
    price_region: str = "",
    transfer: str = "same-region",
    today: str = "",
) -> dsl.ContainerSpec:
    """Make the report and the bill of a run from what its steps left in the run root, however it ended.

    Args:
        final_status: How the pipeline ended, as the backend tells it.
        run_root: Folder of many runs, as s3://bucket/prefix. Empty leaves nothing to bill: the reason alone is told.
        run_id: Name of the run. It is needed where run_root is given.
        run_endpoint_url: S3-compatible server of the run root. Empty is AWS's own.
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
            "--final-status",
            final_status,
            "--run-root",
            run_root,
            "--run-id",
            run_id,
            "--run-endpoint-url",
            run_endpoint_url,
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

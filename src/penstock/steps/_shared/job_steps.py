"""Configs of a job's steps: each gets what a pipeline's argv would say."""

from __future__ import annotations

from penstock.records import JobRecord
from penstock.steps._shared.job_dataset import JobDataset
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.modes import Listing, listing_of
from penstock.steps.options.evaluate import EvaluateOptions
from penstock.steps.options.listing import ListOptions
from penstock.steps.options.report import ReportOptions
from penstock.steps.options.run import JobOptions
from penstock.steps.options.train import TrainOptions
from penstock.train.options import BATCH_SIZE

__all__ = ["evaluate_options", "feeding", "list_options", "report_options", "train_options"]


def list_options(files: JobFiles, args: JobOptions) -> ListOptions:
    """Return the config of the job's listing."""
    return ListOptions(
        **args.but(meters=files.meters).shared_with(ListOptions),
        task=args.task,
        window_size=args.window_size,
        manifest=files.manifest,
        plan=files.plan,
        record=files.list_record,
        stream_listing=args.stream_listing,
    )


def train_options(
    files: JobFiles, args: JobOptions, job: JobRecord, *, transform: str = "", read: Listing | None = None
) -> TrainOptions:
    """Return the config of the job's training.

    Args:
        read: what it reads; None is the listing.
    """
    read = read or listing_of(files)
    return TrainOptions(
        **feeding(files, args).shared_with(TrainOptions),
        manifest=read.manifest,
        plan=read.plan,
        stream_listing=args.stream_listing,
        checkpoints=str(files.checkpoints),
        record=files.run_record,
        run_id=job.run_id,
        mode=args.mode,
        transform=transform,
        in_job=True,
        step_records=files.all_step_records,
        # Of the listing that this job began: it may have failed before training looks for it.
        listing_has_begun=args.stream_listing,
    )


def evaluate_options(
    files: JobFiles, args: JobOptions, dataset: JobDataset, *, read: Listing | None = None
) -> EvaluateOptions:
    """Return the config of the job's evaluation.

    Args:
        read: what it reads; None is the listing.
    """
    read = read or listing_of(files)
    return EvaluateOptions(
        **feeding(files, args).shared_with(EvaluateOptions),
        manifest=read.manifest,
        plan=read.plan,
        checkpoint=str(files.checkpoints),
        model=args.model,
        split=dataset.evaluated,
        transform=dataset.transform,
        batch_size=args.batch_size or BATCH_SIZE,
        device=args.device,
        metrics=files.metrics,
        plot=files.plot,
    )


def report_options(files: JobFiles, args: JobOptions) -> ReportOptions:
    """Return the config of the job's report, of what there is by now."""
    return ReportOptions(
        **args.shared_with(ReportOptions),
        instance_type=args.instance_type,
        run_record=files.run_record,
        evaluation=files.metrics if files.metrics.exists() else None,
        step_record=files.step_records,
        html=files.html,
        markdown=files.markdown,
        cost=files.cost,
        forecast_record=files.forecast if files.forecast.exists() else None,
        in_job=True,
    )


def feeding(files: JobFiles, args: JobOptions) -> JobOptions:
    """Return the job's options with the places that its steps read through."""
    return args.but(window=args.window or files.window, meters=files.meters)

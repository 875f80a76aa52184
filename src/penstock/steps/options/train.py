"""The options of `penstock train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from penstock.options import Change, Options, option, switch
from penstock.options.cost import BillOptions
from penstock.options.readers import any_path, location, location_or_empty, optional_path
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.data import FeedOptions
from penstock.steps.options.run_root import RecordedOptions
from penstock.train.options import TrainingOptions

if TYPE_CHECKING:  # for --help, which does without them
    from penstock.observe.attempts import AttemptLog

__all__ = ["Mode", "TrainOptions"]

Mode = Literal["stream", "cache", "preprocess"]
"""Where a job's bytes come from after the first time."""


class _Early(Options, change=Change.FIXED, in_pipelines=False):
    stream_listing: bool = switch(
        default=False,
        told="begin before `penstock list --stream-listing`, which writes the manifest, has ended: the first epoch "
        "goes over its parts as they come; it waits for it to begin as long as --prefetch-timeout",
    )


class _Output(Options, group="output", change=Change.FREE, in_pipelines=False):
    checkpoints: str | None = option(
        read=location,
        default=None,
        metavar="DIR|URI",
        told="where checkpoints are kept; a run that was stopped goes on from the last one there",
        one_of="place",
        change=Change.NAMES,
    )
    run_root: str | None = option(
        read=location_or_empty,
        default=None,
        metavar="DIR|URI",
        told="folder of many runs, like s3://bucket/runs: checkpoints, records and reports of this one go to a folder "
        "of its id there (default: a temporary folder, so that a step that is tried again begins anew and the report "
        "of a run that fails has no figures)",
        one_of="place",
        change=Change.NAMES,
        field="run_root",
    )
    checkpoint_out: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="also copy the best one to this file"
    )
    record: Path = option(read=any_path, metavar="FILE", told="where to write the run record")


class TrainOptions(CommonOptions, FeedOptions, _Early, TrainingOptions, BillOptions, _Output, RecordedOptions):
    """The options of `penstock train`.

    Attributes:
        in_job: whether `penstock run` does this step, which has looked at its prices itself.
        listing_has_begun: whether the listing that is followed is known to be at work.
        mode: of the job that this is a step of, for its record; None where that follows from the options.
        step_records: of the job's other steps, which count in what it may spend.
        attempts: of the job, where `penstock run` does this step.
    """

    goes_on: ClassVar[bool] = True
    in_job: bool = False
    listing_has_begun: bool = False
    mode: Mode | None = None
    step_records: tuple[Path, ...] = ()
    attempts: AttemptLog | None = None

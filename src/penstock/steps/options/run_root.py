"""The options that say which run of a pipeline a step is of."""

from __future__ import annotations

from penstock.options import Change, Options, option, switch
from penstock.options.readers import optional_endpoint, optional_location, run_name

__all__ = ["RecordedOptions", "RunRootOptions"]


class _RunRoot(Options, group="run", change=Change.NAMES):
    run_root: str | None = option(
        read=optional_location,
        default=None,
        metavar="DIR|URI",
        told="folder of many runs, like s3://bucket/runs: records, checkpoints and reports of this one go to a folder "
        "of its id there (default: none, so that a step that is tried again begins anew)",
        field="run_root",
    )


class RunRootOptions(_RunRoot, group="run", change=Change.NAMES):
    """The options that say which run a step is of."""

    run_id: str | None = option(
        read=run_name, default=None, metavar="NAME", told="name of the run, which a run root needs", by_pipeline=True
    )
    run_endpoint_url: str | None = option(
        read=optional_endpoint,
        default=None,
        metavar="URL",
        told="server of the run root or the checkpoints, where that is not the store's own (default)",
    )


class RecordedOptions(RunRootOptions, change=Change.FREE, in_pipelines=False):
    """The same, of a step that is tried again."""

    fail_fast: bool = switch(
        default=False,
        told="fail at once where an earlier attempt, as the run root has it, failed for good within the last hour",
        by_pipeline=True,
    )

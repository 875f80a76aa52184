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
    continue_run: str | None = option(
        read=run_name,
        default=None,
        metavar="NAME",
        told="go on with this earlier run of the run root, as one of the same name: what a budget stopped, with a "
        "larger one (default: none)",
    )
    run_endpoint_url: str | None = option(
        read=optional_endpoint,
        default=None,
        metavar="URL",
        told="server of the run root or the checkpoints, where that is not the store's own (default)",
    )

    @property
    def own_run(self) -> str | None:
        """Name of the run that the step is of."""
        return self.continue_run or self.run_id

    @property
    def run_folder(self) -> str | None:
        """Place of its records, checkpoints and reports, where there is a run root."""
        return f"{self.run_root.rstrip('/')}/{self.own_run}" if self.run_root else None


class RecordedOptions(RunRootOptions, change=Change.FREE, in_pipelines=False):
    """The same, of a step that is tried again."""

    fail_fast: bool = switch(
        default=False,
        told="fail at once where an earlier attempt, as the run root has it, failed for good within the last hour",
        by_pipeline=True,
    )

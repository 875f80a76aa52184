"""The options of `penstock report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from penstock.options import Change, Options, option, repeated
from penstock.options.cost import BillOptions, Co2Options
from penstock.options.readers import any_path, optional_path, optional_text
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.executor_input import ExecutorInputOption
from penstock.steps.options.run_root import RunRootOptions

if TYPE_CHECKING:  # for --help, which does without them
    from penstock.observe.attempts import AttemptLog
    from penstock.records import Ended

__all__ = ["ReportOptions", "TitleOption"]


class TitleOption(Options, group="output", change=Change.FREE):
    """The option that names the report."""

    title: str = option(read=str, default="Penstock run", metavar="TITLE", told="heading of the report")


class _Input(Options, group="input", in_pipelines=False):
    run_record: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="run record of `penstock train` (default: that of the run root)",
    )
    evaluation: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="metrics of `penstock evaluate` (default: those of the run root)",
    )
    other_evaluation: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="metrics of the other EEG challenge: the overall score, 0.3 c1 + 0.7 c2, is told too",
    )
    step_record: tuple[Path | None, ...] = repeated(
        read=optional_path,
        default=(),
        metavar="FILE",
        told="record of another step (list, prefetch, pack); may be repeated (default: those of the run root)",
    )
    forecast_record: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="record of a forecast that was made before, which is told beside what the run took (default: that of the "
        "run root)",
    )
    final_status: str = option(
        read=str,
        default="",
        metavar="JSON",
        told="how the pipeline ended, as it tells its last task: an object with state and error",
    )


class _Node(Options):
    instance_type: str | None = option(
        read=optional_text,
        default=None,
        metavar="NAME",
        told="node of the training (default: as recorded)",
        field="node_type",
    )


class _Output(Options, group="output", in_pipelines=False):
    html: Path = option(read=any_path, metavar="FILE", told="where to write the report page")
    markdown: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write a short summary"
    )
    cost: Path | None = option(read=optional_path, default=None, metavar="FILE", told="where to write the bill (JSON)")
    focus: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write the bill as FOCUS 1.2 (CSV)"
    )


class ReportOptions(
    CommonOptions, _Input, RunRootOptions, _Node, BillOptions, Co2Options, _Output, ExecutorInputOption, TitleOption
):
    """The options of `penstock report`.

    Attributes:
        in_job: whether `penstock run` does this step, which has looked at its prices itself.
        attempts: of the job, then.
        ended: how the last of them did, then.
    """

    in_job: bool = False
    attempts: AttemptLog | None = None
    ended: Ended = "succeeded"

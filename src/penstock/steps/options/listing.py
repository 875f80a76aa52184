"""The options of `penstock list`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Options, option, switch
from penstock.options.readers import any_path, optional_path
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.dataset import DatasetOptions
from penstock.steps.options.run_root import RecordedOptions
from penstock.steps.options.window import MetersOption

__all__ = ["ListOptions"]


class _Output(Options, group="output", in_pipelines=False):
    manifest: Path = option(read=any_path, metavar="FILE", told="where to write the manifest")
    plan: Path = option(read=any_path, metavar="FILE", told="where to write the plan")
    record: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write the step's record"
    )
    stream_listing: bool = switch(
        default=False, told="also write what was listed so far, part by part, to the folder FILE.parts"
    )
    until_stdin_closes: bool = switch(
        default=False, told="end when standard input ends: for a parent process", hidden=True, of_parent=True
    )


class ListOptions(CommonOptions, DatasetOptions, _Output, MetersOption, RecordedOptions):
    """The options of `penstock list`."""

"""The options of `penstock new-task`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import option
from penstock.options.readers import optional_path
from penstock.steps.options.common import CommonOptions

__all__ = ["NewTaskOptions"]


class NewTaskOptions(CommonOptions):
    """The options of `penstock new-task`."""

    name: str = option(
        read=str,
        metavar="NAME",
        told="of the task: small letters, digits and dashes, like lung-scans",
        is_positional=True,
    )
    folder: Path | None = option(
        read=optional_path, default=None, metavar="DIR", told="where to write it, new or empty (default: ./NAME)"
    )

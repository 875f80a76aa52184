"""The option of a process that another one starts."""

from __future__ import annotations

from pathlib import Path

from penstock.options.declaration import Options, option, switch
from penstock.options.readers import optional_path

__all__ = ["ChildOptions"]


class ChildOptions(Options, in_pipelines=False):
    """The option of a process that another one starts: its life is bound to that one's."""

    until_stdin_closes: bool = switch(
        default=False, told="end when standard input ends: for a parent process", hidden=True, of_parent=True
    )
    and_more: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="file of what a parent process asks for besides, a line each",
        hidden=True,
        of_parent=True,
    )

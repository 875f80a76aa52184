"""The option of a process that another one starts."""

from __future__ import annotations

from penstock.options.declaration import Options, switch

__all__ = ["ChildOptions"]


class ChildOptions(Options, in_pipelines=False):
    """The option of a process that another one starts: its life is bound to that one's."""

    until_stdin_closes: bool = switch(
        default=False, told="end when standard input ends: for a parent process", hidden=True, of_parent=True
    )

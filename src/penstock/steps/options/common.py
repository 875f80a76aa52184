"""The options that every step takes."""

from __future__ import annotations

from penstock.options import Change, Options, flag

__all__ = ["CommonOptions"]


class CommonOptions(Options, change=Change.FREE, in_pipelines=False):
    """The options that every step takes."""

    verbose: bool = flag(letter="-v", default=False, told="log what happens, a line an event")

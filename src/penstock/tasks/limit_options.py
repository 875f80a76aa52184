"""The options of a listing that say what of a source is taken, whatever lists it."""

from __future__ import annotations

from penstock.options import Change, Options, option, switch
from penstock.options.readers import optional_count

__all__ = ["LimitOptions"]


class LimitOptions(Options, group="samples", change=Change.FIXED):
    """The options that say what of a source is taken."""

    max_files: int | None = option(
        read=optional_count,
        default=None,
        metavar="N",
        told="take at most N objects; empty or 0: all (default: all)",
    )
    release: str = option(
        read=str,
        default="",
        metavar="NAMES",
        is_joined=True,
        told="of the EEG challenge: take these releases only, like R1,R2 (default: all there are)",
    )
    mini: bool = switch(default=False, told="of the EEG challenge: take the small version of each release")

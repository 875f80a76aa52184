"""The option that limits requests, of steps that make any."""

from __future__ import annotations

from penstock.options.declaration import Options, option
from penstock.options.readers import whole_number
from penstock.options.rules import Change

__all__ = ["RequestsOption"]


class RequestsOption(Options, group="limits", change=Change.FREE):
    """The option that limits requests."""

    max_requests: int = option(
        read=whole_number,
        default=0,
        metavar="N",
        told="make at most N requests to the store, all attempts and steps together: a training saves and stops before "
        "there are more, with an exit code of its own, and the same command with more goes on; 0 never does (default)",
    )

"""The options of a step that reads through a window."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from penstock.options.child import ChildOptions
from penstock.options.declaration import Options, choice, option
from penstock.options.readers import (
    bytes_option,
    optional_bytes,
    optional_path,
    optional_text,
    positive_int,
    seconds_option,
)
from penstock.options.rules import Change
from penstock.units import GIB, MIB

__all__ = [
    "USUAL_WINDOW",
    "USUAL_WINDOW_BYTES",
    "BadMode",
    "CacheOptions",
    "MetersOption",
    "PrefetchName",
    "ServingOptions",
    "WindowOptions",
]

USUAL_WINDOW_BYTES = 256 * MIB
"""Of a window that nobody gives a bound, where no task names one."""
USUAL_WINDOW = "256Mi, or what the task says: 10Gi of video-text"
"""The same, for a person."""

BadMode = Literal["fail", "skip"]
PrefetchName = Literal["auto", "sidecar", "process"]


class MetersOption(Options, group="window", change=Change.FREE, in_pipelines=False):
    """The option that says where requests are counted."""

    meters: Path | None = option(
        read=optional_path,
        default=None,
        metavar="DIR",
        told="folder of the files that requests are counted in, which outlive a kill (default: beside the records of "
        "a --run-root that is a folder, else the window's)",
        hidden=True,
    )


class _Bounds(Options, group="window", change=Change.FREE):
    window: Path | None = option(
        read=optional_path,
        default=None,
        metavar="DIR",
        told="folder of the window (default: a temporary one)",
        by_pipeline=True,
    )
    window_size: int | None = option(
        read=optional_bytes,
        default=None,
        metavar="SIZE",
        told=f"bound on everything in the folder, like 32Mi or 1.5Gi (default: {USUAL_WINDOW})",
        by_pipeline=True,
    )
    prefetch: PrefetchName = choice(
        choices=get_args(PrefetchName),
        default="auto",
        told="who fills the window: a sidecar that serves it, a child process, or auto: the sidecar if there is one",
        by_pipeline=True,
    )
    prefetch_timeout: float = option(
        read=seconds_option,
        default=60.0,
        metavar="TIME",
        told="how long the prefetcher may show no sign of life (default: 60s)",
    )

    @property
    def window_bytes(self) -> int:
        """Bound of the window; what its task names is given as ``window_size`` by whoever knows the task."""
        return self.window_size or USUAL_WINDOW_BYTES


class CacheOptions(Options, group="window", change=Change.FREE, in_pipelines=False):
    """The options of a cache on disk beside a window."""

    cache: Path | None = option(
        read=optional_path,
        default=None,
        metavar="DIR",
        told="folder in which what is read is kept on disk, over epochs and runs; what does not fit --cache-size is "
        "read anew (default: none)",
    )
    cache_size: int = option(
        read=bytes_option,
        default=4 * GIB,
        metavar="SIZE",
        told="bound on everything in the folder of --cache, like 500Mi or 50Gi (default: 4Gi)",
    )


class _Requests(Options, group="window", change=Change.FREE):
    in_flight: int = option(
        read=positive_int,
        default=512,
        metavar="N",
        told="most ranges requested at a time; how many pays is found out on the way (default: 512)",
    )


class WindowOptions(_Bounds, MetersOption, CacheOptions, _Requests):
    """The options of a step that reads through a window."""


class ServingOptions(WindowOptions, ChildOptions, in_pipelines=False):
    """The options of a process that serves a window, or is to be started for it."""

    ready_for: str | None = option(
        read=optional_text,
        default=None,
        metavar="SCHEME",
        told="scheme of the source that a parent process will ask for, like hf: what it needs is imported before",
        hidden=True,
        of_parent=True,
    )

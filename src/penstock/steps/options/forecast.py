"""The options of `penstock forecast`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Options, flag, option, repeated
from penstock.options.cost import CostOptions
from penstock.options.paths import LEGS
from penstock.options.readers import (
    at_least_zero,
    bytes_option,
    dollars,
    location_or_empty,
    optional_path,
    positive_int,
    rate_option,
    whole_number,
)
from penstock.options.source import AccessOptions
from penstock.steps.options.common import CommonOptions

__all__ = ["ForecastOptions"]


class _Data(Options, group="dataset"):
    uri: str = option(
        read=location_or_empty,
        default="",
        metavar="URI",
        told="where it lies: its objects are listed, and each is taken to be read whole once an epoch",
        is_positional=True,
    )
    manifest: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="manifest of `penstock list`, in place of a URI"
    )
    plan: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="plan beside the manifest: requests are those of its order (default: one a sample)",
    )
    size: int = option(read=bytes_option, default=0, metavar="SIZE", told="bytes of an epoch, stated, like 2TB")
    objects: int = option(read=whole_number, default=0, metavar="N", told="objects that they are in, stated")
    requests_per_object: float = option(
        read=at_least_zero,
        default=0.0,
        metavar="X",
        told="requests that an object takes (default: one up to 16 MiB, else one for each 8 MiB)",
    )


class _Training(Options, group="training"):
    epochs: int = option(read=positive_int, default=10, metavar="N", told="passes over the data (default: 10)")
    compute_hours: float = option(
        read=at_least_zero, default=0.0, metavar="X", told="hours that an epoch computes, stated"
    )
    samples_per_second: float = option(
        read=at_least_zero, default=0.0, metavar="X", told="samples that are computed in a second, stated (manifests)"
    )
    measured: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="record of an earlier `penstock run` or `train` (run.json), for its computing and its rate, or of a "
        "probe by `penstock prefetch`, for its rate",
    )
    rate: int = option(
        read=rate_option, default=0, metavar="RATE", told="what the link from the source does, stated, like 80MB/s"
    )


class _Nodes(Options, group="nodes"):
    instance_type: tuple[str, ...] = repeated(
        read=str, default=(), metavar="NAME", told="node to forecast for; may be repeated"
    )
    window_size: int = option(
        read=bytes_option, default=10 * 2**30, metavar="SIZE", told="window to stream through (default: 10Gi)"
    )
    way: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="PATH",
        told=f"another way from the source to price too, legs joined by +: {', '.join(LEGS)}; may be repeated",
    )
    box_usd_per_hour: float = option(
        read=dollars,
        default=0.02,
        metavar="USD",
        told="what a cheap machine costs that downloads first (default: 0.02)",
    )


class _Output(Options, group="output"):
    json: bool = flag(default=False, told="write JSON instead of tables")
    html: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="write a page too, which needs nothing beside itself"
    )


class ForecastOptions(_Data, CommonOptions, _Training, _Nodes, CostOptions, _Output, AccessOptions):
    """The options of `penstock forecast`."""

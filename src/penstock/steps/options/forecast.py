"""The options of `penstock forecast`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Change, Options, choice, flag, option, repeated
from penstock.options.cost import RESTORE_TIERS, Co2Options, CostOptions
from penstock.options.paths import LEGS
from penstock.options.readers import (
    at_least_zero,
    bytes_option,
    dollars,
    location_or_empty,
    optional_bytes,
    optional_path,
    positive_int,
    rate_option,
    seconds_option,
    whole_number,
)
from penstock.options.source import AccessOptions
from penstock.steps.options.common import CommonOptions
from penstock.steps.options.executor_input import ExecutorInputOption
from penstock.steps.options.run_root import RecordedOptions
from penstock.train.options import DollarsOption

__all__ = ["ComputingOption", "ForecastOptions"]


class _Data(Options, group="dataset", in_pipelines=False):
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
    storage_class: str = option(
        read=str,
        default="",
        metavar="NAME",
        told="class of storage that they lie in, as the store calls it, like GLACIER_IR, stated (default: the usual "
        "one; listings tell it themselves)",
    )
    restore: str = choice(
        choices=("", *RESTORE_TIERS),
        default="",
        told="tier that archived objects are restored with before the run, which is priced then: of a --storage-class "
        "like GLACIER, DEEP_ARCHIVE or Archive, or of a URI (default: standard; those of a URI are left out)",
    )


class ComputingOption(Options, group="forecast", change=Change.FREE):
    """The option that says how fast a training computes."""

    samples_per_second: float = option(
        read=at_least_zero,
        default=0.0,
        metavar="X",
        told="samples that the node computes in a second, for a forecast; 0 is not known, which makes its times and "
        "dollars the least that they can be (default: 0)",
    )


class _Training(Options, group="training"):
    epochs: int = option(
        read=positive_int, default=10, metavar="N", told="passes over the data (default: 10)", field="model_epochs"
    )
    compute_hours: float = option(
        read=at_least_zero, default=0.0, metavar="X", told="hours that an epoch computes, stated"
    )
    measured: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="record of an earlier `penstock run` or `train` (run.json), for its computing and its rate, or of a "
        "probe by `penstock prefetch` or --probe, for its rate",
        run_option="",
    )


def _seconds_or_none(text: str) -> float | None:
    return seconds_option(text) if text else None


class _Running(Options, group="training", in_pipelines=False):
    startup: float | None = option(
        read=_seconds_or_none,
        default=None,
        metavar="TIME",
        told="what a run takes before its first epoch and behind its last, such as imports, stated (default: as the "
        "record of --measured tells, else nothing)",
    )
    at_once: int = option(
        read=positive_int,
        default=1,
        metavar="N",
        told="samples that the window must hold at once, such as a batch of a loop of your own (default: 1, as a run "
        "without loading workers reads)",
    )


class _Link(Options, group="link"):
    rate: int = option(
        read=rate_option,
        default=0,
        metavar="RATE",
        told="what the link from the source does, stated, like 80MB/s (default: as --probe or --measured tells, else "
        "what the node's network does)",
    )
    latency: float | None = option(
        read=_seconds_or_none,
        default=None,
        metavar="TIME",
        told="how long the source takes to begin an answer, like 30ms (default: as a probe tells, else nothing)",
        run_option="",
    )
    probe: float = option(
        read=seconds_option,
        default=0.0,
        metavar="TIME",
        told="measure the link first: read from the source for so long, like 5s, many requests at once",
        run_option="",
    )
    probe_bytes: int = option(
        read=bytes_option,
        default=2**30,
        metavar="SIZE",
        told="most that a probe reads, which is counted and told (default: 1Gi)",
        run_option="",
    )
    probe_record: Path | None = option(
        read=optional_path,
        default=None,
        metavar="FILE",
        told="where to write what the probe measured, for --measured another time",
        run_option="",
    )


def _passes(text: str) -> tuple[int, ...]:
    """Read numbers of passes with commas between them."""
    return tuple(dict.fromkeys(positive_int(part.strip()) for part in text.split(",")))


class _Nodes(Options, group="nodes"):
    instance_type: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar="NAME",
        told="node to forecast for; may be repeated (default: one at --node-usd-per-hour)",
        field="node_type",
    )
    window_size: int | None = option(
        read=optional_bytes,
        default=None,
        metavar="SIZE",
        told="window to stream through (default: 10Gi, or what holds all of the data where that is less)",
        by_pipeline=True,
    )
    passes: tuple[int, ...] = option(
        read=_passes,
        default=(2, 4),
        metavar="N[,N]",
        is_joined=True,
        told="ways with so many passes in a row over each part of the data, --repeat of `penstock run` (default: 2,4)",
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


class _Output(Options, group="output", in_pipelines=False):
    json: bool = flag(default=False, told="write JSON instead of tables")
    html: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="write a page too, which needs nothing beside itself"
    )
    markdown: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write a short summary"
    )
    record: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="where to write what --json writes"
    )


class ForecastOptions(
    _Data,
    CommonOptions,
    ComputingOption,
    _Training,
    _Running,
    _Link,
    _Nodes,
    CostOptions,
    Co2Options,
    DollarsOption,
    _Output,
    ExecutorInputOption,
    AccessOptions,
    RecordedOptions,
):
    """The options of `penstock forecast`."""

"""The options that say where the dataset lies."""

from __future__ import annotations

from penstock.options.declaration import PAIR, Options, option, repeated, switch
from penstock.options.readers import location_or_empty, optional_endpoint, optional_location, optional_text
from penstock.options.rules import Change

__all__ = ["AccessOptions", "DatasetOption", "OptionalSourceOptions", "SourceOptions"]

_TOLD = (
    "where the dataset lies: s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, hf://datasets/org/name, "
    "https://host/folder/ or a local folder"
)


class AccessOptions(Options, group="source", change=Change.FIXED):
    """The options that say how a source is asked."""

    endpoint_url: str | None = option(
        read=optional_endpoint,
        default=None,
        metavar="URL",
        told="server of the source, where that is not the store's own (default)",
    )
    region: str | None = option(
        read=optional_text,
        default=None,
        metavar="REGION",
        told="region of the bucket (default: the environment's)",
        field="data_region",
    )
    anonymous: bool = switch(default=False, told="do not sign requests: for public buckets", field="data_anonymous")
    requester_pays: bool = switch(
        default=False, told="agree to pay for requests and transfer of a requester-pays bucket"
    )
    source_option: tuple[str, ...] = repeated(
        read=str,
        default=(),
        metavar=PAIR,
        told="option of the source's own kind, may be repeated: account=NAME of az://, project=ID of gs://",
    )


class _Source(Options, group="source", change=Change.FIXED):
    source: str = option(read=location_or_empty, default="", metavar="URI", told=_TOLD, field="data_source")


class DatasetOption(Options, group="source"):
    """The option that describes a dataset in the place of those that say where it lies and what it is."""

    dataset: str = option(
        read=str,
        default="",
        metavar="FILE|URI|YAML",
        told="description of the dataset, or of a mix of several, as penstock.open reads it: a YAML file, its URI, or "
        "its text; it says source, task and options, and may say window, batch and transform",
        change=Change.FIXED,
        field="data_file",
    )


class _OptionalSource(Options, group="source"):
    source: str | None = option(read=optional_location, default=None, metavar="URI", told=_TOLD)


class SourceOptions(_Source, AccessOptions):
    """The options that say where the dataset lies."""


class OptionalSourceOptions(_OptionalSource, AccessOptions):
    """The options that say where the dataset lies, of a step that may do without it."""

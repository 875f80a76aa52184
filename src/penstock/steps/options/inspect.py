"""The options of `penstock inspect`."""

from __future__ import annotations

from pathlib import Path

from penstock.options import Options, flag, option
from penstock.options.readers import bytes_option, location, optional_path, positive_int
from penstock.options.source import AccessOptions
from penstock.steps.options.common import CommonOptions

__all__ = ["InspectOptions"]


class _Place(Options):
    uri: str = option(
        read=location,
        metavar="URI",
        told="what to look at: s3://bucket/prefix, hf://datasets/org/name, https://host/folder/, a local folder, or "
        "one file",
        is_positional=True,
    )


class _Shown(Options):
    json: bool = flag(default=False, told="write a record instead of tables")
    html: Path | None = option(
        read=optional_path, default=None, metavar="FILE", told="write a page too, which needs nothing beside itself"
    )
    pictures: bool = flag(default=False, told="show first pictures: as half blocks in a terminal of true colours")
    samples: int = option(
        read=positive_int, default=3, metavar="N", told="first samples that are shown (default: %(default)s)"
    )


class _Cost(Options, group="what it may cost"):
    max_objects: int = option(
        read=positive_int,
        default=10_000,
        metavar="N",
        told="list about so many objects, and as many again in other folders (default: %(default)s)",
    )
    max_requests: int = option(
        read=positive_int, default=200, metavar="N", told="send no more requests than this (default: %(default)s)"
    )
    max_bytes: int = option(
        read=bytes_option, default=64 << 20, metavar="SIZE", told="read no more than this (default: 64Mi)"
    )


class InspectOptions(_Place, CommonOptions, _Shown, _Cost, AccessOptions):
    """The options of `penstock inspect`."""

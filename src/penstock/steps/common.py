"""Options and habits that steps share."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

from penstock.errors import PenstockError
from penstock.records import Host, SourceSpec
from penstock.units import parse_bytes, parse_seconds

__all__ = [
    "Step",
    "add_source_options",
    "add_window_options",
    "bytes_option",
    "host_without_device",
    "now",
    "option_type",
    "optional_path",
    "seconds_option",
    "source_from",
]

DEFAULT_WINDOW = "256Mi"

T = TypeVar("T")


class Step(Protocol):
    """A step's module: one name everywhere."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the step's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do the step; give the exit code."""
        ...


def option_type(read: Callable[[str], T]) -> Callable[[str], T]:
    """Make an argparse type of a reader whose errors are ``ConfigError``."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except PenstockError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


bytes_option = option_type(parse_bytes)
seconds_option = option_type(parse_seconds)


def positive_int(text: str) -> int:
    """Read a whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def optional_path(text: str) -> Path | None:
    """Read a path; the empty text, as pipelines pass an unset one, is None."""
    return Path(text) if text else None


def optional_text(text: str) -> str | None:
    """Read a text; the empty one, as pipelines pass an unset one, is None."""
    return text or None


def switch(text: str) -> bool:
    """Read ``true`` or ``false``, as pipelines pass a boolean."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def add_switch(parser: argparse._ActionsContainer, flag: str, help_text: str) -> None:
    """Add a switch that is off by default, and may be written ``--flag``, ``--flag true`` or ``--flag false``."""
    parser.add_argument(flag, nargs="?", const=True, default=False, type=switch, metavar="true|false", help=help_text)


def add_source_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say where the dataset lies."""
    group = parser.add_argument_group("source")
    group.add_argument("--source", required=required, metavar="URI", help="s3://bucket/prefix or a local folder")
    group.add_argument(
        "--endpoint-url", type=optional_text, metavar="URL", help="S3-compatible server (default: AWS's own)"
    )
    group.add_argument("--region", type=optional_text, metavar="REGION", help="region of the bucket")
    add_switch(group, "--anonymous", "do not sign requests: for public buckets")
    add_switch(group, "--requester-pays", "agree to pay for requests and transfer of a requester-pays bucket")


def source_from(args: argparse.Namespace) -> SourceSpec:
    """Give the source that the options name."""
    uri: str = args.source
    if "://" not in uri:
        uri = str(Path(uri).absolute())
    return SourceSpec(
        uri=uri,
        endpoint_url=args.endpoint_url,
        region=args.region,
        anonymous=args.anonymous,
        requester_pays=args.requester_pays,
    )


def add_window_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a step that reads through a window."""
    group = parser.add_argument_group("window")
    group.add_argument(
        "--window", type=optional_path, metavar="DIR", help="folder of the window (default: a temporary one)"
    )
    group.add_argument(
        "--window-size",
        type=bytes_option,
        default=parse_bytes(DEFAULT_WINDOW),
        metavar="SIZE",
        help=f"bound on everything in the folder, like 32Mi or 1.5Gi (default: {DEFAULT_WINDOW})",
    )
    group.add_argument(
        "--prefetch",
        choices=("auto", "sidecar", "process"),
        default="auto",
        help="who fills the window: a sidecar that serves it, a child process, or auto: the sidecar if there is one",
    )
    group.add_argument(
        "--prefetch-timeout",
        type=seconds_option,
        default=60.0,
        metavar="TIME",
        help="how long the prefetcher may show no sign of life (default: 60s)",
    )
    group.add_argument(
        "--in-flight",
        type=positive_int,
        default=512,
        metavar="N",
        help="most ranges requested at a time; how many pays is found out on the way (default: 512)",
    )


def add_bad_sample_option(parser: argparse._ActionsContainer) -> None:
    """Add the option that says what becomes of a sample that cannot be used."""
    parser.add_argument(
        "--on-bad-sample",
        choices=("fail", "skip"),
        default="fail",
        help="what to do with a sample that is gone or cannot be decoded: fail, or skip it, count it and name it "
        "(default: fail)",
    )


def now() -> str:
    """Give the time, in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def host_without_device() -> Host:
    """Describe this machine for a step that uses no accelerator."""
    return Host(num_cpus=os.cpu_count() or 1, device=f"cpu ({platform.machine()})", num_devices=0)

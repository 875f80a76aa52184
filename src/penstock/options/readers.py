"""Readers of options' values, for argparse. The empty text, as pipelines pass an unset option, is None."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from penstock.errors import PenstockError
from penstock.secrets import redact
from penstock.units import parse_bytes, parse_seconds
from penstock.urls import check_endpoint, check_location, local_path

__all__ = [
    "any_path",
    "at_least_zero",
    "bytes_option",
    "dollars",
    "location",
    "location_or_empty",
    "option_type",
    "optional_bytes",
    "optional_count",
    "optional_endpoint",
    "optional_location",
    "optional_path",
    "optional_text",
    "positive_int",
    "rate_option",
    "read_switch",
    "run_name",
    "seconds_option",
    "seed_number",
    "whole_number",
    "worker_number",
]


T = TypeVar("T")

MOST = 2**31 - 1
"""Of what is counted: more is a slip of the hand, and no array or clock would hold it."""
LEAST_RATE = 10_000
"""Bytes a second; below it a few recordings take hours, and a number without a unit was meant with one."""
MOST_SEED = 2**32 - 1
"""As NumPy takes it."""
MOST_WORKERS = 1024
_MOST_USD = 10**9


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


def rate_option(text: str) -> int:
    """Read bytes a second, like ``20MB/s``; ``/s`` may be left out."""
    like = "write bytes a second with their unit, like 20MB/s or 500kB/s"
    if re.search(r"b(it)?p?/?s\s*\Z", text) and not text.strip().endswith("B/s"):
        raise argparse.ArgumentTypeError(f"{redact(text)!r} looks like bits a second: {like} (8 bits are a byte)")
    try:
        rate = parse_bytes(re.sub(r"/s\s*\Z", "", text))
    except PenstockError:
        raise argparse.ArgumentTypeError(f"{redact(text[:40])!r} is not a rate: {like}") from None
    if rate < LEAST_RATE:
        raise argparse.ArgumentTypeError(
            f"{text.strip()!r} is {rate} bytes a second, over which nothing would arrive: {like}"
        )
    return rate


def positive_int(text: str) -> int:
    """Read a whole number of at least 1, for argparse."""
    return _counted(text, 1)


def whole_number(text: str) -> int:
    """Read a whole number of at least 0, for argparse."""
    return _counted(text, 0)


def worker_number(text: str) -> int:
    """Read a number of processes, for argparse."""
    return _counted(text, 0, MOST_WORKERS)


def seed_number(text: str) -> int:
    """Read a seed, for argparse: NumPy takes none below 0 or above 2**32 - 1."""
    number = _digits(text)
    if not 0 <= number <= MOST_SEED:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of 0 to {MOST_SEED}")
    return number


def _counted(text: str, least: int, most: int = MOST) -> int:
    number = _digits(text)
    if number > most:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is more than {most}, the most that can be asked for")
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return number


def _digits(text: str) -> int:
    """Return a whole number, -1 for what is none; the first digits of one that is too long to be read are enough."""
    return int(text.lstrip("0")[:40] or "0") if text.isdecimal() else -1


def at_least_zero(text: str) -> float:
    """Read a finite number of at least 0, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return number


def dollars(text: str) -> float:
    """Read a price or a sum in USD, for argparse: at least 0, and no more than a bill can hold."""
    usd = at_least_zero(text)
    if usd > _MOST_USD:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {_MOST_USD:,} USD, the most that can be asked for")
    return usd


def optional_count(text: str) -> int | None:
    """Read a whole number; the empty text and 0, as pipelines pass an unset one, are None."""
    return positive_int(text) if text not in ("", "0") else None


def optional_bytes(text: str) -> int | None:
    """Read a size of at least a byte; the empty text, as pipelines pass an unset one, is None."""
    return bytes_option(text) if text else None


def any_path(text: str) -> Path:
    """Read a local path; ``~`` is the home folder, where a shell did not see it."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(option_type(lambda path: local_path(path, "the value"))(text))


def optional_path(text: str) -> Path | None:
    """Read a local path; the empty text, as pipelines pass an unset one, is None."""
    return any_path(text) if text else None


def optional_text(text: str) -> str | None:
    """Read a text; the empty one, as pipelines pass an unset one, is None."""
    return text or None


def run_name(text: str) -> str | None:
    """Read the name of a run, which is one of a folder; the empty text, as pipelines pass an unset one, is None."""
    if text and (text in (".", "..") or not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text)):
        raise argparse.ArgumentTypeError(
            f"{redact(text)!r} is no name of a run; write 1 to 253 letters, digits, dots, hyphens and underscores"
        )
    return text or None


def location(text: str) -> str:
    """Read a path or URI, which records and command lines will show."""
    return option_type(lambda url: check_location(url, "the value"))(text)


def optional_location(text: str) -> str | None:
    """Read a path or URI, which records and command lines will show; the empty text is None."""
    return location(text) if text else None


def location_or_empty(text: str) -> str:
    """Read a path or URI; the empty text stays, for an option that counts as given where it is empty."""
    return location(text) if text else ""


def optional_endpoint(text: str) -> str | None:
    """Read the URL of a server; the empty text, as pipelines pass an unset one, is None."""
    return option_type(lambda url: check_endpoint(url, "the URL"))(text) if text else None


def read_switch(text: str) -> bool:
    """Read ``true`` or ``false``, as pipelines pass a boolean."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"

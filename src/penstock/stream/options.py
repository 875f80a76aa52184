"""The arguments of a ``Stream``, checked; what is refused is named as the argument that it is."""

from __future__ import annotations

import difflib
import functools
import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from penstock.errors import ConfigError
from penstock.loader import Custom
from penstock.loader.ranks import AskedRanks
from penstock.patterns import any_of
from penstock.records import SourceSpec
from penstock.units import parse_bytes
from penstock.urls import check_location, local_path

__all__ = ["Options", "checked_choice", "checked_count", "checked_seconds", "names_checked"]
__all__ += ["bytes_of", "folder_of", "patterns_of", "shuffle_words", "source_of"]

MOST_PATTERN_BYTES = 100_000
"""It is a word of the command line of the listing, of which Linux allows 128 KiB."""

MOST = 2**31 - 1
"""Of what is counted, as `penstock list` and `penstock train` take it."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a stream was asked for.

    Attributes:
        match: pattern of the keys that are taken.
        shuffle: words of `penstock list`.
        num_epochs: None is without end.
        folder: of the window; None is a temporary one.
    """

    source: SourceSpec
    match: str
    decoder: Custom
    batch_size: int
    drop_last: bool
    window_bytes: int
    folder: Path | None
    shuffle: Sequence[str]
    seed: int
    num_workers: int
    num_epochs: int | None
    parts: bool
    in_flight: int
    timeout_seconds: float
    on_bad_sample: Literal["fail", "skip"]
    ranks: AskedRanks

    def in_common(self) -> str:
        """Name what ranks that share a window must have asked for alike, by its SHA-256."""
        data = (self.source, self.match, tuple(self.shuffle), self.seed, self.parts)
        reading = (self.batch_size, self.drop_last, self.window_bytes, self.folder, self.num_epochs)
        asked = (*data, *reading, self.on_bad_sample)
        return hashlib.sha256(repr(asked).encode(errors="surrogateescape")).hexdigest()


def names_checked(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function say which of its arguments is meant by a name that it does not have."""
    names = [name for name, each in inspect.signature(function).parameters.items() if each.kind is each.KEYWORD_ONLY]

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        wrong = next((name for name in kwargs if name not in names and name != "source"), None)
        if wrong is not None:
            raise TypeError(f"Stream has no argument {wrong!r}{_meant(wrong, names)}")
        return function(*args, **kwargs)

    return called


def checked_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Refuse what is none of the choices."""
    if value in choices:
        return value
    raise ConfigError(
        f"{name} {value!r}{_meant(str(value), choices)}", fix=f"give {' or '.join(repr(each) for each in choices)}"
    )


def checked_count(name: str, value: Any, least: int, most: int = MOST) -> int:
    """Refuse what is no whole number of ``least`` to ``most``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name} {value!r}", fix=f"give a whole number of at least {least}")
    if value > most:
        raise ConfigError(f"{name} is above {most}", fix=f"give a whole number of {least} to {most}")
    return value


def checked_seconds(name: str, value: Any) -> float:
    """Refuse what is no number of seconds above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise ConfigError(f"{name} {value!r}", fix="give a number of seconds above 0")
    return float(value)


def bytes_of(name: str, value: Any) -> int:
    """Give a number of bytes of one, or of text like "2Gi"."""
    if isinstance(value, str):
        return parse_bytes(value)
    return checked_count(name, value, 1, most=2**63 - 1)


def folder_of(value: str | os.PathLike[str] | None) -> Path | None:
    """Give a folder's path, ``~`` being the user's own."""
    return None if value is None else Path(local_path(os.fspath(value), "window_folder"))


def source_of(value: Any) -> str:
    """Give a URI as it is, and a folder's whole path."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ConfigError(f"source {value!r}", fix='give a URI like "s3://bucket/prefix", or a folder')
    text = check_location(os.fsdecode(value), "source")
    return text if "://" in text else str(Path(text).absolute())


def patterns_of(value: str | Iterable[str]) -> str:
    """Give the pattern that one or several are."""
    patterns = [value] if isinstance(value, str) else list(value)
    if not patterns or not all(isinstance(each, str) and each for each in patterns):
        raise ConfigError(f"match {value!r}", fix='give a pattern like "*.{jpg,png}", or a list of patterns')
    pattern = any_of(patterns)
    if len(pattern.encode()) > MOST_PATTERN_BYTES:
        raise ConfigError(
            f"match with {len(patterns)} patterns of {len(pattern.encode())} bytes",
            fix=f"give patterns that take {MOST_PATTERN_BYTES} bytes together at most",
        )
    return pattern


def shuffle_words(shuffle: Any, block: int | None, mix: int | None) -> list[str]:
    """Give the options of `penstock list` for a shuffle; it checks them."""
    kind = {True: "full", False: "none"}[shuffle] if isinstance(shuffle, bool) else shuffle
    checked_choice("shuffle", kind, ("full", "block", "none"))
    for name, value in (("shuffle_block", block), ("shuffle_mix", mix)):
        if value is not None:
            checked_count(name, value, 1)
    return ["--shuffle", kind, "--shuffle-block", str(block or ""), "--shuffle-mix", str(mix or "")]


def _meant(value: str, choices: Sequence[str]) -> str:
    close = difflib.get_close_matches(value, choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

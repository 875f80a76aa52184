"""Where a dataset lies, of what a person writes: a place, a file, a pattern of files, or several of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.patterns import exactly, has_choices
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import pattern_of

__all__ = ["placed"]

_LIKE: Final = 'a URI like "s3://bucket/prefix", a folder, or a list of some'
_LIST: Final = "urls+"
"""What the scheme of a list of URLs begins with."""


def placed(source: Any, match: Any, *, usual: str) -> tuple[str, str]:
    """Return the place that is listed, and the pattern that keys below it are to fit.

    Args:
        source: a URI or a path; its last parts may be a pattern, like ``s3://bucket/{000..127}.tar``. Or several, that
            lie in one bucket, repository or file system: each a folder, a file or a pattern.
        match: pattern or patterns below a folder.
        usual: the pattern where nobody gave one.

    Raises:
        ConfigError: it is no place, there is a pattern in both, or places have nothing in common.
    """
    pattern = pattern_of("match", match)
    if isinstance(source, str | os.PathLike) or not isinstance(source, Iterable) or isinstance(source, bytes):
        place, own = _cut(checks.path("source", source, like=_LIKE))
        if own is not None and pattern != usual:
            raise ConfigError(f"match {shown(match)} beside the pattern {own!r} of source", fix="leave one of them out")
        return place, pattern if own is None else own
    several = list(source)
    if len(several) == 1:
        return placed(several[0], match, usual=usual)
    cut = [_cut(checks.path("source", each, like=_LIKE)) for each in several]
    if not cut:
        raise ConfigError(f"source {shown(source)}", fix=f"give {_LIKE}")
    base = _in_common([place.rstrip("/") for place, _ in cut])
    patterns: list[str] = []
    for place, own in cut:
        below = exactly(place.rstrip("/")[len(base) :].strip("/"))
        inner = f"{below}/" if below else ""
        patterns += [f"{inner}{own or pattern}", *([below] if below and own is None else [])]
    return base, pattern_of("source", list(dict.fromkeys(patterns)))


def _cut(text: str) -> tuple[str, str | None]:
    """Return the part of a location before its first pattern, and the pattern; None where there is none."""
    scheme, separator, rest = text.rpartition("://")
    if scheme.startswith(_LIST) or "\0" in text:
        return text, None
    if not separator and _is_there(text):
        file = Path(text).expanduser().absolute()
        return (str(file.parent), exactly(file.name)) if file.is_file() else (text, None)
    parts = rest.split("/")
    first = 1 if separator else 0  # a bucket or a host is none
    at = next((at for at, part in enumerate(parts) if at >= first and ("*" in part or has_choices(part))), None)
    if at is None:
        return text, None
    place = "/".join(parts[:at]) or ("/" if text.startswith("/") else "." if not separator else "")
    return f"{scheme}{separator}{place}", "/".join(parts[at:])


def _is_there(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _in_common(places: Sequence[str]) -> str:
    """Return the folder that all places are or lie in.

    Raises:
        ConfigError: they have no bucket, repository or root in common.
    """
    if all("://" not in place for place in places):
        return os.path.commonpath([Path(place).expanduser().absolute() for place in places])
    parts = [place.split("/") for place in places]
    hub = places[0].startswith("hf://")
    least = 3 + hub + places[0].startswith(("hf://datasets/", "hf://models/"))  # of the parts of what holds all
    pairs = zip(*parts, strict=False)
    common = [each[0] for each in itertools.takewhile(lambda each: len(set(each)) == 1, pairs)]
    if len(common) < min(least, *map(len, parts)) or "://" not in places[0]:
        other = next(place for place in places if place.split("/")[:least] != parts[0][:least])
        raise ConfigError(
            f"source {shown(places[0])} and {shown(other)} are not of one bucket, repository or server",
            fix="make a dataset of each, and put them together with mix",
        )
    return "/".join(common)

"""Where a dataset lies, of what a person writes: a place, a file, a pattern of files, or several of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigError
from penstock.patterns import exactly, has_choices
from penstock.sources import find_scheme
from penstock.stream import checks
from penstock.stream.checks import shown
from penstock.stream.options import pattern_of
from penstock.urls import refuse_secrets

__all__ = ["placed"]

_LIKE: Final = 'a URI like "s3://bucket/prefix", a folder, or a list of some'


def placed(source: Any, match: Any, *, usual: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the place that is listed, the pattern that keys below it are to fit, and what must each find some.

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
        return place, pattern if own is None else own, ()
    if isinstance(source, Mapping):
        raise ConfigError(f"source {shown(source)}", fix=f"give {_LIKE}")
    several = list(source)
    if len(several) == 1:
        return placed(several[0], match, usual=usual)
    cut = [_cut(checks.path("source", each, like=_LIKE)) for each in several]
    if not cut:
        raise ConfigError(f"source {shown(source)}", fix=f"give {_LIKE}")
    places = [_whole(place) for place, _ in cut]
    base = _in_common(places)
    each: list[str] = []
    for place, (_, own) in zip(places, cut, strict=True):
        below = exactly(place[len(base) :].strip("/"))
        inner = f"{below}/" if below else ""
        each.append(pattern_of("source", [f"{inner}{own or pattern}", *([below] if below and own is None else [])]))
    return base, pattern_of("source", list(dict.fromkeys(each))), tuple(dict.fromkeys(each))


def _whole(place: str) -> str:
    return place.rstrip("/") if "://" in place else os.path.abspath(Path(place).expanduser())  # noqa: PTH100 - without ..


def _cut(text: str) -> tuple[str, str | None]:
    """Return the part of a location before its first pattern, and the pattern; None where there is none."""
    is_uri = "://" in text
    if "\0" in text or (not any(mark in text for mark in "*{") and is_uri):
        return text, None
    if not is_uri and _is_there(text):
        file = Path(text).expanduser().absolute()
        return (str(file.parent), exactly(file.name)) if file.is_file() else (text, None)
    root = find_scheme(refuse_secrets(text, "source")).root(text) if is_uri else ""
    parts = text[len(root) :].split("/")
    at = next((at for at, part in enumerate(parts) if "*" in part or has_choices(part)), None)
    if at is None:
        return text, None
    place = root + "/".join(parts[:at])
    # A server's pages of links end with a slash, which tells them from files.
    place = f"{place}/" if is_uri else place or ("/" if text.startswith("/") else ".")
    return place, "/".join(parts[at:])


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
        return os.path.commonpath(places)
    roots = [find_scheme(place).root(place).rstrip("/") if "://" in place else "" for place in places]
    other = next((place for place, root in zip(places, roots, strict=True) if root != roots[0]), None)
    if other is not None:
        raise ConfigError(
            f"source {shown(places[0])} and {shown(other)} are not of one bucket, repository or server",
            fix="make a dataset of each, and put them together with mix",
        )
    below = zip(*(place[len(roots[0]) :].split("/") for place in places), strict=False)
    common = [each[0] for each in itertools.takewhile(lambda each: len(set(each)) == 1, below)]
    return f"{roots[0]}{'/'.join(common)}/"

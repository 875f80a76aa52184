"""Small files that a task's option names: keys of the source, URIs of another one, or paths of this machine."""

from __future__ import annotations

import contextlib
from typing import Final

from penstock.errors import ObjectNotFound, PenstockError
from penstock.manifest import SourceSpec
from penstock.sources import ObjectInfo, ObjectSource, find_object
from penstock.sources.registry import scheme_name
from penstock.texts import did_you_mean
from penstock.urls import expand_home

__all__ = ["read_named"]

_PATHS: Final = ("/", "./", "../", "~")
"""What a path begins with, where a key of the source does not."""


async def read_named(source: ObjectSource, asked: str, *, option: str) -> bytes:
    """Return the bytes of a file.

    Args:
        asked: a key below the source, a URI, or a path like ``./labels.csv``.
        option: that names it, for messages.

    Raises:
        SourceError: it is not there, or cannot be read.
    """
    if "://" in asked or asked.startswith(_PATHS):
        same = scheme_name(asked) == scheme_name(source.spec.uri)
        uri = asked if "://" in asked else expand_home(asked, f"--option {option}")
        spec = SourceSpec(uri=uri, options=source.spec.options if same else {})
        where, info = await find_object(spec, meter=source.meter)
        with contextlib.closing(where):
            return await where.get(info)
    return await source.get(await _in_source(source, asked, option))


async def _in_source(source: ObjectSource, key: str, option: str) -> ObjectInfo:
    info = await source.find(key)
    if info is not None:
        return info
    folder = "/".join([source.spec.uri.rstrip("/"), *key.split("/")[:-1]])
    meant = ""
    with contextlib.suppress(PenstockError, OSError):  # that the table is not there is the news
        meant = did_you_mean(key.rpartition("/")[2], await source.names_in(folder), quoted=False)
    raise ObjectNotFound(
        f"there is no {key} in {source.spec.uri}, where --option {option}= has its table",
        fix=f"{meant}write its key below the source, or a URI, or a path like ./{option}.csv",
        about=key,
    )

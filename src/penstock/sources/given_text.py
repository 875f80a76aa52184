"""A text that an option gives: itself, or the path or URI of what holds it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import ConfigError
from penstock.options.source import AccessOptions
from penstock.sources.asking import spec_of
from penstock.sources.meter import RequestMeter
from penstock.sources.opening import find_object, locate
from penstock.yaml_files import MOST_BYTES, read_text

__all__ = ["GivenText", "is_text", "read_given"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenText:
    """What was given.

    Attributes:
        name: of it, for messages: its path or URI, or the option that gave it.
    """

    name: str
    text: str


def is_text(given: str) -> bool:
    """Tell a text of YAML from a path or URI: it has several lines, or is a mapping in braces."""
    return "\n" in given.strip() or given.lstrip().startswith("{")


def read_given(
    given: str, *, option: str, wanted: str, access: AccessOptions | None = None, meter: RequestMeter | None = None
) -> GivenText:
    """Return a text, of at most ``MOST_BYTES``.

    Args:
        given: a text of YAML, a path, or a URI.
        option: that gave it.
        wanted: what to give instead of what cannot be read.
        access: how a URI's store is asked.
        meter: that requests are counted by.

    Raises:
        ConfigError: it cannot be read, or is too large.
        SourceError: what a URI names is not there, or may not be read.
    """
    if is_text(given):
        return GivenText(name=option, text=given)
    if "://" not in given:
        path = Path(given).expanduser()
        return GivenText(name=str(path), text=read_text(path, wanted=wanted))
    data = asyncio.run(_read(given, access or AccessOptions(), meter or RequestMeter(), option, wanted))
    try:
        return GivenText(name=given, text=data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{given} is not text in UTF-8", fix=wanted) from error


async def _read(uri: str, access: AccessOptions, meter: RequestMeter, option: str, wanted: str) -> bytes:
    source, info = await find_object(locate(spec_of(uri, access, option=option)), meter=meter)
    with contextlib.closing(source):
        if info.size_bytes > MOST_BYTES:
            raise ConfigError(f"{uri} has more than {MOST_BYTES} bytes", fix=wanted)
        return bytes(await source.get(info))

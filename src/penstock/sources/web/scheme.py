"""What is to be known of ``https://`` and ``http://``, and of lists of URLs."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources.scheme import Scheme, authority_of
from penstock.sources.web.objects import WebObjects
from penstock.sources.web.places import LIST, find_place

__all__ = ["SCHEME"]


def _locate(spec: SourceSpec) -> SourceSpec:
    find_place(spec.uri)
    return spec


def _same_place(uri: str) -> str:
    try:
        place = find_place(uri)
    except ConfigError:
        return uri
    return f"{place.kind} {place.path or place.url}"


def _root(uri: str) -> str:
    return uri if uri.lower().startswith(LIST) else authority_of(uri)


SCHEME = Scheme(
    title="a web server",
    example="https://host/folder/",
    locate=_locate,
    open=WebObjects,
    may_fork=True,
    same_place=_same_place,
    root=_root,
)

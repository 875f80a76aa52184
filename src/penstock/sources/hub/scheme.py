"""What is to be known of ``hf://``."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources.hub.objects import HubObjects
from penstock.sources.hub.places import find_place
from penstock.sources.hub.storage_options import read_options
from penstock.sources.scheme import Scheme

__all__ = ["SCHEME"]


def _locate(spec: SourceSpec) -> SourceSpec:
    find_place(spec)
    return spec


def _same_place(uri: str) -> str:
    try:
        return find_place(SourceSpec(uri=uri)).uri
    except ConfigError:
        return uri


def _root(uri: str) -> str:
    try:
        path = find_place(SourceSpec(uri=uri)).path
    except ConfigError:
        return uri
    return uri.rstrip("/").removesuffix(path).rstrip("/")


SCHEME = Scheme(
    title="the Hugging Face Hub",
    example="hf://datasets/org/name@revision/path",
    locate=_locate,
    open=HubObjects,
    same_place=_same_place,
    root=_root,
    takes={"endpoint_url": str, "anonymous": bool},
    storage_options=read_options,
    credential_variables=("HF_TOKEN",),
)

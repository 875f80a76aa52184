"""What is to be known of ``kaggle://``."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources.kaggle.objects import KaggleObjects
from penstock.sources.kaggle.places import find_place
from penstock.sources.kaggle.storage_options import read_options
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
    title="Kaggle",
    example="kaggle://datasets/owner/name@version/path",
    locate=_locate,
    open=KaggleObjects,
    same_place=_same_place,
    root=_root,
    payee=lambda uri, server: "unknown" if server else "nobody",
    takes={"endpoint_url": str, "anonymous": bool, "archive": bool},
    storage_options=read_options,
    credential_variables=("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"),
)

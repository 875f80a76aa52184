"""What is to be known of local folders, written as paths or as ``file:///path``."""

from __future__ import annotations

from pathlib import Path

import msgspec

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.blobs import Blobs
from penstock.sources.local.blobs import LocalBlobs
from penstock.sources.local.objects import LocalObjects
from penstock.sources.local.uris import local_folder
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.scheme import Payee, Scheme
from penstock.urls import expand_home

__all__ = ["SCHEME"]


def _locate(spec: SourceSpec) -> SourceSpec:
    folder = local_folder(spec.uri)
    return spec if "://" in spec.uri else msgspec.structs.replace(spec, uri=str(folder))


def _open(spec: SourceSpec, *, limits: ClientLimits, meter: RequestMeter, purpose: Purpose) -> LocalObjects:
    return LocalObjects(spec, meter=meter, purpose=purpose)


def _folder(uri: str) -> Path:
    return local_folder(uri) if "://" in uri else Path(uri)


def _same_place(uri: str) -> str:
    try:
        return str((local_folder(uri) if "://" in uri else Path(expand_home(uri, "--source"))).resolve())
    except ConfigError:
        return uri


def _payee(uri: str, server: str) -> Payee:
    return "nobody"


def _open_blobs(
    root: str,
    *,
    endpoint_url: str | None,
    region: str | None,
    limits: ClientLimits,
    meter: RequestMeter,
    purpose: Purpose,
) -> Blobs:
    return LocalBlobs(_folder(root))


SCHEME = Scheme(
    title="a local folder",
    example="/path/to/folder",
    locate=_locate,
    open=_open,
    same_place=_same_place,
    payee=_payee,
    folder=_folder,
    is_local=True,
    open_blobs=_open_blobs,
)

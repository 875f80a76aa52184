"""What is to be known of ``az://``, and of ``abfs://`` and ``abfss://``, which name the same."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.azure.blobs import AzureBlobs
from penstock.sources.azure.inventory import INVENTORY
from penstock.sources.azure.objects import AzureObjects
from penstock.sources.azure.place import find_place, split_az
from penstock.sources.azure.storage_options import read_options
from penstock.sources.blobs import Blobs
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.scheme import INVENTORY_OPTIONS, Scheme, Tariff
from penstock.urls import host_of

__all__ = ["SCHEME"]

_OF_AZURE = ".blob.core."


def _locate(spec: SourceSpec) -> SourceSpec:
    find_place(spec)
    return spec


def _same_place(uri: str) -> str:
    try:
        container, host, prefix = split_az(uri)
    except ConfigError:
        return uri
    at = f"@{host.replace('.dfs.', '.blob.')}" if host else ""
    return f"az://{container}{at}{'/' if prefix else ''}{prefix}"


def _asked_server(spec: SourceSpec) -> str | None:
    try:
        endpoint = find_place(spec).endpoint
    except ConfigError:  # a trainer beside a prefetcher reads nothing itself, so its settings need not be any good
        return spec.text("endpoint_url")
    return None if _OF_AZURE in host_of(endpoint) else endpoint


def _open_blobs(
    root: str,
    *,
    endpoint_url: str | None,
    region: str | None,
    limits: ClientLimits,
    meter: RequestMeter,
    purpose: Purpose,
) -> Blobs:
    if region:
        raise ConfigError(f"a region means nothing for {root}", fix="leave it out")
    place = find_place(SourceSpec.of(root, endpoint_url=endpoint_url))
    return AzureBlobs(root, place, limits=limits, meter=meter, purpose=purpose)


SCHEME = Scheme(
    title="an Azure Blob Storage container",
    example="az://container/prefix",
    locate=_locate,
    open=AzureObjects,
    may_fork=True,
    same_place=_same_place,
    payee=lambda uri, server: "own" if not server or _OF_AZURE in host_of(server) else "unknown",
    tariff=Tariff(
        seller="Azure",
        get="azure-read",
        list="azure-list",
        put="azure-write",
        transfer="azure-transfer",
        storage="azure-hot",
        store="azure",
        classes={"Hot": "", "Archive": ""},
    ),
    takes={"endpoint_url": str, "anonymous": bool, "account": str, **INVENTORY_OPTIONS},
    inventory=INVENTORY,
    asked_server=_asked_server,
    credential_variables=(
        *("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"),
    ),
    open_blobs=_open_blobs,
    storage_options=read_options,
)

"""What is to be known of ``gs://``."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.blobs import Blobs
from penstock.sources.gcs.blobs import GcsBlobs
from penstock.sources.gcs.inventory import INVENTORY
from penstock.sources.gcs.objects import GcsObjects
from penstock.sources.gcs.place import DEFAULT_ENDPOINT, find_place, split_gs
from penstock.sources.gcs.storage_options import read_options
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.scheme import INVENTORY_OPTIONS, Scheme, Tariff

__all__ = ["SCHEME"]


def _locate(spec: SourceSpec) -> SourceSpec:
    find_place(spec)
    return spec


def _same_place(uri: str) -> str:
    try:
        bucket, prefix = split_gs(uri)
    except ConfigError:
        return uri
    return f"gs://{'/'.join(part for part in (bucket, prefix) if part)}"


def _asked_server(spec: SourceSpec) -> str | None:
    try:
        endpoint = find_place(spec).endpoint
    except ConfigError:  # a trainer beside a prefetcher reads nothing itself, so its settings need not be any good
        return spec.text("endpoint_url")
    return None if endpoint == DEFAULT_ENDPOINT else endpoint


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
    return GcsBlobs(place, limits=limits, meter=meter, purpose=purpose)


SCHEME = Scheme(
    title="a Google Cloud Storage bucket",
    example="gs://bucket/prefix",
    locate=_locate,
    open=GcsObjects,
    may_fork=True,
    same_place=_same_place,
    payee=lambda uri, server: "unknown" if server and server != DEFAULT_ENDPOINT else "own",
    tariff=Tariff(
        seller="Google Cloud",
        get="gcs-class-b",
        list="gcs-class-a",
        put="gcs-class-a",
        transfer="gcs-transfer",
        storage="gcs-standard",
        store="gcs",
        classes={"STANDARD": "", "REGIONAL": "", "MULTI_REGIONAL": ""},
    ),
    takes={"endpoint_url": str, "anonymous": bool, "requester_pays": bool, "project": str, **INVENTORY_OPTIONS},
    inventory=INVENTORY,
    asked_server=_asked_server,
    credential_variables=("GOOGLE_APPLICATION_CREDENTIALS_JSON", "GOOGLE_OAUTH_ACCESS_TOKEN"),
    open_blobs=_open_blobs,
    storage_options=read_options,
)

"""What is to be known of ``s3://``: of AWS, and of stores that speak like S3."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.records import Purpose
from penstock.sources.blobs import Blobs
from penstock.sources.meter import RequestMeter
from penstock.sources.patience import ClientLimits
from penstock.sources.s3.blobs import S3Blobs
from penstock.sources.s3.inventory import INVENTORY
from penstock.sources.s3.objects import S3Objects
from penstock.sources.s3.place import s3_place, source_place
from penstock.sources.s3.storage_options import read_options
from penstock.sources.s3.uris import split_s3
from penstock.sources.scheme import INVENTORY_OPTIONS, Payee, Scheme, Tariff
from penstock.urls import host_of

__all__ = ["SCHEME"]

_OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_OF_R2 = ".r2.cloudflarestorage.com"
"""What servers of Cloudflare R2 end with, those of a jurisdiction (``ACCOUNT.eu.r2...``) included."""


def _locate(spec: SourceSpec) -> SourceSpec:
    source_place(spec)
    return spec


def _same_place(uri: str) -> str:
    try:
        found = split_s3(uri)
    except ConfigError:
        return uri
    return f"s3://{'/'.join(part for part in found if part)}" if found else uri


def _asked_server(spec: SourceSpec) -> str | None:
    try:
        place = source_place(spec)
    except ConfigError:  # a trainer beside a prefetcher reads nothing itself, so its settings need not be any good
        return spec.text("endpoint_url")
    return spec.text("endpoint_url") if place is None else place.endpoint


def _payee(uri: str, server: str) -> Payee:
    return "own" if not server or host_of(server).endswith((*_OF_AWS, _OF_R2)) else "unknown"


def _open_blobs(
    root: str,
    *,
    endpoint_url: str | None,
    region: str | None,
    limits: ClientLimits,
    meter: RequestMeter,
    purpose: Purpose,
) -> Blobs:
    place = s3_place(root, endpoint_url=endpoint_url, region=region)
    assert place is not None
    return S3Blobs(place, limits=limits, meter=meter, purpose=purpose)


SCHEME = Scheme(
    title="an S3 bucket",
    example="s3://bucket/prefix",
    locate=_locate,
    open=S3Objects,
    may_fork=True,
    same_place=_same_place,
    payee=_payee,
    tariff=Tariff(
        seller="AWS",
        get="s3-get",
        list="s3-list",
        put="s3-put",
        transfer="transfer",
        storage="s3-standard",
        store="s3",
        classes={
            "STANDARD": "",
            "STANDARD_IA": "ia",
            "INTELLIGENT_TIERING": "intelligent",
            "EXPRESS_ONEZONE": "express",
            "GLACIER": "",
            "DEEP_ARCHIVE": "",
        },
    ),
    others={
        _OF_R2: Tariff(
            seller="Cloudflare R2",
            get="r2-class-b",
            list="r2-class-a",
            put="r2-class-a",
            transfer="r2-transfer",
            storage="r2-standard",
            store="r2",
            classes={"STANDARD": "", "STANDARD_IA": "ia"},
        )
    },
    takes={
        "endpoint_url": str,
        "region": str,
        "anonymous": bool,
        "requester_pays": bool,
        "addressing": str,
        **INVENTORY_OPTIONS,
    },
    inventory=INVENTORY,
    asked_server=_asked_server,
    credential_variables=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    open_blobs=_open_blobs,
    storage_options=read_options,
)

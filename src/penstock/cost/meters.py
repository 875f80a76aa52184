"""What sellers call what a price list has beside nodes: storage, requests, retrieval, transfer and volumes.

Each has one table, by item. Sources: usage types of S3,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/aws-usage-report-understand.html, and of EBS, VPC and transfer as
AWS's Price List has them; SKUs of Google's Cloud Billing catalog; meters of Azure's retail prices. What stands in no
table is free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = [
    "AWS_METERS",
    "AZURE_METERS",
    "GCP_METERS",
    "METERS",
    "AwsMeter",
    "AzureMeter",
    "GcpMeter",
    "continent_of",
    "edge_of",
    "unit_of",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class AwsMeter:
    """A usage type of AWS's Price List.

    Attributes:
        unit: of the list's rows.
        usage: the usage type behind its region's prefix, as a regular expression; ``EDGE`` in it stands for what
            CloudFront calls the part of the world.
        family: product family that is asked for, where the service has too many products; empty for all.
        attributes: of the product, which must be so too, as regular expressions; one that it lacks is ``N/A``.
        is_tiered: the row has all tiers; others have the first price above 0.
        free_gib: of a month that are free besides, which the service's own tiers do not say.
    """

    unit: str
    service: str
    usage: str
    family: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    is_tiered: bool = False
    free_gib: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class GcpMeter:
    """SKUs of a service of Google's catalog.

    Attributes:
        service: its id.
        description: of the SKU, as a regular expression of all of it; ``CONTINENT`` in it stands for the region's.
        is_global: sold at one price everywhere.
    """

    unit: str
    service: str
    description: str
    is_global: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureMeter:
    """A meter of Azure's retail prices.

    Attributes:
        meter: its name, as a regular expression of all of it.
    """

    unit: str
    service: str
    product: str
    meter: str
    is_tiered: bool = False


_REQUESTS, _GIB, _GIB_MONTH = "1000 requests", "GiB", "GiB-month"
_S3_CLASSES = {"": "", "intelligent-": "INT-", "ia-": "SIA-", "onezone-ia-": "ZIA-", "glacier-ir-": "GIR-"}
_VOLUMES = ("gp2", "gp3", "io2", "st1")


def _s3(unit: str, usage: str, operation: str = "") -> AwsMeter:
    attributes = (("operation", operation),) if operation else ()
    return AwsMeter(unit=unit, service="AmazonS3", usage=usage, attributes=attributes)


def _deep_archive(unit: str, usage: str) -> AwsMeter:
    return AwsMeter(unit=unit, service="AmazonS3GlacierDeepArchive", usage=usage)


def _lustre(throughput: str) -> AwsMeter:
    """Return the meter of an SSD file system; scratch ones are not sold by their throughput."""
    kind = (("fileSystemType", "Lustre"), ("storageType", "SSD"), ("throughputCapacity", throughput))
    return AwsMeter(unit=_GIB_MONTH, service="AmazonFSx", usage=".*", family="Storage", attributes=kind)


def _volume(unit: str, usage: str, family: str) -> AwsMeter:
    return AwsMeter(unit=unit, service="AmazonEC2", usage=f"EBS:{usage}", family=family)


def _moved(usage: str, *, is_tiered: bool = False, free_gib: int = 0) -> AwsMeter:
    return AwsMeter(unit=_GIB, service="AWSDataTransfer", usage=usage, is_tiered=is_tiered, free_gib=free_gib)


AWS_METERS = {
    **{f"s3-{name}get": _s3(_REQUESTS, f"Requests-{code}Tier2") for name, code in _S3_CLASSES.items()},
    **{f"s3-{name}put": _s3(_REQUESTS, f"Requests-{code}Tier1") for name, code in _S3_CLASSES.items()},
    **{f"s3-{name}list": _s3(_REQUESTS, "Requests-Tier1") for name in _S3_CLASSES},  # of any class
    "s3-express-get": _s3(_REQUESTS, "Requests-XZ-Tier2"),
    "s3-express-put": _s3(_REQUESTS, "Requests-XZ-Tier1"),
    "s3-express-list": _s3(_REQUESTS, "Requests-XZ-Tier1"),
    **{f"s3-{name}-retrieval": _s3(_GIB, f"Retrieval-{code}") for name, code in (("ia", "SIA"), ("onezone-ia", "ZIA"))},
    "s3-glacier-ir-retrieval": _s3(_GIB, "Retrieval-GIR"),
    "s3-express-retrieval": _s3(_GIB, "Retrieval-XZ"),
    "s3-express-upload": _s3(_GIB, "Upload-XZ"),
    "s3-standard": _s3(_GIB_MONTH, "TimedStorage-ByteHrs"),
    "s3-intelligent": _s3(_GIB_MONTH, "TimedStorage-INT-FA-ByteHrs"),
    "s3-intelligent-monitoring": _s3("1000 objects-month", "Monitoring-Automation-INT"),
    "s3-ia": _s3(_GIB_MONTH, "TimedStorage-SIA-ByteHrs"),
    "s3-onezone-ia": _s3(_GIB_MONTH, "TimedStorage-ZIA-ByteHrs"),
    "s3-glacier-ir": _s3(_GIB_MONTH, "TimedStorage-GIR-ByteHrs"),
    "s3-express": _s3(_GIB_MONTH, "TimedStorage-XZ-ByteHrs"),
    "s3-glacier": _s3(_GIB_MONTH, "TimedStorage-GlacierByteHrs"),
    "s3-glacier-restore-expedited": _s3(_GIB, "Expedited-Retrieval-Bytes"),
    "s3-glacier-restore-expedited-request": _s3(_REQUESTS, "Requests-Tier6"),
    "s3-glacier-restore-standard": _s3(_GIB, "Standard-Retrieval-Bytes", "RestoreObject"),
    "s3-glacier-restore-standard-request": _s3(_REQUESTS, "Requests-Tier3", "RestoreObject"),
    "s3-deep-archive": _deep_archive(_GIB_MONTH, "TimedStorage-GDA-ByteHrs"),
    "s3-deep-archive-restore-standard": _s3(_GIB, "Standard-Retrieval-Bytes", "DeepArchiveRestoreObject"),
    "s3-deep-archive-restore-standard-request": _deep_archive(_REQUESTS, "Requests-GDA-Tier3"),
    "s3-deep-archive-restore-bulk": _s3(_GIB, "Bulk-Retrieval-Bytes", "DeepArchiveRestoreObject"),
    "s3-deep-archive-restore-bulk-request": _deep_archive(_REQUESTS, "Requests-GDA-Tier5"),
    **{name: _volume(_GIB_MONTH, f"VolumeUsage.{name}", "Storage") for name in _VOLUMES},
    "gp3-iops": _volume("IOPS-month", "VolumeP-IOPS.gp3", "System Operation"),
    "io2-iops": _volume("IOPS-month", "VolumeP-IOPS.io2", "System Operation"),
    "gp3-throughput": _volume("MiB/s-month", "VolumeP-Throughput.gp3", "Provisioned Throughput"),
    "transfer-nat": AwsMeter(unit=_GIB, service="AmazonEC2", usage="NatGateway-Bytes", family="NAT Gateway"),
    "transfer-nat-hour": AwsMeter(unit="hour", service="AmazonEC2", usage="NatGateway-Hours", family="NAT Gateway"),
    "transfer-endpoint": AwsMeter(unit=_GIB, service="AmazonVPC", usage="VpcEndpoint-Bytes", family="VpcEndpoint"),
    "transfer-endpoint-hour": AwsMeter(
        unit="hour", service="AmazonVPC", usage="VpcEndpoint-Hours", family="VpcEndpoint"
    ),
    "transfer-cross-zone-out": _moved("DataTransfer-Regional-Bytes"),
    "transfer-cross-zone-in": _moved("DataTransfer-Regional-Bytes"),
    "transfer-cross-region": _moved(r"[A-Z]+\d?-AWS-Out-Bytes"),
    "transfer-internet": _moved("DataTransfer-Out-Bytes", is_tiered=True, free_gib=100),
    "transfer-accelerate": _moved("DataTransfer-Out-ABytes-T1"),  # by edges of the US, Europe and Japan
    "transfer-cloudfront": AwsMeter(
        unit=_GIB, service="AmazonCloudFront", usage="EDGE-DataTransfer-Out-Bytes", family="Data Transfer",
        is_tiered=True, free_gib=1024,
    ),
    "fsx-lustre-scratch": _lustre("N/A"),
    **{f"fsx-lustre-persistent-{mb_s}": _lustre(rf"{mb_s}\b.*") for mb_s in (125, 250, 500, 1000)},
}  # fmt: skip
_EDGES = {
    "us": "US",
    "ca": "CA",
    "mx": "US",
    "eu": "EU",
    "il": "EU",
    "me": "ME",
    "af": "ZA",
    "sa": "SA",
    "ap-northeast-1": "JP",
    "ap-northeast-3": "JP",
    "ap-south": "IN",
    "ap-southeast-2": "AU",
    "ap-southeast-4": "AU",
    "ap": "AP",
}
"""What CloudFront calls parts of the world, by what regions there begin with."""
_CONTINENTS = {"us-": "Northern America", "northamerica-": "Northern America", "europe-": "Europe", "asia-": "Asia"}
"""What Google calls continents, by what regions there begin with."""

_GCS, _GCE = "95FF-2EF5-5EA1", "6F81-5844-456A"
_PLACE = r"(?!.*region)[^()]+"
"""Where storage in one region is: that in two regions or more, and what is deleted early, have SKUs of their own."""


def _gcs_class(name: str, word: str) -> dict[str, GcpMeter]:
    stem = f"gcs-{name}" if name else "gcs"
    operations = f"Regional {word} Class {{}} Operations"
    return {
        f"{stem}-class-a": GcpMeter(unit=_REQUESTS, service=_GCS, description=operations.format("A"), is_global=True),
        f"{stem}-class-b": GcpMeter(unit=_REQUESTS, service=_GCS, description=operations.format("B"), is_global=True),
        f"gcs-{name or 'standard'}": GcpMeter(unit=_GIB_MONTH, service=_GCS, description=f"{word} Storage {_PLACE}"),
        **(
            {
                f"{stem}-retrieval": GcpMeter(
                    unit=_GIB, service=_GCS, description=f"{word} Data Retrieval", is_global=True
                )
            }
            if name
            else {}
        ),
    }


GCP_METERS = {
    **_gcs_class("", "Standard"),
    **_gcs_class("nearline", "Nearline"),
    **_gcs_class("coldline", "Coldline"),
    **_gcs_class("archive", "Archive"),
    "gcs-transfer-internet": GcpMeter(
        unit=_GIB, service=_GCS, description=r"Download Worldwide Destinations \(excluding Asia & Australia\)",
        is_global=True,
    ),
    "gcs-transfer-cross-region": GcpMeter(
        unit=_GIB, service=_GCS, description="Network Data Transfer GCP Inter Region within CONTINENT", is_global=True
    ),
    **{
        f"pd-{name}": GcpMeter(unit=_GIB_MONTH, service=_GCE, description=rf"{word} PD Capacity(?: in .+)?")
        for name, word in (("standard", "Storage"), ("balanced", "Balanced"), ("ssd", "SSD backed"))
    },
}  # fmt: skip

_BLOB = "General Block Blob v2"


def _blob(unit: str, meter: str) -> AzureMeter:
    return AzureMeter(unit=unit, service="Storage", product=_BLOB, meter=meter)


AZURE_METERS = {
    "azure-hot": _blob(_GIB_MONTH, "Hot LRS Data Stored"),
    "azure-read": _blob(_REQUESTS, "Hot Read Operations"),
    "azure-write": _blob(_REQUESTS, "Hot LRS Write Operations"),
    "azure-list": _blob(_REQUESTS, "LRS List and Create Container Operations"),
    "azure-cool": _blob(_GIB_MONTH, "Cool LRS Data Stored"),
    "azure-cool-read": _blob(_REQUESTS, "Cool Read Operations"),
    "azure-cool-write": _blob(_REQUESTS, "Cool LRS Write Operations"),
    "azure-cool-list": _blob(_REQUESTS, "LRS List and Create Container Operations"),
    "azure-cool-retrieval": _blob(_GIB, "Cool Data Retrieval"),
    "azure-cold": _blob(_GIB_MONTH, "Cold LRS Data Stored"),
    "azure-cold-read": _blob(_REQUESTS, "Cold LRS Read Operations"),
    "azure-cold-write": _blob(_REQUESTS, "Cold LRS Write Operations"),
    "azure-cold-retrieval": _blob(_GIB, "Cold LRS Data Retrieval"),
    "azure-archive": _blob(_GIB_MONTH, "Archive LRS Data Stored"),
    "azure-archive-write": _blob(_REQUESTS, "Archive LRS Write Operations"),
    "azure-archive-restore-standard": _blob(_GIB, "Archive Data Retrieval"),
    "azure-archive-restore-standard-request": _blob(_REQUESTS, "Archive Read Operations"),
    "azure-archive-restore-high": _blob(_GIB, "(?:Archive )?Priority Data Retrieval"),
    "azure-archive-restore-high-request": _blob(_REQUESTS, "(?:Archive )?Priority Read Operations"),
    "azure-transfer-internet": AzureMeter(
        unit=_GIB, service="Bandwidth", product="Rtn Preference: MGN", meter="Standard Data Transfer Out",
        is_tiered=True,
    ),
    "azure-transfer-cross-region": AzureMeter(
        unit=_GIB, service="Bandwidth", product="Rtn Preference: MGN", meter="Standard Inter-Region Data Transfer"
    ),
    "premium-ssd-v2": AzureMeter(
        unit=_GIB_MONTH, service="Storage", product="Azure Premium SSD v2", meter="Premium LRS Provisioned Capacity"
    ),
}  # fmt: skip


METERS: Final[Mapping[str, Mapping[str, AwsMeter | GcpMeter | AzureMeter]]] = {
    "aws": AWS_METERS,
    "gcp": GCP_METERS,
    "azure": AZURE_METERS,
}
"""By provider and item."""


def unit_of(item: str, provider: str) -> str | None:
    """Return what an item's price is per, where one question finds it; None of nodes and of all else."""
    meter = METERS.get(provider, {}).get(item)
    return None if meter is None else meter.unit


def edge_of(region: str) -> str:
    """Return what CloudFront calls the part of the world that a region of AWS is in; empty where that is not known."""
    return _of_longest(_EDGES, region)


def continent_of(region: str) -> str:
    """Return what Google calls the continent that its region is in; empty where that is not known."""
    return _of_longest(_CONTINENTS, region)


def _of_longest(names: Mapping[str, str], region: str) -> str:
    return max(((begin, name) for begin, name in names.items() if region.startswith(begin)), default=("", ""))[1]

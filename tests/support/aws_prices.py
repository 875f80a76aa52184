"""What AWS's Price List answers, as it is recorded: usage types, attributes, units and prices of 2026."""

from __future__ import annotations

import json
from collections.abc import Iterable

from support.recorded import Answer, Asked

__all__ = ["aws_answer"]

AWS_S3 = [
    ("Requests-Tier1", "Requests", "0.0000050000"), ("Requests-Tier2", "Requests", "0.0000004000"),
    ("Requests-INT-Tier1", "Requests", "0.0000050000"), ("Requests-INT-Tier2", "Requests", "0.0000004000"),
    ("Requests-SIA-Tier1", "Requests", "0.0000100000"), ("Requests-SIA-Tier2", "Requests", "0.0000010000"),
    ("Requests-ZIA-Tier1", "Requests", "0.0000100000"), ("Requests-ZIA-Tier2", "Requests", "0.0000010000"),
    ("Requests-GIR-Tier1", "Requests", "0.0000200000"), ("Requests-GIR-Tier2", "Requests", "0.0000100000"),
    ("Tables-Requests-INT-Tier2", "Requests", "0.0005"), ("Requests-GDA-Tier2", "Requests", "0.0000004000"),
    ("Retrieval-SIA", "GB", "0.0100000000"), ("Retrieval-ZIA", "GB", "0.0100000000"),
    ("Retrieval-GIR", "GB", "0.0300000000"), ("TimedStorage-INT-FA-ByteHrs", "GB-Mo", "0.0230000000"),
    ("Tables-TimedStorage-INT-FA-ByteHrs", "GB-Mo", "0.0288"), ("TimedStorage-SIA-ByteHrs", "GB-Mo", "0.0125000000"),
    ("TimedStorage-ZIA-ByteHrs", "GB-Mo", "0.0100000000"), ("TimedStorage-GIR-ByteHrs", "GB-Mo", "0.0040000000"),
    ("TimedStorage-GlacierByteHrs", "GB-Mo", "0.0036000000"), ("Requests-Tier6", "Requests", "0.0100000000"),
    ("Expedited-Retrieval-Bytes", "GB", "0.0300000000"), ("Requests-Tier5", "Requests", "0.0000000000"),
    ("Monitoring-Automation-INT", "Objects", "0.0000025000"),
]  # fmt: skip
AWS_RESTORED = [
    ("Standard-Retrieval-Bytes", "RestoreObject", "GB", "0.0100000000"),
    ("Standard-Retrieval-Bytes", "DeepArchiveRestoreObject", "GB", "0.0200000000"),
    ("Bulk-Retrieval-Bytes", "RestoreObject", "GB", "0.0000000000"),
    ("Bulk-Retrieval-Bytes", "DeepArchiveRestoreObject", "GB", "0.0025000000"),
    ("Requests-Tier3", "RestoreObject", "Requests", "0.0000500000"),
    ("Requests-Tier3", "S3-GlacierTransition", "Requests", "0.0000300000"),
    ("Requests-Tier3", "S3-GDATransition", "Requests", "0.0000500000"),
]
AWS_DEEP_ARCHIVE = [
    ("TimedStorage-GDA-ByteHrs", "GB-Mo", "0.0009900000"), ("Requests-GDA-Tier3", "Requests", "0.0001000000"),
    ("Requests-GDA-Tier5", "Requests", "0.0000250000"),
]  # fmt: skip
AWS_EC2 = {
    "Storage": [
        ("EBS:VolumeUsage.gp3", "GB-Mo", "0.0800000000"), ("EBS:VolumeUsage.gp2", "GB-Mo", "0.1000000000"),
        ("EBS:VolumeUsage.io2", "GB-month", "0.1250000000"),
    ],
    "System Operation": [
        ("EBS:VolumeP-IOPS.gp3", "IOPS-Mo", "0.0050000000"), ("EBS:VolumeP-IOPS.io2", "IOPS-Mo", "0.0650000000"),
        ("EBS:VolumeP-IOPS.io2.tier2", "IOPS-Mo", "0.0455000000"),
    ],
    "Provisioned Throughput": [("EBS:VolumeP-Throughput.gp3", "GiBps-mo", "40.9600000000")],
    "NAT Gateway": [
        ("NatGateway-Bytes", "GB", "0.0450000000"), ("NatGateway-Hours", "Hrs", "0.0450000000"),
        ("RegionalNatGateway-Bytes", "GB", "0.0460000000"), ("NatGateway-Prvd-Bytes", "GB", "0.0000000000"),
    ],
}  # fmt: skip
LUSTRE = [
    ("SSD", "N/A", "0.1400000000"), ("SSD", "125", "0.1450000000"), ("SSD", "250", "0.2100000000"),
    ("SSD", "1000", "0.6000000000"), ("HDD", "12", "0.0250000000"),
]  # fmt: skip
"""Of FSx: the storage, the throughput that is paid for with it, and the price."""
CLOUDFRONT = [
    ("US", ["0.0850000000", "0.0800000000", "0.0600000000", "0.0400000000"]),
    ("EU", ["0.0850000000", "0.0800000000", "0.0600000000", "0.0400000000"]),
    ("JP", ["0.1140000000", "0.0890000000", "0.0860000000", "0.0840000000"]),
]
PAIRS = [
    ("USE1-USE2", "us-east-2", "0.0100000000"), ("USE1-EU", "eu-west-1", "0.0200000000"),
    ("USE1-APS3", "ap-south-1", "0.0200000000"), ("USE1-USE1-ATL1", "us-east-1-atl-1", "0.0000000000"),
]  # fmt: skip
EGRESS = [("0", "0.0900000000"), ("10240", "0.0850000000"), ("51200", "0.0700000000"), ("153600", "0.0500000000")]


def _product(usage: str, unit: str, tiers: Iterable[tuple[str, str]], **attributes: str) -> str:
    parts = {
        f"X.{number}": {"unit": unit, "beginRange": begin, "endRange": "Inf", "pricePerUnit": {"USD": usd}}
        for number, (begin, usd) in enumerate(reversed(list(tiers)))
    }
    terms = {"OnDemand": {"X": {"priceDimensions": parts}}}
    return json.dumps({"product": {"attributes": {"usagetype": usage, **attributes}}, "terms": terms})


def _flat(usage: str, unit: str, usd: str, **attributes: str) -> str:
    return _product(usage, unit, [("0", usd)], **attributes)


def _moved(filters: dict[str, str]) -> list[str]:
    if filters["fromRegionCode"] != "us-east-1":
        return []
    pairs = [_flat(f"{usage}-AWS-Out-Bytes", "GB", usd, toRegionCode=to) for usage, to, usd in PAIRS]
    if to_region := filters.get("toRegionCode"):
        return [each for each in pairs if f'"toRegionCode": "{to_region}"' in each] * 2
    return [
        _product("DataTransfer-Out-Bytes", "GB", EGRESS),
        *(_flat(f"{usage}DataTransfer-Out-Bytes", "GB", "0.0000000000") for usage in ("", "Global-")),
        _flat("DataTransfer-In-Bytes", "GB", "0.0000000000"),
        _flat("DataTransfer-Out-ABytes", "GB", "0.0900000000"),
        *(_flat(f"DataTransfer-Out-ABytes-T{part}", "GB", usd) for part, usd in ((1, "0.04"), (2, "0.08"))),
        _flat("DataTransfer-Regional-Bytes", "GB", "0.0100000000"),
        *pairs,
    ]


def aws_answer(asked: Asked) -> Answer:
    body = json.loads(asked.body)
    filters, service = {each["Field"]: each["Value"] for each in body["Filters"]}, body["ServiceCode"]
    prefix = {"eu-west-1": "EU-", "us-east-2": "USE2-"}.get(filters.get("regionCode", ""), "")
    if service == "AmazonS3":
        found = [_flat(f"{prefix}{usage}", unit, usd) for usage, unit, usd in AWS_S3]
        found += [_flat(f"{prefix}{usage}", unit, usd, operation=of) for usage, of, unit, usd in AWS_RESTORED]
        bands = [("0", "0.0230000000"), ("51200", "0.0220000000"), ("512000", "0.0210000000")]
        found.append(_product(f"{prefix}TimedStorage-ByteHrs", "GB-Mo", bands))
    elif service == "AmazonS3GlacierDeepArchive":
        found = [_flat(f"{prefix}{usage}", unit, usd) for usage, unit, usd in AWS_DEEP_ARCHIVE]
    elif service == "AWSDataTransfer":
        found = _moved(filters)
    elif service == "AmazonFSx":
        told = {"fileSystemType": "Lustre", "deploymentOption": "Single-AZ"}
        found = [
            _flat("USE1-Storage", "GB-Mo", usd, **told, storageType=kind, throughputCapacity=rate)
            for kind, rate, usd in LUSTRE
        ]
        found.append(_flat("USE1-Storage", "GB-Mo", "0.13", fileSystemType="Windows", storageType="SSD"))
    elif service == "AmazonCloudFront":
        starts = ("0", "10240", "51200", "153600")
        found = [
            _product(f"{edge}-DataTransfer-Out-Bytes", "GB", zip(starts, prices, strict=True))
            for edge, prices in CLOUDFRONT
        ]
        found.append(_flat("US-DataTransfer-Out-OBytes", "GB", "0.0200000000"))
    else:
        rows = AWS_EC2.get(filters.get("productFamily", ""), [])
        found = [_flat(f"{prefix}{usage}", unit, usd) for usage, unit, usd in rows]
    return 200, json.dumps({"FormatVersion": "aws_v1", "PriceList": found}).encode()

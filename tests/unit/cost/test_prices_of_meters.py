"""``penstock prices refresh`` of storage, requests, retrieval, transfer and volumes, by sellers' recorded answers.

Usage types, SKUs, meters, units and prices are those of the price lists of September and October 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from penstock.cost import load_prices
from penstock.cost.meters import METERS
from support.prices import TODAY, Told
from support.recorded import Answer, Asked, Recorded, serve_recorded

PRICES = load_prices(today=TODAY)
BY_HAND = (
    *(r"s3-(intelligent-)?retrieval", r"(gcs|azure)-retrieval", r"(gcs-|azure-)?transfer-same-region"),  # free
    *("transfer-gateway", "transfer-cloudfront", "transfer-accelerate", r"fsx-.*", "gcs-transfer-cross-region"),
)
"""Of the big three's, what refreshing does not ask for."""


def test_every_price_beside_nodes_is_asked_for_or_known_not_to_be() -> None:
    rows = [row for row in PRICES.rows if row.provider in METERS]
    for row in rows:
        meter = METERS[row.provider].get(row.item)
        if meter is not None:
            assert meter.unit == row.unit, row.item
        elif row.unit != "hour":
            assert any(re.fullmatch(pattern, row.item) for pattern in BY_HAND), row.item
    assert {item for meters in METERS.values() for item in meters} <= {row.item for row in rows}


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
    ("TimedStorage-GlacierByteHrs", "GB-Mo", "0.0036000000"), ("Monitoring-Automation-INT", "Objects", "0.0000025000"),
]  # fmt: skip
AWS_EC2 = {
    "Storage": [("EBS:VolumeUsage.gp3", "GB-Mo", "0.0800000000"), ("EBS:VolumeUsage.gp2", "GB-Mo", "0.1000000000")],
    "System Operation": [("EBS:VolumeP-IOPS.gp3", "IOPS-Mo", "0.0050000000")],
    "Provisioned Throughput": [("EBS:VolumeP-Throughput.gp3", "GiBps-mo", "40.9600000000")],
    "NAT Gateway": [
        ("NatGateway-Bytes", "GB", "0.0450000000"), ("NatGateway-Hours", "Hrs", "0.0450000000"),
        ("RegionalNatGateway-Bytes", "GB", "0.0460000000"), ("NatGateway-Prvd-Bytes", "GB", "0.0000000000"),
    ],
}  # fmt: skip
EGRESS = [("0", "0.0900000000"), ("10240", "0.0850000000"), ("51200", "0.0700000000"), ("153600", "0.0500000000")]


def _product(usage: str, unit: str, tiers: Iterable[tuple[str, str]]) -> str:
    parts = {
        f"X.{number}": {"unit": unit, "beginRange": begin, "endRange": "Inf", "pricePerUnit": {"USD": usd}}
        for number, (begin, usd) in enumerate(reversed(list(tiers)))
    }
    terms = {"OnDemand": {"X": {"priceDimensions": parts}}}
    return json.dumps({"product": {"attributes": {"usagetype": usage}}, "terms": terms})


def _aws(asked: Asked) -> Answer:
    body = json.loads(asked.body)
    filters, service = {each["Field"]: each["Value"] for each in body["Filters"]}, body["ServiceCode"]
    prefix = {"eu-west-1": "EU-", "us-east-2": "USE2-"}.get(filters.get("regionCode", ""), "")
    if service == "AmazonS3":
        found = [_product(f"{prefix}{usage}", unit, [("0", usd)]) for usage, unit, usd in AWS_S3]
        bands = [("0", "0.0230000000"), ("51200", "0.0220000000"), ("512000", "0.0210000000")]
        found.append(_product(f"{prefix}TimedStorage-ByteHrs", "GB-Mo", bands))
    elif service == "AWSDataTransfer" and "toRegionCode" in filters:
        found = [_product("USE1-USE2-AWS-Out-Bytes", "GB", [("0", "0.0100000000")])] * 2
    elif service == "AWSDataTransfer":
        found = [
            _product("DataTransfer-Out-Bytes", "GB", EGRESS),
            _product("DataTransfer-Out-Bytes", "GB", [("0", "0.0000000000")]),
            _product("Global-DataTransfer-Out-Bytes", "GB", [("0", "0.0000000000")]),
            _product("DataTransfer-In-Bytes", "GB", [("0", "0.0000000000")]),
            _product("DataTransfer-Regional-Bytes", "GB", [("0", "0.0100000000")]),
        ]
    else:
        rows = AWS_EC2.get(filters["productFamily"], [])
        found = [_product(f"{prefix}{usage}", unit, [("0", usd)]) for usage, unit, usd in rows]
    return 200, json.dumps({"FormatVersion": "aws_v1", "PriceList": found}).encode()


@pytest.fixture
def aws(aws_credentials: None) -> Iterator[Recorded]:
    with serve_recorded(_aws) as server:
        yield server


def _rows(out: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return what was listed and what is told, by item and region."""
    cells = [
        re.split(r"  +", line.strip()) for line in out.splitlines()[1:] if re.match(r"\S+ +(on-demand|spot) ", line)
    ]
    return {(item, region): (listed, now) for item, _, region, _, listed, now in cells}


def test_aws_tells_s3_volumes_and_transfer(told: Told, aws: Recorded, tmp_path: Path) -> None:
    into = tmp_path / "aws.yaml"
    words = ["--provider", "aws", "--region", "us-east-1", "--endpoint-url", aws.url, "--into", into]
    patterns = [word for name in ("s3-*", "gp*", "io2", "transfer-*") for word in ("--item", name)]
    code, out, err = told("refresh", *patterns, *words)
    assert code == 0
    rows = _rows(out)
    unlike = {key: pair for key, pair in rows.items() if len(set(pair)) > 1 and pair[1] != "not told"}
    assert unlike == {}
    not_told = {item for (item, _), (_, now) in rows.items() if now == "not told"}
    express = {f"s3-express{part}" for part in ("", "-get", "-list", "-put", "-retrieval", "-upload")}
    assert not_told == {*express, "io2", "transfer-endpoint", "transfer-endpoint-hour"}
    assert "no price of io2 (on-demand) in us-east-1: AWS tells no such price" in err
    assert ("transfer-cross-region", "us-east-1 to us-east-2") in rows
    assert ("transfer-cross-region", "us-east-1") not in rows
    s3 = [each for each in aws.asked if b"AmazonS3" in each.body]
    assert len(s3) == 1
    found = load_prices(into, today=TODAY)
    assert [(each.usd, each.as_of) for each in [found.requests("s3", "get")]] == [(Decimal("0.0004"), TODAY)]
    assert found.files[0].prices[-1].source == "AWS Price List API"
    [internet] = [row for row in found.files[0].prices if row.item == "transfer-internet"]
    assert internet.tiers == next(row for row in PRICES.rows if row.item == "transfer-internet").tiers


def test_another_region_is_asked_for_by_name(told: Told, aws: Recorded) -> None:
    words = ["--provider", "aws", "--region", "eu-west-1", "--endpoint-url", aws.url]
    code, out, _ = told("refresh", "--item", "s3-ia-put", "--item", "gp3-throughput", *words)
    assert code == 0
    assert _rows(out) == {("s3-ia-put", "eu-west-1"): ("-", "0.01"), ("gp3-throughput", "eu-west-1"): ("-", "0.04")}
    assert {each["Value"] for call in aws.asked for each in json.loads(call.body)["Filters"]} >= {"eu-west-1"}


def _sku(description: str, unit: str, prices: Iterable[str], region: str = "global") -> dict[str, Any]:
    rates = [
        {"unitPrice": {"units": "0", "nanos": int(Decimal(price) * 10**9), "currencyCode": "USD"}} for price in prices
    ]
    pricing = [{"pricingExpression": {"usageUnit": unit, "tieredRates": rates}}]
    return {"description": description, "category": {}, "serviceRegions": [region], "pricingInfo": pricing}


GCS_SKUS = [
    _sku("Standard Storage US Regional", "GiBy.mo", ["0", "0.02"], "us-central1"),
    _sku("Standard Storage Iowa Dual-region", "GiBy.mo", ["0.022"], "us-central1"),
    _sku("Standard Storage London", "GiBy.mo", ["0.023"], "europe-west2"),
    _sku("Autoclass Standard Storage Iowa", "GiBy.mo", ["0.03"], "us-central1"),
    _sku("Nearline Storage Iowa", "GiBy.mo", ["0.01"], "us-central1"),
    _sku("Nearline Storage Iowa (Early Delete)", "GiBy.mo", ["0.011"], "us-central1"),
    _sku("Nearline Data Retrieval", "GiBy", ["0.01"]),
    _sku("Regional Standard Class A Operations", "count", ["0", "0.000005"]),
    _sku("Regional Standard Tagging Class A Operations", "count", ["0", "0.00001"]),
    _sku("Regional Standard Class B Operations", "count", ["0", "0.0000004"]),
    _sku("Multi-Region Standard Class A Operations", "count", ["0.00001"]),
    _sku("Download Worldwide Destinations (excluding Asia & Australia)", "GiBy", ["0", "0.12", "0.11", "0.08"]),
]
GCE_SKUS = [
    _sku("Balanced PD Capacity", "GiBy.mo", ["0.1"], "us-central1"),
    _sku("Balanced PD Capacity in London", "GiBy.mo", ["0.12"], "europe-west2"),
    _sku("Regional Balanced PD Capacity", "GiBy.mo", ["0.2"], "us-central1"),
    {"description": "Storage PD Capacity", "serviceRegions": "us-central1"},
]


def test_google_tells_storage_and_volumes(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "a-key-of-nobody")

    def answer(asked: Asked) -> Answer:
        return 200, json.dumps({"skus": GCS_SKUS if "95FF-2EF5-5EA1" in asked.path else GCE_SKUS}).encode()

    with serve_recorded(answer) as server:
        words = ["--provider", "gcp", "--region", "us-central1", "--endpoint-url", server.url]
        code, out, err = told("refresh", "--item", "gcs-*", "--item", "pd-*", *words)
    assert code == 0
    told_now = {item: pair for (item, _), pair in _rows(out).items() if pair[1] != "not told"}
    assert sorted(told_now) == [
        "gcs-class-a", "gcs-class-b", "gcs-nearline", "gcs-nearline-retrieval", "gcs-standard",
        "gcs-transfer-internet", "pd-balanced",
    ]  # fmt: skip
    assert all(listed == now for listed, now in told_now.values())
    assert "no price of pd-standard (on-demand) in us-central1: the catalog has no prices" in err
    assert len(server.asked) == 2


BLOB = {
    "Hot LRS Data Stored": ("1 GB/Month", ("0.0208", "0.019968", "0.019136")),
    "Hot Read Operations": ("10K", ("0.004",)),
    "Hot LRS Write Operations": ("10K", ("0.05",)),
    "LRS List and Create Container Operations": ("10K", ("0.05",)),
    "All Other Operations": ("10K", ("0.004",)),
    "Cool Data Retrieval": ("1 GB", ("0.01",)),
}


def _azure_row(meter: str, unit: str, above: int, price: str, product: str) -> dict[str, Any]:
    return {
        "currencyCode": "USD", "tierMinimumUnits": above, "retailPrice": float(price), "meterName": meter,
        "unitOfMeasure": unit, "productName": product, "type": "Consumption",
    }  # fmt: skip


def _azure(asked: Asked) -> Answer:
    text = parse_qs(urlsplit(asked.path).query)["$filter"][0]
    product = text.rpartition("productName eq '")[2].rstrip("'")
    rows = []
    if product == "General Block Blob v2":
        for meter, (unit, prices) in BLOB.items():
            rows += [
                _azure_row(meter, unit, above, usd, product)
                for above, usd in zip((0, 51200, 512000), prices, strict=False)
            ]
    elif product == "Azure Premium SSD v2":
        rows = [_azure_row("Premium LRS Provisioned Capacity", "1 GiB/Hour", 0, "0.00011", product)]
    else:
        tiers = ((0, "0"), (100, "0.087"), (10335, "0.083"), (51295, "0.07"), (153695, "0.05"))
        rows = [_azure_row("Standard Data Transfer Out", "1 GB", above, usd, product) for above, usd in tiers]
        rows += [_azure_row("Standard Inter-Region Data Transfer", "1 GB", 0, usd, product) for usd in ("0.02", "0.05")]
    return 200, json.dumps({"Items": rows, "NextPageLink": None}).encode()


def test_azure_tells_blobs_volumes_and_transfer(told: Told, tmp_path: Path) -> None:
    into = tmp_path / "azure.yaml"
    with serve_recorded(_azure) as server:
        words = ["--provider", "azure", "--region", "eastus", "--endpoint-url", f"{server.url}/api", "--into", into]
        code, out, err = told("refresh", "--item", "azure-*", "--item", "premium-ssd-v2", *words)
    assert code == 0
    told_now = {item: pair for (item, _), pair in _rows(out).items() if pair[1] != "not told"}
    assert sorted(told_now) == [
        *("azure-cool-list", "azure-cool-retrieval", "azure-hot", "azure-list", "azure-read"),
        *("azure-transfer-internet", "azure-write", "premium-ssd-v2"),
    ]
    assert all(listed == now for listed, now in told_now.values())
    assert "no price of azure-transfer-cross-region (on-demand) in eastus: Azure tells 2 prices" in err
    assert len(server.asked) == 3
    assert all("productName eq" in parse_qs(urlsplit(each.path).query)["$filter"][0] for each in server.asked)
    assert load_prices(into, today=TODAY).storage("azure").usd == Decimal("0.0208")

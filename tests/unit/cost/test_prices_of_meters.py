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
from support.aws_prices import aws_answer
from support.prices import TODAY, Told
from support.recorded import Answer, Asked, Recorded, serve_recorded

PRICES = load_prices(today=TODAY)
BY_HAND = (
    *(r"s3-(intelligent-)?retrieval", r"(gcs|azure)-retrieval", r"(gcs-|azure-)?transfer-same-region"),
    *("transfer-gateway", r"s3-glacier-restore-bulk(-request)?"),
)
"""Of the big three's, what refreshing does not ask for: it is free."""


def test_every_price_beside_nodes_is_asked_for_or_known_not_to_be() -> None:
    rows = [row for row in PRICES.rows if row.provider in METERS]
    for row in rows:
        meter = METERS[row.provider].get(row.item)
        if meter is not None:
            assert meter.unit == row.unit, row.item
        elif row.unit != "hour":
            assert any(re.fullmatch(pattern, row.item) for pattern in BY_HAND), row.item
    assert {item for meters in METERS.values() for item in meters} <= {row.item for row in rows}


@pytest.fixture
def aws(aws_credentials: None) -> Iterator[Recorded]:
    with serve_recorded(aws_answer) as server:
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
    unlike = {key for key, pair in rows.items() if len(set(pair)) > 1 and pair[1] != "not told"}
    assert unlike == {("transfer-cloudfront", "us-east-1")}, "the list lacks its last tiers"
    not_told = {item for (item, _), (_, now) in rows.items() if now == "not told"}
    express = {f"s3-express{part}" for part in ("", "-get", "-list", "-put", "-retrieval", "-upload")}
    assert not_told == {*express, "transfer-endpoint", "transfer-endpoint-hour"}
    assert "no price of s3-express (on-demand) in us-east-1: AWS tells no such price" in err
    assert ("transfer-cross-region", "us-east-1 to us-east-2") in rows
    assert ("transfer-cross-region", "us-east-1") not in rows
    s3 = [each for each in aws.asked if b'"AmazonS3"' in each.body]
    assert len(s3) == 1
    found = load_prices(into, today=TODAY)
    assert [(each.usd, each.as_of) for each in [found.requests("s3", "get")]] == [(Decimal("0.0004"), TODAY)]
    assert found.files[0].prices[-1].source == "AWS Price List API"
    [internet] = [row for row in found.files[0].prices if row.item == "transfer-internet"]
    assert internet.tiers == next(row for row in PRICES.rows if row.item == "transfer-internet").tiers


def test_what_is_told_stands_beside_the_latest_that_was_listed(told: Told, aws: Recorded, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    sold = "item: gp2, provider: aws, region: us-east-1, unit: GiB-month"
    own.write_text(
        f"prices:\n- {{{sold}, price: 0.3, as_of: 2025-01-01}}\n- {{{sold}, price: 0.2, as_of: 2026-11-01}}\n"
    )
    rows = _refreshed(told, aws, "--item", "gp2", "--prices", str(own), region="us-east-1")
    assert rows == {("gp2", "us-east-1"): ("0.2", "0.1")}


def test_another_region_is_asked_for_by_name(told: Told, aws: Recorded) -> None:
    words = ["--provider", "aws", "--region", "eu-west-1", "--endpoint-url", aws.url]
    code, out, _ = told("refresh", "--item", "s3-ia-put", "--item", "gp3-throughput", *words)
    assert code == 0
    assert _rows(out) == {("s3-ia-put", "eu-west-1"): ("-", "0.01"), ("gp3-throughput", "eu-west-1"): ("-", "0.04")}
    assert {each["Value"] for call in aws.asked for each in json.loads(call.body)["Filters"]} >= {"eu-west-1"}


def _refreshed(told: Told, aws: Recorded, *words: str, region: str) -> dict[tuple[str, str], tuple[str, str]]:
    code, out, _ = told("refresh", "--provider", "aws", "--region", region, "--endpoint-url", aws.url, *words)
    assert code == 0
    return _rows(out)


def test_lustre_file_systems_are_asked_for_by_their_throughput(told: Told, aws: Recorded) -> None:
    rows = _refreshed(told, aws, "--item", "fsx-*", region="us-east-1")
    now = {item.removeprefix("fsx-lustre-"): pair[1] for (item, _), pair in rows.items()}
    assert now == {
        "scratch": "0.14", "persistent-125": "0.145", "persistent-250": "0.21", "persistent-500": "not told",
        "persistent-1000": "0.6",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("region", "first"), [("us-west-2", "0.085"), ("eu-central-1", "0.085"), ("ap-northeast-1", "0.114")]
)
def test_cloudfront_is_asked_for_by_the_part_of_the_world(told: Told, aws: Recorded, region: str, first: str) -> None:
    rows = _refreshed(told, aws, "--item", "transfer-cloudfront", region=region)
    [now] = [pair[1] for pair in rows.values()]
    assert now.startswith(f"0 / {first} from 1,024 / ")
    assert now.count(" from ") == 4


def test_a_part_of_the_world_that_nobody_knows_is_not_guessed(told: Told, aws: Recorded) -> None:
    words = ["--provider", "aws", "--region", "moon-1", "--item", "transfer-cloudfront", "--endpoint-url", aws.url]
    code, _, err = told("refresh", *words)
    assert code == 25
    assert "which part of the world CloudFront counts it to is not known" in err


def test_transfer_is_asked_for_between_any_two_regions(told: Told, aws: Recorded, tmp_path: Path) -> None:
    into = tmp_path / "moved.yaml"
    rows = _refreshed(told, aws, "--item", "transfer-cross-region", "--into", str(into), region="us-east-1")
    assert rows == {
        ("transfer-cross-region", "us-east-1 to ap-south-1"): ("-", "0.02"),
        ("transfer-cross-region", "us-east-1 to eu-west-1"): ("-", "0.02"),
        ("transfer-cross-region", "us-east-1 to us-east-2"): ("0.01", "0.01"),
    }
    prices = load_prices(into, today=TODAY)
    rate = prices.between("transfer-cross-region", unit="GiB", region="us-east-1", to_region="ap-south-1")
    assert (rate.usd, rate.as_of) == (Decimal("0.02"), TODAY)


def test_transfer_to_one_region_is_asked_for_alone(told: Told, aws: Recorded) -> None:
    words = ["--item", "transfer-cross-region", "--to-region", "eu-west-1"]
    assert _refreshed(told, aws, *words, region="us-east-1") == {
        ("transfer-cross-region", "us-east-1 to eu-west-1"): ("-", "0.02")
    }
    [call] = aws.asked
    assert {"Type": "TERM_MATCH", "Field": "toRegionCode", "Value": "eu-west-1"} in json.loads(call.body)["Filters"]


def test_restores_are_told_apart_by_what_they_are_of(told: Told, aws: Recorded) -> None:
    rows = _refreshed(told, aws, "--item", "s3-*-restore-*", region="us-east-1")
    assert len(rows) == 8
    assert all(listed == now for listed, now in rows.values())


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
    _sku("Network Data Transfer GCP Inter Region within Northern America", "GiBy", ["0.02"]),
    _sku("Network Data Transfer GCP Inter Region within Europe", "GiBy", ["0.02"]),
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
        "gcs-transfer-cross-region", "gcs-transfer-internet", "pd-balanced",
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
    "Archive Data Retrieval": ("1 GB", ("0.02",)),
    "Archive Priority Data Retrieval": ("1 GB", ("0.1",)),
    "Archive Read Operations": ("10K", ("5",)),
    "Priority Read Operations": ("10K", ("50",)),
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
        *("azure-archive-restore-high", "azure-archive-restore-high-request"),
        *("azure-archive-restore-standard", "azure-archive-restore-standard-request"),
        *("azure-cool-list", "azure-cool-retrieval", "azure-hot", "azure-list", "azure-read"),
        *("azure-transfer-internet", "azure-write", "premium-ssd-v2"),
    ]
    assert all(listed == now for listed, now in told_now.values())
    assert "no price of azure-transfer-cross-region (on-demand) in eastus: Azure tells 2 prices" in err
    assert len(server.asked) == 3
    assert all("productName eq" in parse_qs(urlsplit(each.path).query)["$filter"][0] for each in server.asked)
    assert load_prices(into, today=TODAY).storage("azure").usd == Decimal("0.0208")

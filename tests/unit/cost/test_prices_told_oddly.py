"""``penstock prices refresh`` where a seller's answers are of other shapes than they should be, or do not end."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import main
from penstock.cost.price_file import read_price_file
from support.prices import TODAY
from support.recorded import Answer, Asked, serve_recorded

Told = Callable[..., tuple[int, str]]
GOOD = {"unit": "GB", "beginRange": "0", "pricePerUnit": {"USD": "0.09"}}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Ask a server for a price, and return the exit status and what was said of it."""

    def run(answer: Callable[[Asked], Answer], *words: str | Path) -> tuple[int, str]:
        with serve_recorded(answer) as server:
            more = ["--endpoint-url", server.url, "--today", TODAY.isoformat()]
            code = main(["prices", "refresh", *map(str, words), *more])
        return code, capsys.readouterr().err

    return run


def _product(attributes: Any, dimensions: Any) -> dict[str, Any]:
    return {
        "product": {"attributes": attributes}, "terms": {"OnDemand": {"A": {"priceDimensions": dimensions}}},
    }  # fmt: skip


@pytest.mark.parametrize(
    "products",
    [
        None,
        ["[]"],
        ["no JSON"],
        [{"product": [], "terms": {"OnDemand": {"A": {"priceDimensions": {"B": GOOD}}}}}],
        [{"product": {"attributes": {"usagetype": "DataTransfer-Out-Bytes"}}, "terms": [GOOD]}],
        [_product([], {"B": GOOD})],
        [_product({"usagetype": "DataTransfer-Out-Bytes"}, [GOOD])],
        [_product({"usagetype": "DataTransfer-Out-Bytes"}, {"B": "0.09"})],
        [_product({"usagetype": "DataTransfer-Out-Bytes"}, {"B": {**GOOD, "pricePerUnit": "0.09"}})],
        [_product({"usagetype": "DataTransfer-Out-Bytes"}, {"B": {**GOOD, "pricePerUnit": {"USD": "1e999999999"}}})],
    ],
)
def test_aws_products_of_other_shapes_are_no_prices(
    told: Told, aws_credentials: None, products: list[Any] | None, tmp_path: Path
) -> None:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in products] if products else products
    body = json.dumps({"FormatVersion": "aws_v1", "PriceList": texts}).encode()
    words = ["--provider", "aws", "--region", "us-east-1", "--item", "transfer-internet"]
    code, err = told(lambda _: (200, body), *words)
    assert code in (3, 25)
    assert "error: " in err


def _azure(*tiers: tuple[Any, Any]) -> bytes:
    rows = [
        {
            "meterName": "Standard Data Transfer Out", "unitOfMeasure": "1 GB", "tierMinimumUnits": above,
            "retailPrice": price,
        }
        for above, price in tiers
    ]  # fmt: skip
    hot = {"meterName": "Hot LRS Data Stored", "unitOfMeasure": "1 GB/Month", "retailPrice": 0.0208}
    return json.dumps({"Items": [*rows, hot]}).encode()


@pytest.mark.parametrize(
    "tiers",
    [
        [(-5, 0), (100, 0.08)],
        [(100, 0.08)],
        [(0, 10**20)],
        [(0, "1e999999999999")],
        [(0, "1e-25")],
        [(0, 0), (10**20, 0.08)],
    ],
)
def test_what_is_written_can_be_read_whatever_was_told(
    told: Told, tiers: list[tuple[Any, Any]], tmp_path: Path
) -> None:
    into = tmp_path / "azure.yaml"
    words = ["--provider", "azure", "--region", "eastus", "--into", into]
    items = ["--item", "azure-transfer-internet", "--item", "azure-hot"]
    code, err = told(lambda _: (200, _azure(*tiers)), *items, *words)
    assert code == 0
    assert "no price of azure-transfer-internet (on-demand) in eastus: " in err
    assert [row.item for row in read_price_file(into).prices] == ["azure-hot"]


def test_more_digits_than_a_price_file_has_are_rounded(told: Told, tmp_path: Path) -> None:
    into = tmp_path / "azure.yaml"
    words = ["--provider", "azure", "--region", "eastus", "--item", "azure-transfer-internet", "--into", into]
    assert told(lambda _: (200, _azure((0, "0.08765432109876543219"))), *words)[0] == 0
    [row] = read_price_file(into).prices
    assert row.tiers[0].price == Decimal("0.087654321098765")


def test_a_catalog_that_does_not_end_is_left(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "a-key-of-nobody")
    numbers = itertools.count()

    def answer(_: Asked) -> Answer:
        return 200, json.dumps({"skus": [], "nextPageToken": str(next(numbers))}).encode()

    code, err = told(answer, "--provider", "gcp", "--region", "us-central1", "--item", "gcs-standard")
    assert code == 25
    assert "Google Cloud's prices have more than 400 pages" in err

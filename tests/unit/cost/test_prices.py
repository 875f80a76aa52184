from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from penstock.cost import find_price, load_prices, node_items
from penstock.errors import ConfigError, RecordError
from penstock.records import Price, PriceList, write_record

TODAY = date(2026, 11, 21)


def _price(usd: float = 1.0, *, region: str = "us-east-1", as_of: str = "2026-10-01") -> Price:
    return Price(item="g5.xlarge", unit="hour", usd=usd, region=region, as_of=as_of, source="a price list")


def test_packaged_prices_are_dated_and_have_a_source() -> None:
    prices = load_prices()
    for price in prices.prices:
        # Those of other stores than S3 were read from older pages: a bill with them warns of that.
        oldest = date(2025, 7, 1) if price.item.startswith(("gcs-", "azure-")) else date(2026, 7, 1)
        assert oldest <= date.fromisoformat(price.as_of) <= date(2026, 10, 31)
        assert price.source
        assert price.region
    assert {price.unit for price in prices.prices} == {"hour", "GiB", "1000 requests", "GiB-month"}


@pytest.mark.parametrize(
    ("item", "unit", "usd"),
    [
        ("g4dn.xlarge", "hour", 0.526),
        ("p4d.24xlarge", "hour", 21.957642),
        ("NC40ads_H100_v5", "hour", 6.98),
        ("s3-get", "1000 requests", 0.0004),
        ("s3-put", "1000 requests", 0.005),
        ("s3-standard", "GiB-month", 0.023),
        ("gp3", "GiB-month", 0.08),
        ("transfer-same-region", "GiB", 0.0),
        ("transfer-internet", "GiB", 0.09),
        ("transfer-nat", "GiB", 0.045),
    ],
)
def test_packaged_price(item: str, unit: str, usd: float) -> None:
    assert find_price(load_prices(), item, unit=unit, region=None, today=TODAY).usd == usd


def test_unknown_item_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'g9\.huge'.*g5\.xlarge"):
        find_price(load_prices(), "g9.huge", unit="hour", region=None, today=TODAY)
    assert "g5.xlarge" in node_items(load_prices())
    assert "gp3" not in node_items(load_prices())


def test_latest_price_that_is_not_of_the_future_wins() -> None:
    rows = (_price(3, as_of="2026-08-01"), _price(2, as_of="2026-10-01"), _price(1, as_of="2027-01-01"))
    found = find_price(PriceList(prices=rows), "g5.xlarge", unit="hour", region=None, today=TODAY)
    assert found.usd == 2


def test_region_that_was_asked_for_wins_over_a_later_price() -> None:
    rows = (_price(3, region="eu-west-1", as_of="2026-08-01"), _price(2, as_of="2026-10-01"))
    found = find_price(PriceList(prices=rows), "g5.xlarge", unit="hour", region="eu-west-1", today=TODAY)
    assert found.usd == 3


def test_own_price_file_is_read(tmp_path: Path) -> None:
    write_record(tmp_path / "prices.json", PriceList(prices=(_price(9.5),)))
    assert load_prices(tmp_path / "prices.json").prices[0].usd == 9.5


@pytest.mark.parametrize("bad", [_price(as_of="last week"), _price(-1.0)])
def test_price_file_with_a_bad_row_is_refused(tmp_path: Path, bad: Price) -> None:
    write_record(tmp_path / "prices.json", PriceList(prices=(bad,)))
    with pytest.raises(RecordError, match=r"g5\.xlarge"):
        load_prices(tmp_path / "prices.json")


def test_missing_price_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none\.json"):
        load_prices(tmp_path / "none.json")


ROW = {"item": "x", "unit": "hour", "usd": 1.0, "region": "", "as_of": "2026-10-01", "source": "s"}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{**ROW, "unit": "hours"}], "per 'hours'"),
        ([{**ROW, "usd": -1.0}], "is -1.0"),
        ([{**ROW, "as_of": "October"}], "'October', which is no date"),
        ([{**ROW, "usd": 1.0}, {**ROW, "usd": 2.0}], "2 prices of x per hour in any region, each as of 2026-10-01"),
        ([{**ROW, "currency": "EUR"}], "currency"),
        ([{**ROW, "usd": "1.0"}], "usd"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(tmp_path: Path, rows: list[dict[str, object]], told: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"record": "prices", "version": 1, "prices": rows}))
    with pytest.raises(RecordError, match=told) as refused:
        load_prices(path)
    assert "prices.json" in str(refused.value)


def test_a_price_that_is_no_finite_number_is_refused(tmp_path: Path) -> None:
    for number in ("1e999", "NaN", "Infinity"):
        path = tmp_path / "prices.json"
        path.write_text(json.dumps({"record": "prices", "version": 1, "prices": [ROW]}).replace("1.0", number))
        with pytest.raises(RecordError):
            load_prices(path)

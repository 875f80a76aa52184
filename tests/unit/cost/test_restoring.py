"""Restores of archived objects in a forecast, in what listings say, and in a bill. Sums by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

import penstock
from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.restoring import copy_days, restores_told
from penstock.errors import ConfigError
from penstock.records import ClassSize, DatasetSize, Meters
from penstock.sources import find_scheme
from support.prices import TODAY, without
from support.runs import make_run

GIB = 1 << 30
PRICES = load_prices(today=TODAY)
S3, AZURE, GCS = (find_scheme(name).tariff for name in ("s3://", "az://", "gs://"))
HELD = ClassSize(num_objects=100_000, size_bytes=1000 * GIB)


def _lines(name: str, way: str = "stream", node: str = "g4dn.xlarge", **options: str) -> dict[str, Decimal | None]:
    """Return the dollars of a forecast's lines: 1,000 GiB in 100,000 objects, 10 epochs of 4 hours."""
    stated = {"size": 1000 * GIB, "objects": 100_000, "compute_hours": 4, "epochs": 10, "rate": "200MB/s"}
    [found] = penstock.forecast(**stated, instance_type=node, storage_class=name, **options)  # type: ignore[arg-type]
    return {line.what: line.usd for line in found.outlook(way).mid.lines}


@pytest.mark.parametrize(
    ("name", "tier", "usd", "requests_usd"),
    [
        ("GLACIER", "", "10", "5"),
        ("GLACIER", "standard", "10", "5"),
        ("GLACIER", "bulk", "0", "0"),
        ("GLACIER", "expedited", "30", "1000"),
        ("DEEP_ARCHIVE", "", "20", "10"),
        ("DEEP_ARCHIVE", "bulk", "2.5", "2.5"),
    ],
)
def test_a_restore_is_paid_once_by_its_tier(name: str, tier: str, usd: str, requests_usd: str) -> None:
    lines = _lines(name, restore=tier)
    told = tier or "standard"
    assert lines[f"restore of {name} ({told})"] == Decimal(usd)
    assert lines[f"restore requests of {name} ({told})"] == Decimal(requests_usd)
    assert not any("retrieval" in what for what in lines)


def test_azure_restores_by_its_own_tiers() -> None:
    lines = _lines("Archive", node="NC24ads_A100_v4")
    assert lines["restore of Archive (standard)"] == 20
    assert lines["restore requests of Archive (standard)"] == 50
    lines = _lines("Archive", node="NC24ads_A100_v4", restore="high")
    assert (lines["restore of Archive (high)"], lines["restore requests of Archive (high)"]) == (100, 500)


def test_copies_are_paid_for_whole_days_that_a_way_reads_the_source() -> None:
    """A stream reads for its 40 h, packing for 3."""
    stream, pack = _lines("GLACIER"), _lines("GLACIER", "pack")
    assert stream["restored copies of GLACIER, 2 days"] == Decimal("1.5333333333")  # 1,000 GiB x 0.023 x 2 / 30
    assert pack["restored copies of GLACIER, 1 day"] == Decimal("0.7666666667")
    assert sum(what.startswith("restore of") for what in pack) == 1
    assert [copy_days(hours) for hours in (0.0, 23.9, 24.0, 24.1, 100.0)] == [1, 1, 1, 2, 5]


def test_a_class_that_is_read_at_once_is_not_restored() -> None:
    assert not any("restore" in what for what in _lines("GLACIER_IR"))
    assert not any("restore" in what for what in _lines("ARCHIVE", node="a2-highgpu-1g"))


@pytest.mark.parametrize(
    ("name", "tier", "told"),
    [
        ("DEEP_ARCHIVE", "expedited", "its tiers are: standard, bulk"),
        ("GLACIER_IR", "bulk", "none of these is archived"),
        ("", "bulk", "none of these is archived"),
        ("GLACIER", "fast", "fast"),
    ],
)
def test_a_tier_that_there_is_not_is_refused(name: str, tier: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        _lines(name, restore=tier)


def test_a_listing_is_told_what_each_tier_costs_and_takes() -> None:
    [told] = restores_told({"DEEP_ARCHIVE": HELD, "STANDARD": HELD}, S3, PRICES)
    assert told == (
        "Restoring what lies in DEEP_ARCHIVE costs $30.00 and takes up to 12 hours (standard), or $5.00 and takes "
        "up to 48 hours (bulk). The copies that are read cost $0.77 a day, beside the archive itself."
    )
    [told] = restores_told({"Archive": HELD}, AZURE, PRICES)
    assert "costs $70.00 and takes up to 15 hours (standard), or $600.00 and takes up to an hour" in told
    [told] = restores_told({"GLACIER": HELD}, S3, without(PRICES, "s3-glacier-restore-standard"))
    assert "costs what is not in the price list and takes 3 to 5 hours (standard), or nothing and takes 5 to" in told
    assert restores_told({"ARCHIVE": HELD, "STANDARD": HELD}, GCS, PRICES) == []


def test_a_bill_says_that_restores_are_not_in_it() -> None:
    dataset = DatasetSize(epoch_bytes=GIB, num_objects=1, object_bytes=GIB, storage_classes={"GLACIER": HELD})
    run = make_run(config={"source": "s3://b/p"}, meters=Meters(bytes_downloaded=GIB), dataset=dataset)
    report = bill(run, steps=(), evaluation=None, prices=PRICES, setting=CostSetting(today=TODAY))
    assert any(text.startswith("Objects of GLACIER were restored before the run") for text in report.assumptions)

"""What classes of storage cost whoever reads of them: in a bill, in a forecast, and in words. Sums by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.forecasting import Demand, Link, Places, Way, WayCost, forecast_ways
from penstock.cost.forecasting.inputs import node_of
from penstock.cost.forecasting.market import Market
from penstock.cost.forecasting.ways import cost_of
from penstock.cost.hindsight import in_hindsight
from penstock.cost.mixed_classes import mixed_classes
from penstock.cost.seller import class_sizes
from penstock.cost.storage_classes import classes_of, classes_told, parted
from penstock.inspection.advice import get_price
from penstock.manifest import SourceSpec
from penstock.records import ClassSize, CostReport, DatasetSize, Meters, decode_record, encode_record
from penstock.records.run import MixShare
from penstock.report.forecast_told import forecast_text
from penstock.sources import find_scheme
from support.prices import without
from support.runs import make_run, sent
from unit.cost.test_hindsight import run_that_waited

GIB, MIB = 1 << 30, 1 << 20
TODAY = date(2026, 11, 21)
PRICES = load_prices()
S3 = find_scheme("s3://").tariff
assert S3 is not None
MARKET = Market(prices=PRICES, tariff=S3)
MIXED = {
    "STANDARD": ClassSize(num_objects=60 * 1024, size_bytes=60 * GIB),
    "GLACIER_IR": ClassSize(num_objects=40 * 1024, size_bytes=40 * GIB),
}
"""100 GiB in objects of 1 MiB."""
DEMAND = Demand(
    epoch_bytes=100 * GIB,
    epoch_requests=100_000,
    pages=100,
    num_objects=100_000,
    epochs=10,
    compute_seconds=3600,
    storage_classes=MIXED,
)
STREAM = Way(name="stream", told="a stream", window_bytes=0.0)
FAST = Link(bytes_per_second=math.inf)
NODE = node_of("g4dn.xlarge", PRICES)


def usd_of(cost: WayCost) -> dict[str, float | None]:
    return {line.what: None if line.usd is None else float(line.usd) for line in cost.lines}


def cost(way: Way, demand: Demand = DEMAND, market: Market = MARKET) -> WayCost:
    return cost_of(way, demand, FAST, NODE, Places(window_bytes=0), market)


def test_each_epoch_that_is_streamed_is_retrieved_again() -> None:
    found = usd_of(cost(STREAM))
    assert found["GET requests"] == pytest.approx(10 * 60_000 / 1000 * 0.0004)  # 0.24
    assert found["GET requests of GLACIER_IR"] == pytest.approx(10 * 40_000 / 1000 * 0.01)  # 4.00
    assert found["retrieval of GLACIER_IR"] == pytest.approx(10 * 40 * 0.03)  # 12.00
    assert found["LIST requests"] == pytest.approx(100 / 1000 * 0.005)  # at the usual class's price


def test_what_is_downloaded_or_packed_first_is_retrieved_once() -> None:
    found = forecast_ways(DEMAND, FAST, NODE, Places(window_bytes=GIB), MARKET)
    for name in ("download-gp3", "download-nvme", "pack"):
        lines = usd_of(found.outlook(name).mid)
        assert lines["retrieval of GLACIER_IR"] == pytest.approx(40 * 0.03), name  # 1.20
        assert lines["GET requests of GLACIER_IR"] == pytest.approx(40_000 / 1000 * 0.01), name  # 0.40


def test_retrieval_moves_the_number_of_epochs_from_which_a_download_pays() -> None:
    """A download takes 171.8 s at 625 MB/s, and a stream waits 55.0 s for its first 32 objects of a GiB.

    That is 116.8 s of a node at 0.526 an hour, 0.01707. Another epoch takes 100 GETs at 0.0004 per 1,000, 0.00004: as
    much comes together in 427 of them. Where the bytes are retrieved it takes 100 GiB at 0.01 too, which is 1.00.
    """
    few = replace(DEMAND, epoch_requests=100, storage_classes={})
    is_retrieved = replace(few, storage_classes={"STANDARD_IA": ClassSize(num_objects=100, size_bytes=100 * GIB)})
    plain, dear = (forecast_ways(each, FAST, NODE, Places(window_bytes=0), MARKET) for each in (few, is_retrieved))
    assert plain.breakevens.epochs == 1 + 427
    assert dear.breakevens.epochs == 2
    assert dear.best == "download-nvme"


def test_one_usual_class_changes_no_line() -> None:
    usual = {"STANDARD": ClassSize(num_objects=100_000, size_bytes=100 * GIB)}
    plain, told = (replace(DEMAND, storage_classes=sizes) for sizes in ({}, usual))
    assert cost(STREAM, plain).lines == cost(STREAM, told).lines


@pytest.mark.parametrize(
    ("uri", "name", "get", "retrieval"),
    [
        ("s3://", "STANDARD_IA", 0.001, 0.01),
        ("s3://", "ONEZONE_IA", 0.001, 0.01),
        ("s3://", "GLACIER_IR", 0.01, 0.03),
        ("s3://", "INTELLIGENT_TIERING", 0.0004, 0.0),
        ("s3://", "EXPRESS_ONEZONE", 0.00003, 0.0006),
        ("gs://", "NEARLINE", 0.001, 0.01),
        ("gs://", "COLDLINE", 0.01, 0.02),
        ("gs://", "ARCHIVE", 0.05, 0.05),
        ("az://", "Cool", 0.001, 0.01),
    ],
)
def test_classes_as_their_stores_call_them_have_prices(uri: str, name: str, get: float, retrieval: float) -> None:
    tariff = find_scheme(uri).tariff
    assert tariff is not None
    assert float(PRICES.find(tariff.get_of(name), unit="1000 requests").usd) == get
    assert float(PRICES.find(tariff.retrieval_of(name), unit="GiB").usd) == retrieval


@pytest.mark.parametrize(
    ("uri", "name"),
    [("s3://", "STANDARD"), ("s3://", "GLACIER"), ("gs://", "STANDARD"), ("gs://", "MULTI_REGIONAL"), ("az://", "Hot")],
)
def test_of_the_usual_class_reading_takes_nothing_more(uri: str, name: str) -> None:
    tariff = find_scheme(uri).tariff
    assert tariff is not None
    assert (tariff.get_of(name), tariff.retrieval_of(name)) == (tariff.get, "")


def test_a_class_without_a_price_stands_as_such() -> None:
    sizes = {"OUTPOSTS": ClassSize(num_objects=1, size_bytes=GIB)}
    found = cost(STREAM, replace(DEMAND, storage_classes=sizes))
    assert found.unpriced == ("GET requests of OUTPOSTS", "retrieval of OUTPOSTS")
    (told,) = classes_told(sizes, MARKET.tariff or S3, PRICES)
    assert told == (
        "100 % of the bytes lie in OUTPOSTS: what reading them costs besides requests (retrieval) is not in the price "
        "list."
    )


def test_requests_go_by_objects_and_large_ones_by_ranges() -> None:
    """Of 1,000 small objects and one of 8 GiB, which is 1,024 ranges of 8 MiB, the large one takes 1,024 of 2,024."""
    small, large = ClassSize(num_objects=1000, size_bytes=MIB), ClassSize(num_objects=1, size_bytes=8 * GIB)
    usual, dear = classes_of(S3, {"GLACIER_IR": large, "STANDARD": small})
    assert (usual.name, dear.name) == ("", "GLACIER_IR")
    assert dear.requests_share == pytest.approx(1024 / 2024)
    assert dear.bytes_share == pytest.approx(8 * GIB / (8 * GIB + MIB))


@given(number=st.integers(0, 10**15), weights=st.lists(st.integers(1, 10**6), min_size=1, max_size=6))
def test_parts_of_a_number_add_up_to_it(number: int, weights: list[int]) -> None:
    parts = parted(number, [each / sum(weights) for each in weights])
    assert sum(parts) == number
    assert min(parts) >= 0


def test_a_bill_by_hand() -> None:
    """10,000 GETs and 500 GiB, of which 0.4 are of GLACIER_IR: 6,000 and 4,000 GETs, 200 GiB of retrieval."""
    size = DatasetSize(epoch_bytes=100 * GIB, num_objects=102_400, object_bytes=100 * GIB, storage_classes=MIXED)
    meters = Meters(bytes_downloaded=500 * GIB, requests=sent(GET=10_000, LIST=100), window_bytes=GIB)
    run = make_run(meters=meters, dataset=size)
    found = bill(run, steps=(), evaluation=None, prices=PRICES, setting=CostSetting(today=TODAY))
    lines = {line.what: (float(line.quantity), float(line.usd or 0)) for line in found.lines}
    assert lines["GET and HEAD requests (data)"] == (6.0, pytest.approx(0.0024))
    assert lines["GET and HEAD requests (data) of GLACIER_IR"] == (4.0, pytest.approx(0.04))
    assert lines["LIST requests (data)"] == (0.1, pytest.approx(0.0005))
    assert lines["Retrieval from the source of GLACIER_IR"] == (200.0, pytest.approx(6.0))
    assert sum((line.usd for line in found.lines if line.usd is not None), Decimal(0)) == found.total_usd
    assert any("storage classes" in line for line in found.assumptions)
    open_bill = bill(
        run,
        steps=(),
        evaluation=None,
        prices=without(PRICES, "s3-glacier-ir-retrieval"),
        setting=CostSetting(today=TODAY),
    )
    (line,) = [line for line in open_bill.lines if line.what.startswith("Retrieval")]
    assert line.usd is None
    assert any("s3-glacier-ir-retrieval" in warning for warning in open_bill.warnings)
    assert found.total_usd - open_bill.total_usd == Decimal(6)


def test_the_classes_of_another_store_mean_nothing_at_the_prices_of_s3() -> None:
    sizes = {"NEARLINE": ClassSize(num_objects=1, size_bytes=GIB)}
    dataset = DatasetSize(epoch_bytes=GIB, num_objects=1, object_bytes=GIB, storage_classes=sizes)
    run = make_run(
        dataset=dataset,
        config={"source": "gs://bucket/data"},
        meters=Meters(bytes_downloaded=GIB, requests=sent(GET=1)),
    )
    settings = (CostSetting(today=TODAY), CostSetting(today=TODAY, source_prices="s3"))
    own, as_s3 = (bill(run, steps=(), evaluation=None, prices=PRICES, setting=each) for each in settings)
    assert [line.item for line in own.lines if "NEARLINE" in line.what] == [
        "gcs-nearline-class-b",
        "gcs-nearline-retrieval",
    ]
    assert not [line for line in as_s3.lines if "NEARLINE" in line.what]


def test_a_record_of_a_release_that_told_no_classes_is_read() -> None:
    run = make_run(dataset=DatasetSize(epoch_bytes=1, num_objects=1, object_bytes=1))
    assert decode_record(encode_record(run), type(run)) == run


def test_what_an_epoch_costs_is_told_before_it_runs() -> None:
    found = forecast_ways(DEMAND, FAST, NODE, Places(window_bytes=0), MARKET)
    text = forecast_text([found])
    assert "Storage classes: STANDARD 61,440 objects of 60.0 GiB (60 %); GLACIER_IR 40,960 objects of 40.0 GiB" in text
    assert "40 % of the bytes lie in GLACIER_IR: each epoch that reads them anew costs $1.20 of retrieval" in text
    assert "GLACIER_IR is billed for 90 days at least: an object that is deleted or moved earlier is paid on" in text


def test_the_least_size_that_a_class_is_billed_for_is_told_of_small_objects() -> None:
    sizes = {"GLACIER_IR": ClassSize(num_objects=1024, size_bytes=4 * MIB)}
    assert S3 is not None
    (told,) = classes_told(sizes, S3, PRICES)
    assert "for 90 days at least, and as 128.0 KiB each, where they are 4.0 KiB on average: an object" in told


def test_a_report_advises_to_keep_what_is_retrieved_again_and_again() -> None:
    """The run that waited reads an epoch of 600 MiB four times; all of it lies in GLACIER_IR, at 0.03 a GiB."""
    sizes = {"GLACIER_IR": ClassSize(num_objects=60, size_bytes=600 * MIB)}
    run = run_that_waited(
        dataset=DatasetSize(epoch_bytes=600 * MIB, num_objects=60, object_bytes=600 * MIB, storage_classes=sizes)
    )
    setting = CostSetting(today=TODAY, instance_type="g5.xlarge")
    cost = bill(run, steps=(), evaluation=None, prices=PRICES, setting=setting)
    told: CostReport = in_hindsight(cost, run=run, steps=(), prices=PRICES, setting=setting)
    (found,) = [each for each in told.advice if each.action == "Retrieve it once"]
    again = 3 * 600 / 1024 * 0.03  # three epochs more than one
    assert float(found.usd_saved or 0) == pytest.approx(again, rel=1e-6)
    assert "GLACIER_IR" in found.told


def test_a_request_costs_what_its_class_does_on_average() -> None:
    """0.6 at 0.0004 per 1,000 and 0.4 at 0.01: 0.00424."""
    spec = SourceSpec(uri="s3://bucket/data")
    found = get_price(spec, TODAY, MIXED)
    assert (found.usd or 0) * 1000 == pytest.approx(0.6 * 0.0004 + 0.4 * 0.01)
    assert "per 1,000 requests on average" in found.told
    plain = get_price(spec, TODAY, {})
    assert (plain.usd or 0) * 1000 == pytest.approx(0.0004)
    assert "average" not in plain.told


def test_what_a_mix_read_is_spread_over_its_members_classes() -> None:
    """Three quarters of what was read are of a member that is all dear, a quarter of one that tells no class."""
    dear = {"GLACIER_IR": ClassSize(num_objects=1000, size_bytes=10 * GIB)}
    shares = (
        MixShare(source="s3://b/x", share=0.5, planned=9, given=300, sample_bytes=MIB, storage_classes=dear),
        MixShare(source="s3://b/y", share=0.5, planned=9, given=100, sample_bytes=MIB),
    )
    run = make_run(
        mix=shares, config={"source": "s3://b/x"}, meters=Meters(requests=sent(GET=4000), bytes_downloaded=8 * GIB)
    )
    report = bill(run, steps=[], evaluation=None, prices=PRICES, setting=CostSetting(today=TODAY))
    lines = {line.what: line for line in report.lines}
    assert float(lines["Retrieval from the source of GLACIER_IR"].quantity) == pytest.approx(6)
    assert mixed_classes(shares)["GLACIER_IR"] == ClassSize(num_objects=29, size_bytes=300 * MIB)
    planned = tuple(msgspec.structs.replace(each, given=0) for each in shares)
    assert {name: size.size_bytes for name, size in mixed_classes(planned).items()} == {
        "GLACIER_IR": 9 * MIB,
        "": 9 * MIB,
    }
    assert mixed_classes(shares[1:]) == {}
    elsewhere = msgspec.structs.replace(shares[1], source="gs://b/y")
    assert class_sizes(msgspec.structs.replace(run, mix=(shares[0], elsewhere)), S3) == {}

"""What a run will cost: worked examples, each with its assumptions, and what must hold of any forecast."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import penstock
from penstock.cost import load_prices
from penstock.cost.forecasting import Demand, Link, Node, Places, Way, WayCost, forecast_ways
from penstock.cost.forecasting.breakevens import first_epochs
from penstock.cost.forecasting.inputs import node_of
from penstock.cost.forecasting.market import Market
from penstock.cost.forecasting.ways import Store, cost_of
from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.report.forecast_page import forecast_page
from penstock.report.forecast_told import forecast_markdown, forecast_record, forecast_text
from penstock.sources import find_scheme
from penstock.units import parse_bytes
from support.raw import make_raw_dataset

PRICES = load_prices()
S3 = Market(prices=PRICES, tariff=find_scheme("s3://").tariff)
G4, G5 = node_of("g4dn.xlarge", PRICES), node_of("g5.xlarge", PRICES)
FAST = Link(bytes_per_second=math.inf, told="more than the node's network")
HOUR, TB, GB, MB = 3600, 10**12, 10**9, 10**6
NVME = Store(item="", bytes_per_second=math.inf, room_bytes=G4.nvme_bytes)
EBS = Store(item="gp3", bytes_per_second=118.75 * MB)
QUICK = Store(item="gp3", bytes_per_second=math.inf)
WINDOW = Way(name="window", told="a window", window_bytes=100 * GB, window_store=NVME)
STREAM = Way(name="stream", told="a stream", window_bytes=0.0)

A = Demand(
    epoch_bytes=2 * TB, epoch_requests=2 * 200_000, pages=200, num_objects=200_000, epochs=10, compute_seconds=2 * HOUR
)
"""2 TB as 200,000 objects of 10 MB, each read in ranges of 8 MiB: two requests."""
A2 = replace(A, epoch_requests=2e7, pages=20_000, num_objects=2e7)
B = Demand(
    epoch_bytes=240 * GB, epoch_requests=36_000, pages=0, num_objects=18_000, epochs=3, compute_seconds=1.25 * HOUR
)
C = Demand(epoch_bytes=45 * GB, epoch_requests=112_120, pages=0, num_objects=12, epochs=10, compute_seconds=0.5 * HOUR)


def cost(way: Way, demand: Demand, link: Link = FAST, node: Node = G4) -> WayCost:
    """Return what it takes with a window that keeps all of its bytes, as one of 115 GB keeps 100 GB of samples."""
    return cost_of(way, demand, link, node, Places(window_bytes=100 * GB, kept_share=1.0), S3)


def near(found: Decimal | float, wanted: float, *, within: float = 0.005) -> bool:
    return math.isclose(float(found), wanted, rel_tol=within)


def test_two_terabytes_in_the_same_region() -> None:
    """20 h x 0.526 = 10.52; 400,000 x (1 + 9 x 0.95) = 3.82 million GETs = 1.528; 200 LISTs = 0.001."""
    found = cost(WINDOW, A)
    assert near(found.usd, 12.05, within=0.0005)
    first = 32 * 5 * MB / (625 * MB)  # what is requested at first shares the node's network
    assert found.wall_seconds == pytest.approx(20 * HOUR + first, abs=1e-3)
    assert found.stall_seconds == pytest.approx(first)
    assert found.utilisation == pytest.approx(1, abs=1e-5)
    assert found.get_requests == pytest.approx(3.82e6)
    assert found.moved_bytes == pytest.approx(19.1 * TB)


def test_handing_samples_over_is_waited_for_where_computing_is_the_limit() -> None:
    handed = replace(A, handing_seconds=60.0)
    for way in (WINDOW, Way(name="d", told="d", disk=replace(QUICK, bytes_per_second=1e12))):
        found, without = cost(way, handed), cost(way, A)
        assert found.wall_seconds - without.wall_seconds == pytest.approx(10 * 60, abs=1e-3)
        assert found.stall_seconds - without.stall_seconds == pytest.approx(10 * 60, abs=1e-3)
    slow = Link(bytes_per_second=100 * MB)
    assert cost(STREAM, handed, slow).wall_seconds == pytest.approx(cost(STREAM, A, slow).wall_seconds, abs=1)


def test_downloading_them_first_is_bound_by_the_disk() -> None:
    """11 x 2 TB at 118.75 MB/s; 51.5 h x (0.526 + 1862.6 GiB x 0.08 / 720) = 37.7, and 0.16 of GETs beside."""
    found = cost(Way(name="d", told="d", disk=EBS), A)
    assert near(found.wall_seconds / HOUR, 51.5, within=0.001)
    assert found.limit == "the disk"
    assert near(found.usd - found.usd_of("requests"), 37.7, within=0.001)
    assert near(found.usd, 37.72 + 0.16 + 0.001, within=0.001)


def test_the_same_bytes_in_small_objects_cost_requests() -> None:
    """10 x 2 x 10^7 GETs = 80.0, 20,000 LISTs = 0.1, where the window keeps nothing; one that keeps 5 % saves 3.6."""
    assert near(cost(STREAM, A2).usd, 90.6, within=0.0005)
    assert near(cost(WINDOW, A2).usd, 90.62 - 0.45 * 8.0, within=0.0005)

    def breakeven(disk: Store) -> int | None:
        way = Way(name="d", told="d", disk=disk)
        return first_epochs(
            lambda n: cost(STREAM, replace(A2, epochs=n)).usd, lambda n: cost(way, replace(A2, epochs=n)).usd
        )

    assert breakeven(QUICK) == 2
    assert breakeven(EBS) == 3


@pytest.mark.parametrize(("path", "usd"), [("nat+cross-region", 1168), ("internet", 1566)])
def test_other_ways_cost_by_the_gib(path: str, usd: float) -> None:
    """17,788 GiB x (0.045 + 0.02); by tiers of the internet 100 x 0 + 10,140 x 0.09 + 7,548 x 0.085."""
    assert near(cost(replace(WINDOW, path=path), A).usd, usd, within=0.001)


def test_a_slow_link_costs_the_waiting_node() -> None:
    """A window of 5 GB at 10 MB/s: 24,000 s + 2 x 23,500 s, of which 3 x 4,500 s are computing, at 1.006 an hour."""
    way, slow = replace(WINDOW, window_bytes=5 * GB), Link(bytes_per_second=10 * MB)
    found = cost(way, B, slow, G5)
    assert near(found.usd, 19.89, within=0.001)
    assert near(found.stall_seconds / HOUR * 1.006, 16.07, within=0.001)
    download = cost(Way(name="d", told="d", disk=QUICK), B, slow, G5)
    assert near(download.usd, 10.74, within=0.002)  # 37,500 s of the node and of 223.5 GiB of gp3, and GETs of 0.014
    staged = cost(Way(name="s", told="s", disk=QUICK, is_staged=True), B, slow, G5)
    assert near(staged.usd, 4.19, within=0.005)  # 3.75 h of the node, 6.67 h at 0.02, 10.4 h of gp3: 4.165, and GETs
    enough = cost(way, B, Link(bytes_per_second=53.4 * MB), G5)
    assert near(enough.usd, 3.82, within=0.0015)  # 3 x 1.25 h, and GETs
    assert enough.stall_seconds == pytest.approx(32 * B.request_bytes / (53.4 * MB))  # before the first samples
    found_b = forecast_ways(B, slow, G5, Places(window_bytes=5 * GB), S3).breakevens
    assert near(found_b.rate, 53.33 * MB, within=0.001)


def test_an_archive_of_many_members_fits_the_nodes_own_disk() -> None:
    """10 epochs of half an hour: 5.02 h x 0.526 = 2.64, and 112,120 GETs = 0.045; streaming pays those each epoch."""
    found = forecast_ways(C, FAST, G4, Places(window_bytes=5 * GB), S3)
    download = found.outlook("download-nvme").mid
    assert near(download.usd, 2.7, within=0.01)
    assert download.fits
    assert found.breakevens.epochs == 2
    assert found.breakevens.download == "download-nvme"
    assert not forecast_ways(A, FAST, G4, Places(window_bytes=5 * GB), S3).outlook("download-nvme").mid.fits


@pytest.mark.parametrize("demand", [A, A2, B, C], ids=["A", "A2", "B", "C"])
@pytest.mark.parametrize("rate", [1 * MB, 100 * MB, math.inf])
def test_what_holds_of_any_forecast(demand: Demand, rate: float) -> None:
    paths = ("nat", "cross-region", "internet", "nat+cross-region", "endpoint")
    found = forecast_ways(demand, Link(bytes_per_second=rate), G4, Places(window_bytes=20 * GB), S3, paths=paths)
    for each in found.outlooks:
        mid = each.mid
        assert mid.usd == sum(line.usd for line in mid.lines if line.usd is not None)
        assert each.low.usd <= mid.usd <= each.high.usd
        assert each.low.wall_seconds <= mid.wall_seconds <= each.high.wall_seconds
        assert 0 <= mid.stall_seconds <= mid.wall_seconds
        assert 0 <= mid.utilisation <= 1
        assert mid.wall_seconds >= demand.epochs * demand.compute_seconds
        assert not mid.unpriced
    best = found.outlook(found.best).mid
    assert best.fits
    usual = [each.mid for each in found.outlooks if each.mid.fits and each.mid.way.is_usual]
    least = min(each.usd for each in usual)
    assert best.usd <= least * Decimal("1.05")
    for each in usual:  # none costs as little and is quicker
        assert each.usd > least * Decimal("1.05") or each.wall_seconds * 1.05 >= best.wall_seconds
    is_slow = min(each.wall_seconds for each in usual) * 1.05 < best.wall_seconds
    assert bool(found.quickest) is is_slow
    assert "$" in found.recommendation
    assert len(found.sentences) == 3 + is_slow
    if found.breakevens.epochs is not None and found.breakevens.epochs > 1:
        n, way = found.breakevens.epochs, found.outlook(found.breakevens.download).mid.way
        for epochs, pays in ((n - 1, False), (n, True)):
            at = replace(demand, epochs=epochs)
            pair = [
                cost_of(w, at, found.link, G4, found.places, S3).usd for w in (way, found.outlook("stream").mid.way)
            ]
            assert (pair[0] <= pair[1]) is pays


@pytest.mark.parametrize(("size", "fits"), [(108 * GB, True), (108_600 * MB, True), (120 * GB, False)])
def test_a_download_fits_where_its_command_does(size: int, fits: bool) -> None:
    """Its window holds 87 % of itself: 124.1 GB of the 125 GB that the node has, or 137.9."""
    demand = replace(C, epoch_bytes=size, epoch_requests=1e7)
    found = forecast_ways(demand, FAST, G4, Places(window_bytes=5 * GB), S3)
    assert found.outlook("download-nvme").mid.fits is fits
    assert found.best == ("download-nvme" if fits else "download-gp3")
    (told,) = [line for line in forecast_text([found]).splitlines() if line.startswith("  penstock run")]
    window = told.partition("--window-size ")[2].split()[0]
    assert not fits or parse_bytes(window) <= G4.nvme_bytes


def test_break_evens_are_of_what_a_stream_gets_where_the_sources_latency_is_the_limit() -> None:
    """10^7 objects of 1 KB: 512 requests at a time, each after a second, bring 0.5 MB/s to a node that needs 2.8."""
    demand = Demand(
        epoch_bytes=10 * GB, epoch_requests=1e7, pages=10_000, num_objects=1e7, epochs=3, compute_seconds=HOUR
    )
    late = Link(bytes_per_second=math.inf, latency_seconds=1.0)
    found = forecast_ways(demand, late, G5, Places(window_bytes=5 * GB), S3)
    assert found.rate == 512_000
    assert found.outlook("stream").mid.stall_seconds > 40_000
    assert "The node waits in the first epoch: it needs 2.6 MiB/s (B*) and gets 500.0 KiB/s." in found.sentences
    assert found.breakevens.window_bytes == 10 * GB - 512_000 * HOUR
    assert "500.0 KiB/s from the source (its latency is the limit: 512 requests at a time" in forecast_text([found])
    kept = Way(name="window", told="a window", window_bytes=found.breakevens.window_bytes, window_store=NVME)
    places = Places(window_bytes=5 * GB, kept_share=1.0, keeps_at_once=True)
    whole = cost_of(kept, demand, late, G5, places, S3)
    first = 10 * GB / 512_000 - HOUR  # of waiting
    assert whole.stall_seconds == pytest.approx(first, rel=1e-3)


def test_dollars_lie_between_low_and_high_where_a_faster_link_keeps_later() -> None:
    demand = Demand(
        epoch_bytes=52 * GB, epoch_requests=6_200, pages=1, num_objects=187, epochs=1000, compute_seconds=0.0036
    )
    link = Link(bytes_per_second=10 * GB, latency_seconds=0.03, head_bytes=400)
    node = Node(name="", usd_per_hour=Decimal("0.0001"))
    found = forecast_ways(demand, link, node, Places(window_bytes=10 * 2**30), S3)
    fast = replace(link, bytes_per_second=12.5 * GB)
    way = found.outlook("window").mid.way
    assert cost_of(way, demand, fast, node, found.places, S3).usd > found.outlook("window").mid.usd
    for each in found.outlooks:
        assert each.low.usd <= each.mid.usd <= each.high.usd


@pytest.mark.parametrize(("uri", "store"), [("s3://", "s3"), ("gs://", "gcs"), ("az://", "azure")])
def test_a_packed_copy_is_kept_at_the_price_of_each_store(uri: str, store: str) -> None:
    market = replace(S3, tariff=find_scheme(uri).tariff)
    mid = forecast_ways(A, FAST, G4, Places(window_bytes=5 * GB), market).outlook("pack").mid
    (copy,) = [line for line in mid.lines if line.what == "packed copy"]
    assert copy.usd is not None
    assert near(copy.usd, float(copy.quantity) / 720 * float(PRICES.storage(store).usd))


@pytest.mark.parametrize(
    ("node", "disk"),
    [
        ("g4dn.xlarge", "gp3"),
        ("p99.huge", "gp3"),
        ("Standard_NC24ads_A100_v4", "premium-ssd-v2"),
        ("a2-highgpu-1g", "pd-balanced"),
    ],
)
def test_a_node_is_given_a_disk_of_its_own_provider(node: str, disk: str) -> None:
    large = Places(window_bytes=1.5 * TB)
    found = forecast_ways(A, Link(bytes_per_second=100 * MB), node_of(node, PRICES), large, S3)
    names = [each.mid.way.name for each in found.outlooks]
    assert [name for name in names if name.startswith("download-")] == [
        f"download-{disk}", *(["download-nvme"] if found.node.nvme_bytes else []), *(["download-fsx"] * (disk == "gp3"))
    ]  # fmt: skip
    disks = {line.what for each in found.outlooks for line in each.mid.lines if line.what.startswith("disk")}
    assert disks == {f"disk ({disk})", *(["disk (fsx-lustre-scratch)"] * (disk == "gp3"))}
    assert all("gp3" not in each.mid.way.told for each in found.outlooks) is (disk != "gp3")
    assert not [line for each in found.outlooks for line in each.mid.lines if "disk" in line.what and line.usd is None]


def test_a_window_on_block_storage_is_read_at_the_rate_of_that() -> None:
    """1 TB of 2 at 118.75 MB/s take 8,421 s of each epoch after the first, which computes for 7,200 s."""
    found = forecast_ways(A, FAST, G4, Places(window_bytes=100 * GB), S3)
    half = found.outlook("hybrid-50").mid
    assert half.way.window_store is not None
    assert half.way.window_store.item == "gp3"
    assert near(half.wall_seconds, 7200 + 9 * 1e12 / (118.75 * MB), within=0.001)
    assert near(half.stall_seconds, half.wall_seconds - 20 * HOUR)
    unknown = replace(G4, name="", disk_bytes_per_second=None)
    assert near(forecast_ways(A, FAST, unknown, found.places, S3).outlook("hybrid-50").mid.wall_seconds, 20 * HOUR)


def test_of_ways_that_cost_alike_the_quicker_one_is_recommended() -> None:
    """Of 6 million requests an epoch, a window of half the data costs 3 % less than one of a quarter and takes 23 h."""
    found = forecast_ways(replace(A2, epoch_requests=6e6), FAST, G4, Places(window_bytes=115 * GB), S3)
    quick, cheap = found.outlook("hybrid-25").mid, found.outlook("hybrid-50").mid
    assert cheap.usd < quick.usd < cheap.usd * Decimal("1.05")
    assert quick.wall_seconds * 1.1 < cheap.wall_seconds
    assert found.best == "hybrid-25"
    assert not found.quickest


@pytest.mark.parametrize(("requests", "best", "cheaper"), [(1.4e6, "window", "hybrid-25"), (2e6, "hybrid-25", "")])
def test_a_little_money_is_worth_no_large_disk(requests: float, best: str, cheaper: str) -> None:
    """A window of 536 GiB saves 0.4 % of 1.4 million requests an epoch, and 3 % of 2 million."""
    found = forecast_ways(replace(A, epoch_requests=requests), FAST, G4, Places(window_bytes=10 * GB), S3)
    window, hybrid = (found.outlook(name).mid for name in ("window", "hybrid-25"))
    assert hybrid.usd < window.usd
    assert (window.usd <= hybrid.usd * Decimal("1.02")) is bool(cheaper)
    assert (found.best, found.cheaper) == (best, cheaper)
    told = "20 h 00 min, within 2 % of hybrid-25 ($16.05), and needs less disk (9.3 GiB for 535.2 GiB)."
    assert found.recommendation.endswith(told) is bool(cheaper)
    asked = forecast_ways(found.demand, FAST, G4, Places(window_bytes=hybrid.disk_bytes), S3)
    assert (asked.best, asked.cheaper) == ("window", "")  # a window that was asked for is there


def test_what_a_quicker_way_would_cost_is_told() -> None:
    found = forecast_ways(A2, FAST, G4, Places(window_bytes=115 * GB), S3)
    assert found.best == "download-gp3"
    assert found.sentences[3] == (
        "Quickest is hybrid-25: 20 h 00 min for $73.81, where download-gp3 takes 51 h 27 min for $45.82."
    )


def test_a_window_that_keeps_w_star_ends_the_waiting() -> None:
    link = Link(bytes_per_second=40 * MB)
    found = forecast_ways(B, link, G5, Places(window_bytes=1 * GB), S3)
    kept = cost(replace(WINDOW, window_bytes=found.breakevens.window_bytes), B, link, G5)
    first = B.epoch_bytes / (40 * MB) - B.compute_seconds
    assert kept.stall_seconds == pytest.approx(first)
    less = cost(replace(WINDOW, window_bytes=0.9 * found.breakevens.window_bytes), B, link, G5)
    assert less.stall_seconds > first


def test_what_has_no_price_is_told_and_is_no_zero() -> None:
    nobody = node_of("p99.huge", PRICES)
    assert nobody.usd_per_hour is None
    found = forecast_ways(C, Link(bytes_per_second=MB), nobody, Places(window_bytes=GB), S3)
    assert all("p99.huge" in each.mid.unpriced for each in found.outlooks)
    assert found.breakevens.epochs is None
    assert "p99.huge, whose price is not known" in found.recommendation
    assert "(E*) is not known: the node has no price" in found.sentences[0]
    quick = [each.mid for each in found.outlooks if each.mid.fits and each.mid.way.is_usual]
    assert found.outlook(found.best).mid.wall_seconds == min(each.wall_seconds for each in quick)


def test_dollars_of_nothing_that_has_a_price_are_not_known() -> None:
    """Of a node and a store whose prices nobody knows: no column, page or record has 0 dollars."""
    elsewhere = replace(S3, is_priced=False)
    link, places = Link(bytes_per_second=MB), Places(window_bytes=0.0)
    found = forecast_ways(C, link, node_of("p99.huge", PRICES), places, elsewhere)
    assert [line.usd for line in found.outlook("stream").mid.lines] == [None] * 4
    [row] = [line for line in forecast_text([found]).splitlines() if line.startswith("stream")]
    assert row.split()[-5:] == ["–", "–", "–", "–", "yes"]
    assert "$0.00" not in forecast_markdown([found]) + forecast_page([found])
    way = forecast_record([found]).nodes[0].way("stream")
    assert way is not None
    assert (way.usd.low, way.usd.mid, way.usd.high) == (None, None, None)
    told = forecast_ways(C, link, G4, places, elsewhere).sentences[0]
    assert told.endswith(", as far as prices are known.")


def test_a_node_that_begins_when_the_data_is_there_is_busy_from_then_on() -> None:
    """Another machine downloads 240 GB in 6.67 h; the node then computes 3.75 h, of 5.59 h at the disk's rate."""
    slow = Link(bytes_per_second=10 * MB)
    for disk, busy in ((QUICK, 1.0), (Store(item="gp3", bytes_per_second=35.8 * MB), 3.75 / 5.587)):
        found = cost(Way(name="s", told="s", disk=disk, is_staged=True), B, slow, G5)
        assert found.ahead_seconds == pytest.approx(240 * GB / (10 * MB))
        assert found.utilisation == pytest.approx(busy, rel=1e-3)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epoch_bytes": 0}, {"compute_seconds": -1}, {"pages": math.inf}])
def test_what_cannot_be_forecast_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        replace(C, **wrong)
    with pytest.raises(ConfigError):
        Link(bytes_per_second=0)


def test_prices_of_another_region_are_told() -> None:
    stated = {"size": "20GB", "objects": 2000, "compute_hours": 1, "rate": "50MB/s", "instance_type": "g4dn.xlarge"}
    found = penstock.forecast(**stated, price_region="eu-central-1", transfer="nat")
    told = [line for line in forecast_text(found).splitlines() if "no price for eu-central-1" in line]
    assert len(told) == 1
    assert "transfer-nat" in told[0]
    assert told[0].endswith("that of us-east-1 is taken.")
    assert "that of us-east-1 is taken" not in forecast_text(penstock.forecast(**stated, price_region="us-east-1"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (SourceSpec.of("s3://bucket/data", endpoint_url="https://0123abc.r2.cloudflarestorage.com"), ""),
        (SourceSpec.of("gs://bucket/data"), "It lies with Google Cloud and the node is another cloud's"),
    ],
    ids=["r2", "gcs"],
)
def test_data_of_another_cloud_is_priced_by_its_store_and_told_of_where_it_does_not_leave_for_nothing(
    tmp_path: Path, source: SourceSpec, told: str
) -> None:
    data = make_raw_dataset(tmp_path, sizes=[1000] * 2000, source=source)
    (found,) = penstock.forecast(manifest=data.manifest, compute_hours=1, instance_type="g5.xlarge")
    lines = {line.what: line for line in found.outlook("stream").mid.lines}
    get = {"s3": "0.00036", "gs": "0.0004"}[source.uri[:2]]
    assert lines["GET requests"].usd == 10 * 2 * Decimal(get)
    assert lines["transfer (same-region)"].usd == 0
    assert not found.outlook("pack").mid.unpriced
    assert found.market.told.startswith(told)
    assert bool(found.market.told) is bool(told)

"""The price list: what it holds, what is found in it, and somebody's own file in front of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from penstock.cost import charge, load_prices
from penstock.cost.rating import old_told
from penstock.cost.values import UNITS
from penstock.errors import ConfigError, RecordError
from support.prices import TODAY, listed, written

PRICES = load_prices(today=TODAY)
ROW = "prices:\n- {item: g5.xlarge, unit: hour, price: 0.85}\n"


def test_every_row_is_dated_and_has_a_source() -> None:
    for row in PRICES.rows:
        assert row.unit in UNITS
        assert row.currency == "USD"
        assert row.as_of is not None, row.place
        assert date(2022, 1, 1) <= row.as_of <= date(2026, 11, 28), row.place
        assert row.source, row.place
        assert row.region, row.place
        assert row.provider, row.place


@pytest.mark.parametrize(
    ("item", "unit", "usd"),
    [
        ("g4dn.xlarge", "hour", "0.526"),
        ("p4d.24xlarge", "hour", "21.957642"),
        ("NC40ads_H100_v5", "hour", "6.98"),
        ("s3-get", "1000 requests", "0.0004"),
        ("s3-put", "1000 requests", "0.005"),
        ("s3-standard", "GiB-month", "0.023"),
        ("gp3", "GiB-month", "0.08"),
        ("transfer-same-region", "GiB", "0"),
        ("transfer-internet", "GiB", "0.09"),
        ("transfer-nat", "GiB", "0.045"),
    ],
)
def test_packaged_price(item: str, unit: str, usd: str) -> None:
    assert PRICES.find(item, unit=unit).usd == Decimal(usd)


@pytest.mark.parametrize(
    "label",
    [
        "Standard_NC24ads_A100_v4",
        "standard_nc24ads_a100_v4",
        "NC24ads_A100_v4",
        "a2-highgpu-1g",
        "projects/123/machineTypes/a2-highgpu-1g",
        "https://www.googleapis.com/compute/v1/projects/p/zones/z/machineTypes/a2-highgpu-1g",
        " g5.xlarge ",
    ],
)
def test_real_labels_have_prices(label: str) -> None:
    assert PRICES.node(label).usd in (Decimal("3.673"), Decimal("1.006"))


def test_unknown_item_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'g9\.xlarge'.*g[456]d?n?\.xlarge.*`penstock prices list`"):
        PRICES.node("g9.xlarge")
    with pytest.raises(ConfigError, match=r"no spot price of 'my-box'"):
        listed("prices:\n- {item: my-box, unit: hour, price: 1}").node("my-box", lifecycle="spot")
    assert "g5.xlarge" in PRICES.node_items()
    assert "gp3" not in PRICES.node_items()


def _row(usd: float, *, region: str = "us-east-1", as_of: str = "2026-10-01") -> str:
    return f"- {{item: x.big, unit: hour, price: {usd}, region: {region}, provider: aws, as_of: {as_of}}}\n"


def test_latest_price_that_is_not_of_the_future_wins() -> None:
    text = "prices:\n" + _row(3, as_of="2026-08-01") + _row(2) + _row(1, as_of="2027-01-01")
    assert listed(text).node("x.big").usd == 2
    assert listed(text, today=date(2027, 2, 1)).node("x.big").usd == 1


def test_region_that_was_asked_for_wins_over_a_later_price() -> None:
    text = "prices:\n" + _row(3, region="eu-west-1", as_of="2026-08-01") + _row(2)
    assert listed(text).node("x.big", region="eu-west-1").usd == 3
    assert listed(text).node("x.big").usd == 2
    assert listed(text).node("x.big", region="sa-east-1").usd == 2


@pytest.mark.parametrize("region", [None, "us-east-1", "eu-west-1"])
def test_one_row_of_ones_own_is_enough_and_comes_first(tmp_path: Path, region: str | None) -> None:
    prices = written(tmp_path, ROW)
    found = prices.node("g5.xlarge", region=region)
    assert (found.usd, found.as_of, found.source) == (Decimal("0.85"), None, str(tmp_path / "own.yaml"))
    assert prices.node("g4dn.xlarge").usd == Decimal("0.526")
    assert old_told([found], prices.today) == ""


def test_a_row_of_ones_own_for_one_region_leaves_the_others(tmp_path: Path) -> None:
    prices = written(tmp_path, ROW.replace(", price", ", region: eu-west-1, price"))
    assert prices.node("g5.xlarge", region="eu-west-1").usd == Decimal("0.85")
    assert prices.node("g5.xlarge", region="us-east-1").usd == Decimal("1.006")


def test_a_file_that_stands_alone_leaves_penstocks_prices_out(tmp_path: Path) -> None:
    prices = written(tmp_path, "alone: true\n" + ROW)
    assert prices.node_items() == ("g5.xlarge",)


def test_discounts_are_taken_by_pattern(tmp_path: Path) -> None:
    prices = written(
        tmp_path,
        "discounts:\n- {items: 'g5.*', percent: 12, why: agreement}\n- {items: '*', percent: 50, provider: gcp}\n"
        "- {items: g5.xlarge, percent: 99}\n- {items: 'g?.*', kind: committed, percent: 40, ends: 2026-12-31}\n",
    )
    found = prices.node("g5.xlarge")
    assert found.usd == Decimal("1.006") * Decimal("0.88") * Decimal("0.6")
    assert found.list_usd == Decimal("1.006")
    assert found.told == "40 % committed; 12 % negotiated (agreement)"
    assert prices.on(date(2027, 1, 1)).node("g5.xlarge").told == "12 % negotiated (agreement)"
    assert prices.node("a2-highgpu-1g").usd == Decimal("3.673") / 2
    assert prices.node("p4d.24xlarge").told == ""


def test_what_was_committed_is_not_taken_off_spot() -> None:
    prices = listed(
        "prices:\n- {item: a.b, unit: hour, price: 1}\n- {item: a.b, unit: hour, price: 0.3, lifecycle: spot}\n"
        "discounts:\n- {items: a.b, kind: committed, percent: 50}\n- {items: a.b, percent: 10}\n"
    )
    assert prices.node("a.b").usd == Decimal("0.45")
    assert prices.node("a.b", lifecycle="spot").usd == Decimal("0.27")


def test_other_currencies_are_exchanged_or_not_priced() -> None:
    row = "currency: EUR\nprices:\n- {item: box, unit: hour, price: 2}\n"
    with pytest.raises(ConfigError, match=r"box is in EUR \(own.yaml:3\).*is not known.*exchange"):
        listed(row).node("box")
    found = listed(row + "exchange:\n- {currency: EUR, usd: 1.16, as_of: 2026-11-01}\n").node("box")
    assert found.usd == Decimal("2.32")
    assert found.told == "EUR at 1.16 US dollars as of 2026-11-01"


def test_an_hour_of_ones_own_machine_is_its_purchase_and_its_power() -> None:
    prices = listed("own:\n- {item: lab, purchase: 8760, years: 4, hours_per_year: 2190, watts: 500, kwh: 0.3}\n")
    assert prices.node("lab").usd == Decimal("1.15")
    assert prices.provider_of("lab") == "own"


def test_tiers_are_charged_in_turn() -> None:
    rate = PRICES.find("transfer-internet", unit="GiB")
    assert [(each.quantity, each.unit_usd) for each in charge(rate, 200)] == [(100, 0), (100, Decimal("0.09"))]
    assert [each.quantity for each in charge(rate, 50, before=80)] == [20, 30]
    assert rate.cost(200) == 9
    assert [each.usd for each in charge(rate, 0)] == [0]


@pytest.mark.parametrize(
    ("way", "to", "usd"),
    [
        ("same-region", "", "0"),
        ("gateway", "", "0"),
        ("cross-zone", "", "0.02"),
        ("cross-region", "", "0.02"),
        ("cross-region", "us-east-2", "0.01"),
        ("cross-region", "eu-west-1", "0.02"),
        ("nat+cross-region", "", "0.065"),
        ("endpoint+cross-zone", "", "0.03"),
        ("internet+accelerate", "", "0.13"),
        ("nat+nat-hour", "", "0.09"),
    ],
)
def test_the_legs_of_a_way_add_up(way: str, to: str, usd: str) -> None:
    assert sum(rate.usd for rate in PRICES.transfer(way, region="us-east-1", to_region=to)) == Decimal(usd)


def test_transfer_out_of_another_region_is_never_taken_for_a_pairs() -> None:
    with pytest.raises(ConfigError, match=r"'transfer-cross-region' from ap-south-1 to us-east-1:") as caught:
        PRICES.between("transfer-cross-region", unit="GiB", region="ap-south-1", to_region="us-east-1")
    assert "--region ap-south-1 --item transfer-cross-region" in caught.value.fix
    with pytest.raises(ConfigError, match=r"from us-east-2 to eu-west-1:"):
        PRICES.transfer("cross-region", region="us-east-2", to_region="eu-west-1")


@pytest.mark.parametrize(
    ("rows", "usd"),
    [
        ("{region: ap-south-1, to_region: us-east-1, price: 0.086}", "0.086"),
        ("{region: ap-south-1, price: 0.08}", "0.08"),
        ("{price: 0.07}", "0.07"),
        ("{price: 0.07}\n- {region: ap-south-1, to_region: us-east-1, price: 0.086}", "0.086"),
    ],
)
def test_a_row_of_ones_own_prices_transfer_between_regions(tmp_path: Path, rows: str, usd: str) -> None:
    text = rows.replace("{", "{item: transfer-cross-region, unit: GiB, ")
    prices = written(tmp_path, f"prices:\n- {text}\n")
    [rate] = prices.transfer("cross-region", region="ap-south-1", to_region="us-east-1")
    assert rate.usd == Decimal(usd)


def test_a_way_is_priced_at_its_ends(tmp_path: Path) -> None:
    """What goes out at the source's, a gateway at the node's."""
    lines = [
        f"- {{item: {item}, unit: GiB, region: {region}, price: {usd}}}"
        for item, region, usd in [
            ("transfer-nat", "ap-south-1", "0.056"), ("transfer-nat", "us-west-2", "0.045"),
            ("transfer-internet", "ap-south-1", "0.1093"), ("transfer-internet", "us-west-2", "0.09"),
        ]
    ]  # fmt: skip
    prices = written(tmp_path, "prices:\n" + "\n".join(lines))
    rates = prices.transfer("internet+nat", region="ap-south-1", to_region="us-west-2")
    assert [rate.usd for rate in rates] == [Decimal("0.1093"), Decimal("0.045")]


def test_a_way_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="goes by nat twice"):
        PRICES.transfer("nat+nat")
    with pytest.raises(ConfigError, match=r"'internt' is no leg.*did you mean internet\?"):
        PRICES.transfer("internt")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "own.yaml is no price file, but an empty file"),
        ("# nothing", "own.yaml is empty"),
        ("[]", "own.yaml:1 is not a mapping"),
        ("price: []", "own.yaml:1: there is no section 'price'.*did you mean prices"),
        ("prices: 3", "own.yaml:1: prices is no list"),
        ("prices:\n- 3", "own.yaml:2: a row of prices is no mapping"),
        ("prices:\n- {item: x, unit: hours, price: 1}", "own.yaml:2: unit is 'hours': did you mean hour"),
        ("prices:\n- {item: x, unit: hour, price: -1}", "own.yaml:2: price is '-1': write a number"),
        ("prices:\n- item: x\n  unit: hour\n  price: nan", "own.yaml:4: price is 'nan'"),
        ("prices:\n- {item: x, unit: hour, price: 1e999}", "own.yaml:2: price is '1e999'"),
        (
            "prices:\n- {item: x, unit: hour, price: 1e99}",
            "price is .1e99.: write a number of at most 1,000,000,000,000",
        ),
        ("prices:\n- {item: x, unit: hour, price: .inf}", "own.yaml:2: price is '.inf'"),
        ("prices:\n- {item: x, unit: hour, price: '1,5'}", "own.yaml:2: price is '1,5'"),
        ("prices:\n- {item: x, unit: hour}", "own.yaml:2: x has neither a price nor tiers"),
        ("prices:\n- {item: x, unit: hour, price: 1, tiers: [{above: 0, price: 1}]}", "x has both a price and tiers"),
        ("prices:\n- {item: x, unit: hour, tiers: [{above: 5, price: 1}]}", "tiers do not rise from 0"),
        ("prices:\n- {unit: hour, price: 1}", "own.yaml:2: a price lacks its item"),
        ("prices:\n- {item: x, unit: hour, price: [1]}", "own.yaml:2: price is no single value"),
        ("prices:\n- {item: x, unit: hour, price: 1, usd: 2}", "own.yaml:2: a price has no 'usd'"),
        ("prices:\n- {item: x, unit: hour, price: 1, price: 2}", "own.yaml:2: price stands twice"),
        ("prices:\n- {item: x, unit: hour, price: 1, as_of: October}", "own.yaml:2: as_of is 'October'.*YYYY-MM-DD"),
        ("prices:\n- {item: x, unit: hour, price: 1, as_of: 2026-02-30}", "as_of is '2026-02-30'"),
        ("prices:\n- {item: x, unit: hour, price: 1, currency: euro}", "own.yaml:2: currency is 'euro'"),
        ("prices:\n- {item: x, unit: hour, price: 1, lifecycle: preemptible}", "own.yaml:2: lifecycle is"),
        (
            "prices:\n- {item: x, unit: hour, price: 1}\n- {item: x, unit: hour, price: 2}",
            "own.yaml:3: there are 2 prices",
        ),
        ("prices:\n- {item: x, unit: hour, price: !!float 1}", "own.yaml:2: the tag"),
        ("machines:\n- {name: a.b, network_gbps: 0}", "own.yaml:2: network_gbps is '0'"),
        ("discounts:\n- {items: '*', percent: 120}", "own.yaml:2: percent is '120'"),
        ("discounts:\n- {percent: 12}", "own.yaml:2: a discount lacks its items"),
        ("exchange:\n- {currency: EUR, usd: 0}", "own.yaml:2: EUR is worth nothing"),
        ("own:\n- {item: x, purchase: 1, years: 0}", "own.yaml:2: x is never used"),
        ("own:\n- {item: x, purchase: 1, years: 1, hours_per_year: 9000}", "own.yaml:2: x is never used"),
        ("machines:\n- {name: x, vcpus: 1.5}", "own.yaml:2: vcpus is '1.5': write a whole number"),
        ("machines:\n- {name: x, network_gbps: fast}", "own.yaml:2: network_gbps is 'fast'"),
        (ROW + "prices: []\n", "own.yaml:3: prices stands twice"),
        ("sources: {a: [1]}\n" + ROW, "own.yaml:1: the source 'a' is no text"),
        ("machines:\n- {name: x, region: y}", "own.yaml:2: a machine has no 'region'"),
        ("alone: maybe\n" + ROW, "own.yaml:1: alone is 'maybe'"),
        ("version: 2\n" + ROW, "own.yaml:1: version is '2'"),
        ("prices: [", "is not YAML"),
        ('{"record": "run", "version": 4}', "own.yaml is no price file, but a run record"),
    ],
)
def test_what_makes_no_sense_is_refused_by_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(RecordError, match=told):
        written(tmp_path, text)


def test_a_missing_price_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"none\.yaml"):
        load_prices(tmp_path / "none.yaml")
    with pytest.raises(RecordError, match="is no file"):
        load_prices(tmp_path)


@pytest.mark.parametrize(
    ("store", "storage_class", "prices"),
    [
        ("s3", "standard", ("0.0004", "0.005", "0.005", "0", "0.023")),
        ("s3", "intelligent", ("0.0004", "0.005", "0.005", "0", "0.023")),
        ("s3", "ia", ("0.001", "0.01", "0.005", "0.01", "0.0125")),
        ("s3", "onezone-ia", ("0.001", "0.01", "0.005", "0.01", "0.01")),
        ("s3", "glacier-ir", ("0.01", "0.02", "0.005", "0.03", "0.004")),
        ("s3", "express", ("0.00003", "0.00113", "0.00113", "0.0006", "0.11")),
        ("gcs", "standard", ("0.0004", "0.005", "0.005", "0", "0.02")),
        ("azure", "standard", ("0.0004", "0.005", "0.005", "0", "0.0208")),
        ("azure", "hot", ("0.0004", "0.005", "0.005", "0", "0.0208")),
        ("azure", "cool", ("0.001", "0.01", "0.005", "0.01", "0.0152")),
        ("r2", "standard", ("0.00036", "0.0045", "0.0045", "0", "0.015")),
    ],
)
def test_stores_are_priced_by_storage_class(store: str, storage_class: str, prices: tuple[str, ...]) -> None:
    found = [PRICES.requests(store, kind, storage_class=storage_class).usd for kind in ("get", "put", "list")]
    found.append(PRICES.retrieval(store, storage_class=storage_class).usd)
    found.append(PRICES.storage(store, storage_class=storage_class).usd)
    assert found == [Decimal(each) for each in prices]


def test_a_storage_class_without_prices_is_refused() -> None:
    with pytest.raises(ConfigError, match="'s3-deep-archive-get'"):
        PRICES.requests("s3", "get", storage_class="deep-archive")


def test_what_machines_can_do() -> None:
    """Figures that forecasts stand on: what lasts, apart from bursts."""
    machine = PRICES.machine("g4dn.xlarge")
    assert machine is not None
    assert (machine.disk_baseline_mb_s, machine.disk_burst_mb_s) == (Decimal("118.75"), Decimal("437.5"))
    assert (machine.network_baseline_gbps, machine.network_burst_gbps) == (5, 25)
    assert (machine.local_nvme_gb, machine.num_gpus, machine.gpu) == (125, 1, "T4")
    label = PRICES.machine("Standard_NC24ads_A100_v4")
    assert label is not None
    assert label.provider == "azure"
    assert PRICES.machine("m99.huge") is None
    for each in PRICES.machines:
        assert each.provider in ("aws", "gcp", "azure")
        assert each.as_of is not None
        assert each.source


def test_nodes_are_sold_in_several_regions_and_as_spot() -> None:
    assert PRICES.node("g5.xlarge", region="eu-central-1").usd == Decimal("1.258")
    assert PRICES.node("p5en.48xlarge", lifecycle="spot").usd == Decimal("27.1988")
    assert PRICES.node("a2-highgpu-1g", lifecycle="spot", region="europe-west4").usd == Decimal("1.69284")
    assert PRICES.node("g5.xlarge", lifecycle="spot", region="us-east-2").usd == Decimal("0.387767")
    with pytest.raises(ConfigError, match=r"no spot price of 'inf2\.xlarge'"):
        PRICES.node("inf2.xlarge", lifecycle="spot")


def test_a_volume_has_prices_above_what_it_comes_with() -> None:
    disk = PRICES.disk()
    assert (disk.storage.usd, disk.included_iops, disk.included_mib_s) == (Decimal("0.08"), 3000, 125)
    assert disk.iops is not None
    assert disk.throughput is not None
    assert (disk.iops.usd, disk.throughput.usd) == (Decimal("0.005"), Decimal("0.04"))
    assert PRICES.disk(provider="azure").storage.provider == "azure"
    with pytest.raises(ConfigError, match="which disks own sells"):
        PRICES.disk(provider="own")


def test_old_prices_are_told() -> None:
    used = [PRICES.node("g5.xlarge"), PRICES.requests("s3", "get"), PRICES.node("g6.xlarge"), PRICES.node("g5.xlarge")]
    assert old_told(used, date(2027, 6, 1)) == (
        "Prices older than 180 days may be wrong: s3-get: 335 days (as of 2026-07-01); g5.xlarge, g6.xlarge: 243 days "
        "(as of 2026-10-01). `penstock prices refresh` asks for most anew; a price file (--prices) gives others."
    )
    assert old_told(used, date(2026, 11, 28)) == ""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cost import CostSetting, Prices, bill, load_prices, total_meters
from penstock.cost.seller import seller_of
from penstock.errors import ConfigError
from penstock.records import (
    ClassSize,
    CostLine,
    CostReport,
    DatasetSize,
    Evaluation,
    Host,
    Meters,
    MixShare,
    RequestCount,
    RunRecord,
    Saves,
    decode_record,
    encode_record,
)
from support.prices import listed, without
from support.runs import make_evaluation, make_list_step, make_run, sent

GIB = 1 << 30
TODAY = date(2026, 11, 21)
CPU_HOST = Host(num_cpus=2, device="cpu", num_devices=0)


def _bill(run: RunRecord, *, steps: Any = (), evaluation: Evaluation | None = None, **setting: Any) -> CostReport:
    chosen = CostSetting(**({"today": TODAY} | setting))
    return bill(run, steps=steps, evaluation=evaluation, prices=load_prices(), setting=chosen)


def _paid(report: CostReport, item: str) -> Decimal:
    return sum((line.usd for line in report.lines if line.item == item and line.usd), Decimal(0))


def _line(report: CostReport, item: str) -> CostLine:
    (found,) = [line for line in report.lines if line.item == item]
    return found


def test_bill_by_hand() -> None:
    run = make_run(
        wall_seconds=7200.0,
        meters=Meters(bytes_downloaded=100 * GIB, requests=sent(GET=2_000_000), window_bytes=10 * GIB),
    )
    evaluation = make_evaluation(
        wall_seconds=1800.0, meters=Meters(bytes_downloaded=10 * GIB, requests=sent(GET=500_000), window_bytes=10 * GIB)
    )
    step = make_list_step(wall_seconds=360.0, meters=Meters(requests=sent(LIST=4000, GET=1000)))
    report = _bill(
        run, steps=[step], evaluation=evaluation, instance_type="g5.xlarge", transfer="internet", put_requests=3000
    )
    node = [float(line.usd or 0) for line in report.lines if line.item == "g5.xlarge"]
    assert node == pytest.approx([2 * 1.006, 0.1 * 1.006, 0.5 * 1.006])
    assert float(_paid(report, "s3-get")) == pytest.approx(2501 * 0.0004)
    assert float(_line(report, "s3-list").usd) == pytest.approx(4 * 0.005)
    assert float(_line(report, "s3-put").usd) == pytest.approx(3 * 0.005)
    assert float(_paid(report, "transfer-internet")) == pytest.approx(10 * 0.09)  # 100 GB a month are free
    assert float(_line(report, "gp3").usd) == pytest.approx(10 * 2.5 * 0.08 / 720)
    assert float(report.total_usd) == pytest.approx(2.6156 + 1.0004 + 0.02 + 0.015 + 0.9 + 0.0027778, abs=1e-6)
    assert float(report.stall_usd) == pytest.approx(run.stall_seconds / 3600 * 1.006)
    assert report.run_id == run.run_id


@pytest.mark.parametrize(
    ("transfer", "usd"), [("same-region", "0"), ("cross-region", "0.02"), ("internet", "0"), ("nat", "0.045")]
)
def test_transfer_is_priced_by_its_way(transfer: str, usd: str) -> None:
    report = _bill(make_run(meters=Meters(bytes_downloaded=GIB)), transfer=transfer)
    assert _line(report, f"transfer-{transfer}").usd == Decimal(usd)


def test_legs_of_a_way_add_up() -> None:
    report = _bill(make_run(meters=Meters(bytes_downloaded=10 * GIB)), transfer="nat+cross-region")
    assert [_line(report, item).usd for item in ("transfer-nat", "transfer-cross-region")] == [
        Decimal("0.45"),
        Decimal("0.2"),
    ]
    with pytest.raises(ConfigError, match=r"'pigeon' is no leg.*cross-region"):
        CostSetting(today=TODAY, transfer="nat+pigeon")


@pytest.mark.parametrize(
    ("source", "node", "usd"),
    [
        ("us-east-1", "us-east-2", "0.01"),
        ("us-east-2", "us-east-1", "0.01"),
        ("us-east-1", "eu-west-1", "0.02"),
        ("", "us-east-2", "0.02"),
        ("us-east-1", None, "0.02"),
    ],
)
def test_transfer_between_regions_is_priced_by_their_pair(source: str, node: str | None, usd: str) -> None:
    """The source's, as the run recorded it, and the node's."""
    run = make_run(config={"source": "s3://b/p", "region": source}, meters=Meters(bytes_downloaded=GIB))
    report = _bill(run, transfer="cross-region", region=node)
    assert _line(report, "transfer-cross-region").usd == Decimal(usd)
    if usd == "0.01":
        assert not any("transfer-cross-region" in warning for warning in report.warnings)
    is_told = any("Which region the source is in is not known" in warning for warning in report.warnings)
    assert is_told == (not source)


def test_transfer_out_of_a_region_without_a_price_stands_open() -> None:
    """The price of another region is not taken for it, wherever the node is."""
    run = make_run(config={"source": "s3://b/p", "region": "ap-south-1"}, meters=Meters(bytes_downloaded=GIB))
    report = _bill(run, transfer="cross-region", region="us-east-1")
    assert _line(report, "transfer-cross-region").usd is None
    assert any("'transfer-cross-region' from ap-south-1 to us-east-1" in warning for warning in report.warnings)


def test_the_price_of_another_region_is_told_for_the_sources_too() -> None:
    run = make_run(config={"source": "s3://b/p", "region": "ap-south-1"}, meters=Meters(bytes_downloaded=GIB))
    for node in ("us-east-1", None):
        report = _bill(run, transfer="internet", region=node)
        told = "There is no price of transfer-internet for ap-south-1: that of us-east-1"
        assert any(told in warning for warning in report.warnings)


def test_a_months_tiers_are_a_line_each() -> None:
    report = _bill(make_run(meters=Meters(bytes_downloaded=20_000 * GIB)), transfer="internet")
    lines = [(line.quantity, line.unit_usd) for line in report.lines if line.item == "transfer-internet"]
    assert lines == [(100, 0), (10_140, Decimal("0.09")), (9760, Decimal("0.085"))]
    assert "as if this run were the month's first" in " ".join(report.assumptions)


def test_what_the_store_failed_at_is_not_billed_and_what_it_refused_is() -> None:
    line = RequestCount(kind="GET", purpose="data", sent=10_000, answers_2xx=5000, answers_4xx=3000, answers_5xx=1500)
    free = RequestCount(kind="DELETE", purpose="checkpoint", sent=70, answers_2xx=70)
    put = RequestCount(kind="PUT", purpose="checkpoint", sent=400, answers_2xx=300, answers_5xx=100)
    run = make_run(meters=Meters(requests=(free, line, put)), checkpoint="s3://b/runs/best.pt")
    report = _bill(run)
    assert float(_line(report, "s3-get").usd) == pytest.approx(8.5 * 0.0004)
    assert float(_line(report, "s3-put").usd) == pytest.approx(0.3 * 0.005)
    assert _line(report, "s3-put").what == "PUT requests (checkpoints)"
    told = " ".join(report.assumptions)
    assert "1,600 requests that were answered with 5xx are not billed, 3,000 with 4xx are" in told
    assert "500 requests that got no answer are billed" in told
    assert "70 DELETE requests are free" in told


def test_unknown_node_stands_unpriced_and_is_said() -> None:
    run = make_run(host=CPU_HOST)
    report = _bill(run)
    node = _line(report, "node")
    assert (node.usd, node.unit_usd, float(node.quantity)) == (None, None, pytest.approx(run.wall_seconds / 3600))
    assert report.stall_usd is None
    assert report.unpriced == ("Training node, stall included",)
    assert any("--instance-type" in warning for warning in report.warnings)


def test_recorded_instance_type_is_used_and_the_setting_beats_it() -> None:
    assert _line(_bill(make_run()), "g5.xlarge").unit_usd == Decimal("1.006")
    assert _line(_bill(make_run(), instance_type="g6.xlarge"), "g6.xlarge").unit_usd == Decimal("0.8048")


def test_price_by_hand_beats_the_price_file() -> None:
    report = _bill(make_run(wall_seconds=3600.0), instance_type="my-own", node_usd_per_hour=2.5, num_nodes=4)
    line = _line(report, "my-own")
    assert float(line.usd) == pytest.approx(10.0)
    assert line.as_of == TODAY.isoformat()
    assert "by hand" in line.source


@pytest.mark.parametrize("recorded", [False, True])
def test_unknown_instance_type_stands_unpriced(recorded: bool) -> None:
    """Whether it was given for the bill or recorded by the training; all else is billed."""
    host = Host(num_cpus=8, device="gpu", num_devices=1, instance_type="g5.3xlarge")
    run = make_run(host=host) if recorded else make_run()
    report = _bill(run, transfer="internet", **({} if recorded else {"instance_type": "g5.3xlarge"}))
    assert _line(report, "g5.3xlarge").usd is None
    assert report.total_usd > 0
    (warning,) = [warning for warning in report.warnings if "g5.3xlarge" in warning]
    assert re.search(r"did you mean g5\.xlarge\?.*g5\.2xlarge.*g5\.xlarge.*--node-usd-per-hour", warning)


@pytest.mark.parametrize(
    ("item", "unit"),
    [
        ("s3-get", "1000 requests"),
        ("s3-list", "1000 requests"),
        ("s3-put", "1000 requests"),
        ("transfer-internet", "GiB"),
        ("gp3", "GiB-hour"),
        ("g5.xlarge", "hour"),
    ],
)
def test_no_bill_is_refused_for_want_of_a_price(item: str, unit: str) -> None:
    prices = load_prices()
    left = without(prices, item)
    setting = CostSetting(today=TODAY, transfer="internet")
    run = make_run(meters=msgspec.structs.replace(make_run().meters, requests=sent(GET=105_920, LIST=7, PUT=5)))
    report = bill(run, steps=[], evaluation=None, prices=left, setting=setting)
    whole = bill(run, steps=[], evaluation=None, prices=prices, setting=setting)
    line = _line(report, item)
    assert (line.usd, line.unit_usd, line.unit, line.as_of, line.source) == (None, None, unit, "", "")
    assert line.quantity == sum(each.quantity for each in whole.lines if each.item == item)
    assert any(f"{item!r}" in warning for warning in report.warnings)
    assert report.total_usd == whole.total_usd - _paid(whole, item)


def test_no_prices_at_all_give_a_bill_of_quantities() -> None:
    setting = CostSetting(today=TODAY)
    report = bill(
        make_run(), steps=[], evaluation=make_evaluation(), prices=Prices(files=(), today=TODAY), setting=setting
    )
    assert report.total_usd == 0
    assert all(line.usd is None for line in report.lines)
    assert len(report.lines) == 5
    assert not report.has_price


def test_unknown_node_of_another_step_only_warns() -> None:
    host = Host(num_cpus=2, device="cpu", num_devices=0, instance_type="m99.small")
    report = _bill(make_run(), steps=[make_list_step(host=host)])
    assert any("m99.small" in warning for warning in report.warnings)
    assert _line(report, "m99.small").usd is None
    assert report.unpriced == ("Node of the list step",)


@pytest.mark.parametrize("setting", [{"node_usd_per_hour": -1.0}, {"node_usd_per_hour": math.nan}, {"num_nodes": 0}])
def test_impossible_setting_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        CostSetting(today=TODAY, **setting)


def test_nodes_have_disks_of_their_own_provider() -> None:
    """Whatever store the run read from; a node and a store that are not known give no disk a price."""
    for kind, disk in (
        ("g5.xlarge", "gp3"),
        ("Standard_NC24ads_A100_v4", "premium-ssd-v2"),
        ("a2-highgpu-1g", "pd-balanced"),
    ):
        report = _bill(make_run(), instance_type=kind)
        (line,) = [line for line in report.lines if line.unit == "GiB-hour"]
        assert line.item == disk
    unknown = _bill(make_run(host=CPU_HOST, config={"source": "/data"}))
    (line,) = [line for line in unknown.lines if line.unit == "GiB-hour"]
    assert (line.item, line.usd) == ("disk", None)
    assert any("Whose disk" in warning for warning in unknown.warnings)


def test_old_prices_are_warned_of() -> None:
    assert not any("180 days" in warning for warning in _bill(make_run()).warnings)
    (late,) = [each for each in _bill(make_run(), today=date(2027, 6, 1)).warnings if "180 days" in each]
    assert "s3-get, transfer-same-region, gp3: 335 days (as of 2026-07-01); g5.xlarge: 243 days" in late


def test_price_of_another_region_is_warned_of() -> None:
    report = _bill(make_run(), region="eu-west-3")
    assert any("s3-get for eu-west-3" in warning and "us-east-1" in warning for warning in report.warnings)
    assert not any("eu-west-3" in warning for warning in _bill(make_run()).warnings)


@pytest.mark.parametrize("region", ["us-east-1", None])
def test_price_of_another_region_than_a_step_s_node_was_in_is_warned_of(region: str | None) -> None:
    """Whatever region the training's node was in: the very one whose price is taken, or an unknown one."""
    trained = Host(num_cpus=4, device="g", num_devices=1, instance_type="g5.xlarge", region=region)
    listed_on = Host(num_cpus=2, device="cpu", num_devices=0, instance_type="m5.large", region="eu-west-1")
    report = _bill(make_run(host=trained), steps=[make_list_step(host=listed_on)])
    assert _line(report, "m5.large").region == "us-east-1"
    [told] = [warning for warning in report.warnings if "m5.large" in warning]
    assert told.startswith("There is no price of m5.large for eu-west-1: that of us-east-1")


@pytest.mark.parametrize("source", ["/data", "file:///data", "FILE:///data"])
def test_a_local_source_costs_neither_requests_nor_transfer(source: str) -> None:
    report = _bill(make_run(config={"source": source}), transfer="internet", put_requests=3)
    assert [line.unit for line in report.lines] == ["hour", "GiB-hour"]
    assert report.unpriced == ()
    assert any("local folder" in line for line in report.assumptions)


OTHER = (
    {"source": "s3://b/p", "endpoint-url": "http://127.0.0.1:9000"},
    {"source": "s3://b/p", "endpoint_url": "https://storage.googleapis.com"},
    {"source": "s3://b/p", "endpoint-url": "https://amazonaws.com.example.net"},
    {"source": "s3://b/p", "endpoint-url": "https://notamazonaws.com"},
    {"source": "hf://datasets/a/b"},
)


@pytest.mark.parametrize("config", OTHER)
def test_another_server_than_aws_is_not_billed_at_its_prices(config: dict[str, str]) -> None:
    report = _bill(make_run(config=config), transfer="internet")
    assert [_line(report, item).usd for item in ("s3-get", "transfer-internet")] == [None, None]
    assert "GET and HEAD requests (data)" in report.unpriced
    named = config.get("endpoint-url") or config.get("endpoint_url") or config["source"]
    assert any(named in warning and "--source-prices s3" in warning for warning in report.warnings)
    asked = _bill(make_run(config=config), transfer="internet", source_prices="s3")
    assert asked.unpriced == ()
    assert any(named in warning for warning in asked.warnings)


@pytest.mark.parametrize(
    ("source", "endpoint", "items"),
    [
        (
            "gs://b/p",
            "",
            {"gcs-class-b": 2.5 * 0.0004, "gcs-class-a": 0.005 / 1000, "gcs-transfer-internet": 110 * 0.12},
        ),
        ("gs://b/p", "http://127.0.0.1:9000", dict.fromkeys(("gcs-class-b", "gcs-class-a", "gcs-transfer-internet"))),
        (
            "az://box/p",
            "",
            {"azure-read": 2.5 * 0.0004, "azure-list": 0.005 / 1000, "azure-transfer-internet": 10 * 0.087},
        ),
        ("az://box/p", "http://127.0.0.1:9000/a", dict.fromkeys(("azure-read", "azure-list"))),
    ],
)
def test_a_store_is_billed_by_its_own_items(source: str, endpoint: str, items: dict[str, float | None]) -> None:
    meters = Meters(requests=sent(GET=2500, LIST=1), bytes_downloaded=110 * GIB)
    report = _bill(make_run(config={"source": source, "endpoint-url": endpoint}, meters=meters), transfer="internet")
    found = {line.item: None if line.usd is None else float(line.usd) for line in report.lines}
    for item, usd in items.items():
        assert found[item] == (None if usd is None else pytest.approx(usd))
    assert not any(item.startswith(("s3-", "transfer-")) for item in found)
    is_old = any("180 days" in warning and "azure-list" in warning for warning in report.warnings)
    assert is_old == (source == "az://box/p" and not endpoint)


def test_prices_that_a_person_has_are_taken_for_a_store_without_any() -> None:
    prices = listed(
        "prices:\n- {item: azure-read, unit: 1000 requests, price: 0.0005}\n"
        "- {item: azure-list, unit: 1000 requests, price: 0.005}\n"
        "- {item: azure-transfer-same-region, unit: GiB, price: 0}\n"
    )
    run = make_run(config={"source": "az://box/p"}, meters=Meters(requests=sent(GET=2000, LIST=1000)))
    setting = CostSetting(today=date(2026, 8, 1))
    report = bill(run, steps=[], evaluation=None, prices=prices, setting=setting)
    assert (_line(report, "azure-read").usd, _line(report, "azure-list").usd) == (Decimal("0.001"), Decimal("0.005"))
    assert _line(report, "azure-transfer-same-region").usd == 0


@pytest.mark.parametrize("endpoint", [None, "", "https://s3.us-east-2.amazonaws.com", "https://s3.dualstack.x.api.aws"])
def test_aws_own_endpoints_are_billed(endpoint: str | None) -> None:
    report = _bill(make_run(config={"source": "s3://b/p", "endpoint-url": endpoint}))
    assert report.unpriced == ()
    assert _line(report, "s3-get").usd


def test_a_node_for_nothing_is_priced() -> None:
    report = _bill(make_run(), node_usd_per_hour=0.0)
    assert _line(report, "g5.xlarge").usd == 0
    assert (report.stall_usd, report.unpriced) == (0, ())


def test_own_disk_is_not_billed() -> None:
    report = _bill(make_run(), disk=None)
    assert not any(line.unit == "GiB-hour" for line in report.lines)


def test_prefetch_step_is_billed_beside_the_run() -> None:
    step = make_list_step(step="prefetch", wall_seconds=3600.0, meters=Meters(requests=sent(GET=5000)))
    report = _bill(make_run(meters=Meters(requests=sent(GET=2000))), steps=[step])
    assert float(_line(report, "s3-get").usd) == pytest.approx(7 * 0.0004)
    (node,) = [line for line in report.lines if line.what == "Node of the prefetch step"]
    assert node.usd == Decimal("1.006")


def test_traffic_that_two_records_tell_is_counted_once() -> None:
    run, evaluation = make_run(), make_evaluation()
    told_again = [
        make_list_step(step="train", meters=run.meters),
        make_list_step(step="evaluate", meters=evaluation.meters),
    ]
    once = total_meters(run, steps=[], evaluation=evaluation)
    assert total_meters(run, steps=told_again, evaluation=evaluation) == once
    with_evaluate_step = total_meters(run, steps=told_again, evaluation=None)
    assert with_evaluate_step.get_requests == run.meters.get_requests + evaluation.meters.get_requests


_counts = st.integers(0, 10**12)
_seconds = st.floats(0, 10**7)


@given(
    meters=st.builds(
        Meters,
        bytes_downloaded=_counts,
        requests=st.builds(sent, GET=_counts, LIST=_counts, PUT=_counts),
        failed_requests=_counts,
        window_bytes=_counts,
    ),
    wall_seconds=_seconds,
    stall_seconds=_seconds,
    usd_per_hour=st.floats(0, 1000),
    nodes=st.integers(1, 64),
    transfer=st.sampled_from(["same-region", "cross-region", "internet", "nat"]),
)
def test_total_is_the_sum_and_stall_is_part_of_the_node(
    meters: Meters,
    wall_seconds: float,
    stall_seconds: float,
    usd_per_hour: float,
    nodes: int,
    transfer: str,
) -> None:
    run = _run_with(meters, wall_seconds, stall_seconds)
    report = _bill(run, node_usd_per_hour=usd_per_hour, num_nodes=nodes, transfer=transfer)
    assert report.total_usd == sum(line.usd for line in report.lines)
    assert decode_record(encode_record(report), CostReport) == report
    for line in report.lines:
        assert abs(line.usd - line.quantity * line.unit_usd) < Decimal("1e-9")
        assert line.usd >= 0
    node_usd = sum(line.usd for line in report.lines if line.unit == "hour")
    assert (report.stall_usd is None) == (wall_seconds == 0)
    assert 0 <= (report.stall_usd or 0) <= node_usd


def _run_with(meters: Meters, wall_seconds: float, stall_seconds: float) -> RunRecord:
    from penstock.records import EpochRecord

    epoch = EpochRecord(
        epoch=0, num_steps=1, num_samples=1, train_loss=1.0, valid={},
        stall_seconds=stall_seconds, compute_seconds=1.0, valid_seconds=0.0,
    )  # fmt: skip
    return RunRecord(
        run_id="r", task="t", model="m", score="", num_parameters=1, config={},
        manifest_fingerprint="", plan_fingerprint="",
        state="succeeded", error=None, started_at="", ended_at="", wall_seconds=wall_seconds,
        seconds_to_first_batch=0.0, num_resumes=0, best_epoch=None, checkpoint=None, weights_sha256=None,
        host=CPU_HOST, losses=(), epochs=(epoch,), meters=meters, saves=Saves(), unfinished_samples=0,
    )  # fmt: skip


def test_same_input_gives_the_same_bill() -> None:
    assert msgspec.json.encode(_bill(make_run())) == msgspec.json.encode(_bill(make_run()))


def test_a_mix_of_several_stores_is_not_priced_as_one() -> None:
    """What each got is not counted: requests and transfer stay open, and the bill says so."""
    shares = [MixShare(source=uri, share=0.5, planned=1, given=1) for uri in ("s3://b/x", "gs://b/x", "s3://c/y")]
    run = make_run(mix=tuple(shares), config={"source": "s3://b/x"})
    seller = seller_of(run, prices="auto")
    assert not seller.is_priced
    assert "what each got of its requests and transfer is not counted, so they are not in the total" in seller.warning
    assert seller_of(msgspec.structs.replace(run, mix=(shares[0], shares[2])), prices="auto").is_priced


@pytest.mark.parametrize("jurisdiction", ["", ".eu"])
def test_a_bucket_of_r2_is_billed_at_the_prices_of_r2(jurisdiction: str) -> None:
    """Reads are its class B, listings and writes class A, and nothing is taken for what goes out."""
    endpoint = f"https://0123abc{jurisdiction}.r2.cloudflarestorage.com"
    meters = Meters(bytes_downloaded=GIB, requests=sent(GET=2000, LIST=1000))
    config = {"source": "s3://bucket/data", "endpoint-url": endpoint}
    sizes = {
        "STANDARD_IA": ClassSize(num_objects=1, size_bytes=GIB),
        "STANDARD": ClassSize(num_objects=1, size_bytes=GIB),
    }
    dataset = DatasetSize(epoch_bytes=2 * GIB, num_objects=2, object_bytes=GIB, storage_classes=sizes)
    plain = _bill(make_run(meters=meters, config=config), transfer="internet", region="eu-central-1")
    assert (_paid(plain, "r2-class-b"), _paid(plain, "r2-class-a")) == (Decimal("0.00072"), Decimal("0.0045"))
    assert _paid(plain, "r2-transfer-internet") == 0
    assert not [line.item for line in plain.lines if line.usd is None]
    assert not [told for told in (*plain.warnings, *plain.assumptions) if "auto" in told or "not known" in told]
    mixed = _bill(make_run(meters=meters, config=config, dataset=dataset))
    assert _paid(mixed, "r2-ia-class-b") == Decimal("0.0009")
    assert _paid(mixed, "r2-ia-retrieval") == Decimal("0.005")
    as_s3 = _bill(make_run(meters=meters, config=config), source_prices="s3")
    assert _paid(as_s3, "s3-get") == Decimal("0.0008")
    assert any(told.startswith("The run read from Cloudflare R2, not from AWS") for told in as_s3.warnings)


def test_a_bill_is_made_for_the_node_that_was_found() -> None:
    host = Host(
        num_cpus=4, device="g", num_devices=1, instance_type="p5en.48xlarge", region="us-east-2", lifecycle="spot"
    )
    report = _bill(make_run(host=host))
    line = _line(report, "p5en.48xlarge")
    assert (line.unit_usd, "us-east-2" in line.source) == (Decimal("26.5714"), True)
    said = _bill(make_run(host=host), lifecycle="on-demand", region="us-east-1")
    assert _line(said, "p5en.48xlarge").unit_usd == Decimal("63.296")


def test_spot_without_a_price_is_not_billed_as_on_demand() -> None:
    host = Host(num_cpus=4, device="g", num_devices=1, instance_type="inf2.xlarge", lifecycle="spot")
    report = _bill(make_run(host=host))
    assert _line(report, "inf2.xlarge").usd is None
    assert any("no spot price of 'inf2.xlarge'" in warning for warning in report.warnings)


def test_requests_of_a_stopped_evaluation_count_until_one_that_holds_them_ends() -> None:
    requests = (RequestCount(kind="GET", purpose="data", sent=5, answers_2xx=5),)
    stopped = msgspec.structs.replace(make_list_step(), step="stopped evaluate", meters=Meters(requests=requests))
    run, scored = make_run(), make_evaluation()
    before = total_meters(run, steps=[stopped], evaluation=None).count("GET").sent
    assert before == run.meters.count("GET").sent + 5
    after = total_meters(run, steps=[stopped], evaluation=scored)
    assert after == total_meters(run, steps=[], evaluation=scored)

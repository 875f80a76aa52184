"""Estimates of CO2: their arithmetic, what leaves them open, and where they are told."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from penstock.cli import main
from penstock.cost import load_prices
from penstock.cost.carbon import grid_of, node_watts
from penstock.cost.model import bill
from penstock.cost.setting import CostSetting
from penstock.records import CostReport, Emissions, Host, read_record, write_record
from support.runs import make_list_step, make_run

TODAY = date(2026, 11, 28)
PRICES = load_prices(today=TODAY)


def estimate(*, steps: bool = False, **setting: Any) -> Emissions:
    given = {"instance_type": "g5.xlarge", "region": "eu-central-1"} | setting
    chosen = CostSetting(today=TODAY, co2=True, **given)
    run = make_run(wall_seconds=7200.0)
    cost = bill(run, steps=[make_list_step()] if steps else [], evaluation=None, prices=PRICES, setting=chosen)
    assert cost.co2 is not None
    assert set(cost.co2.unknown) <= set(cost.warnings)
    return cost.co2


def test_the_arithmetic_is_of_the_figures_that_are_told() -> None:
    watts = node_watts(PRICES.machine("g5.xlarge"))
    assert watts is not None
    still = 4 * Decimal("2.12") + 16 * Decimal("0.392")  # vCPUs at half of 0.74 to 3.5 W, memory
    assert watts.idle == (still + 18) * Decimal("1.135")
    assert watts.full == (still + 153) * Decimal("1.135")
    found, busy_hours = estimate(), make_run().compute_seconds / 3600
    kwh = (float(watts.full) * busy_hours + float(watts.idle) * (2 - busy_hours)) / 1000
    assert float(found.kwh or 0) == pytest.approx(kwh)
    assert found.grid_gco2_per_kwh == 311
    assert found.gco2 == pytest.approx(Decimal(found.kwh or 0) * 311)
    assert "EEA" in found.grid_source
    assert "2020" in found.grid_source


def test_more_hours_nodes_and_steps_draw_more() -> None:
    one = estimate().kwh or Decimal(0)
    assert (estimate(num_nodes=2).kwh or Decimal(0)) == pytest.approx(2 * one)
    assert (estimate(steps=True).kwh or Decimal(0)) > one


def test_a_figure_that_somebody_gives_comes_before_the_region_s() -> None:
    found = estimate(grid_gco2_per_kwh=20.5, region="eu-central-1")
    assert found.grid_gco2_per_kwh == Decimal("20.5")
    assert found.grid_source == "given by hand"


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"instance_type": "p99.huge"}, "What p99.huge draws is not known"),
        ({"instance_type": None, "node_usd_per_hour": 1.0}, "draws is not known"),
        ({"region": "mars-north-1"}, "What a kWh emits of mars-north-1 is not known: pass --grid-gco2-per-kwh."),
        ({"region": None}, "the region is not known"),
    ],
)
def test_what_is_not_known_leaves_it_open_and_is_never_0(setting: dict[str, Any], told: str) -> None:
    run = make_run(host=Host(num_cpus=4, device="NVIDIA A10G", num_devices=1))
    given = {"instance_type": "g5.xlarge", "region": "eu-central-1"} | setting
    chosen = CostSetting(today=TODAY, co2=True, **given)
    cost = bill(run, steps=[], evaluation=None, prices=PRICES, setting=chosen)
    assert cost.co2 is not None
    assert cost.co2.gco2 is None
    assert any(told in text for text in cost.co2.unknown)
    assert any(told in text for text in cost.warnings)


def test_nobody_who_does_not_ask_gets_one() -> None:
    run = make_run()
    setting = CostSetting(today=TODAY, instance_type="g5.xlarge")
    assert bill(run, steps=[], evaluation=None, prices=PRICES, setting=setting).co2 is None


def test_every_machine_and_most_regions_of_the_price_list_are_known() -> None:
    assert [each.name for each in PRICES.machines if node_watts(each) is None] == []
    lacking = {region for region in PRICES.regions() if grid_of(region) is None}
    assert lacking <= {"auto"}  # Cloudflare's, which is no place


def test_it_is_told_wherever_the_bill_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = msgspec.structs.replace(make_run(), wall_seconds=7200.0)
    write_record(tmp_path / "run.json", run)
    words = ["report", "--run-record", str(tmp_path / "run.json"), "--html", str(tmp_path / "x.html"), "--co2"]
    words += ["--cost", str(tmp_path / "cost.json"), "--markdown", str(tmp_path / "x.md")]
    assert main([*words, "--price-region", "eu-central-1"]) == 0
    assert " g of CO2e" in capsys.readouterr().out
    assert "EEA, CO2 intensity of electricity" in (tmp_path / "x.html").read_text()
    assert "CO2e" in (tmp_path / "x.md").read_text()
    cost = read_record(tmp_path / "cost.json", CostReport)
    assert cost.co2 is not None
    assert cost.co2.gco2
    assert main(["cost-report", str(tmp_path)]) == 0
    head, row, *sums = capsys.readouterr().out.splitlines()
    assert head.split()[-2:] == ["CO2e", "in"]
    assert row.endswith(f" g  {tmp_path}")
    assert all(line.endswith(" of CO2e in 1 run") for line in sums)
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 0
    assert "CO2e, estimated" in capsys.readouterr().out

    assert main([*words, "--price-region", "mars-north-1", "--grid-gco2-per-kwh", "-1"]) == 2
    assert main([*words, "--instance-type", "p99.huge"]) == 0
    assert "CO2e" not in capsys.readouterr().out
    assert "What p99.huge draws is not known" in (tmp_path / "x.md").read_text()


def forecast_told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    stated = ["--size", "2TB", "--objects", "200000", "--epochs", "10", "--compute-hours", "2"]
    assert main(["forecast", *stated, "--instance-type", "g4dn.xlarge", "--json", *words]) == 0
    return cast("dict[str, Any]", json.loads(capsys.readouterr().out)["nodes"][0])


def test_a_forecast_tells_it_of_each_way(capsys: pytest.CaptureFixture[str]) -> None:
    node = forecast_told(capsys, "--co2", "--price-region", "us-east-1")
    watts = node_watts(PRICES.machine("g4dn.xlarge"))
    assert watts is not None
    way = next(each for each in node["ways"] if each["name"].startswith("stream"))
    hours = (way["wall_seconds"] - way["stall_seconds"]) / 3600, way["stall_seconds"] / 3600
    kwh = (float(watts.full) * hours[0] + float(watts.idle) * hours[1]) / 1000
    assert way["co2_grams"] == pytest.approx(kwh * 379.069)
    assert "eGRID2020" in node["sentences"][-1]
    assert forecast_told(capsys, "--co2", "--grid-gco2-per-kwh", "0")["ways"][0]["co2_grams"] == 0
    assert "what a kWh emits there is not known" in forecast_told(capsys, "--co2")["sentences"][-1]
    assert forecast_told(capsys)["ways"][0]["co2_grams"] is None

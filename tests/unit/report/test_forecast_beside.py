"""A forecast beside what the run took: what counts on both sides, and what is not known."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.forecasting import Demand, Link, Market, Node, Places, forecast_ways
from penstock.cost.forecasting.inputs import node_of
from penstock.records import CostReport, ForecastRecord, Meters, RunRecord, StepRecord
from penstock.report.forecast_beside import forecast_table
from penstock.report.forecast_told import forecast_record
from penstock.sources import find_scheme
from penstock.units import MIB
from support.runs import make_evaluation, make_list_step, make_run, sent

PRICES = load_prices()
RUN, TESTED, LISTED = make_run(), make_evaluation(), make_list_step()
PACKED = msgspec.structs.replace(
    LISTED, step="pack", wall_seconds=60.0, meters=Meters(bytes_downloaded=100 * MIB, requests=sent(GET=1000))
)


def forecast(node: Node, planned: str | None = "window", *, is_compute_known: bool = True) -> ForecastRecord:
    demand = Demand(
        epoch_bytes=300e6, epoch_requests=2600, pages=3, num_objects=2600, epochs=40, compute_seconds=5,
        is_compute_known=is_compute_known,
    )  # fmt: skip
    market = Market(prices=PRICES, tariff=find_scheme("s3://").tariff)
    found = forecast_ways(demand, Link(bytes_per_second=50e6), node, Places(window_bytes=64e6), market)
    return forecast_record([found], planned=planned)


def cost_of(run: RunRecord, *, node: str | None, steps: list[StepRecord]) -> CostReport:
    setting = CostSetting(instance_type=node, today=date(2026, 11, 21))
    return bill(run, steps=steps, evaluation=TESTED, prices=PRICES, setting=setting)


def rows(node: str, steps: list[StepRecord], **more: bool) -> dict[str, tuple[str, ...]]:
    cost = cost_of(RUN, node=node, steps=steps)
    found = forecast_table(forecast(node_of(node, PRICES), **more), RUN, evaluation=TESTED, cost=cost, steps=steps)
    assert found is not None
    return {"caption": (found.caption,), **{row[0]: row[1:] for row in found.rows}}


def test_both_sides_count_training_and_evaluation() -> None:
    found = rows("g5.xlarge", [LISTED])
    requests = RUN.meters.plus(TESTED.meters).count("GET", purpose="data").sent
    assert found["GET requests"][1] == f"{requests:,}"
    assert found["LIST requests"] == ("3", f"{LISTED.meters.list_requests:,}", f"{LISTED.meters.list_requests / 3:.0%}")
    assert found["US dollars"][2].endswith("%")
    assert "not known" not in found["caption"][0]


def test_what_was_stored_first_counts_too() -> None:
    plain, stored = rows("g5.xlarge", [LISTED]), rows("g5.xlarge", [LISTED, PACKED])
    before, after = (int(found["GET requests"][1].replace(",", "")) for found in (plain, stored))
    assert after == before + 1000
    assert "Wall time of storing, training and evaluation" in stored
    assert "Wall time of training and evaluation" in plain


def test_what_is_not_known_is_told_and_compared_with_nothing() -> None:
    found = rows("p99.huge", [LISTED], is_compute_known=False)
    forecast_told, actual, ratio = found["US dollars"]
    assert forecast_told.endswith(" + ?")
    assert actual.endswith(" + ?")
    assert ratio == "–"
    assert "how fast it computes was not known" in found["caption"][0]
    table = forecast_table(forecast(node_of("g5.xlarge", PRICES)), RUN, evaluation=None, cost=None, steps=[])
    assert table is not None
    assert table.rows[-1][2:] == ("–", "–")


@pytest.mark.parametrize("planned", ["nothing", "repeat-9"])
def test_a_way_that_is_not_forecast_has_no_table(planned: str) -> None:
    found = forecast(node_of("g5.xlarge", PRICES), planned)
    assert forecast_table(found, RUN, evaluation=TESTED, cost=None, steps=[]) is None

"""Bills as FOCUS 1.2: every rule kept, sums equal to the last digit, and each rule's breach found."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow.csv as csv_files
import pytest

from penstock.cli import main
from penstock.cost import load_prices
from penstock.cost.focus import ISSUER, FocusRun, as_focus
from penstock.cost.focus_rules import ALLOWED, MANDATORY, violations
from penstock.cost.model import bill
from penstock.cost.setting import CostSetting
from penstock.records import write_record
from support.runs import make_list_step, make_run

TODAY = date(2026, 11, 28)
SETTING = CostSetting(today=TODAY, instance_type="g5.xlarge", transfer="internet", source_prices="s3", disk="gp3")


def focus_run(**changes: object) -> FocusRun:
    run = msgspec.structs.replace(make_run(), **changes)
    cost = bill(run, steps=[make_list_step()], evaluation=None, prices=load_prices(), setting=SETTING)
    return FocusRun(run=run, cost=cost)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_bill_keeps_the_rules_and_adds_up() -> None:
    each = focus_run()
    text = as_focus([each], account="1234", tags={"team": 'a "b", ü'})
    assert violations(text) == []
    rows = rows_of(text)
    assert sum(Decimal(row["BilledCost"]) for row in rows) == each.cost.total_usd > 0
    assert len(rows) == sum(line.usd is not None for line in each.cost.lines)
    assert {row["InvoiceIssuerName"] for row in rows} == {ISSUER}
    assert {row["BillingAccountId"] for row in rows} == {"1234"}
    tags = json.loads(rows[0]["Tags"])
    assert tags["team"] == 'a "b", ü'
    assert tags["penstock_run_id"] == each.run.run_id
    services = {(row["ServiceCategory"], row["ServiceSubcategory"]) for row in rows}
    assert {("Compute", "Virtual Machines"), ("Storage", "Object Storage")} <= services


def test_it_opens_in_pandas_and_is_summed(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    each = focus_run()
    (tmp_path / "focus.csv").write_text(as_focus([each, each], account="a", tags={}))
    frame = pandas.read_csv(tmp_path / "focus.csv")
    assert frame["BilledCost"].sum() == pytest.approx(2 * float(each.cost.total_usd))
    assert set(MANDATORY) <= set(frame.columns)


def test_a_table_reader_finds_numbers_and_times(tmp_path: Path) -> None:
    each = focus_run()
    (tmp_path / "focus.csv").write_text(as_focus([each], account="a", tags={"a": "x,y"}))
    table = csv_files.read_csv(tmp_path / "focus.csv")
    assert sum(table["BilledCost"].to_pylist()) == pytest.approx(float(each.cost.total_usd))
    assert str(table["ChargePeriodStart"].type).startswith("timestamp")


@pytest.mark.parametrize(
    ("ended_at", "months"),
    [
        ("2026-12-01T00:00:00+00:00", 1),  # the end is not within
        ("2026-12-01T00:10:00+00:00", 2),
        ("2026-11-20T12:00:00+02:00", 1),
        ("2027-01-01T01:00:00+02:00", 1),  # in UTC it is still December
    ],
)
def test_a_run_over_the_end_of_a_month_is_of_both(ended_at: str, months: int) -> None:
    each = focus_run(started_at=ended_at, ended_at=ended_at, wall_seconds=3600.0)
    text = as_focus([each], account="a", tags={})
    assert violations(text) == []
    rows = rows_of(text)
    assert len({row["BillingPeriodStart"] for row in rows}) == months
    assert sum(Decimal(row["BilledCost"]) for row in rows) == each.cost.total_usd
    for line in each.cost.lines:
        of_line = [row for row in rows if row["ChargeDescription"] == line.what and row["SkuId"] == line.item]
        assert sum(Decimal(row["PricingQuantity"]) for row in of_line) == line.quantity


def test_what_has_no_price_is_in_no_row() -> None:
    each = focus_run()
    setting = replace(SETTING, instance_type="p99.huge")
    cost = bill(each.run, steps=[], evaluation=None, prices=load_prices(), setting=setting)
    assert cost.unpriced
    rows = rows_of(as_focus([replace(each, cost=cost)], account="a", tags={}))
    assert not any(row["SkuId"] == "p99.huge" for row in rows)
    assert sum(Decimal(row["BilledCost"]) for row in rows) == cost.total_usd


GOOD = as_focus([focus_run()], account="a", tags={})


def changed(column: str, value: str) -> str:
    rows = rows_of(GOOD)
    rows[0][column] = value
    text = io.StringIO()
    written = csv.DictWriter(text, list(rows[0]))
    written.writeheader()
    written.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("column", MANDATORY)
def test_a_mandatory_column_that_is_missing_is_found(column: str) -> None:
    assert violations(GOOD.replace(column, f"x_{column}", 1)) != []


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        *((name, "", "is empty") for name in MANDATORY if name not in ("BillingAccountName", "ChargeClass")
          if name not in ("ChargeDescription", "PricingUnit")),
        *((name, "Nonsense", "is none of") for name in ALLOWED),
        ("PricingUnit", "", "not both there"),
        ("BilledCost", "1,5", "no number"),
        ("BilledCost", "$5", "no number"),
        ("ListCost", "1e9", "times PricingQuantity"),
        ("ContractedCost", "-5", "times PricingQuantity"),
        ("BillingCurrency", "dollars", "three letters"),
        ("ChargePeriodStart", "2026-11-28 00:00:00", "is not like"),
        ("ChargePeriodStart", "2026-11-28T00:00:00+01:00", "is not like"),
        ("ChargePeriodStart", "1999-11-28T00:00:00Z", "outside the billing period"),
        ("ChargePeriodEnd", "1999-11-28T00:00:00Z", "ends before it begins"),
        ("BillingPeriodEnd", "1999-11-28T00:00:00Z", "ends before it begins"),
        ("ServiceSubcategory", "Block Storage", "is none of Compute"),
        ("Tags", "a=b", "no JSON object"),
        ("Tags", '{"a": [1]}', "no JSON object"),
        ("SkuId", "", "without SkuId"),
        ("ResourceId", "", "without ResourceId"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_found(column: str, value: str, told: str) -> None:
    assert violations(GOOD) == []
    found = violations(changed(column, value))
    assert any(told in each and each.startswith("row 1: ") for each in found), found


def test_the_command_sums_up_and_writes_what_it_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [focus_run(run_id="one"), focus_run(run_id="two")]
    for each in runs:
        (tmp_path / each.run.run_id).mkdir()
        write_record(tmp_path / each.run.run_id / "run.json", each.run)
        write_record(tmp_path / each.run.run_id / "cost.json", each.cost)
    one, two, out = (str(tmp_path / name) for name in ("one", "two", "focus.csv"))
    words = ["cost-report", "--run", one, "--run", two, "--run", one, "--focus", out, "--tag", "team=vision"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "total of 2 runs" in told
    rows = rows_of(Path(out).read_text())
    assert sum(Decimal(row["BilledCost"]) for row in rows) == sum(each.cost.total_usd for each in runs)
    assert {json.loads(row["Tags"])["team"] for row in rows} == {"vision"}
    assert main(["cost-report", "--check", out]) == 0
    Path(out).write_text(changed("BilledCost", "x"))
    assert main(["cost-report", "--check", out]) == 70
    assert "BilledCost 'x' is no number" in capsys.readouterr().err


def test_what_has_no_price_stands_as_such_in_every_sum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = msgspec.structs.replace(make_run(), run_id="open")
    setting = replace(SETTING, instance_type="p99.huge")
    cost = bill(run, steps=[make_list_step()], evaluation=None, prices=load_prices(), setting=setting)
    assert cost.unpriced
    write_record(tmp_path / "run.json", run)
    write_record(tmp_path / "cost.json", cost)
    assert main(["cost-report", "--run", str(tmp_path)]) == 0
    row, task, month, total = capsys.readouterr().out.splitlines()[1:]
    assert row.count("$") == row.count(" + ?") == 4
    assert all(line.endswith(", without what has no price in 1 run") for line in (task, month, total))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "no run is named"),
        (["--run", "/nowhere"], 70, "/nowhere/run.json"),
        (["--check", "/nowhere.csv"], 70, "cannot be read"),
        (["--run", "/nowhere", "--tag", "team"], 2, "--tag 'team'"),
    ],
)
def test_what_cannot_be_summed_up_is_refused(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost-report", *words]) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("record", "name", "value", "told"),
    [
        ("run", "started_at", "x", "Invalid isoformat"),
        ("run", "ended_at", "0001-01-01T00:00:00+00:00", "too large"),
        ("run", "ended_at", "9999-12-31T23:59:59+00:00", "too large"),
        ("run", "wall_seconds", 1e308, "too large"),
        ("run", "unfinished_samples", 10**400, "too large"),
        ("cost", "total_usd", -1, "its lines to"),
        ("cost", "total_usd", 10**30, "its lines to"),
        ("line", "usd", -1, "less than nothing"),
        ("line", "usd", 1e308, "too large"),
        ("line", "quantity", 10**400, "too large"),
    ],
)
def test_records_whose_figures_cannot_be_true_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str, name: str, value: object, told: str
) -> None:
    path = written_run(tmp_path, cost=record != "run")
    document = json.loads(path.read_bytes())
    (document["lines"][0] if record == "line" else document)[name] = value
    path.write_text(json.dumps(document))
    assert main(["cost-report", "--run", str(tmp_path), "--focus", str(tmp_path / "f.csv")]) == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert told in said.err
    assert not (tmp_path / "f.csv").exists()


def written_run(folder: Path, *, cost: bool) -> Path:
    each = focus_run()
    write_record(folder / "run.json", each.run)
    write_record(folder / "cost.json", each.cost)
    return folder / ("cost.json" if cost else "run.json")


def test_a_bill_that_would_break_a_rule_makes_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written_run(tmp_path, cost=True)
    document = json.loads(path.read_bytes())
    document["lines"][0]["quantity"] = 0
    path.write_text(json.dumps(document))
    assert main(["cost-report", "--run", str(tmp_path), "--focus", str(tmp_path / "f.csv")]) == 70
    assert "makes no FOCUS file: row 1: ListUnitPrice times PricingQuantity" in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists()

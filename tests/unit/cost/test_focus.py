"""Bills as FOCUS 1.2: every rule kept, sums equal to the last digit, and each rule's breach found."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow.csv as csv_files
import pytest

from penstock.cli import main
from penstock.cost import load_prices
from penstock.cost.focus import ORIGIN, FocusRun, as_focus
from penstock.cost.focus_rules import violations
from penstock.cost.focus_values import ALLOWED, FOCUS_COLUMNS, MANDATORY, NEVER_NULL, NUMBERS, TOGETHER
from penstock.cost.model import bill
from penstock.cost.reconciling import read_export
from penstock.cost.setting import CostSetting
from penstock.records import ClassSize, DatasetSize, Host, Meters, Saves, write_record
from penstock.steps._shared.pipeline_output import bill_metrics
from penstock.units import GIB, format_usd
from support.runs import make_evaluation, make_list_step, make_run

TODAY = date(2026, 11, 28)
SETTING = CostSetting(today=TODAY, instance_type="g5.xlarge", transfer="internet", source_prices="s3", disk="gp3")


def focus_run(**changes: object) -> FocusRun:
    run = msgspec.structs.replace(make_run(), **changes)
    cost = bill(run, steps=[make_list_step()], evaluation=None, prices=load_prices(), setting=SETTING)
    return FocusRun(run=run, cost=cost)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def broken(text: str) -> list[str]:
    return violations(io.StringIO(text, newline=""))


def test_a_bill_keeps_the_rules_and_adds_up() -> None:
    each = focus_run()
    text = as_focus([each], account="1234", tags={"team": 'a "b", ü'})
    assert broken(text) == []
    rows = rows_of(text)
    assert sum(Decimal(row["BilledCost"]) for row in rows) == each.cost.total_usd > 0
    assert len(rows) == sum(line.usd is not None for line in each.cost.lines)
    assert {row["x_Origin"] for row in rows} == {ORIGIN}
    assert set(rows[0]) <= FOCUS_COLUMNS | {"x_Origin", "x_PriceAsOf", "x_PriceSource"}
    assert {row["BillingAccountId"] for row in rows} == {"1234"}
    tags = json.loads(rows[0]["Tags"])
    assert tags["team"] == 'a "b", ü'
    assert tags["penstock_run_id"] == each.run.run_id
    services = {(row["ServiceCategory"], row["ServiceSubcategory"]) for row in rows}
    assert {("Compute", "Virtual Machines"), ("Storage", "Object Storage")} <= services


def test_rows_say_who_ran_it_where_and_how_it_was_priced() -> None:
    host = Host(
        num_cpus=4, device="A10G", num_devices=1, instance_type="g5.xlarge", provider="aws",
        region="eu-central-1", zone="eu-central-1a",
    )  # fmt: skip
    rows = rows_of(as_focus([focus_run(user="ada", host=host)], account="a", tags={}))
    assert {json.loads(row["Tags"])["penstock_user"] for row in rows} == {"ada"}
    assert {(row["RegionId"], row["RegionName"]) for row in rows} == {("eu-central-1", "Europe (Frankfurt)")}
    node = next(row for row in rows if row["SkuId"] == "g5.xlarge")
    assert node["AvailabilityZone"] == "eu-central-1a"
    assert json.loads(node["SkuPriceDetails"]) == {"InstanceType": "g5.xlarge"}
    assert (node["ProviderName"], node["PricingCategory"]) == ("AWS", "Standard")
    spot = as_focus(
        [focus_run(host=msgspec.structs.replace(host, region="us-east-1", lifecycle="spot"))], account="a", tags={}
    )
    of_nodes = [row["PricingCategory"] for row in rows_of(spot) if row["ServiceCategory"] == "Compute"]
    assert set(of_nodes) <= {"Dynamic"}


def test_a_discount_leaves_the_list_price_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("discounts: [{items: 'g5.*', percent: 25, why: our agreement}]\n")
    run = make_run()
    cost = bill(run, steps=[], evaluation=None, prices=load_prices(tmp_path / "own.yaml", today=TODAY), setting=SETTING)
    text = as_focus([FocusRun(run=run, cost=cost)], account="a", tags={})
    assert broken(text) == []
    node = next(row for row in rows_of(text) if row["SkuId"] == "g5.xlarge")
    assert Decimal(node["ListUnitPrice"]) == Decimal("1.006")
    assert Decimal(node["ContractedUnitPrice"]) == Decimal("0.7545")
    assert Decimal(node["BilledCost"]) / Decimal(node["ListCost"]) == pytest.approx(Decimal("0.75"))
    assert sum(Decimal(row["BilledCost"]) for row in rows_of(text)) == cost.total_usd


def test_bills_of_before_say_whose_their_items_are_by_name() -> None:
    each = focus_run()
    lines = tuple(msgspec.structs.replace(line, provider="", region="", lifecycle="") for line in each.cost.lines)
    text = as_focus([replace(each, cost=msgspec.structs.replace(each.cost, lines=lines))], account="a", tags={})
    assert broken(text) == []
    assert {row["ProviderName"] for row in rows_of(text)} <= {"AWS"}


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
    assert broken(text) == []
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
    rows[0] |= dict(pair.split("=", 1) for pair in column.split("&")) if "=" in column else {column: value}
    return written(rows)


def written(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    written = csv.DictWriter(text, list(rows[0]))
    written.writeheader()
    written.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("column", MANDATORY)
def test_a_mandatory_column_that_is_missing_is_found(column: str) -> None:
    assert f"the column {column} is missing" in broken(GOOD.replace(column, f"x_{column}", 1))


@pytest.mark.parametrize(("what", "columns"), TOGETHER.items())
def test_columns_of_one_thing_are_all_there_or_none(what: str, columns: tuple[str, ...]) -> None:
    last = columns[-1]
    assert f"the column {last} is missing, of {what}" in broken(GOOD.replace(f",{last},", f",x_{last},", 1))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("AvailabilityZone", "Zone", "the column Zone is none of FOCUS 1.2"),
        ("x_Origin", "x_origin", "not in Pascal case"),
        ("x_Origin", "x_PriceAsOf", "there twice"),
    ],
)
def test_other_columns_are_named_as_the_format_says(before: str, after: str, told: str) -> None:
    assert any(told in each for each in broken(GOOD.replace(before, after, 1)))


def test_values_have_one_parent_in_the_whole_file() -> None:
    rows = [dict(row) for row in rows_of(GOOD)[:1] * 2]
    rows[1] |= {"SkuId": "another"}
    assert "row 2: SkuPriceId" in broken(written(rows))[0]
    rows[1] |= {"SkuId": rows[0]["SkuId"], "ServiceCategory": "Other", "ServiceSubcategory": "Other (Other)"}
    assert "row 2: ServiceName" in broken(written(rows))[0]


def test_a_row_of_other_length_is_found() -> None:
    assert "row 1: it has" in broken(GOOD.replace("\n", "\nmore,", 1))[0]


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        *((name, "", "is null") for name in NEVER_NULL if not name.startswith("PricingCurrency")),
        *((name, "Nonsense", "is none of") for name in ALLOWED),
        ("PricingUnit", "", "PricingUnit is null, and must not be where PricingQuantity is not null"),
        ("PricingQuantity", "", "PricingQuantity is null, and must not be where the charge is of usage"),
        *((name, "", f"{name} is null, and must not be where the charge is of usage or a purchase")
          for name in ("ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "SkuId", "SkuPriceId")),
        *((f"ChargeCategory=Tax&{name}=1", "", f"{name} is '1', and must be null where the charge is a tax")
          for name in ("ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "PricingQuantity", "SkuId")),
        ("ConsumedQuantity", "", "ConsumedQuantity is null, and must not be where the charge is of usage"),
        ("ChargeCategory", "Purchase", "ConsumedQuantity is '"),
        ("ChargeCategory", "Purchase", "ChargeFrequency of a purchase"),
        ("ChargeCategory=Purchase&CommitmentDiscountId=c", "", "EffectiveCost of buying a commitment is not 0"),
        ("ConsumedUnit", "", "ConsumedUnit is null, and must not be"),
        ("CommitmentDiscountId", "c", "CommitmentDiscountStatus is null, and must not be"),
        ("CommitmentDiscountId", "c", "CommitmentDiscountCategory is null, and must not be"),
        ("CommitmentDiscountId", "c", "CommitmentDiscountType is null, and must not be"),
        ("CommitmentDiscountId", "c", "CommitmentDiscountQuantity is null, and must not be"),
        ("CommitmentDiscountName", "c", "must be null where CommitmentDiscountId is null"),
        ("CommitmentDiscountQuantity", "1", "must be null where the charge has no commitment discount"),
        ("CommitmentDiscountQuantity", "1", "CommitmentDiscountUnit is null, and must not be"),
        ("CapacityReservationId", "c", "CapacityReservationStatus is null, and must not be"),
        ("CapacityReservationStatus", "Used", "must be null where CapacityReservationId is null"),
        ("SubAccountId", "c", "SubAccountName is null, and must not be"),
        ("SubAccountName", "c", "must be null where SubAccountId is null"),
        ("RegionId", "", "RegionName is 'US East (N. Virginia)', and must be null"),
        ("RegionName", "", "RegionName is null, and must not be"),
        ("ResourceType", "", "ResourceType is null, and must not be"),
        ("ResourceId", "", "ResourceType is 'Training run', and must be null"),
        ("ResourceId=&ResourceName=x", "", "ResourceName is 'x', and must be null"),
        ("SkuId", "", "SkuMeter is 'Virtual machines', and must be null"),
        ("SkuPriceId=&SkuPriceDetails={}", "", "SkuPriceDetails is '{}', and must be null"),
        ("BilledCost", "1,5", "no number"),
        ("BilledCost", "$5", "no number"),
        ("BilledCost", "+5", "no number"),
        ("BilledCost", "1/2", "no number"),
        ("BilledCost", "NaN", "no number"),
        ("BilledCost", "1E+3", "no number"),
        ("BilledCost", "1e3", "no number"),
        ("ListUnitPrice", "-1", "less than nothing"),
        ("ContractedUnitPrice", "-1", "less than nothing"),
        ("ListCost", "1E9", "times PricingQuantity"),
        ("ContractedCost", "-5", "times PricingQuantity"),
        ("BillingCurrency", "dollars", "no currency"),
        ("BillingCurrency", "USX", "no currency"),
        ("PricingUnit", "hours", "no unit"),
        ("PricingUnit", "1.5 Requests", "no unit"),
        ("ConsumedUnit", "gib-Hours", "no unit"),
        ("ConsumedUnit", "GB/", "no unit"),
        ("ChargePeriodStart", "2026-11-28 00:00:00", "is not like"),
        ("ChargePeriodStart", "2026-11-28T00:00:00+01:00", "is not like"),
        ("ChargePeriodStart", "2026-02-30T00:00:00Z", "is not like"),
        ("ChargePeriodStart", "1999-11-28T00:00:00Z", "outside the billing period"),
        ("ChargePeriodEnd", "1999-11-28T00:00:00Z", "ends before it begins"),
        ("BillingPeriodEnd", "1999-11-28T00:00:00Z", "ends before it begins"),
        ("ServiceSubcategory", "Block Storage", "is none of Compute"),
        ("Tags", "a=b", "no JSON object"),
        ("Tags", '{"a": [1]}', "no JSON object"),
        ("Tags", '{"a": 1, "a": 2}', "has the key 'a' twice"),
        ("SkuPriceDetails", "[]", "no JSON object"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_found(column: str, value: str, told: str) -> None:
    assert broken(GOOD) == []
    found = broken(changed(column, value))
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
    row, user, task, month, total = capsys.readouterr().out.splitlines()[1:]
    assert row.count("$") == row.count(" + ?") == 4
    assert all(line.endswith(", without what has no price in 1 run") for line in (user, task, month, total))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "no run is named"),
        (["--run", "/nowhere"], 70, "/nowhere/run.json"),
        (["--check", "/nowhere.csv"], 70, "cannot be read"),
        (["--run", "/nowhere", "--tag", "team"], 2, "--tag 'team'"),
        (["/nowhere", "--tag", "penstock_user=me"], 2, "are what a run says of itself"),
        (["/nowhere", "--tag", "a=1", "--tag", "a=2"], 2, "--tag gives 'a' two values"),
        (["/nowhere", "--billing-account", " "], 2, "--billing-account is empty"),
        (["--runs-under", "/nowhere"], 70, "no run with a bill is in /nowhere"),
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
    assert "makes no FOCUS file: row 1: ContractedUnitPrice times PricingQuantity" in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists()


def test_checkpoints_in_a_store_are_storage_of_objects() -> None:
    config = {**make_run().config, "checkpoints": "s3://bucket/run"}
    each = focus_run(config=config, saves=Saves(count=1, kept_bytes=2**33))
    row = next(row for row in rows_of(as_focus([each], account="a", tags={})) if row["SkuId"] == "s3-standard")
    assert (row["ServiceSubcategory"], row["ServiceName"]) == ("Object Storage", "Object storage")


def test_what_is_retrieved_is_storage_of_objects() -> None:
    sizes = {"GLACIER_IR": ClassSize(num_objects=1, size_bytes=GIB)}
    dataset = DatasetSize(epoch_bytes=GIB, num_objects=1, object_bytes=GIB, storage_classes=sizes)
    text = as_focus([focus_run(dataset=dataset)], account="a", tags={})
    assert broken(text) == []
    (row,) = [row for row in rows_of(text) if row["ChargeDescription"].startswith("Retrieval")]
    assert (row["ServiceSubcategory"], row["ServiceName"]) == ("Object Storage", "Object storage retrieval")


def test_a_run_that_is_there_twice_counts_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("one", "copy", "other", "copy-of-other")
    for name in names:
        (tmp_path / name).mkdir()
        written_run(tmp_path / name, cost=True)
    changed = msgspec.structs.replace(focus_run().cost, warnings=("another one",))
    for name in ("other", "copy-of-other"):
        write_record(tmp_path / name / "cost.json", changed)
    assert main(["cost-report", *(str(tmp_path / name) for name in names)]) == 0
    said = capsys.readouterr()
    assert "total of 2 runs" in said.out
    assert f"{tmp_path / 'copy'} too, a copy, which counts once" in said.err
    assert f"{tmp_path / 'other'} too, with another bill: both count" in said.err
    assert f"of {tmp_path / 'other'} is in {tmp_path / 'copy-of-other'} too, a copy, which counts once" in said.err


def test_what_has_no_price_in_many_runs_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for number in range(3):
        run = make_run(run_id=f"run-{number}")
        cost = bill(
            run, steps=[], evaluation=None, prices=load_prices(), setting=replace(SETTING, instance_type="p99.huge")
        )
        assert cost.unpriced
        (tmp_path / run.run_id).mkdir()
        write_record(tmp_path / run.run_id / "run.json", run)
        write_record(tmp_path / run.run_id / "cost.json", cost)
        runs.append(str(tmp_path / run.run_id))
    assert main(["cost-report", *runs, "--focus", str(tmp_path / "focus.csv")]) == 0
    said = capsys.readouterr()
    assert said.err.count("(of 3 runs)") == len(cost.unpriced)
    assert "run-1" not in said.err
    assert [line.split()[-1] for line in said.out.splitlines()[1:4]] == runs


def test_a_bill_of_another_run_is_neither_summed_up_nor_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        each = focus_run(run_id=name)
        write_record(tmp_path / name / "run.json", each.run)
        write_record(tmp_path / name / "cost.json", focus_run(run_id="one").cost)
    for step in ("cost-report", "compare"):
        assert main([step, str(tmp_path / "one"), str(tmp_path / "two")]) == 70
        told = capsys.readouterr().err
        assert f"the bill in {tmp_path / 'two'} is of the run one, its record of two" in told


def test_sums_of_a_run_are_those_of_its_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where an epoch was not finished, and where samples were scored beside those that were learnt from."""
    run = make_run(num_epochs=2, unfinished_samples=960)
    evaluation = make_evaluation(meters=Meters(sample_bytes=2**30, bytes_downloaded=2**30))
    cost = bill(run, steps=[], evaluation=evaluation, prices=load_prices(), setting=SETTING)
    write_record(tmp_path / "run.json", run)
    write_record(tmp_path / "cost.json", cost)
    assert main(["cost-report", str(tmp_path)]) == 0
    told = re.split("  +", capsys.readouterr().out.splitlines()[1])
    sums = (cost.total_usd, cost.epoch_usd, cost.thousand_samples_usd, cost.gib_usd)
    wanted = [format_usd(usd) for usd in sums if usd is not None]
    assert told[-5:] == [*wanted, str(tmp_path)]
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 0
    rows = {line.split("  ")[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    names = ("USD, total", "USD, an epoch", "USD, 1,000 samples", "USD, a GiB of samples")
    assert [rows[name] for name in names] == wanted
    metrics = bill_metrics(run, cost)
    parts = ("total_usd", "usd_per_epoch", "usd_per_1000_samples", "usd_per_gib")
    assert [metrics[name] for name in parts] == [float(usd) for usd in sums if usd is not None]


def test_what_a_record_says_of_itself_steers_no_terminal_and_makes_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "ada\x1b[2J\nuser root: $0\u202e"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        each = focus_run(run_id=f"{name}{hostile}", user=hostile, task=hostile, model=hostile)
        write_record(tmp_path / name / "run.json", each.run)
        write_record(tmp_path / name / "cost.json", each.cost)
    csv_file = tmp_path / "f.csv"
    runs = [str(tmp_path / name) for name in ("one", "two")]
    for words in (
        ["cost-report", *runs, runs[0] + "/../one", "--focus", str(csv_file)],
        ["cost-report", *runs, "--reconcile", str(csv_file), "--tag-key", "penstock_user"],
        ["compare", *runs],
    ):
        assert main(words) == 0
        said = capsys.readouterr()
        assert not {"\x1b", "\u202e"} & {*said.out, *said.err}
        assert "\nuser root" not in said.out + said.err
        if "--focus" in words:
            num_rows = len(rows_of(csv_file.read_text()))
            assert f"FOCUS 1.2: {num_rows} rows in {csv_file}" in said.out
        assert "\\x1b[2J" in said.out
    csv_file.write_text(f"Billed\x1b[2J{csv_file.read_text()}")
    assert main(["cost-report", "--check", str(csv_file)]) == 70
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("before", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_what_others_named_is_no_formula_of_a_spreadsheet(tmp_path: Path, before: str) -> None:
    name = f'{before}HYPERLINK("http://x","a")'
    host = Host(num_cpus=4, device="", num_devices=0, instance_type="g5.xlarge", region=name, zone=name)
    each = focus_run(run_id=name, user=name, task=name, host=host)
    own = tmp_path / "own.yaml"
    own.write_text("prices:\n- {item: '=1+1', unit: hour, price: 1, source: '@SUM(A1)'}\n")
    setting = replace(SETTING, instance_type="=1+1")
    cost = bill(each.run, steps=[], evaluation=None, prices=load_prices(own), setting=setting)
    text = as_focus([FocusRun(run=each.run, cost=cost)], account=name, tags={name: name})
    assert broken(text) == []
    rows = rows_of(text)
    for row in rows:
        for column, value in row.items():
            assert column in NUMBERS or not value.startswith(tuple("=+-@\t\r\n＝＠")), (column, value)
        assert row["ResourceId"] == row["BillingAccountId"] == f"'{name}"
        assert json.loads(row["Tags"]) == {name: name, **dict.fromkeys(
            ("penstock_run_id", "penstock_task", "penstock_user"), name), "penstock_model": each.run.model}  # fmt: skip
    assert {"'=1+1", "s3-get"} <= {row["SkuId"] for row in rows}
    assert sum(Decimal(row["BilledCost"]) for row in rows) == cost.total_usd
    (tmp_path / "focus.csv").write_text(text, newline="")
    theirs = read_export(tmp_path / "focus.csv", tag_key="penstock_run_id", values=[name])
    assert sum(theirs.by_tag[name].values()) == cost.total_usd

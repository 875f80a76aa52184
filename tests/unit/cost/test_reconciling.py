"""What a cloud's export has for the tags of runs, beside their bills."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.cli import main
from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.reconciling import read_export, together
from penstock.errors import RecordError
from penstock.records import write_record
from support.runs import make_run
from unit.cost.test_focus import focus_run

Rows = Sequence[Mapping[str, str]]
FOCUS = [
    {"BilledCost": "1.5", "BillingCurrency": "USD", "ServiceName": "Amazon EC2", "ServiceCategory": "Compute",
     "Tags": '{"penstock_run_id": "one", "team": "a"}', "RegionId": "us-east-1"},
    {"BilledCost": "0.25", "BillingCurrency": "USD", "ServiceName": "Amazon RDS", "ServiceCategory": "Databases",
     "Tags": '{"user:penstock_run_id": "one"}', "RegionId": ""},
    {"BilledCost": "7", "BillingCurrency": "USD", "ServiceName": "Amazon EC2", "ServiceCategory": "Compute",
     "Tags": '{"penstock_run_id": "someone"}', "RegionId": ""},
    {"BilledCost": "3", "BillingCurrency": "USD", "ServiceName": "Amazon EC2", "ServiceCategory": "Compute",
     "Tags": "", "RegionId": ""},
    {"BilledCost": "", "BillingCurrency": "EUR", "ServiceName": "Tax", "ServiceCategory": "Other",
     "Tags": "{}", "RegionId": ""},
]  # fmt: skip
_CUR = {"line_item_currency_code": "USD", "line_item_product_code": "AmazonEC2"}
CUR = [
    {**_CUR, "line_item_unblended_cost": "1.5", "product_product_family": "Compute Instance",
     "resource_tags": '{"user_penstock_run_id": "one"}'},
    {**_CUR, "line_item_unblended_cost": "0.25", "line_item_product_code": "AmazonRDS", "product_product_family": "",
     "resource_tags": '{"user_penstock_run_id": "one"}'},
    {**_CUR, "line_item_unblended_cost": "7", "product_product_family": "Compute Instance",
     "resource_tags": '{"user_penstock_run_id": "someone"}'},
    {**_CUR, "line_item_unblended_cost": "3", "product_product_family": "Data Transfer", "resource_tags": "{}"},
]  # fmt: skip
OLD_CUR = [
    {"lineItem/UnblendedCost": row["line_item_unblended_cost"], "lineItem/CurrencyCode": "USD",
     "lineItem/ProductCode": row["line_item_product_code"], "product/productFamily": row["product_product_family"],
     "resourceTags/user:penstock_run_id": json.loads(row["resource_tags"]).get("user_penstock_run_id", "")}
    for row in CUR
]  # fmt: skip


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO()
    written = csv.DictWriter(text, list(rows[0]))
    written.writeheader()
    written.writerows(rows)
    return text.getvalue().encode()


def in_parquet(path: Path, rows: Rows, *, tags: str, cost: str) -> None:
    """Write tags as a map and costs as numbers, as AWS does."""
    columns: dict[str, pa.Array] = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    maps = [list(json.loads(row[tags] or "{}").items()) for row in rows]
    columns[tags] = pa.array(maps, type=pa.map_(pa.string(), pa.string()))
    columns[cost] = pa.array([float(row[cost]) if row[cost] else None for row in rows])
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize("name", ["focus.csv", "focus.csv.gz", "focus.parquet", "cur.csv", "cur.parquet", "old.csv"])
def test_rows_are_summed_by_tag_and_by_what_they_are_for(tmp_path: Path, name: str) -> None:
    rows = {"focus": FOCUS, "cur": CUR, "old": OLD_CUR}[name.partition(".")[0]]
    path = tmp_path / name
    if name.endswith(".parquet"):
        is_focus = rows is FOCUS
        tags, cost = ("Tags", "BilledCost") if is_focus else ("resource_tags", "line_item_unblended_cost")
        in_parquet(path, rows, tags=tags, cost=cost)
    else:
        path.write_bytes(gzip.compress(as_csv(rows)) if name.endswith(".gz") else as_csv(rows))
    found = read_export(path, tag_key="penstock_run_id", values=["one", "two"])
    database = "Amazon RDS" if rows is FOCUS else "AmazonRDS"
    assert found.by_tag == {"one": {"Compute": Decimal("1.5"), database: Decimal("0.25")}, "two": {}}
    assert (found.other_usd, found.untagged_usd) == (7, 3)
    assert found.num_rows == len(rows)


@pytest.mark.parametrize("key", ["équipe", "cost/center"])
def test_tags_are_read_as_json_however_it_is_written(tmp_path: Path, key: str) -> None:
    told = [json.dumps({key: "one"}), json.dumps({key: "one"}, ensure_ascii=False).replace("/", "\\/")]
    (tmp_path / "x.csv").write_bytes(as_csv([{**FOCUS[0], "Tags": each} for each in told]))
    found = read_export(tmp_path / "x.csv", tag_key=key, values=["one"])
    assert found.by_tag["one"] == {"Compute": 3}


def test_a_tag_without_a_value_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(as_csv([{**FOCUS[0], "Tags": '{"team": null, "user:team": "one"}'}]))
    in_parquet(tmp_path / "x.parquet", [{**FOCUS[0], "Tags": '{"team": null}'}], tags="Tags", cost="BilledCost")
    paths = [tmp_path / "x.csv", tmp_path / "x.parquet"]
    found = together([read_export(path, tag_key="team", values=["one"]) for path in paths])
    assert (found.by_tag["one"], found.other_usd, found.untagged_usd) == (
        {"Compute": Decimal("1.5")},
        0,
        Decimal("1.5"),
    )


def test_files_of_an_export_add_up(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.csv").write_bytes(as_csv(CUR))
    read = [read_export(path, tag_key="penstock_run_id", values=["one"]) for path in sorted(tmp_path.iterdir())]
    found = together(read)
    assert found.by_tag["one"]["Compute"] == 3
    assert found.title == "AWS CUR"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("x.csv", b"a,b\n1,2\n", "it has no column of costs, services or tags (it begins a, b)"),
        ("x.csv", b"", "(it begins with nothing)"),
        ("x.csv", as_csv([{**FOCUS[0], "BilledCost": "x"}]), "row 1: BilledCost 'x' is no number"),
        ("x.csv", as_csv([FOCUS[0], {**FOCUS[0], "BilledCost": "NaN"}]), "row 2: BilledCost 'NaN' is no number"),
        ("x.csv", as_csv([{**FOCUS[0], "BillingCurrency": "EUR"}]), "row 1: its cost is in 'EUR'"),
        ("x.csv", as_csv([{**FOCUS[0], "Tags": "penstock_run_id"}]), "row 1: Tags is no JSON object"),
        ("x.csv", as_csv(FOCUS) + b"1,2\n", "row 6: it has 2 cells"),
        ("x.csv", as_csv([{**FOCUS[0], "Tags": '["penstock_run_id", 1]'}]), "row 1: Tags is no JSON object"),
        ("x.csv", as_csv([{**FOCUS[0], "Tags": '"penstock_run_id"'}]), "row 1: Tags is no JSON object"),
        ("x.csv", as_csv([{**FOCUS[0], "BilledCost": "1e999999"}]), "row 1: BilledCost '1e999999' is no number"),
        ("x.csv", b"BilledCost,\xff\n", "cannot be read"),
        ("x.csv.gz", gzip.compress(as_csv(FOCUS), mtime=0)[:12] + b"\xff" * 40, "cannot be read"),
        ("x.csv.gz", gzip.compress(as_csv(FOCUS), mtime=0)[:-20], "cannot be read"),
        ("x.parquet", b"PAR1", "is no Parquet file"),
        ("x.csv", None, "cannot be read"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, name: str, data: bytes | None, told: str) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RecordError) as refused:
        read_export(path, tag_key="penstock_run_id", values=["one"])
    assert told in refused.value.what
    assert str(path) in refused.value.what


_READ = """
import re, sys
from pathlib import Path
from penstock.cost.reconciling import read_export, together
found = read_export(Path(sys.argv[1]), tag_key="penstock_run_id", values=["one"])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(found.num_rows, int(peak[1]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_the_export(tmp_path: Path) -> None:
    peaks = []
    for number, times in enumerate((1, 20_000)):
        path = tmp_path / f"{number}.csv"
        head, _, rows = as_csv(FOCUS).partition(b"\n")
        path.write_bytes(head + b"\n" + rows * times)
        done = subprocess.run(
            [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True
        ).stdout
        num_rows, peak_bytes = map(int, done.split())
        assert num_rows == len(FOCUS) * times
        peaks.append(peak_bytes)
    assert path.stat().st_size > 5e6
    assert peaks[1] - peaks[0] < 2.5e6


def test_the_command_sets_the_export_beside_the_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    each = focus_run(run_id="one", user="ada")
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    write_record(folder / "run.json", each.run)
    write_record(folder / "cost.json", each.cost)
    (tmp_path / "focus.csv").write_bytes(as_csv(FOCUS))
    words = ["cost-report", "--runs-under", str(tmp_path / "runs"), "--reconcile", str(tmp_path / "focus.csv")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "user ada: $" in told
    rows = [line.split("  ") for line in told[told.index("FOCUS, 5 rows") :].splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    total = f"${float(each.cost.total_usd):.2f}"
    assert ["one", "all", total, "$1.75"] in [row[:4] for row in cells]
    assert any(row[0] == "Amazon RDS" and row[-1] == "the export alone" for row in cells)
    assert any(row[0] == "Storage" and row[-1] == "the bill alone" for row in cells)
    assert "with other values of penstock_run_id: $7.00" in told
    assert "without the tag penstock_run_id: $3.00" in told

    assert main([*words, "--tag", "team=a", "--tag-key", "team"]) == 0
    assert "$1.50" in capsys.readouterr().out
    assert main([*words, "--tag-key", "nobody"]) == 2
    assert "no run has the tag 'nobody'" in capsys.readouterr().err


def test_a_bill_that_lacks_prices_is_not_told_to_be_less(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = msgspec.structs.replace(make_run(), run_id="one")
    setting = CostSetting(today=date(2026, 11, 28), instance_type="p99.huge", source_prices="s3")
    for name, each in (("part", setting), ("none", replace(setting, source_prices="auto"))):
        read_from = {"source": "https://example.org/data"} if name == "none" else {}
        changed = msgspec.structs.replace(run, run_id=name, config={**run.config, **read_from})
        cost = bill(changed, steps=[], evaluation=None, prices=load_prices(), setting=each)
        (tmp_path / "runs" / name).mkdir(parents=True)
        write_record(tmp_path / "runs" / name / "run.json", changed)
        write_record(tmp_path / "runs" / name / "cost.json", cost)
    (tmp_path / "focus.csv").write_bytes(as_csv(FOCUS))
    words = ["cost-report", "--runs-under", str(tmp_path / "runs"), "--reconcile", str(tmp_path / "focus.csv")]
    assert main(words) == 0
    told = capsys.readouterr().out
    rows = [line.split() for line in told[told.index("FOCUS, 5 rows") :].splitlines()]
    of_none, of_part = (next(row for row in rows if row[:2] == [name, "all"]) for name in ("none", "part"))
    assert of_none[2] == "–"
    assert of_part[2].startswith("$")
    assert of_part[3:5] == ["+", "?"]
    assert ["Compute", "–"] in [row[:2] for row in rows]
    assert told.count("not all of the bill has a price") >= 4
    sums = next(line.split() for line in told.splitlines() if line.startswith("none "))
    assert "$0.00" not in sums
    assert sums.count("–") == 5  # nothing of it has a price, and nobody is told to have run it


def test_what_cannot_be_read_of_many_hides_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = tmp_path / "runs"
    for name in ("one", "two", "cut", "other"):
        each = focus_run(run_id=name)
        (runs / name).mkdir(parents=True)
        write_record(runs / name / "run.json", each.run)
        write_record(runs / name / "cost.json", each.cost)
    (runs / "cut" / "cost.json").write_bytes((runs / "cut" / "cost.json").read_bytes()[:40])
    write_record(runs / "other" / "cost.json", focus_run(run_id="one").cost)
    exports = [tmp_path / name for name in ("good.csv", "bad.csv", "none.csv")]
    exports[0].write_bytes(as_csv(FOCUS))
    exports[1].write_bytes(as_csv([*FOCUS, {**FOCUS[0], "BilledCost": "x"}]))
    words = ["cost-report", "--runs-under", str(runs), "--runs-under", str(tmp_path / "nowhere")]
    words += [word for path in exports for word in ("--reconcile", str(path))]
    assert main([*words, "--focus", str(tmp_path / "focus.csv")]) == 70
    said = capsys.readouterr()
    assert "total of 2 runs: $" in said.out
    assert "in " + str(tmp_path / "focus.csv") + ", without what could not be read (3 errors)" in said.out
    assert "FOCUS, 5 rows, without what could not be read (5 errors)" in said.out
    assert "$1.75" in said.out
    lines = said.err.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("penstock cost-report: error: ") for line in lines)
    for place in (runs / "cut", runs / "other", tmp_path / "nowhere", *exports[1:]):
        assert sum(str(place) in line for line in lines) == 1, place
    with (tmp_path / "focus.csv").open(newline="") as file:
        assert {row["ResourceId"] for row in csv.DictReader(file)} == {"one", "two"}

    paths = [str(runs / name) for name in ("one", "cut", "two", "other")]
    assert main(["compare", *paths]) == 70
    said = capsys.readouterr()
    assert "USD, total" in said.out
    assert [str(runs / "cut") in said.err, str(runs / "other") in said.err, len(said.err.splitlines())] == [
        True
    ] * 2 + [2]
    assert main(["compare", *paths[:2]]) == 70
    said = capsys.readouterr()
    assert (said.out, str(runs / "cut") in said.err) == ("", True)

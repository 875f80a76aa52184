"""What commands tell of options, data and price files holds no secret of the environment or of a URL, in any form."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from penstock.cli import main
from penstock.cost import CostSetting, bill, load_prices
from penstock.records import write_record
from penstock.secrets import REDACTED
from support.runs import make_run

SECRET = "wJalrXUtnFEMI-K7MDENG"
SIGNED = "https://me:hunter2@prices.example/list?X-Amz-Signature=abc123def"


@pytest.fixture(autouse=True)
def secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def check(*texts: str) -> None:
    for text in texts:
        assert REDACTED in text
        assert not [one for one in (SECRET[:6], "hunter2", "abc123def") if one in text]


def test_a_forecast_tells_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stated = ("--size", "1TB", "--objects", "1000", "--compute-hours", "1", "--rate", "100MB/s")
    words = ["forecast", *stated, "--instance-type", SECRET, "--node-usd-per-hour", "1"]
    files = {name: tmp_path / f"told.{name}" for name in ("html", "markdown", "record")}
    assert main([*words, *(str(word) for name, path in files.items() for word in (f"--{name}", path))]) == 0
    page, summary, record = (path.read_text() for path in files.values())
    check(capsys.readouterr().out, page, record)
    assert SECRET not in summary
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr().out
    check(told)
    assert json.loads(told) == json.loads(record)


def test_an_inspection_tells_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a half of one, where a value is cut."""
    monkeypatch.setenv("COLUMNS", "100")
    data, page = tmp_path / "data", tmp_path / "page.html"
    data.mkdir()
    (data / "rows.jsonl").write_text(
        "".join(json.dumps({"text": f"{number} {SECRET}", "more": "x" * 150 + SECRET}) + "\n" for number in range(4))
    )
    assert main(["inspect", str(data), "--html", str(page)]) == 0
    check(capsys.readouterr().out, page.read_text())
    assert main(["inspect", str(data), "--json"]) == 0
    told = capsys.readouterr().out
    check(told)
    json.loads(told)


def test_prices_tell_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = tmp_path / "prices.yaml"
    row = {"item": "g5.xlarge", "unit": "hour", "price": 1, "source": SIGNED, "as_of": "2025-01-01"}
    prices.write_text(json.dumps({"prices": [row]}))
    for more in ((), ("--verbose",)):
        assert main(["prices", "check", "--prices", str(prices), "--item", "g5.xlarge", *more]) == 0
        check(capsys.readouterr().out)
    for form in ((), ("--json",)):
        assert main(["prices", "list", "--prices", str(prices), "--item", "g5.xlarge", *form]) == 0
        check(capsys.readouterr().out)


def test_bills_side_by_side_and_summed_up_tell_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    today, page = date(2026, 11, 28), tmp_path / "page.html"
    setting, prices = CostSetting(today=today, node_usd_per_hour=1), load_prices(today=today)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run = make_run(run_id=name, user=SECRET)
        made = bill(run, steps=[], evaluation=None, prices=prices, setting=setting)
        write_record(tmp_path / name / "run.json", run)
        write_record(tmp_path / name / "cost.json", made)
    runs = (str(tmp_path / "one"), str(tmp_path / "two"))
    assert main(["compare", *runs, "--html", str(page)]) == 0
    check(capsys.readouterr().out, page.read_text())
    assert main(["cost-report", *runs]) == 0
    check(capsys.readouterr().out)

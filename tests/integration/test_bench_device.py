"""The benchmark of a device, at its smallest: it runs where there is no GPU, and says what it measured on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.device import __main__ as bench


def test_options_are_compared_on_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CELLS", {name: bench.CELLS[name] for name in ("plain (float32)", "--channels-last")})
    words = ["--quick", "--work", str(tmp_path), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["benchmarks.device", *words])
    assert bench.main() == 0
    [report] = tmp_path.glob("device_*.md")
    text = report.read_text()
    row = r"^\| (plain \(float32\)|--channels-last) \| ([\d,]+) \| ([\d.]+) \| ([\d.]+)% \|"
    rows = re.findall(row, text, re.MULTILINE)
    assert [row[0] for row in rows] == ["plain (float32)", "--channels-last"]
    assert rows[0][2] == "1.00"
    assert all(0 <= float(row[3]) <= 100 for row in rows)
    assert re.search(r"^device: \w+", text, re.MULTILINE)
    assert not list(tmp_path.glob("penstock-device-*"))


def test_a_single_epoch_measures_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.device", "--epochs", "1"])
    with pytest.raises(SystemExit):
        bench.read_options()
    assert "--epochs must be 2 or more" in capsys.readouterr().err

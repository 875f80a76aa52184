"""The demo learns what was planted, and nothing where nothing was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from penstock.demo.generate import planted_bound
from penstock.records import CostReport, Evaluation, RunRecord, read_record
from support.cli import penstock, succeed

MIB = 1 << 20


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.9, 0.0])
def test_demo(tmp_path: Path, effect: float) -> None:
    out = tmp_path / "demo"
    small = ("--model", "small", "--size", "120M", "--window-size", "16Mi", "--epochs", 4)
    done = penstock("demo", "--effect", effect, *small, "--out", out)
    assert done.returncode == 0, done.stderr
    for told in ("samples", "downloaded", "peak window", "stall", "nrmse", "planted bound", str(out / "report.html")):
        assert told in done.stdout
    assert "+ ?; no price is known of node hours (name the node with --instance-type)" in done.stdout
    found = read_record(out / "evaluation.json", Evaluation)
    score = found.metrics["nrmse"].value
    if effect:
        assert planted_bound(effect) < score < 0.9
    else:
        assert 0.9 < score < 1.25
    record = read_record(out / "run.json", RunRecord)
    assert record.meters.window_high_water_bytes <= 16 * MIB
    assert record.meters.bytes_downloaded > 16 * 16 * MIB
    assert "<svg" in (out / "report.html").read_text()


def test_a_run_behind_a_slow_link_says_so_and_how_fast_it_was(tmp_path: Path) -> None:
    small = ("--task", "xray", "--size", "500k", "--epochs", 2, "--link", "80kB/s")
    succeed("demo", *small, "--instance-type", "g4dn.xlarge", "--out", tmp_path / "demo")
    bill = read_record(tmp_path / "demo" / "cost.json", CostReport)
    hours = [line for line in bill.lines if line.unit == "hour"]
    assert {line.item for line in hours} == {"g4dn.xlarge"}
    assert bill.stall_usd is not None
    assert 0 < bill.stall_usd < bill.total_usd
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "The download was the bottleneck" in page
    assert "by which each part of the data is read so often" in page
    told = re.search(r"The link: measured at ([\d.]+) KiB/s", page)
    assert told is not None
    assert 56 < float(told[1]) < 84
    record = read_record(tmp_path / "demo" / "run.json", RunRecord)
    assert record.meters.starved_microseconds <= record.meters.fetching_microseconds < 1e6 * record.wall_seconds


@pytest.mark.parametrize(
    ("task", "more", "metric", "least", "bound"),
    [
        ("xray", (), "auroc", 0.85, "auroc 0.5 is guessing"),
        ("clips", ("--size", "1300k"), "auroc", 0.85, "balanced accuracy 1.000 is the best possible on average"),
        (
            "text",
            ("--epochs", 1),
            "token_accuracy",
            0.15,
            "perplexity 1.834 is the best possible on average, 14.672 is",
        ),
        ("video-text", ("--epochs", 4), "recall_at_1", 0.2, "recall at 1 1.000 is the best possible on average, 0.042"),
    ],
)
def test_every_task_has_a_demo(
    tmp_path: Path, task: str, more: tuple[object, ...], metric: str, least: float, bound: str
) -> None:
    if task in ("clips", "video-text"):
        pytest.importorskip("av", reason="clips need PyAV")
    out = tmp_path / "demo"
    told = succeed("demo", "--task", task, "--effect", 1, *more, "--out", out)
    assert bound in told
    found = read_record(out / "evaluation.json", Evaluation).metrics[metric]
    assert found.value is not None
    assert found.value > least
    record = read_record(out / "run.json", RunRecord)
    assert record.meters.bytes_downloaded > 0
    assert "<svg" in (out / "report.html").read_text()

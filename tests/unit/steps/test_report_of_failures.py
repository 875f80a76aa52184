"""The report of a run that failed early: what is not known is a dash, never a zero."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from penstock.cli import main
from penstock.records import UNSAID, CostReport, Host, Meters, RunRecord, Saves, StepRecord, read_record, write_record
from support.runs import sent

NOTHING = re.compile(r"\bnone\b|\b0 (?:ms|s|B|GET|epochs|parameters)\b|0\.0%|\$0\.00", re.IGNORECASE)


def begun(**changes: object) -> RunRecord:
    """What a trainer leaves that was killed before it could say anything."""
    started = (datetime.now(UTC) - timedelta(minutes=9)).isoformat(timespec="seconds")
    fields: dict[str, object] = {
        "run_id": "r", "task": "eeg-c1", "model": "small", "score": "nrmse", "num_parameters": 10_000,
        "config": {"source": "s3://b/p"},
        "manifest_fingerprint": "m", "plan_fingerprint": "p", "state": "interrupted", "error": f"Interrupted: {UNSAID}",
        "started_at": started, "ended_at": started, "wall_seconds": 0.0, "seconds_to_first_batch": 0.0,
        "num_resumes": 0, "best_epoch": None, "checkpoint": None, "weights_sha256": None,
        "host": Host(num_cpus=2, device="cpu", num_devices=0), "losses": (), "epochs": (), "meters": Meters(),
        "saves": Saves(),
        "unfinished_samples": 0,
    }  # fmt: skip
    return RunRecord(**(fields | changes))  # type: ignore[arg-type]


def listed() -> StepRecord:
    return StepRecord(
        step="list", started_at="2026-11-21T10:00:00Z", wall_seconds=30.0,
        host=Host(num_cpus=2, device="cpu", num_devices=0),
        meters=Meters(bytes_downloaded=3 << 20, requests=sent(GET=40, LIST=2)), details={},
    )  # fmt: skip


def report(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str, CostReport, str]:
    words = ["--run-root", folder / "root", "--run-id", "r", "--final-status", '{"state": "FAILED"}']
    words += ["--html", folder / "r.html", "--markdown", folder / "r.md", "--cost", folder / "r.json"]
    assert main(["report", *map(str, words)]) == 0
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", (folder / "r.html").read_text(), flags=re.DOTALL)
    said = capsys.readouterr().out
    return text, (folder / "r.md").read_text(), read_record(folder / "r.json", CostReport), said


def test_a_run_that_never_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "--source",
        tmp_path / "nowhere",
        "--task",
        "eeg-c1",
        "--manifest",
        tmp_path / "m",
        "--plan",
        tmp_path / "p",
    )
    assert main(["list", *map(str, words), "--run-root", str(tmp_path / "root"), "--run-id", "r"]) == 20
    page, summary, cost, said = report(tmp_path, capsys)
    for text in (page, summary, said):
        assert not NOTHING.search(text), NOTHING.findall(text)
    assert summary.count("| – |") == 7
    assert "BucketNotFound" in page
    (line,) = cost.lines  # the listing that failed took its time
    assert (line.what, line.usd, line.quantity > 0) == ("Node of the list step", None, True)
    assert [(each.step, each.ended) for each in cost.attempts] == [("list", "failed")]
    assert cost.stall_usd is None
    assert len([warning for warning in cost.warnings if "instance type is not known" in warning]) == 1
    assert len(cost.warnings) == 2, cost.warnings
    assert "list" in cost.warnings[1], "what it moved was not recorded"


def test_a_run_that_listed_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "root" / "r" / "records" / "list.json", listed())
    page, summary, cost, _ = report(tmp_path, capsys)
    assert "| Downloaded | 3.0 MiB | 40 GET, 2 LIST requests; the training's are not known |" in summary
    assert not re.search(r"none|0 ms|\b0 B, no", page + summary)
    assert {line.item for line in cost.lines} == {"node", "s3-get", "s3-list", "transfer-same-region"}
    assert all(line.quantity for line in cost.lines if line.item != "transfer-same-region")


def test_a_trainer_that_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "root" / "r" / "records" / "list.json", listed())
    write_record(tmp_path / "root" / "r" / "records" / "train.json", begun())
    page, summary, cost, _ = report(tmp_path, capsys)
    assert "| Wall time | 9 min" in summary
    assert not re.search(r"none|\b0 ms|\b0 B, no|0\.0%", summary)
    assert "train (with its prefetcher)" in page
    assert any("was not measured" in warning for warning in cost.warnings)
    assert cost.unpriced == ("Training node, stall included", "Node of the list step")


def test_a_trainer_that_failed_in_its_first_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its traffic is known, its epochs are not."""
    meters = Meters(bytes_downloaded=5 << 20, sample_bytes=5 << 20, requests=sent(GET=9), window_bytes=1 << 20,
                    window_high_water_bytes=1 << 19)  # fmt: skip
    failed = begun(state="failed", wall_seconds=20.0, meters=meters, seconds_to_first_batch=0.2)
    write_record(tmp_path / "root" / "r" / "records" / "train.json", failed)
    _, summary, cost, _ = report(tmp_path, capsys)
    assert "| Samples trained on | – | no epoch was finished |" in summary
    assert "| Stall | – |" in summary
    assert "| Downloaded | 5.0 MiB | 9 GET, 0 LIST requests |" in summary
    assert "first batch after 200 ms" in summary
    assert cost.total_usd > 0


def test_what_is_not_known_is_null_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(tmp_path / "root" / "r" / "records" / "train.json", begun())
    report(tmp_path, capsys)
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["stall_usd"] is None
    assert {line["usd"] for line in found["lines"]} == {None}
    assert msgspec.json.decode((tmp_path / "r.json").read_bytes())["version"] == 2

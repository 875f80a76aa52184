"""What a run may spend: stopped before it goes over, gone on with more, one bill, through a server that counts."""

from __future__ import annotations

import asyncio
import math
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from penstock.cli import main
from penstock.records import (
    AttemptsRecord,
    CostReport,
    Evaluation,
    RunRecord,
    StepRecord,
    decode_record,
    read_record,
)
from support.forked import Forked
from support.images import write_class_folders
from support.jobs import processes_of, run_until_saved, saved_step
from support.s3_server import Asked, OwnS3, Wire, own_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

Run = Callable[..., int]
PRICED = ("--node-usd-per-hour", 1, "--source-prices", "s3", "--transfer", "internet")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[OwnS3, Wire]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    folder = write_class_folders(tmp_path / "data", 60)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}
    with own_s3({f"data/{key}": data for key, data in files.items()}) as (server, wire):
        yield server, wire


def words(wire: Wire, out: Path, *more: object) -> list[str]:
    told = ["run", "--source", "s3://bucket/data", "--endpoint-url", wire.url, "--task", "images", "--out", out]
    told += ["--option", "size=16", "--split", "0.6,0.2,0.2", "--epochs", 2, "--batch-size", 8, "--threads", 1]
    return [str(word) for word in (*told, "--window-size", "1Mi", "--checkpoint-every", 1, *more)]


@pytest.fixture
def job(s3: tuple[OwnS3, Wire], tmp_path: Path) -> Run:
    """Run a job in this process; give its exit code."""

    def run(*more: object, out: str = "out") -> int:
        try:
            return main(words(s3[1], tmp_path / out, *more))
        except SystemExit as stopped:
            return int(str(stopped.code))

    return run


def assert_one_bill(out: Path, wire: Wire, *, since: int = 0, unseen: int = 0, killed: int = 0) -> None:
    """Compare what the bill has with what was seen.

    Args:
        unseen: requests, at most, that were counted, and whose process was killed before they came.
        killed: attempts.
    """
    kinds: dict[str, type[Any]] = {"list": StepRecord, "run": RunRecord, "evaluation": Evaluation}
    found = {name: read_record(out / f"{name}.json", kind) for name, kind in kinds.items()}
    told = sum(each.meters.count().sent for each in found.values())
    seen = len(wire.asked) - since
    assert 0 <= told - seen <= unseen, (told, seen)
    bill = read_record(out / "cost.json", CostReport)
    requests = sum(float(line.quantity) for line in bill.lines if line.unit == "1000 requests") * 1000
    assert round(requests) == told
    hours = sum(float(line.quantity) for line in bill.lines if line.unit == "hour")
    attempts = [float(each.seconds) for each in bill.attempts]
    assert math.isclose(hours, sum(attempts) / 3600, abs_tol=0.002 * len(attempts) / 3600)  # they are told in ms
    assert hours >= sum(each.wall_seconds for each in found.values()) / 3600 - 1e-6
    assert [each.ended for each in bill.attempts].count("killed") == killed
    between = datetime.fromisoformat(bill.attempts[-1].ended_at) - datetime.fromisoformat(bill.attempts[0].started_at)
    assert bill.idle_seconds is not None
    assert math.isclose(sum(attempts) + float(bill.idle_seconds), between.total_seconds(), abs_tol=0.01)
    assert math.isclose(float(bill.total_usd), sum(float(line.usd or 0) for line in bill.lines), rel_tol=1e-9)


def test_requests_end_a_run_before_there_are_more_and_it_goes_on_with_one_bill(
    job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = s3[1]
    assert job(*PRICED, out="whole") == 0
    needed, listed = len(wire.asked), sum(asked.kind == "LIST" for asked in wire.asked)
    undisturbed = read_record(tmp_path / "whole" / "run.json", RunRecord)
    assert_one_bill(tmp_path / "whole", wire)
    steps = []
    for most in (listed + 9, needed - 3):
        assert job(*PRICED, "--max-requests", most) == 77
        told = capsys.readouterr().err
        assert len(wire.asked) - needed <= most
        assert "--max-requests" in told
        steps.append(saved_step(tmp_path / "out" / "checkpoints"))
        bill = read_record(tmp_path / "out" / "cost.json", CostReport)
        billed = sum(line.quantity for line in bill.lines if line.unit == "1000 requests")
        assert round(1000 * billed) == len(wire.asked) - needed  # those of an evaluation that was stopped too
    assert 0 <= steps[0] < steps[1] == 4
    assert job(*PRICED, "--max-requests", 10 * needed) == 0
    record = read_record(tmp_path / "out" / "run.json", RunRecord)
    assert (record.weights_sha256, record.state) == (undisturbed.weights_sha256, "succeeded")
    assert_one_bill(tmp_path / "out", wire, since=needed)


def test_what_a_folder_is_asked_for_is_bounded_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reads of files are counted as requests, so they are let through as such, in all attempts."""
    data, out = write_class_folders(tmp_path / "data", 60), tmp_path / "out"
    told = ["run", "--source", data, "--task", "images", "--option", "size=16", "--epochs", 2, "--batch-size", 8]
    told += ["--threads", 1, "--window-size", "1Mi", "--out", out]

    def sent_with(most: int) -> tuple[int, int]:
        code = main([str(word) for word in (*told, "--max-requests", most)])
        records = (read_record(out / "list.json", StepRecord), read_record(out / "run.json", RunRecord))
        return code, sum(each.meters.count().sent for each in records)

    code, listed = sent_with(40)
    assert code == 77
    assert listed <= 40
    assert "--max-requests 40 are made" in capsys.readouterr().err
    assert sent_with(90) == (77, 90)


def test_a_listing_asks_for_no_more_either(job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path) -> None:
    server, wire = s3
    server.objects |= {f"data/plain/{number:05}.png": b"x" for number in range(2500)}  # pages of the listing
    assert job("--max-requests", 2, "--max-files", 3000) == 77
    assert len(wire.asked) == 2


@pytest.mark.parametrize(
    ("limit", "code"), [(("--max-hours", 3 / 3600), 76), (("--max-usd", 3, "--node-usd-per-hour", 3600), 77)]
)
def test_a_listing_that_takes_long_is_stopped_too(
    s3: tuple[OwnS3, Wire], tmp_path: Path, limit: tuple[object, ...], code: int
) -> None:
    wire, out = s3[1], tmp_path / "out"

    async def silent(asked: Asked) -> None:
        await asyncio.sleep(300 if asked.kind == "LIST" else 0)

    wire.meddle = silent
    process = Forked(words(wire, out, *limit), forks_children=True)
    assert process.wait(120) == code
    assert "`list` did not come to its end" in process.output()[1]
    assert [each.ended for each in read_record(out / "attempts.json", AttemptsRecord).attempts] == ["interrupted"]
    assert not processes_of(out)
    wire.meddle = lambda asked: None
    assert main(words(wire, out, *PRICED)) == 0
    assert_one_bill(out, wire)


def test_storing_samples_is_within_the_limits_too(s3: tuple[OwnS3, Wire], tmp_path: Path) -> None:
    wire, out = s3[1], tmp_path / "out"
    told = words(wire, out, "--mode", "preprocess", *PRICED)
    assert Forked([*told, "--max-requests", 30], forks_children=True).wait(120) == 77
    assert len(wire.asked) == 30

    async def silent(asked: Asked) -> None:
        await asyncio.sleep(300 if asked.kind == "GET" else 0)

    wire.meddle = silent
    process = Forked([*told, "--max-hours", 6 / 3600], forks_children=True)
    assert process.wait(120) == 76
    assert "`pack` did not come to its end" in process.output()[1]
    wire.meddle = lambda asked: None
    assert main(told) == 0
    bill = read_record(out / "cost.json", CostReport)
    assert round(1000 * sum(line.quantity for line in bill.lines if line.unit == "1000 requests")) == len(wire.asked)


def test_a_killed_run_counts_what_it_had_asked_for(job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path) -> None:
    wire, out = s3[1], tmp_path / "out"

    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.05)

    wire.meddle = slow
    limits = (*PRICED, "--max-requests", 120, "--max-usd", 50, "--in-flight", 2)
    process = run_until_saved(words(wire, out, *limits), out, 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while processes_of(out):
        pass
    wire.meddle = lambda asked: None
    assert job(*limits) in (0, 77)
    assert len(wire.asked) <= 120
    assert job(*limits, "--max-requests", 9000) == 0
    assert_one_bill(out, wire, unseen=3, killed=1)


def test_a_run_that_is_killed_twice_and_resumed_twice_has_one_bill(
    job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path
) -> None:
    """Attempts and the time between them are the clock's; requests and bytes count once; what was lost has a cost."""
    wire, out = s3[1], tmp_path / "out"

    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.02)

    wire.meddle = slow
    began = datetime.now(UTC)
    for step in (1, 3):
        process = run_until_saved(words(wire, out, *PRICED, "--in-flight", 2), out, step)
        process.send_signal(signal.SIGKILL)
        process.wait()
        while processes_of(out):
            pass
    wire.meddle = lambda asked: None
    assert job(*PRICED) == 0
    took = (datetime.now(UTC) - began).total_seconds()
    assert_one_bill(out, wire, unseen=2 * 3, killed=2)
    bill = read_record(out / "cost.json", CostReport)
    *lost, last = bill.attempts
    assert [each.ended for each in lost] == ["killed", "killed"]
    assert last.ended == "succeeded"
    assert bill.idle_seconds is not None
    assert 0 < sum(each.seconds for each in bill.attempts) + bill.idle_seconds <= took
    assert bill.failed_attempts_usd is not None
    assert bill.failed_attempts_usd > 0
    assert math.isclose(bill.failed_attempts_usd, sum(each.seconds for each in lost) / 3600, rel_tol=0.01)  # a dollar/h
    records: dict[str, type[Any]] = {"list": StepRecord, "run": RunRecord, "evaluation": Evaluation}
    found = [read_record(out / f"{name}.json", kind) for name, kind in records.items()]
    unread = wire.body_bytes - sum(each.meters.bytes_downloaded for each in found)
    assert 0 <= unread <= 2 * 3 * max(map(len, s3[0].objects.values())), "what was on its way when it was killed"


def test_a_job_that_is_killed_behind_its_training_was_killed_and_a_report_by_hand_bills_all_of_it(
    job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path
) -> None:
    wire, out = s3[1], tmp_path / "out"
    record = out / "run.json"

    async def slow(asked: Asked) -> None:
        trained = record.exists() and read_record(record, RunRecord).state == "succeeded"
        await asyncio.sleep(60 if trained else 0)

    wire.meddle = slow
    process = Forked(words(wire, out, *PRICED))
    while not record.exists() or read_record(record, RunRecord).state != "succeeded":
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    while processes_of(out):
        pass
    wire.meddle = lambda asked: None
    assert job(*PRICED) == 0
    bill = read_record(out / "cost.json", CostReport)
    assert [each.ended for each in bill.attempts] == ["killed", "succeeded"]
    assert bill.failed_attempts_usd is not None
    assert math.isclose(bill.failed_attempts_usd, bill.attempts[0].seconds / 3600, rel_tol=0.01)
    told = ["report", "--run-record", record, "--evaluation", out / "evaluation.json", *PRICED]
    told += ["--step-record", out / "list.json", "--html", tmp_path / "by-hand.html", "--cost", tmp_path / "cost.json"]
    assert main([str(word) for word in told]) == 0
    by_hand = read_record(tmp_path / "cost.json", CostReport)
    assert [each.ended for each in by_hand.attempts] == ["killed", "succeeded"]
    lines = {line.what: line.quantity for line in by_hand.lines}
    assert {line.what for line in bill.lines} <= lines.keys()
    assert all(lines[line.what] >= line.quantity for line in bill.lines if line.item != "node")
    hours = [sum(line.quantity for line in each.lines if line.item == "node") for each in (bill, by_hand)]
    assert hours[0] < hours[1], "drawing the page came after the job's own bill"


def test_dollars_that_are_spent_stop_a_run_which_goes_on_with_more(
    job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job(*PRICED, "--max-usd", "1e-9") == 77
    told = capsys.readouterr().err
    assert "--max-usd 1e-09" in told
    assert "after step 0, saved as" in told
    assert "is spent" in told  # the warning
    bill = read_record(tmp_path / "out" / "cost.json", CostReport)
    assert bill.total_usd > 0
    assert read_record(tmp_path / "out" / "run.json", RunRecord).state == "interrupted"
    assert job(*PRICED, "--max-usd", "1e-9") == 77  # the same again does no step
    assert saved_step(tmp_path / "out" / "checkpoints") == 0
    assert job(*PRICED, "--max-usd", 1000) == 0
    assert_one_bill(tmp_path / "out", s3[1])


def test_dollars_in_requests_are_not_gone_over(job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path) -> None:
    """Where the node costs nothing it is the requests that do: 0.0004 USD are 1,000 GETs."""
    free = ("--node-usd-per-hour", 0, "--source-prices", "s3")
    assert job(*free, "--max-usd", "0.000013") == 77  # a LIST is 0.000005: 20 GETs are left
    bill = read_record(tmp_path / "out" / "cost.json", CostReport)
    assert 0 < bill.total_usd <= Decimal("0.000013")
    assert sum(asked.kind == "GET" for asked in s3[1].asked) <= 20


def test_a_run_that_waits_is_stopped_too(job: Run, s3: tuple[OwnS3, Wire], tmp_path: Path) -> None:
    """Nothing comes from the source, and nobody sends a signal."""
    wire = s3[1]

    async def silent(asked: Asked) -> None:
        if asked.kind == "GET" and saved_step(tmp_path / "out" / "checkpoints") >= 0:
            await asyncio.sleep(300)

    wire.meddle = silent
    assert job("--max-hours", 4 / 3600) == 76
    assert read_record(tmp_path / "out" / "run.json", RunRecord).state == "interrupted"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--max-usd", "5"], "the node has no price: state its rate with --node-usd-per-hour"),
        (["--max-usd", "5", "--instance-type", "p99.huge"], "'p99.huge' has no price"),
        (["--max-usd", "-1"], "'-1'"),
        (["--max-usd", "nan"], "'nan'"),
        (["--max-requests", "1.5"], "'1.5'"),
    ],
)
def test_limits_that_cannot_be_watched_are_refused(
    job: Run, s3: tuple[OwnS3, Wire], capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert job(*more) == 2
    assert told in capsys.readouterr().err
    assert not s3[1].asked


@pytest.mark.parametrize("place", ["folder", "store"])
def test_steps_that_another_pipeline_does_again_count_each_request_once(
    s3: tuple[OwnS3, Wire], tmp_path: Path, place: str
) -> None:
    server, wire = s3
    root = str(tmp_path / "runs") if place == "folder" else "s3://bucket/runs"
    files = ("--manifest", tmp_path / "manifest.parquet", "--plan", tmp_path / "plan.json")
    source = ("--source", "s3://bucket/data", "--endpoint-url", wire.url, "--task", "images", "--option", "size=16")
    probe = ("--window-size", "1Mi", "--samples", 8, "--record", tmp_path / "probe.json")
    for pipeline in (("--run-id", "first"), ("--run-id", "second", "--continue-run", "first")):
        own = (*files, "--run-root", root, "--run-endpoint-url", wire.url, *pipeline)
        assert main([str(word) for word in ("list", *source, *own)]) == 0
        assert main([str(word) for word in ("prefetch", *probe, *own)]) == 0
    found = []
    for step in ("list", "prefetch"):
        key = f"runs/first/records/{step}.json"
        kept = server.objects[key] if place == "store" else (tmp_path / key).read_bytes()
        found.append(decode_record(kept, StepRecord, origin=key).meters)
    told = {kind: sum(each.count(kind).sent for each in found) for kind in ("GET", "PUT", "LIST", "DELETE")}
    assert {kind: number for kind, number in told.items() if number} == wire.counts()


@pytest.mark.parametrize("place", ["folder", "store"])
def test_what_a_forecast_requests_is_in_the_bill_and_counts_for_the_limits(
    s3: tuple[OwnS3, Wire], tmp_path: Path, place: str
) -> None:
    _, wire = s3
    root = str(tmp_path / "runs") if place == "folder" else "s3://bucket/runs"
    run = ("--run-root", root, "--run-endpoint-url", wire.url, "--run-id", "r")
    files = ("--manifest", tmp_path / "manifest.parquet", "--plan", tmp_path / "plan.json")

    def does(*step: object) -> int:
        return main([str(word) for word in (*step, *run)])

    source = ("--source", "s3://bucket/data", "--endpoint-url", wire.url, "--task", "images", "--option", "size=16")
    assert does("list", *source, *files) == 0
    assert does("forecast", *files, "--probe", "2s", *PRICED) == 0
    probed = sum(asked.kind == "GET" and asked.key.startswith("data/") for asked in wire.asked)
    assert probed > 20
    asked = [each for each in wire.asked if each.kind != "DELETE"]
    cost = tmp_path / "cost.json"
    assert does("report", "--html", tmp_path / "report.html", "--cost", cost, *PRICED) == 0
    lines = {line.what: line.quantity for line in read_record(cost, CostReport).lines if line.unit == "1000 requests"}
    assert lines["GET and HEAD requests (probe)"] * 1000 == probed
    assert sum(lines.values()) * 1000 == sum(each.kind != "DELETE" for each in wire.asked)  # the report's own too

    assert does("train", *files, "--record", tmp_path / "run.json", "--max-requests", len(asked)) == 77
    assert sum(each.kind == "GET" and each.key.startswith("data/") for each in wire.asked) == probed

"""What attempts cost: each by its own node to its last sign of life, idle time apart."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.measured_feed import feed_of
from penstock.cost.node_time import idle_seconds, spans_of
from penstock.errors import RecordError
from penstock.records import (
    AttemptRecord,
    AttemptsRecord,
    CostReport,
    DatasetSize,
    Ended,
    Host,
    Meters,
    RequestCount,
    RunRecord,
    Saves,
    StepRecord,
    Volume,
    decode_record,
    encode_record,
    joined_attempts,
    time_text,
)
from support.runs import make_evaluation, make_list_step, make_run

BEGIN = datetime(2026, 11, 21, 10, tzinfo=UTC)
GIB = 1 << 30


def host(kind: str | None = "g5.xlarge", **more: Any) -> Host:
    return Host(num_cpus=4, device="cpu", num_devices=0, instance_type=kind, **more)


def attempt(step: str, begin: float, end: float, ended: Ended = "succeeded", **more: Any) -> AttemptRecord:
    """Return an attempt from one second to another."""
    began, last = (time_text(BEGIN + timedelta(seconds=each)) for each in (begin, end))
    fields = {"id": f"{step}-{begin}", "host": host(), **more}
    return AttemptRecord(step=step, started_at=began, ended_at=last, ended=ended, **fields)


def cost_of(
    run: RunRecord, *attempts: AttemptRecord, steps: Any = (), evaluation: Any = None, **more: Any
) -> CostReport:
    setting = CostSetting(**{"today": date(2026, 11, 21), **more})
    return bill(run, steps=steps, evaluation=evaluation, prices=load_prices(), setting=setting, attempts=attempts)


def hours(report: CostReport) -> dict[str, tuple[str, Decimal, Decimal | None]]:
    return {line.what: (line.item, line.quantity, line.usd) for line in report.lines if line.unit == "hour"}


def test_each_step_is_billed_by_the_node_that_it_ran_on() -> None:
    """Where the pipeline listed on a cheap node, trained on a spot one elsewhere and evaluated on a third."""
    gpu = host("p5en.48xlarge", region="us-east-2", lifecycle="spot")
    report = cost_of(
        make_run(host=gpu, wall_seconds=3600.0),
        attempt("list", 0, 1800, host=host("m5.xlarge", lifecycle="on-demand")),
        attempt("train", 3600, 7200, host=gpu),
        attempt("evaluate", 7200, 9000, host=host("g5.xlarge", lifecycle="on-demand")),
        steps=[make_list_step(wall_seconds=1700.0)],
        evaluation=make_evaluation(wall_seconds=1000.0),
    )
    found = hours(report)
    assert found["Training node, stall included"] == ("p5en.48xlarge", 1, Decimal("26.5714"))
    assert found["Node of the list step"] == ("m5.xlarge", Decimal("0.5"), Decimal("0.096"))
    assert found["Node of the evaluate step"] == ("g5.xlarge", Decimal("0.5"), Decimal("0.503"))


def test_a_node_of_which_nothing_is_known_is_the_trainings_only_where_it_may_be() -> None:
    run = make_run(host=host("g5.xlarge", node="gpu-1"), wall_seconds=3600.0)
    same = cost_of(run, attempt("list", 0, 3600, host=host(None, node="gpu-1")))
    assert hours(same)["Node of the list step"][0] == "g5.xlarge"
    other = cost_of(run, attempt("list", 0, 3600, host=host(None, node="cpu-7")))
    assert hours(other)["Node of the list step"] == ("node", 1, None)
    assert any("list step is another one than the training's" in warning for warning in other.warnings)


def test_attempts_and_idle_time_are_the_clock() -> None:
    """A run that was killed twice: what it did in between is billed to the last sign of life, the rest is idle."""
    attempts = [
        attempt("run", 0, 100, "killed", seconds={"list": 20.0, "train": 70.0}),
        attempt("run", 160, 200, "failed", seconds={"train": 35.0}),
        attempt("run", 300, 400, seconds={"train": 60.0, "evaluate": 20.0, "report": 10.0}),
    ]
    run = make_run(wall_seconds=120.0, num_resumes=2)
    report = cost_of(run, *attempts, node_usd_per_hour=3.6)
    usd = {what: float(usd or 0) for what, (_, _, usd) in hours(report).items()}
    assert usd == pytest.approx(
        {
            "Training node, stall included": 0.165,
            "Node of the list step": 0.02,
            "Node of the evaluate step": 0.02,
            "Node of the report step": 0.01,
            "Node while the job began and ended": 0.025,
        }
    )
    assert report.idle_seconds == 160
    assert sum(each.seconds for each in report.attempts) + report.idle_seconds == 400
    assert [each.usd for each in report.attempts] == [Decimal("0.1"), Decimal("0.04"), Decimal("0.1")]
    assert report.failed_attempts_usd == Decimal("0.14")
    assert any("which is not billed: --bill-idle bills it" in text for text in report.assumptions)
    kept = cost_of(run, *attempts, node_usd_per_hour=3.6, bill_idle=True)
    assert kept.total_usd - report.total_usd == Decimal("0.16")


def test_time_between_attempts_is_no_time_of_pods_side_by_side() -> None:
    assert idle_seconds([]) is None
    assert idle_seconds([attempt("list", 0, 10), attempt("train", 5, 20), attempt("evaluate", 30, 31)]) == 10


def test_clocks_that_were_set_are_told() -> None:
    back, year = attempt("train", 3600, 0), attempt("train", 0, 400 * 86_400)
    assert "ended before it began, by its node's clock: its time is not in the total" in _warned(back)
    assert "took more than a year, by its node's clock: it is billed so" in _warned(year)
    assert "clock" not in _warned(attempt("train", 0, 3600))


def _warned(one: AttemptRecord) -> str:
    return " ".join(cost_of(make_run(), one).warnings)


def test_what_is_free_is_not_told_to_be_another_regions() -> None:
    setting = CostSetting(
        today=date(2026, 11, 28), source_prices="s3", region="eu-central-1", instance_type="g5.xlarge"
    )
    report = bill(make_run(), steps=[], evaluation=None, prices=load_prices(), setting=setting)
    assert any(line.item == "transfer-same-region" for line in report.lines)
    assert not [text for text in report.warnings if "same-region" in text]


def test_a_record_of_an_older_release_is_billed_by_its_hours() -> None:
    run = make_run(wall_seconds=3600.0)
    body = msgspec.json.decode(encode_record(run))
    for name in ("attempts", "unfinished_stall_seconds", "unfinished_compute_seconds", "window_disk", "dataset"):
        del body[name]
    old = decode_record(msgspec.json.encode(body), RunRecord)
    report = cost_of(old, steps=[make_list_step(wall_seconds=360.0)], evaluation=make_evaluation(wall_seconds=36.0))
    assert [float(quantity) for _, quantity, _ in hours(report).values()] == pytest.approx([1, 0.1, 0.01])
    assert (report.attempts, report.idle_seconds, report.failed_attempts_usd) == ((), None, None)


def test_what_is_known_of_only_the_last_attempt_leaves_the_others_time_in_the_bill() -> None:
    spans = spans_of(make_run(wall_seconds=500.0), steps=[], evaluation=None, attempts=[attempt("train", 0, 200)])
    assert sum(span.seconds for span in spans) == pytest.approx(500)


def test_the_latest_sign_of_life_counts() -> None:
    early, late = attempt("train", 0, 10, "killed", id="a"), attempt("train", 0, 30, "succeeded", id="a")
    assert joined_attempts([late], [early]) == joined_attempts([early], [late]) == (late,)


def test_ranks_on_several_nodes_are_billed_for_each() -> None:
    run = make_run(wall_seconds=3600.0)
    report = cost_of(run, attempt("train", 0, 3600, num_nodes=4))
    assert hours(report)["Training nodes (4), stall included"][1] == 4
    assert report.attempts[0].usd == 4 * Decimal("1.006")


_step = st.sampled_from(["list", "train", "evaluate", "run"])
_kinds = st.sampled_from([None, "g5.xlarge", "m5.xlarge", "p5en.48xlarge", "m99.none"])


@given(
    attempts=st.lists(
        st.tuples(_step, st.integers(0, 10**6), st.integers(0, 10**5), _kinds, st.integers(1, 4)), max_size=6
    ),
    wall_seconds=st.floats(0, 10**6),
    seed=st.integers(0, 3),
)
def test_lines_add_up_to_the_total_whatever_attempts_there_were(
    attempts: list[tuple[str, int, int, str | None, int]], wall_seconds: float, seed: int
) -> None:
    found = [
        attempt(step, begin, begin + lasted, "killed", id=str(number), host=host(kind), num_nodes=nodes)
        for number, (step, begin, lasted, kind, nodes) in enumerate(attempts)
    ]
    meters = Meters(
        bytes_downloaded=seed * GIB,
        refetched_bytes=seed * GIB // 2,
        retried_requests=seed,
        requests=tuple(
            RequestCount(kind=kind, purpose=purpose, sent=seed, answers_2xx=seed)
            for kind, purpose in (("GET", "data"), ("LIST", "listing"), ("PUT", "checkpoint"), ("GET", "probe"))
        ),
    )
    run = make_run(wall_seconds=wall_seconds, meters=meters, checkpoint="s3://b/c.pt", saves=Saves(kept_bytes=GIB))
    report = cost_of(run, *found, bill_idle=bool(seed % 2))
    assert report.total_usd == sum((line.usd for line in report.lines if line.usd is not None), Decimal(0))
    assert decode_record(encode_record(report), CostReport) == report
    for part in (report.stall_usd, report.failed_attempts_usd, report.retries_usd, report.refetched_usd):
        assert part is None or part >= 0
    assert (report.retries_usd or 0) + (report.refetched_usd or 0) <= report.total_usd


def test_requests_are_billed_by_purpose_and_to_whom_they_went() -> None:
    """A source on another server has no price; checkpoints in S3 have."""
    lines = [("GET", "data", 9000), ("LIST", "listing", 4), ("GET", "probe", 70), ("PUT", "checkpoint", 2000)]
    meters = Meters(
        sample_bytes=1,
        requests=tuple(
            RequestCount(kind=kind, purpose=purpose, sent=number, answers_2xx=number) for kind, purpose, number in lines
        ),
    )
    config = {"source": "s3://b/p", "endpoint-url": "http://127.0.0.1:9000", "checkpoints": "s3://mine/runs"}
    report = cost_of(make_run(config=config, meters=meters, saves=Saves(kept_bytes=10 * GIB), wall_seconds=7200.0))
    found = {line.what: line.usd for line in report.lines if "requests" in line.what or "Storage" in line.what}
    assert found == {
        "GET and HEAD requests (data)": None,
        "LIST requests (listing)": None,
        "GET and HEAD requests (probe)": None,
        "PUT requests (checkpoints)": Decimal("0.01"),
        "Storage of checkpoints": Decimal("0.0006388889"),
    }
    assert report.monthly_usd == Decimal("0.23")
    assert any("kept on cost $0.23 a month" in text for text in report.assumptions)


@pytest.mark.parametrize(
    ("volume", "disk", "item"),
    [
        (Volume(kind="memory", filesystem="tmpfs"), "usual", None),
        (Volume(kind="local", filesystem="xfs", device="Amazon EC2 NVMe Instance Storage"), "usual", None),
        (Volume(kind="block", filesystem="ext4", device="Amazon Elastic Block Store"), "usual", "gp3"),
        (Volume(kind="unknown", filesystem="ext4"), "usual", "gp3"),
        (None, "usual", "gp3"),
        (Volume(kind="network", filesystem="nfs4"), "usual", "disk"),
        (Volume(kind="memory", filesystem="tmpfs"), "io2", "io2"),
        (Volume(kind="block", filesystem="ext4"), "node", None),
    ],
)
def test_the_windows_disk_is_billed_as_it_was(volume: Volume | None, disk: str, item: str | None) -> None:
    report = cost_of(make_run(window_disk=volume), disk=disk)
    assert [line.item for line in report.lines if line.unit == "GiB-hour"] == ([item] if item else [])
    if volume and volume.kind == "network":
        assert report.unpriced == ("Disk of the window",)
        assert any("nfs4" in warning and "--window-disk" in warning for warning in report.warnings)


def test_waiting_is_counted_in_unfinished_epochs_validations_and_the_evaluation() -> None:
    run = make_run(num_epochs=1, wall_seconds=3600.0, unfinished_stall_seconds=100.0)
    first = msgspec.structs.replace(run.epochs[0], stall_seconds=20.0, valid_stall_seconds=5.0)
    run = msgspec.structs.replace(run, epochs=(first,))
    evaluation = make_evaluation(wall_seconds=100.0, stall_seconds=40.0)
    report = cost_of(run, evaluation=evaluation, node_usd_per_hour=36)
    assert report.stall_usd == Decimal("1.65")


def test_what_was_made_and_what_was_in_vain_have_their_figures() -> None:
    meters = Meters(
        bytes_downloaded=100 * GIB,
        refetched_bytes=25 * GIB,
        sample_bytes=50 * GIB,
        retried_requests=300,
        hedged_requests=100,
        requests=(RequestCount(kind="GET", purpose="data", sent=10_000, answers_2xx=9_800, answers_5xx=200),),
    )
    run = make_run(num_epochs=2, steps_per_epoch=10, wall_seconds=3600.0, meters=meters, unfinished_samples=160)
    report = cost_of(run, node_usd_per_hour=1, transfer="nat")
    gets = Decimal("9.8") * Decimal("0.0004")
    assert report.retries_usd == (gets * 200 / 9800).quantize(Decimal("1e-10")).normalize()
    assert report.refetched_usd == (gets + Decimal("4.5")) / 4
    assert report.epoch_usd == report.total_usd / Decimal("2.5")
    assert float(report.thousand_samples_usd or 0) == pytest.approx(float(report.total_usd) / 0.8)
    assert float(report.gib_usd or 0) == pytest.approx(float(report.total_usd) / 50)


def test_an_interrupted_run_has_the_bytes_of_an_epoch_that_its_manifest_has() -> None:
    """It handed over half an epoch more, and steps that were done again."""
    meters = Meters(bytes_downloaded=40 * GIB, sample_bytes=25 * GIB)
    size = DatasetSize(epoch_bytes=10 * GIB, num_objects=100, object_bytes=12 * GIB)
    run = make_run(num_epochs=2, meters=meters, unfinished_samples=1000, dataset=size)
    feed = feed_of(run, steps=[])
    assert feed is not None
    assert feed.epoch_bytes == 10 * GIB
    assert feed.moved_bytes == 32 * GIB, "of 40, as 20 of the 25 that were handed over are of the two epochs"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("started_at", "yesterday", "Invalid isoformat string"),
        ("ended_at", "2026-11-21T10:00:00", "does not say in which time zone"),
        ("num_nodes", 0, "1 node or more"),
        ("seconds", {"train": -1.0}, "took no time below 0"),
    ],
)
def test_an_attempt_that_cannot_have_been_is_refused(name: str, value: Any, told: str) -> None:
    fields = msgspec.to_builtins(AttemptsRecord(attempts=(attempt("train", 0, 60),)))
    fields["attempts"][0][name] = value
    text = json.dumps({"record": "attempts", "version": 1, **fields})
    with pytest.raises(RecordError, match=told):
        decode_record(text, AttemptsRecord)


def test_attempts_on_nodes_of_one_kind_have_one_line() -> None:
    """A retry in a cluster is mostly on another node."""
    first, second = (host("g5.xlarge", node=name) for name in ("gpu-1", "gpu-2"))
    run = make_run(host=first, wall_seconds=10800.0)
    same = cost_of(run, attempt("train", 0, 3600, "killed", host=first), attempt("train", 3700, 10900, host=second))
    assert hours(same)["Training node, stall included"] == ("g5.xlarge", 3, Decimal("3.018"))
    assert sum(line.unit == "hour" for line in same.lines) == 1


def test_a_step_that_left_no_record_is_told_to_be_left_out() -> None:
    run = make_run(wall_seconds=3600.0)
    killed = attempt("evaluate", 3600, 4000, "killed")
    report = cost_of(run, attempt("train", 0, 3600), killed)
    assert any(text.startswith("The evaluate step left no record of what it requested") for text in report.warnings)
    for more in ({"evaluation": make_evaluation()}, {"steps": [stopped()]}):
        told = cost_of(run, attempt("train", 0, 3600), killed, **more)
        assert not any("left no record" in text for text in told.warnings)


def stopped() -> StepRecord:
    """Return what is left of an evaluation that was stopped."""
    requests = (RequestCount(kind="GET", purpose="data", sent=5, answers_2xx=5),)
    return msgspec.structs.replace(make_list_step(), step="stopped evaluate", meters=Meters(requests=requests))

"""The pod that looks from inside: how it is made, and what its end means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.cli import build_parser
from penstock.doctor.inside import Probe, findings_of_log, job_of, trouble_of
from penstock.manifest import SourceSpec
from penstock.records import Finding, Readiness, encode_record
from penstock.steps._shared.common import source_from
from unit.doctor.recordings import recorded

SOURCE = SourceSpec.of(
    "s3://bucket/prefix", endpoint_url="http://s3.example:9000", region="eu-central-1", requester_pays=True
)


def probe(**changes: Any) -> Probe:
    given: dict[str, Any] = {"secret": None, "service_account": None, "source": SOURCE} | changes
    return Probe(namespace="training", image="penstock:dev", timeout_seconds=60.0, **given)


@pytest.mark.parametrize("source", [SOURCE, SourceSpec.of("s3://bucket", anonymous=True)])
def test_pod_looks_at_the_very_source(source: SourceSpec) -> None:
    (container,) = job_of(probe(source=source), "a")["spec"]["template"]["spec"]["containers"]
    program, *words = container["command"]
    args = build_parser(["doctor"]).parse_args(words)
    assert (program, args.step, args.here, args.json) == ("penstock", "doctor", True, True)
    assert source_from(args.source, args) == source


def test_job_goes_by_itself_whatever_becomes_of_whoever_made_it() -> None:
    spec = job_of(probe(), "a")["spec"]
    assert spec["ttlSecondsAfterFinished"] <= 60
    assert 60 <= spec["activeDeadlineSeconds"] <= 120
    assert spec["backoffLimit"] == 0


def test_credentials_are_named_and_never_held() -> None:
    spec = job_of(probe(secret="reader", service_account="trainer"), "a")["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "trainer"
    assert spec["containers"][0]["envFrom"] == [{"secretRef": {"name": "reader"}}]
    assert "env" not in spec["containers"][0]
    assert not spec["automountServiceAccountToken"]


def test_recorded_pod_whose_image_cannot_be_pulled() -> None:
    trouble = trouble_of(recorded("pod-back-off"))
    assert trouble is not None
    assert "ImagePullBackOff" in trouble.found
    assert "--image" in trouble.fix


def test_recorded_pod_that_may_yet_be_scheduled_is_no_trouble() -> None:
    assert trouble_of(recorded("pod-unschedulable")) is None


def answer(*found: Finding) -> str:
    return encode_record(Readiness(findings=found)).decode()


HERE = Finding(place="bucket", check="access from here", state="missing", found="no", fix="do")
ELSE = Finding(place="machine", check="torch", state="note", found="none", fix="install")


def test_bucket_as_the_pod_sees_it_is_told_and_its_machine_is_not() -> None:
    log = f"{answer(ELSE, HERE)}penstock doctor: error: 1 essential of 2 checks failed\n"
    (found,) = findings_of_log(log)
    assert (found.check, found.state, found.fix) == ("access from inside", "missing", "do")


def test_warnings_before_the_answer_do_not_matter() -> None:
    assert len(findings_of_log(f"2026-01-01 warning: x\n{answer(HERE)}")) == 1


@pytest.mark.parametrize(
    "log", ["", "exec: penstock: not found", "{broken", json.dumps({"record": "readiness", "version": 99})]
)
def test_answer_that_is_none_is_told_as_such(log: str) -> None:
    (found,) = findings_of_log(log)
    assert (found.place, found.state) == ("bucket", "unknown")
    assert "--image" in found.fix
